"""Pages of a list: pageSize and pageToken as Google's APIs take and give them."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from localcloud.errors import invalid_argument


def page(items: Sequence[tuple[str, Any]], query: Mapping[str, Any], field: str, largest: int = 200) -> dict[str, Any]:
    """Return one page of `items`, (key, body) pairs in order of their keys, under the name `field`.

    `query` holds pageSize (0: `largest`) and pageToken, which is the key of the page's first item, so that items added
    or deleted meanwhile shift nothing. Raises ApiError 400 for a negative size or a token that is not ours.
    """
    size = int(query.get("pageSize") or largest)
    if size < 0:
        raise invalid_argument("The page_size must not be negative.")
    size = min(size, largest)
    first = decode_token(query.get("pageToken") or "")
    remaining = [(key, body) for key, body in items if key >= first]
    answer: dict[str, Any] = {}
    if remaining:
        answer[field] = [body for _, body in remaining[:size]]
    if len(remaining) > size:
        answer["nextPageToken"] = encode_token(remaining[size][0])
    return answer


def encode_token(key: str) -> str:
    """Return the page token that begins at `key`."""
    return base64.urlsafe_b64encode(key.encode()).rstrip(b"=").decode()


def decode_token(token: str) -> str:
    """Return the key at which a page begins; an empty token begins at the start. Raises ApiError 400."""
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode()
    except ValueError:
        raise invalid_argument("Request contains an invalid argument: page_token.") from None
