# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long clusters can be made of an image, and how long Google supports it. Pure: who asks says what day it is.

``data`` always is the fact ``platform_dataproc_images``. Its days are last days: on them everything still holds.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

SUPPORTED = "supported"
ENDING = "ending"
UNSUPPORTED = "unsupported"
EXPIRED = "expired"
UNKNOWN = "unknown"

_VERSION = re.compile(r"([0-9]+\.[0-9]+)(\.[0-9]+)?(-[a-z0-9-]+)?")


def track_of(version: str) -> str:
    """The track of a version: 2.3 of 2.3.11-debian12; empty for what is no version."""
    found = _VERSION.fullmatch(version)
    return found[1] if found else ""


def last_day(text: str | None) -> date | None:
    """A day of the fact; None for one that is not announced, or is no day."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


def image_life(version: str, today: date, data: dict[str, Any]) -> dict[str, Any]:
    """What is left of an image of ``version`` on ``today``.

    Returns ``track``, ``supported_until`` and ``creatable_until`` (as ``data`` has them), ``support_days_left`` and
    ``days_left`` (until the last day of support, and of making clusters: 0 on it, negative after it, None where none is
    announced), and ``state``:

    - ``supported``;
    - ``ending``: one of the two ends within ``warn_days``;
    - ``unsupported``: support has ended, clusters can still be made;
    - ``expired``: no cluster can be made of it any more;
    - ``unknown``: ``data`` does not have its track.
    """
    track = track_of(version)
    days = data["tracks"].get(track)
    life = {"track": track, **(days or {"supported_until": None, "creatable_until": None})}
    support, creation = _days_left(life["supported_until"], today), _days_left(life["creatable_until"], today)
    life.update(support_days_left=support, days_left=creation)
    return {**life, "state": _state(support, creation, data["warn_days"]) if days else UNKNOWN}


def custom_image_life(created: date, today: date, data: dict[str, Any]) -> dict[str, Any]:
    """What is left on ``today`` of a custom image built on the day ``created``, leaving aside its track.

    Returns ``usable_until``, ``days_left`` (0 on the last day, negative after it) and ``state`` (``supported``,
    ``ending`` or ``expired``, as in :func:`image_life`).
    """
    until = created + timedelta(days=data["custom_image_days"])
    left = (until - today).days
    return {"usable_until": until.isoformat(), "days_left": left, "state": _state(None, left, data["warn_days"])}


def life_warnings(life: dict[str, Any], warn_days: int) -> list[str]:
    """What whoever pins an image is told of its life, a sentence each: what has ended, or does within ``warn_days``."""
    track, told = life["track"], []
    support, creation = life["support_days_left"], life["days_left"]
    if support is not None and support < 0:
        told.append(f"Google's support of image track {track} ended on {life['supported_until']}")
    elif support is not None and support <= warn_days:
        told.append(f"Google's support of image track {track} ends on {life['supported_until']}, in {_days(support)}")
    if creation is not None and 0 <= creation <= warn_days:
        told.append(
            f"no cluster can be made of image track {track} after {life['creatable_until']}, in {_days(creation)}"
        )
    return told


def _days_left(until: str | None, today: date) -> int | None:
    day = last_day(until)
    return (day - today).days if day else None


def _state(support: int | None, creation: int | None, warn_days: int) -> str:
    announced = [left for left in (support, creation) if left is not None]
    if creation is not None and creation < 0:
        return EXPIRED
    if support is not None and support < 0:
        return UNSUPPORTED
    return ENDING if announced and min(announced) <= warn_days else SUPPORTED


def _days(count: int) -> str:
    return f"{count} day{'' if count == 1 else 's'}"
