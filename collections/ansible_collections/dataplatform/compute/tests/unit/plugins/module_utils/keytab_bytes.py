# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Keytabs for tests, written byte by byte by the documented format and without the parser."""

from __future__ import annotations

import struct

AES256, AES128 = 18, 17


def counted(content: bytes) -> bytes:
    """A string of the format: its length in two bytes, then itself."""
    return struct.pack(">H", len(content)) + content


def entry(
    key: bytes,
    *,
    principal: str = "dask/etl.example.test",
    realm: str = "EXAMPLE.TEST",
    kvno: int = 1,
    enctype: int = AES256,
    timestamp: int = 1_700_000_000,
    whole_kvno: bool = True,
) -> bytes:
    """One record with its length before it; ``whole_kvno`` adds the kvno in 32 bits, as MIT's tools do."""
    components = principal.split("/")
    body = struct.pack(">H", len(components)) + counted(realm.encode())
    body += b"".join(counted(component.encode()) for component in components)
    body += struct.pack(">IIBH", 1, timestamp, kvno & 0xFF, enctype) + counted(key)
    if whole_kvno:
        body += struct.pack(">I", kvno)
    return struct.pack(">i", len(body)) + body


def hole(length: int) -> bytes:
    """What a deleted record leaves."""
    return struct.pack(">i", -length) + b"\xee" * length


def keytab(*records: bytes) -> bytes:
    """A whole file."""
    return b"\x05\x02" + b"".join(records)
