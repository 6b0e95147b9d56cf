"""`matchGlob` of an object listing: * and ? within one path segment, ** across segments, [classes], {alternatives}."""

from __future__ import annotations

import re
from functools import lru_cache

from localcloud.errors import ApiError

_SPECIAL = "*?[{\\"
# In order: `**/` as whole segments (which also match no segment at all), `**`, escapes, classes, single characters.
_TOKEN = re.compile(
    r"(?P<segments>(?:^|(?<=/))\*\*/)|(?P<all>\*\*)|\\(?P<escaped>.)|\[(?P<class>[^\]]+)\]|(?P<other>.)", re.DOTALL
)


def literal_prefix(pattern: str) -> str:
    """Return the part of `pattern` before its first special character, which every matching name starts with."""
    for position, character in enumerate(pattern):
        if character in _SPECIAL:
            return pattern[:position]
    return pattern


@lru_cache(maxsize=256)
def compile_glob(pattern: str) -> re.Pattern[str]:
    """Compile a glob to a regular expression for fullmatch. Raises ApiError 400 for unbalanced brackets."""
    depth = 0

    def translate(match: re.Match[str]) -> str:
        nonlocal depth
        if match["segments"] or match["all"]:
            return "(?:.*/)?" if match["segments"] else ".*"
        if match["class"]:
            return _character_class(match["class"])
        character = match["other"]
        if character == "{":
            depth += 1
            return "(?:"
        if depth and character in (",", "}"):
            depth -= character == "}"
            return "|" if character == "," else ")"
        return {"*": "[^/]*", "?": "[^/]"}.get(character) or re.escape(match["escaped"] or character)

    expression = _TOKEN.sub(translate, pattern)
    try:
        if depth:
            raise re.error("unbalanced braces")
        return re.compile(expression, re.DOTALL)
    except re.error as error:
        raise ApiError(400, f"Invalid glob pattern: '{pattern}'.", reason="invalidParameter") from error


def _character_class(content: str) -> str:
    escaped = content.replace("\\", "\\\\").replace("[", "\\[")
    return f"[^{escaped[1:]}]" if escaped[0] in "!^" else f"[{escaped}]"
