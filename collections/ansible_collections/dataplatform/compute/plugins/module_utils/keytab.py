# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Read MIT Kerberos keytab files, format version 2 (bytes 05 02). Pure; key material never reaches a message.

The layout is that of MIT's documentation, ``doc/formats/keytab_file_format.rst``: big-endian records, each with its
length before it; a negative length is a hole that a deleted entry left. The bytes of a keytab hold the time it was
written and the order of its entries, so two files with the same keys differ: compare entries, not bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

_MAGIC = b"\x05\x02"
_NATIVE_ORDER_MAGIC = b"\x05\x01"
# Number -> name and length of the key in bytes (RFC 3961, 3962, 8009, 4757, 6803).
ENCTYPES: dict[int, tuple[str, int]] = {
    16: ("des3-cbc-sha1", 24),
    17: ("aes128-cts-hmac-sha1-96", 16),
    18: ("aes256-cts-hmac-sha1-96", 32),
    19: ("aes128-cts-hmac-sha256-128", 16),
    20: ("aes256-cts-hmac-sha384-192", 32),
    23: ("arcfour-hmac", 16),
    25: ("camellia128-cts-cmac", 16),
    26: ("camellia256-cts-cmac", 32),
}


class KeytabError(ValueError):
    """The bytes are not a keytab; the message says where and what was expected, and shows none of them."""


@dataclass(frozen=True, order=True)
class KeytabEntry:
    """One key of one principal. ``principal`` is written as Kerberos does: ``dask/host.example@EXAMPLE``.

    ``timestamp`` is in seconds since the epoch; it takes no part in comparisons, and the key is not shown by ``repr``.
    """

    principal: str
    kvno: int
    enctype: int
    key: bytes = field(repr=False)
    timestamp: int = field(default=0, compare=False)

    @property
    def realm(self) -> str:
        """The realm of the principal."""
        return self.principal.rpartition("@")[2]

    @property
    def enctype_name(self) -> str:
        """Kerberos's name of the encryption type; ``enctype N`` for one that is not known here."""
        return ENCTYPES.get(self.enctype, (f"enctype {self.enctype}", 0))[0]

    def __str__(self) -> str:
        """Describe the entry without its key."""
        return f"{self.principal} kvno {self.kvno} {self.enctype_name}"


def parse_keytab(data: bytes) -> list[KeytabEntry]:
    """Return the entries of a keytab in their order, none for an empty one. Raises KeytabError."""
    if data[:2] == _NATIVE_ORDER_MAGIC:
        raise KeytabError(
            "it is a keytab of format version 1 (bytes 05 01), whose byte order is that of the machine that wrote it; "
            "expected version 2 (bytes 05 02)"
        )
    if data[:2] != _MAGIC:
        raise KeytabError("it does not begin with the bytes 05 02; expected an MIT keytab of format version 2")
    entries = []
    reader = _Reader(data, 2, len(data), "the file")
    while not reader.at_end:
        start = reader.position
        (length,) = reader.unpack(">i", "the length of an entry")
        if length > 0:
            entries.append(_entry(reader.part(length, f"the entry at byte {start}")))
        else:
            # Tools fill up with zeros; a hole is as long as the entry that was there.
            reader.skip(-length, f"the hole at byte {start}")
    return entries


def serves_as(live: Iterable[KeytabEntry], wanted: Iterable[KeytabEntry]) -> bool:
    """Return whether a keytab holds all wanted keys, and beside them only older ones of the same principals.

    A rotation leaves the older keys in the keytab: tickets that were issued for them are still to be read.
    """
    wanted, live = set(wanted), set(live)
    newest: dict[str, int] = {}
    for entry in wanted:
        newest[entry.principal] = max(entry.kvno, newest.get(entry.principal, 0))
    return wanted <= live and all(entry.kvno < newest.get(entry.principal, 0) for entry in live - wanted)


def describe_keys(entries: Iterable[KeytabEntry]) -> list[str]:
    """Return one line per entry, without keys, in a fixed order."""
    return [str(entry) for entry in sorted(entries)]


def _entry(reader: _Reader) -> KeytabEntry:
    (count,) = reader.unpack(">H", "the number of name components")
    realm = reader.counted("the realm")
    components = [reader.counted("a name component") for _number in range(count)]
    if not realm or not components:
        raise KeytabError(f"{reader.what} names no principal; expected a realm and at least one name component")
    _name_type, timestamp, kvno, enctype = reader.unpack(">IIBH", "name type, time, kvno and encryption type")
    key = reader.counted_bytes("the key")
    expected = ENCTYPES.get(enctype, ("", len(key)))[1]
    if not key or len(key) != expected:
        raise KeytabError(
            f"{reader.what} has a key of {len(key)} bytes; expected {expected or 'at least 1'} for encryption type "
            f"{enctype}"
        )
    if reader.left >= 4:
        # One byte holds a kvno up to 255 only, so that the whole one follows; zero stands for: it does not.
        (whole,) = reader.unpack(">I", "the kvno in 32 bits")
        kvno = whole or kvno
    name = "/".join(_escaped(component) for component in components)
    return KeytabEntry(f"{name}@{_escaped(realm)}", kvno, enctype, key, timestamp)


def _escaped(text: str) -> str:
    """Quote what separates the parts of a principal, as ``krb5_unparse_name`` does."""
    return text.replace("\\", "\\\\").replace("/", "\\/").replace("@", "\\@")


class _Reader:
    """Reads a range of bytes; whatever would lie beyond its end is a KeytabError that names the field."""

    def __init__(self, data: bytes, position: int, end: int, what: str) -> None:
        self._data = data
        self.position = position
        self._end = end
        self.what = what

    @property
    def at_end(self) -> bool:
        return self.position >= self._end

    @property
    def left(self) -> int:
        return self._end - self.position

    def unpack(self, layout: str, name: str) -> tuple[int, ...]:
        size = struct.calcsize(layout)
        start = self.skip(size, name)
        return struct.unpack(layout, self._data[start : start + size])

    def counted_bytes(self, name: str) -> bytes:
        (length,) = self.unpack(">H", f"the length of {name}")
        start = self.skip(length, name)
        return self._data[start : start + length]

    def counted(self, name: str) -> str:
        content = self.counted_bytes(name)
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            raise KeytabError(f"{self.what} has {name} that is not UTF-8; expected text") from None

    def part(self, length: int, what: str) -> _Reader:
        start = self.skip(length, what)
        return _Reader(self._data, start, start + length, what)

    def skip(self, length: int, name: str) -> int:
        """Move on by ``length`` bytes; return where they begin."""
        if length > self.left:
            raise KeytabError(
                f"{self.what} ends within {name}: {length} bytes expected at byte {self.position}, {self.left} are left"
            )
        start = self.position
        self.position += length
        return start
