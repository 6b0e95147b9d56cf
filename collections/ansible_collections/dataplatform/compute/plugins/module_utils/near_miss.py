# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a mistyped name was probably meant to be. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

MOST_LISTED = 10


def closest_match(name: str, known: Iterable[str]) -> str:
    """The known name most like this one; empty when none is like it."""
    return next(iter(get_close_matches(name, list(known), n=1)), "")


def near_miss(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: what was probably meant, or else what there is."""
    names = sorted(known)
    match = closest_match(name, names)
    if match:
        return f"did you mean {match!r}?"
    if not names:
        return "there is none at all"
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return f"there is: {', '.join(names[:MOST_LISTED])}{more}"
