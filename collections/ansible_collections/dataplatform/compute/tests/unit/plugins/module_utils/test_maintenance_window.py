# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.maintenance_window import next_opening

# A Sunday.
SUNDAY = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


def window(days: str, begin: str, end: str) -> dict[str, object]:
    return {"days": days.split(), "from": begin, "until": end}


@pytest.mark.parametrize(
    ("given", "now"),
    [
        (window("sun", "11:00", "13:00"), SUNDAY),
        (window("sun", "12:00", "13:00"), SUNDAY),
        # Opened on Saturday evening and goes on past midnight.
        (window("sat", "22:00", "13:00"), SUNDAY),
        (window("sun", "12:00", "12:00"), SUNDAY.replace(hour=23)),
    ],
)
def test_it_is_open(given: dict[str, object], now: datetime) -> None:
    assert next_opening(given, now) == now


@pytest.mark.parametrize(
    ("given", "opens"),
    [
        (window("sun", "20:00", "22:00"), datetime(2026, 11, 29, 20, 0, tzinfo=UTC)),
        # Its end does not belong to it.
        (window("sun", "10:00", "12:00"), datetime(2026, 12, 6, 10, 0, tzinfo=UTC)),
        (window("tue thu", "20:00", "04:00"), datetime(2026, 12, 1, 20, 0, tzinfo=UTC)),
        (window("sat", "22:00", "11:00"), datetime(2026, 12, 5, 22, 0, tzinfo=UTC)),
    ],
)
def test_it_is_shut_until(given: dict[str, object], opens: datetime) -> None:
    assert next_opening(given, SUNDAY) == opens
