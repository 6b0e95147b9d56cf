"""First in every archive: makes this archive's own library the one that its DAG files get. Defines no DAG itself.

One Airflow process may load several archives, or one archive twice with another release in it, and Python keeps modules
by name. So the library, and whatever else is in this archive, is forgotten here, before the DAG files are imported.

The library is imported from a copy beside other temporary files, made once per content. From an archive Python compiles
each module anew in every process, and twice; and a task that runs on while the next release takes the archive's place
keeps its own library. Where no copy can be kept, the archive itself is read, as without this file.

Airflow looks only into files that hold the words airflow and dag, as this one does.
"""

import hashlib
import importlib
import os
import shutil
import stat
import sys
import tempfile
import time
import zipfile
import zipimport
from pathlib import Path

_ARCHIVE = str(Path(__file__).parent)
_LIBRARY = "dataplatform_dask"
# No task runs this long: what nobody has loaded since then is of a release that is gone.
_KEPT_SECONDS = 7 * 86400


def _forget(archive: zipfile.ZipFile) -> None:
    """Let modules be imported again that came from an archive, this or another, and have a name that this one has."""
    ours = {file.filename.partition("/")[0].removesuffix(".py") for file in archive.infolist()}
    # By name first: to look at each of the thousands of modules copies the memory that processes share after a fork.
    for name in [name for name in list(sys.modules) if name.partition(".")[0] in ours and name != __name__]:
        packaged = isinstance(getattr(sys.modules[name], "__loader__", None), zipimport.zipimporter)
        if packaged or name.partition(".")[0] == _LIBRARY:
            del sys.modules[name]
    importlib.invalidate_caches()


def _import_library(archive: zipfile.ZipFile) -> None:
    """Import the library; raises what that raises, from the archive as from the copy."""
    copy = _copy_of_library(archive)
    places = [] if copy is None else [str(copy)]
    sys.path[:0] = places
    try:
        importlib.import_module(_LIBRARY)
    finally:
        for place in places:
            sys.path.remove(place)


def _copy_of_library(archive: zipfile.ZipFile) -> "Path | None":
    """Return the folder with the library's copy, or None where there is none that only this user can write."""
    files = [file for file in archive.infolist() if file.filename.startswith(f"{_LIBRARY}/")]
    content = repr([(file.filename, file.CRC, file.file_size) for file in files])
    try:
        copy = _private_folder() / hashlib.sha256(content.encode()).hexdigest()
        if not copy.is_dir():
            _unpack(archive, files, copy)
        os.utime(copy)
    except (OSError, zipfile.BadZipFile):
        return None
    return copy


def _private_folder() -> Path:
    folder = Path(tempfile.gettempdir(), f"dataplatform-dags-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise PermissionError(f"{folder} is not a folder of this user's alone")
    return folder


def _unpack(archive: zipfile.ZipFile, files: "list[zipfile.ZipInfo]", copy: Path) -> None:
    """Make the copy at once or not at all, and remove copies that nobody has used for long."""
    for old in copy.parent.iterdir():
        if time.time() - old.lstat().st_mtime > _KEPT_SECONDS:
            shutil.rmtree(old, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=copy.parent, prefix=".unfinished-", ignore_cleanup_errors=True) as unfinished:
        archive.extractall(unfinished, files)
        try:
            Path(unfinished).rename(copy)
        except OSError:
            # Another process was faster; its copy is the same.
            if not copy.is_dir():
                raise


with zipfile.ZipFile(_ARCHIVE) as _archive:
    _forget(_archive)
    _import_library(_archive)
