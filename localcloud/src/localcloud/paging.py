"""Pages of a list: pageSize and pageToken as Google's APIs take and give them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any

from localcloud.errors import invalid_argument


def page(
    items: Sequence[Any],
    field: str,
    identify: Callable[[Any], str],
    *,
    size: int | None,
    token: str | None,
    default_size: int = 100,
    maximum_size: int = 1000,
) -> dict[str, Any]:
    """Return one page of `items` under `field`, with nextPageToken when there are more; empty when there is none.

    A token names the last item of the page before and its position, so that paging goes on when that item was deleted.
    Raises ApiError 400 for a negative size or a token that is not one.
    """
    if size is not None and size < 0:
        raise invalid_argument(f"Invalid page size {size}, expected 0 or more.")
    start = _start(items, identify, token) if token else 0
    end = start + min(size or default_size, maximum_size)
    answer: dict[str, Any] = {}
    if items[start:end]:
        answer[field] = list(items[start:end])
    if end < len(items):
        text = f"{end}:{identify(items[end - 1])}"
        answer["nextPageToken"] = base64.urlsafe_b64encode(text.encode()).decode()
    return answer


def _start(items: Sequence[Any], identify: Callable[[Any], str], token: str) -> int:
    try:
        position, _, last = base64.urlsafe_b64decode(token.encode()).decode().partition(":")
        fallback = int(position)
    except (binascii.Error, ValueError):
        raise invalid_argument(f"Invalid page token: {token}") from None
    for index, item in enumerate(items):
        if identify(item) == last:
            return index + 1
    return fallback
