# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ownership manifest of a tree: which objects a synchronisation wrote, and who is writing now.

The manifest is an object inside the tree. What a run needs in order to know that nothing has to be done is in the
object's custom metadata, because a listing returns metadata but not content.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

FORMAT = "1"
COMPLETE = "complete"
WRITING = "writing"
INTERRUPTED = "interrupted"

_FORMAT_KEY = "gcs-tree-format"
_OWNER_KEY = "gcs-tree-owner"
_STATE_KEY = "gcs-tree-state"
_HASH_KEY = "gcs-tree-hash"
_KEPT_KEY = "gcs-tree-kept"
_RUN_KEY = "gcs-tree-run"
_WRITER_KEY = "gcs-tree-writer"
# On the files, not on the manifest: a listing shows no checksum of an object that is encrypted with a customer-managed
# key, but it does show metadata.
_MD5_KEY = "gcs-tree-md5"
_RENEWAL_KEY = "gcs-tree-renewal"


@dataclass(frozen=True, slots=True)
class ManifestHeader:
    """What a listing tells about the manifest: its custom metadata and generation."""

    generation: str
    owner: str
    state: str
    tree_hash: str
    kept: int
    run: str
    writer: str

    @classmethod
    def from_listing(cls, item: Mapping[str, object]) -> ManifestHeader:
        """Read the header from the object resource of a listing; ValueError when it is not our manifest."""
        metadata = item.get("metadata") or {}
        if metadata.get(_FORMAT_KEY) != FORMAT:
            raise ValueError(
                f"its metadata {_FORMAT_KEY} is {metadata.get(_FORMAT_KEY)!r}, expected {FORMAT!r}",
            )
        kept = metadata.get(_KEPT_KEY, "0")
        return cls(
            generation=str(item["generation"]),
            owner=metadata.get(_OWNER_KEY, ""),
            state=metadata.get(_STATE_KEY, ""),
            tree_hash=metadata.get(_HASH_KEY, ""),
            kept=int(kept) if kept.isdigit() else 1,
            run=metadata.get(_RUN_KEY, ""),
            writer=metadata.get(_WRITER_KEY, ""),
        )


@dataclass(frozen=True, slots=True)
class Ownership:
    """Objects that earlier runs wrote.

    `files` maps a relative name to the MD5 (base64) that the last complete run left there; `pending` does the same
    for what a run that did not finish was about to write.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    pending: Mapping[str, str] = field(default_factory=dict)

    def owns(self, name: str) -> bool:
        """Return whether some run of ours wrote (or was about to write) this name."""
        return name in self.files or name in self.pending

    def wrote(self, name: str, md5: str | None) -> bool:
        """Return whether the content that lies there now is content of ours."""
        return md5 is not None and md5 in (self.files.get(name), self.pending.get(name))


def tree_hash(files: Mapping[str, str]) -> str:
    """Return one SHA-256 (hexadecimal) over the names and MD5s of a tree, independent of order."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{files[name]}\n".encode())
    return digest.hexdigest()


def manifest_body(owner: str, ownership: Ownership) -> bytes:
    """Return the content of the manifest object."""
    document = {"format": FORMAT, "owner": owner, "files": dict(sorted(ownership.files.items()))}
    if ownership.pending:
        document["pending"] = dict(sorted(ownership.pending.items()))
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def manifest_metadata(*, owner: str, state: str, wanted_hash: str, kept: int, run: str, writer: str) -> dict[str, str]:
    """Return the custom metadata of the manifest object; `kept` counts owned names that are not in the tree."""
    return {
        _FORMAT_KEY: FORMAT,
        _OWNER_KEY: owner,
        _STATE_KEY: state,
        _HASH_KEY: wanted_hash,
        _KEPT_KEY: str(kept),
        _RUN_KEY: run,
        _WRITER_KEY: writer,
    }


def md5_metadata(md5: str) -> dict[str, str]:
    """Return the metadata by which a listing tells the content of a file whose checksum it does not show."""
    return {_MD5_KEY: md5}


def listed_md5(item: Mapping[str, object]) -> str | None:
    """Return the MD5 (base64) of an object resource of a listing, None when nothing tells it.

    The metadata was written with the content, in one request, and is replaced with it.
    """
    return item.get("md5Hash") or (item.get("metadata") or {}).get(_MD5_KEY)


def is_writing(metadata: Mapping[str, str]) -> bool:
    """Return whether the metadata of a manifest says that a run is writing the tree."""
    return metadata.get(_STATE_KEY) == WRITING


def state_metadata(state: str) -> dict[str, str]:
    """Return the metadata patch that only changes the state."""
    return {_STATE_KEY: state}


def renewal_metadata(count: int) -> dict[str, str]:
    """Return the metadata patch by which a running writer shows that it is alive."""
    return {_RENEWAL_KEY: str(count)}


def parse_body(content: bytes) -> Ownership:
    """Read the content of a manifest object; ValueError says what is wrong with it."""
    try:
        document = json.loads(content)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"its content is not JSON ({error})") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f"its content is not a manifest of format {FORMAT}")
    parts = {}
    for key in ("files", "pending"):
        part = document.get(key, {})
        if not isinstance(part, dict) or not all(isinstance(value, str) for value in part.values()):
            raise ValueError(f"its {key!r} is not a map of names to checksums")
        parts[key] = part
    return Ownership(files=parts["files"], pending=parts["pending"])
