# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# Plain strings and os.scandir, because trees of 10,000 files and more are walked: no Path object per file.
# ruff: noqa: PTH110, PTH112, PTH115, PTH116, PTH118, PTH123

"""The local side of a tree: walk a directory (or take a map of contents), refuse what must not be uploaded, hash."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_errors import FileChangedError
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_names import (
    PatternList,
    folders_of,
    name_problem,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_plan import WantedFile

try:
    import google_crc32c
except ImportError:
    google_crc32c = None

_BLOCK_BYTES = 1024 * 1024


def scan_directory(source: str, exclude: Sequence[str], object_prefix: str) -> dict[str, WantedFile]:
    """Return every file below a directory by relative name, with size and MD5.

    Symbolic links to files inside the directory are followed. Links that leave it, dangling links, links to folders
    and special files (sockets, pipes, devices) are refused, and so are names Cloud Storage cannot hold; ValidationError
    lists all of them at once. Excluded names are not looked at.
    """
    root = os.path.realpath(source)
    if not os.path.isdir(root):
        what = "is not a directory" if os.path.exists(root) else "does not exist"
        raise ValidationError([f"source {source!r} {what}; expected the directory whose files shall be uploaded"])
    problems: list[str] = []
    found = {}
    for name, path in _walk(root, PatternList(exclude), problems):
        problem = name_problem(name, object_prefix)
        if problem:
            problems.append(f"{_printable(name)} {problem}")
        else:
            found[name] = path
    if problems:
        raise ValidationError([f"source {source!r}: {problem}" for problem in sorted(problems)])
    return {name: _hashed(name, found[name]) for name in sorted(found)}


def wanted_from_content(
    content: Mapping[str, object],
    exclude: Sequence[str],
    object_prefix: str,
    content_base64: Mapping[str, object] | None = None,
) -> dict[str, WantedFile]:
    """Return the files of a map {relative name: text} and of one {relative name: base64 of the bytes}.

    ValidationError lists every bad name and value at once.
    """
    excluded = PatternList(exclude)
    problems = []
    wanted: dict[str, WantedFile] = {}
    sources = [("content", _text_bytes, content), ("content_base64", _decoded, content_base64 or {})]
    for option, to_bytes, files in sources:
        for name, value in sorted(files.items(), key=lambda item: str(item[0])):
            if not isinstance(name, str):
                problems.append(
                    f"{option} key {name!r} is of type {type(name).__name__}, expected a relative name; "
                    f"did you mean '{name}' in quotes?"
                )
                continue
            if excluded.matches(name):
                continue
            problem = name_problem(name, object_prefix)
            if problem:
                problems.append(f"{option} key {_printable(name)} {problem}")
            elif name in wanted:
                problems.append(f"content and content_base64 both have {name!r}; expected each name once")
            else:
                try:
                    data = to_bytes(value)
                except ValueError as error:
                    problems.append(f"{option}[{name!r}] {error}")
                else:
                    wanted[name] = WantedFile(name=name, size=len(data), md5=md5_base64(data), data=data)
    problems += [
        f"content has both {folder!r} and {name!r}: a file and a folder of the same name"
        for name in wanted
        for folder in folders_of(name)
        if folder in wanted
    ]
    if problems:
        raise ValidationError(problems)
    return wanted


def _text_bytes(value: object) -> bytes:
    if not isinstance(value, str):
        raise ValueError(
            f"is of type {type(value).__name__}, expected the text of the file; "
            "did you mean to add `| to_json` or `| to_nice_yaml`?"
        )
    return value.encode()


def _decoded(value: object) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError):
        raise ValueError("is not base64, expected the bytes of the file in base64") from None


def md5_base64(data: bytes) -> str:
    """Return an MD5 the way Cloud Storage writes it. It detects differences; it protects nothing."""
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def crc32c_base64(wanted: WantedFile) -> str | None:
    """Return the CRC32C of a wanted file, or None where the google-crc32c package is not installed."""
    if google_crc32c is None:
        return None
    checksum = google_crc32c.Checksum()
    if wanted.data is not None:
        checksum.update(wanted.data)
    else:
        for offset in range(0, wanted.size, _BLOCK_BYTES):
            checksum.update(read_part(wanted, offset, min(_BLOCK_BYTES, wanted.size - offset)))
    return base64.b64encode(checksum.digest()).decode()


def read_planned(wanted: WantedFile) -> bytes:
    """Return the bytes of a file exactly as planned; FileChangedError when the file is another one by now."""
    if wanted.data is not None:
        return wanted.data
    try:
        with open(wanted.path, "rb", buffering=0) as stream:
            data = stream.read()
    except OSError as error:
        raise changed_file(wanted, error.strerror) from error
    if len(data) != wanted.size or md5_base64(data) != wanted.md5:
        raise changed_file(wanted, f"it had {wanted.size} bytes, now it has {len(data)} or other content")
    return data


def read_part(wanted: WantedFile, offset: int, length: int) -> bytes:
    """Return a part of a large file; FileChangedError when the file is shorter by now or cannot be read."""
    try:
        with open(wanted.path, "rb") as stream:
            stream.seek(offset)
            part = stream.read(length)
    except OSError as error:
        raise changed_file(wanted, error.strerror) from error
    if len(part) != length:
        raise changed_file(wanted, f"it had {wanted.size} bytes, now it is shorter")
    return part


def still_as_planned(wanted: WantedFile) -> bool:
    """Return whether the source still has the planned content."""
    if wanted.data is not None:
        return True
    try:
        return _hashed(wanted.name, wanted.path).md5 == wanted.md5
    except FileChangedError:
        return False


def changed_file(wanted: WantedFile, detail: str) -> FileChangedError:
    """Build the error for a source file that is no longer what was planned."""
    return FileChangedError(
        f"{wanted.path} changed while the tree was being uploaded ({detail}). "
        f"Nothing of it was written as {wanted.name}; run again when nobody writes to the source."
    )


def _walk(root: str, excluded: PatternList, problems: list[str]) -> Iterator[tuple[str, str]]:
    """Yield (relative name, path) of every regular file, noting what is refused in `problems`."""
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(os.path.join(root, folder)) as listing:
                entries = list(listing)
        except OSError as error:
            problems.append(f"{_printable(folder or '.')} cannot be read: {error.strerror}")
            continue
        for entry in entries:
            name = f"{folder}/{entry.name}" if folder else entry.name
            if excluded.matches(name):
                continue
            if entry.is_dir(follow_symlinks=False):
                if not excluded.matches_everything_below(name):
                    folders.append(name)
            elif entry.is_symlink():
                problem = _link_problem(root, entry.path)
                if problem:
                    problems.append(f"{_printable(name)} {problem}")
                else:
                    yield name, entry.path
            elif entry.is_file(follow_symlinks=False):
                yield name, entry.path
            else:
                problems.append(f"{_printable(name)} is neither a file nor a folder (a socket, pipe or device)")


def _link_problem(root: str, path: str) -> str | None:
    """Say why a symbolic link is refused, or None when it points to a file inside the tree."""
    target = os.path.realpath(path)
    shown = os.readlink(path)
    if os.path.commonpath((root, target)) != root:
        return f"is a symbolic link that leaves the tree (to {shown!r})"
    try:
        mode = os.stat(target).st_mode
    except OSError as error:
        return f"is a symbolic link to nothing ({shown!r}: {error.strerror})"
    if stat.S_ISDIR(mode):
        return f"is a symbolic link to a folder ({shown!r}); link the files or copy the folder"
    if not stat.S_ISREG(mode):
        return f"is a symbolic link to something that is not a file ({shown!r})"
    return None


def _hashed(name: str, path: str) -> WantedFile:
    """Read a file once and return it with size and MD5; FileChangedError when it is being written meanwhile."""
    digest = hashlib.md5(usedforsecurity=False)
    size = 0
    try:
        with open(path, "rb", buffering=0) as stream:
            before = os.fstat(stream.fileno())
            while block := stream.read(min(_BLOCK_BYTES, before.st_size) or 1):
                digest.update(block)
                size += len(block)
                if size == before.st_size:
                    break
            after = os.fstat(stream.fileno())
    except OSError as error:
        raise FileChangedError(f"{path} cannot be read: {error.strerror}") from error
    if (size, after.st_size, after.st_mtime_ns) != (before.st_size, before.st_size, before.st_mtime_ns):
        raise FileChangedError(f"{path} changed while it was being read; run again when nobody writes to the source.")
    return WantedFile(name=name, size=size, md5=base64.b64encode(digest.digest()).decode(), path=path)


def _printable(name: str) -> str:
    """Quote a name so that undecodable bytes and control characters can be shown."""
    return ascii(name) if not name.isprintable() else repr(name)
