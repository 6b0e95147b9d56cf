"""What holds for the tests of the project as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest

# A test of these may be the first that needs a realm, an environment or a cluster, and waits for jobs on a busy
# machine. What it waits for has limits of its own, which say more than this one.
_LONG = ("nodes", "yarn")
_LONG_SECONDS = 1800


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests with clusters more time than others."""
    here = Path(__file__).parent
    for item in items:
        if item.get_closest_marker("timeout") is None and any(item.path.is_relative_to(here / name) for name in _LONG):
            item.add_marker(pytest.mark.timeout(_LONG_SECONDS))
