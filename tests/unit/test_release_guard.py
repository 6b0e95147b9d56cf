"""The first file of every DAG archive: whose library the DAG files get, and where Python reads it from."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

GUARD = Path(__file__).parents[2] / "dags/entry/00_release_guard.py"
DAG_FILE = """
import sys
import dataplatform_dask, helper
from dataplatform_dask import later
print(dataplatform_dask.RELEASE, later.RELEASE, helper.RELEASE, dataplatform_dask.__file__)
assert not [place for place in sys.path if "dataplatform-dags" in place], sys.path
"""
# As Airflow does it, in one process: the archive first on the path, then its files in their order.
LOADER = """
import importlib, sys
for archive in sys.argv[1:]:
    for name in ("release_guard_growth", "dag_file"):
        sys.modules.pop(name, None)
        sys.path.insert(0, archive)
        importlib.import_module(name)
"""


def archive(path: Path, release: str, **more: str) -> Path:
    """An archive of a release whose modules say which it is."""
    files = {
        "release_guard_growth.py": GUARD.read_text(),
        "dag_file.py": DAG_FILE,
        "helper.py": f"RELEASE = {release!r}",
        "dataplatform_dask/__init__.py": f"RELEASE = {release!r}",
        "dataplatform_dask/later.py": f"RELEASE = {release!r}",
        **more,
    }
    with zipfile.ZipFile(path, "w") as package:
        for name, text in files.items():
            package.writestr(name, text)
    return path


def load(temporary: Path, *archives: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Load archives in one process whose temporary files are in a folder of their own."""
    return subprocess.run(
        [sys.executable, "-c", LOADER, *map(str, archives)],
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=check,
    )


def said(done: subprocess.CompletedProcess[str]) -> list[list[str]]:
    """What each DAG file printed: its library's release, the same of a module, a helper's, and the library's file."""
    return [line.split() for line in done.stdout.splitlines()]


def copies(temporary: Path) -> list[Path]:
    """The copies of libraries."""
    return sorted((temporary / f"dataplatform-dags-{os.getuid()}").iterdir())


def test_every_archive_gets_its_own_library_in_one_process(tmp_path: Path) -> None:
    first, second = archive(tmp_path / "first.zip", "one"), archive(tmp_path / "second.zip", "two")
    assert [line[:3] for line in said(load(tmp_path, first, second, first))] == [
        ["one"] * 3,
        ["two"] * 3,
        ["one"] * 3,
    ]


def test_the_library_is_unpacked_once_and_only_this_user_can_write_it(tmp_path: Path) -> None:
    package = archive(tmp_path / "growth.zip", "one")
    [[*_, file]] = said(load(tmp_path, package))
    [copy] = copies(tmp_path)
    assert Path(file) == copy / "dataplatform_dask/__init__.py"
    assert copy.parent.stat().st_mode & 0o777 == 0o700
    made = Path(file).stat().st_ctime_ns
    load(tmp_path, package)
    assert copies(tmp_path) == [copy]
    assert Path(file).stat().st_ctime_ns == made


def test_a_changed_library_of_the_same_release_is_another_copy(tmp_path: Path) -> None:
    package = archive(tmp_path / "growth.zip", "one")
    load(tmp_path, package)
    archive(package, "one", **{"dataplatform_dask/later.py": "RELEASE = 'two'"})
    assert [line[:3] for line in said(load(tmp_path, package))] == [["one", "two", "one"]]
    assert len(copies(tmp_path)) == 2


def test_copies_that_nobody_used_for_long_go_with_the_next(tmp_path: Path) -> None:
    load(tmp_path, archive(tmp_path / "growth.zip", "one"))
    [old] = copies(tmp_path)
    long_ago = time.time() - 8 * 86400
    os.utime(old, (long_ago, long_ago))
    load(tmp_path, archive(tmp_path / "growth.zip", "two"))
    assert old not in copies(tmp_path)
    assert len(copies(tmp_path)) == 1


def test_a_process_that_was_killed_while_unpacking_leaves_nothing_that_is_used(tmp_path: Path) -> None:
    package = archive(tmp_path / "growth.zip", "one")
    unfinished = tmp_path / f"dataplatform-dags-{os.getuid()}" / ".unfinished-x" / "dataplatform_dask"
    unfinished.mkdir(parents=True)
    unfinished.parents[1].chmod(0o700)
    (unfinished / "__init__.py").write_text("")
    [[release, *_]] = said(load(tmp_path, package))
    assert release == "one"


def _readable_by_others(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o755)


def _link_of_somebody(folder: Path) -> None:
    folder.with_name("elsewhere").mkdir(mode=0o700)
    folder.symlink_to("elsewhere")


def _no_folder(folder: Path) -> None:
    folder.write_text("")


@pytest.mark.parametrize("prepare", [_readable_by_others, _link_of_somebody, _no_folder])
def test_a_folder_that_is_not_this_users_alone_is_not_used(tmp_path: Path, prepare: object) -> None:
    package = archive(tmp_path / "growth.zip", "one")
    prepare(tmp_path / f"dataplatform-dags-{os.getuid()}")
    [[release, *_, file]] = said(load(tmp_path, package))
    assert release == "one"
    assert Path(file) == package / "dataplatform_dask/__init__.py"


def test_an_archive_that_is_being_written_is_not_kept(tmp_path: Path) -> None:
    package = archive(tmp_path / "growth.zip", "one", **{"dataplatform_dask/later.py": "RELEASE = 'whole'"})
    package.write_bytes(package.read_bytes().replace(b"'whole'", b"'half!'"))
    [[*_, file]] = said(load(tmp_path, package))
    assert Path(file) == package / "dataplatform_dask/__init__.py"
    assert copies(tmp_path) == []


def test_what_is_wrong_in_the_library_is_said_as_it_is(tmp_path: Path) -> None:
    package = archive(tmp_path / "growth.zip", "one", **{"dataplatform_dask/__init__.py": "import not_there"})
    done = load(tmp_path, package, check=False)
    assert "No module named 'not_there'" in done.stderr


def test_a_running_process_keeps_its_library_when_the_archive_is_replaced(tmp_path: Path) -> None:
    package = archive(tmp_path / "growth.zip", "one")
    later = archive(tmp_path / "later.zip", "two")
    replacing = f"""
import importlib, os, sys
sys.path.insert(0, {str(package)!r})
importlib.import_module("release_guard_growth")
os.replace({str(later)!r}, {str(package)!r})
from dataplatform_dask import later
print(later.RELEASE)
"""
    done = subprocess.run(
        [sys.executable, "-c", replacing],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["one"]
