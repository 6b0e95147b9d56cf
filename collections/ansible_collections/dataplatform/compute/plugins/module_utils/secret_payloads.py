# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What secrets shall hold: checked before anything is sent, and compared with what they hold. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.keytab import (
    KeytabEntry,
    KeytabError,
    describe_keys,
    parse_keytab,
    serves_as,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.secret_looking import HIDDEN

LARGEST_PAYLOAD = 64 * 1024
ID_PATTERN = re.compile(r"^[A-Za-z0-9_-]{1,255}$")
ID_EXPECTATION = "1 to 255 letters, digits, '_' and '-'"
BYTES, KEYTAB = "bytes", "keytab"


@dataclass(frozen=True)
class WantedPayload:
    """What one secret shall hold; ``keys`` are the entries of a keytab, None where bytes are compared.

    ``data`` is None in check mode for what only a run would make; it is the same as nothing that is there.
    """

    secret: str
    data: bytes | None = field(repr=False)
    keys: tuple[KeytabEntry, ...] | None = field(default=None, repr=False)

    def equals(self, live: bytes) -> bool:
        """Return whether a live payload serves as this one.

        A keytab may hold older keys of the same principals beside the wanted ones; what is no keytab serves as none.
        """
        if self.keys is None or self.data is None:
            return live == self.data
        try:
            return serves_as(parse_keytab(live), self.keys)
        except KeytabError:
            return False


def check_payloads(
    versions: list[dict[str, Any]], compare: str, *, may_be_unknown: bool = False
) -> list[WantedPayload]:
    """Return the payloads in the order given; raises ValidationError with every problem, none of which shows bytes.

    ``may_be_unknown``: a payload of None is not made yet, as in check mode.
    """
    problems: list[str] = []
    wanted: list[WantedPayload] = []
    positions: dict[str, int] = {}
    for position, version in enumerate(versions):
        secret = version["secret"]
        where = f"versions[{position}] ({secret})"
        if not ID_PATTERN.fullmatch(secret):
            short = secret.rpartition("/")[2] if "/" in secret else ""
            hint = f"; did you mean '{short}'?" if ID_PATTERN.fullmatch(short) else ""
            problems.append(f"{where}: secret is '{secret}'; expected {ID_EXPECTATION}{hint}")
        if secret in positions:
            problems.append(f"{where}: secret '{secret}' is listed already by versions[{positions[secret]}]")
        positions.setdefault(secret, position)
        if version["payload_base64"] is None and may_be_unknown:
            wanted.append(WantedPayload(secret, None))
            continue
        try:
            data = _decoded(version["payload_base64"])
            keys = _keys(data) if compare == KEYTAB else None
        except ValueError as problem:
            problems.append(f"{where}: payload_base64 {problem}")
        else:
            wanted.append(WantedPayload(secret, data, keys))
    if problems:
        raise ValidationError(problems, "the versions of secrets")
    return wanted


def shown(data: bytes | None, compare: str) -> Any:
    """Return what a diff may show of a payload: principals, kvnos and encryption types of a keytab, else nothing."""
    if data is None:
        return None
    if compare != KEYTAB:
        return HIDDEN
    try:
        return describe_keys(parse_keytab(data))
    except KeytabError as problem:
        return f"no keytab: {problem}"


def _decoded(text: str | None) -> bytes:
    if text is None:
        raise ValueError("is missing; only in check mode it may be unknown yet")
    try:
        # Line ends, which `base64` writes, mean nothing.
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not base64; expected the payload's bytes in base64") from None
    if not data:
        raise ValueError("is empty; expected at least one byte")
    if len(data) > LARGEST_PAYLOAD:
        raise ValueError(f"holds {len(data)} bytes; expected at most {LARGEST_PAYLOAD}, the limit of Secret Manager")
    return data


def _keys(data: bytes) -> tuple[KeytabEntry, ...]:
    try:
        keys = tuple(parse_keytab(data))
    except KeytabError as problem:
        raise ValueError(f"is not a keytab: {problem}") from None
    if not keys:
        raise ValueError("is a keytab without entries; expected at least one key")
    return keys
