# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What looks like a secret where none may be: in files under version control. Pure, and it never returns the value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

HIDDEN = "(not shown)"
HIDDEN_CHANGE = "(not shown, but another)"
"""Stands beside HIDDEN where two hidden values differ."""

# The name of a secret, and not what it holds.
_NAME_OF_A_SECRET = re.compile(r"^projects/[^/]+/secrets/[^/]+(/versions/[^/]+)?$")

# At the end of a name: password_file or token_url name a place, not the secret.
_NAME = re.compile(
    r"(^|[^a-z])(password|passwd|passphrase|secret|token|credentials?|(api|private|access|secret|fernet|account)[_.-]?key"
    r"|keyfile_dict|client_secret)$",
    re.IGNORECASE,
)
# One of these is in every such name, however it is written.
_WORD = re.compile(r"passw|passphrase|secret|token|credential|key", re.IGNORECASE)
# None of these goes over the end of a line, so a text has one if and only if one of its lines has.
_VALUES = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"), "a private key"),
    (re.compile(r"\bAIza[0-9A-Za-z_-]{35}"), "an API key of Google"),
    (re.compile(r"\bya29\.[0-9A-Za-z_-]{20,}"), "an access token of Google"),
    (re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"), "an access key of AWS"),
    (re.compile(r"\b(gh[pousr]_[0-9A-Za-z]{30,}|github_pat_[0-9A-Za-z_]{30,})"), "a token of GitHub"),
    (re.compile(r"\bglpat-[0-9A-Za-z_-]{20,}"), "a token of GitLab"),
    (re.compile(r"\bxox[abeoprs]-[0-9A-Za-z-]{10,}"), "a token of Slack"),
    (re.compile(r"https://hooks\.slack\.com/services/T[0-9A-Z]+/B[0-9A-Z]+/\w+"), "a webhook of Slack"),
    (re.compile(r"\beyJ[0-9A-Za-z_-]{8,}\.eyJ[0-9A-Za-z_-]{8,}\."), "a signed token (JWT)"),
    (re.compile(r"[a-z0-9+.-]://[^/\s:@]*:[^/\s@]+@", re.IGNORECASE), "an address with a password in it"),
)


def named_like_a_secret(name: str) -> bool:
    """Return whether the name says that its value is a secret."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return bool(_NAME.search(snake))


def may_name_a_secret(text: str) -> bool:
    """Return False if no name that is written out in this text is one of :func:`named_like_a_secret`."""
    return bool(_WORD.search(text))


def looks_like(value: str) -> str:
    """Return what kind of secret a text looks like, empty for none."""
    return next((kind for pattern, kind in _VALUES if pattern.search(value)), "")


def without_secrets(value: Any, name: str = "") -> Any:
    """Return a copy with HIDDEN in the place of everything that looks like a secret; ``name`` is the value's own."""
    if isinstance(value, dict):
        return {key: without_secrets(item, str(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [without_secrets(item, name) for item in value]
    if value in (None, "", True, False) or (isinstance(value, str) and _NAME_OF_A_SECRET.match(value)):
        return value
    return HIDDEN if named_like_a_secret(name) or (isinstance(value, str) and looks_like(value)) else value


def sides_without_secrets(before: Any, after: Any, name: str = "") -> tuple[Any, Any]:
    """Return both sides of a diff without secrets; where hidden values differ, the second one says so."""
    if isinstance(before, dict) and isinstance(after, dict):
        pairs = {key: sides_without_secrets(before.get(key), after.get(key), str(key)) for key in {**before, **after}}
        return {key: pairs[key][0] for key in before}, {key: pairs[key][1] for key in after}
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        items = [sides_without_secrets(*pair, name) for pair in zip(before, after, strict=True)]
        return [one for one, _other in items], [other for _one, other in items]
    before_shown, after_shown = without_secrets(before, name), without_secrets(after, name)
    return before_shown, HIDDEN_CHANGE if before != after and before_shown == after_shown else after_shown


def secrets_in(value: Any, name: str = "", path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Yield (path below ``value``, what it looks like) for everything that looks like a secret."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from secrets_in(item, str(key), (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from secrets_in(item, name, (*path, index))
    elif value not in (None, "", True, False):
        kind = looks_like(value) if isinstance(value, str) else ""
        if kind or named_like_a_secret(name):
            yield path, kind or "a secret by its name"
