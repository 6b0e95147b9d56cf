# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Content-addressed artefacts: the same text has the same URI for ever, so whoever names it pins it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError

_LEFT_OUT_SUFFIXES = frozenset({".pyc", ".md"})


def list_artifacts(directories: Mapping[str, str], bucket: str, rendered: Mapping[str, str]) -> list[dict[str, str]]:
    """Return name, object, uri and content of every file below ``directories`` and of every rendered text, by name.

    A directory that does not exist holds nothing. Raises ValidationError with every file that cannot be read, or that
    is not UTF-8 text.
    """
    texts: dict[str, str] = {str(name): str(text) for name, text in rendered.items()}
    problems: list[str] = []
    for prefix, directory in directories.items():
        root = Path(directory)
        for path in _files(root):
            try:
                texts[f"{prefix}/{path.relative_to(root).as_posix()}"] = path.read_bytes().decode()
            except OSError as error:
                problems.append(f"{path} cannot be read: {error.strerror or error}")
            except UnicodeDecodeError:
                problems.append(f"{path} is not UTF-8 text; expected scripts and data files in {directory}")
    if problems:
        raise ValidationError(problems, "the artefacts")
    return [artifact(name, text, bucket) for name, text in sorted(texts.items())]


def artifact(name: str, text: str, bucket: str) -> dict[str, str]:
    """Return the entry of one text: its address is the SHA-256 of its UTF-8 bytes and the last part of its name."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    object_name = f"{digest}/{name.rpartition('/')[2]}"
    return {"name": name, "object": object_name, "uri": f"gs://{bucket}/{object_name}", "content": text}


def _files(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if any(part.startswith(".") or part == "__pycache__" for part in parts) or path.suffix in _LEFT_OUT_SUFFIXES:
            continue
        if path.is_file():
            yield path
