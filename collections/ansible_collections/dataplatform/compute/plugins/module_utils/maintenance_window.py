# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a maintenance window is open. Pure; all times are UTC."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def next_opening(window: Mapping[str, Any], now: datetime) -> datetime:
    """Return ``now`` while the window is open, else the moment it opens next.

    ``window`` has ``days`` (of :data:`DAYS`), on which it opens, ``from`` and ``until`` as HH:MM. One that ends before
    it begins goes on past midnight; one that ends when it begins lasts a whole day.
    """
    begin, end = time.fromisoformat(window["from"]), time.fromisoformat(window["until"])
    openings = []
    for offset in range(-1, 8):
        day = (now + timedelta(days=offset)).date()
        if DAYS[day.weekday()] not in window["days"]:
            continue
        opens = datetime.combine(day, begin, now.tzinfo)
        closes = datetime.combine(day, end, now.tzinfo) + (timedelta(days=1) if end <= begin else timedelta())
        if opens <= now < closes:
            return now
        if opens > now:
            openings.append(opens)
    return min(openings)
