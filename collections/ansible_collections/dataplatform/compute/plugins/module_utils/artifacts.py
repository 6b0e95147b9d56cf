# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Content-addressed artefacts: the same content has the same URI for ever, so whoever names it pins it."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError

_LEFT_OUT_SUFFIXES = frozenset({".pyc", ".md"})
# The earliest time a zip file can hold: when a file was checked out must not change the archive.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


def list_artifacts(directories: Mapping[str, str], bucket: str, rendered: Mapping[str, str]) -> list[dict[str, str]]:
    """Return name, object, uri and content of every file below ``directories`` and of every rendered text, by name.

    A Python package right below a directory (it has an ``__init__.py``) is one artefact, a zip archive that Python
    imports from; it has ``content_base64`` in place of ``content``. A directory that does not exist holds nothing.
    Raises ValidationError with every file that cannot be read, or that is not UTF-8 text.
    """
    texts: dict[str, str] = {str(name): str(text) for name, text in rendered.items()}
    packages: dict[str, dict[str, bytes]] = {}
    problems: list[str] = []
    for prefix, directory in directories.items():
        root = Path(directory)
        for path in _files(root):
            relative = path.relative_to(root)
            try:
                content = path.read_bytes()
                text = content.decode()
            except OSError as error:
                problems.append(f"{path} cannot be read: {error.strerror or error}")
            except UnicodeDecodeError:
                problems.append(f"{path} is not UTF-8 text; expected scripts and data files in {directory}")
            else:
                if (root / relative.parts[0] / "__init__.py").exists():
                    packages.setdefault(f"{prefix}/{relative.parts[0]}.zip", {})[relative.as_posix()] = content
                else:
                    texts[f"{prefix}/{relative.as_posix()}"] = text
    if problems:
        raise ValidationError(problems, "the artefacts")
    artifacts = [artifact(name, text, bucket) for name, text in texts.items()]
    artifacts += [_package_artifact(name, files, bucket) for name, files in packages.items()]
    return sorted(artifacts, key=lambda entry: entry["name"])


def artifact(name: str, text: str, bucket: str) -> dict[str, str]:
    """Return the entry of one text: its address is the SHA-256 of its UTF-8 bytes and the last part of its name."""
    return {**address(name, text.encode(), bucket), "content": text}


def _package_artifact(name: str, files: Mapping[str, bytes], bucket: str) -> dict[str, str]:
    archive = io.BytesIO()
    # Not compressed: compressors differ between machines, and the same package has to have the same address.
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as package:
        for path, content in sorted(files.items()):
            package.writestr(zipfile.ZipInfo(path, _NO_TIME), content)
    data = archive.getvalue()
    return {**address(name, data, bucket), "content_base64": base64.b64encode(data).decode()}


def address(name: str, data: bytes, bucket: str) -> dict[str, str]:
    """Return name, object and uri of content: the SHA-256 of its bytes and the last part of its name."""
    object_name = f"{hashlib.sha256(data).hexdigest()}/{name.rpartition('/')[2]}"
    return {"name": name, "object": object_name, "uri": f"gs://{bucket}/{object_name}"}


def _files(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if any(part.startswith(".") or part == "__pycache__" for part in parts) or path.suffix in _LEFT_OUT_SUFFIXES:
            continue
        if path.is_file():
            yield path
