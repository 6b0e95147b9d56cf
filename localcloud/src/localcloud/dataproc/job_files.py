"""The files of a job on their way into the driver's working directory."""

from __future__ import annotations

import shutil
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from localcloud.dataproc.engine import EngineError
from localcloud.errors import ApiError

_ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".jar")


@dataclass(frozen=True)
class JobFiles:
    """Where a job's files are. `archives` are (packed file, directory with its content)."""

    main: Path
    python: list[Path] = field(default_factory=list)
    plain: list[Path] = field(default_factory=list)
    jars: list[Path] = field(default_factory=list)
    archives: list[tuple[Path, Path]] = field(default_factory=list)

    @property
    def python_path(self) -> list[str]:
        """Entries of the module search path that the job's Python files ask for."""
        entries = [str(path.parent if path.suffix == ".py" else path) for path in self.python]
        return list(dict.fromkeys(entries))


class FileFetcher:
    """Fetches files that a job names by URI."""

    def __init__(self, storage: Any) -> None:
        """Read gs:// URIs from `storage`."""
        self._storage = storage

    def fetch_all(self, description: dict[str, Any], work: Path) -> JobFiles:
        """Put the files of a pysparkJob into `work`. Raises EngineError naming what is missing or not readable."""
        return JobFiles(
            main=self._fetch(description["mainPythonFileUri"], work),
            python=[self._fetch(uri, work) for uri in description.get("pythonFileUris", ())],
            plain=[self._fetch(uri, work) for uri in description.get("fileUris", ())],
            jars=[self._fetch(uri, work) for uri in description.get("jarFileUris", ())],
            archives=[self._unpack(uri, work) for uri in description.get("archiveUris", ())],
        )

    def _fetch(self, uri: str, work: Path) -> Path:
        """Put the file at `uri` into `work`, under its own name or the alias after `#`."""
        location, _, alias = uri.partition("#")
        file_name = alias or location.rpartition("/")[2]
        if file_name in ("", ".", "..") or "/" in file_name:
            raise EngineError(f"Invalid file '{uri}': it does not end in a file name.")
        target = work / file_name
        parts = urlsplit(location)
        if parts.scheme == "gs":
            target.write_bytes(self._read_object(uri, parts.netloc, location.split("/", 3)[3] if parts.path else ""))
        elif parts.scheme in ("", "file"):
            source = Path(unquote(parts.path))
            if not source.is_file():
                raise EngineError(
                    f"File not found: {uri} (no such file on this machine, which stands in for the cluster)."
                )
            shutil.copyfile(source, target)
        else:
            raise EngineError(f"Cannot read '{uri}': the local cluster reads gs:// and file: URIs only.")
        return target

    def _read_object(self, uri: str, bucket: str, name: str) -> bytes:
        try:
            return self._storage.read_object(bucket, name)
        except ApiError as problem:
            raise EngineError(f"File not found: {uri} ({problem.message})") from problem

    def _unpack(self, uri: str, work: Path) -> tuple[Path, Path]:
        """Unpack an archive into a directory of its name (or alias), as Spark does."""
        if not uri.partition("#")[0].endswith(_ARCHIVE_SUFFIXES):
            raise EngineError(f"Invalid archive '{uri}', expected one of: {', '.join(_ARCHIVE_SUFFIXES)}.")
        archive = self._fetch(uri, work)
        # Spark knows the kind of an archive by its name, which an alias hides.
        original = uri.partition("#")[0].rpartition("/")[2]
        packed_directory = work.parent / "archives"
        packed_directory.mkdir(exist_ok=True)
        packed = archive.replace(packed_directory / original)
        archive.mkdir()
        try:
            if tarfile.is_tarfile(packed):
                with tarfile.open(packed) as opened:
                    opened.extractall(archive, filter="data")
            else:
                shutil.unpack_archive(packed, archive, "zip")
        except (tarfile.TarError, shutil.ReadError, OSError) as problem:
            raise EngineError(f"Cannot unpack archive '{uri}': {problem}") from problem
        return packed, archive
