# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names of objects in a tree: what Cloud Storage and the clients that mount a bucket accept, and glob patterns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

MANIFEST_NAME = ".gcs-tree-manifest.json"
MAXIMUM_OBJECT_NAME_BYTES = 1024

_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def normalised_prefix(prefix: str) -> str:
    """Return the prefix as object names carry it: empty for the whole bucket, otherwise ending in one slash.

    Raises ValueError with the reason when the prefix cannot be one.
    """
    if prefix == "":
        return ""
    if prefix.startswith("/"):
        raise ValueError(f"prefix {prefix!r} starts with a slash; did you mean {prefix.strip('/')!r}?")
    problem = name_problem(prefix.removesuffix("/"))
    if problem:
        raise ValueError(f"prefix {prefix!r} {problem}")
    return prefix.removesuffix("/") + "/"


def name_problem(name: str, object_prefix: str = "") -> str | None:
    """Say why a relative name must not become an object, or None when it may.

    The rules are those of Cloud Storage's object naming page plus what stops clients that show a bucket as a file
    system (Cloud Storage FUSE, and with it Cloud Composer's synchronisation): segments `.` and `..`, empty segments
    and names that end in a slash.
    """
    try:
        length = len((object_prefix + name).encode("utf-8"))
    except UnicodeEncodeError:
        return "is not valid UTF-8"
    control = _CONTROL_CHARACTER.search(name)
    segments = name.split("/")
    problem = None
    if not name:
        problem = "is empty"
    elif length > MAXIMUM_OBJECT_NAME_BYTES:
        problem = f"makes an object name of {length} bytes, Cloud Storage allows {MAXIMUM_OBJECT_NAME_BYTES}"
    elif control:
        problem = f"contains the control character U+{ord(control.group()):04X}"
    elif name.endswith("/"):
        problem = "ends in a slash, which file system clients take for a folder"
    elif "" in segments:
        problem = "has an empty segment (a slash at its start or two slashes in a row)"
    elif "." in segments or ".." in segments:
        problem = "has a segment '.' or '..', which stops every client that shows the bucket as a file system"
    elif segments[-1] == MANIFEST_NAME:
        problem = "is the name of the ownership manifest and is reserved"
    elif (object_prefix + name).startswith(".well-known/acme-challenge/"):
        problem = "starts with .well-known/acme-challenge/, which Cloud Storage refuses"
    return problem


def folders_of(name: str) -> Iterator[str]:
    """Yield every folder a name lies in, outermost first: `a/b/c` gives `a` and `a/b`; `a/b/` gives `a` and `a/b`."""
    position = name.find("/")
    while position >= 0:
        yield name[:position]
        position = name.find("/", position + 1)


class PatternList:
    """Glob patterns over relative names, with the rules of rsync's filters.

    `*` and `?` stay within a path segment, `**` crosses segments. A pattern matches at any depth (`*.pyc`,
    `__pycache__/**`); with a leading slash it matches only from the top of the tree (`/lib/**`). A trailing slash
    means everything below.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns = list(patterns)
        translated = "|".join(_translate(pattern) for pattern in self.patterns)
        self._expression = re.compile(translated, re.DOTALL) if translated else None

    def matches(self, name: str) -> bool:
        """Return whether any pattern matches the whole relative name."""
        return self._expression is not None and self._expression.fullmatch(name) is not None

    def matches_everything_below(self, folder: str) -> bool:
        """Return whether the patterns take a whole folder, so that it need not be walked."""
        return self.matches(f"{folder}/")


def _translate(pattern: str) -> str:
    """Translate one glob pattern into a regular expression."""
    anchored = pattern.startswith("/")
    body = pattern.removeprefix("/")
    if body.endswith("/"):
        body += "**"
    expression = "" if anchored else "(?:.*/)?"
    position = 0
    while position < len(body):
        if body.startswith("**/", position):
            expression += "(?:.*/)?"
            position += 3
        elif body.startswith("**", position):
            expression += ".*"
            position += 2
        elif body[position] == "*":
            expression += "[^/]*"
            position += 1
        elif body[position] == "?":
            expression += "[^/]"
            position += 1
        else:
            expression += re.escape(body[position])
            position += 1
    return expression
