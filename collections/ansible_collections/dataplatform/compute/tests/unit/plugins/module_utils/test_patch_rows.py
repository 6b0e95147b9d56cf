# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rows of a patch plan about what is pinned elsewhere than in the pins."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.patch_images import Image
from ansible_collections.dataplatform.compute.plugins.module_utils.patch_plan import Checkout, Facts, plan
from ansible_collections.dataplatform.compute.plugins.module_utils.patch_rows import Surroundings, rows

NOW = datetime(2026, 11, 30, tzinfo=UTC)
IMAGE, AIRFLOW = "2.3.10-debian12", "composer-2.17.9-airflow-2.11.1"
PINS: dict[str, Any] = {"dataproc_image": IMAGE, "environment": None, "init_actions": {}, "node_bundle": "a" * 64}
LIFECYCLE: dict[str, Any] = {"tracks": {}, "warn_days": 60}
NO_ORDER = {"after": None, "record_days": 14, "window": None}


def rows_of(packages: dict[str, str], newest: dict[str, str] | None) -> list[tuple[str, str, str, str]]:
    """The rows of Composer, whose image is the newest."""
    facts = Facts(PINS, None, NO_ORDER, Checkout("c", {}, "a" * 64, {}), [Image(IMAGE, NOW)], NOW)
    composer = {"image_version": AIRFLOW, "managed_by": "ansible", "pypi_packages": packages}
    around = Surroundings(LIFECYCLE, composer=composer, composer_images=[AIRFLOW], composer_packages=newest)
    found = rows(facts, plan(facts), around)
    index = next(number for number, row in enumerate(found) if row[0] == "Composer image")
    return found[index + 1 :]


@pytest.mark.parametrize(
    ("wanted", "candidate", "note"),
    [
        ("==2.2.0", "2.3.3", "changed in composer.yml"),
        ("[excel,s3] == 2.2.0", "2.3.3", "changed in composer.yml"),
        ("==2.3.3", "-", "changed in composer.yml"),
        (">=2", "-", "the newest is 2.3.3"),
        ("==2.*", "-", "the newest is 2.3.3"),
        ("", "-", "the newest is 2.3.3"),
    ],
)
def test_a_package_of_composer_is_held_against_the_newest(wanted: str, candidate: str, note: str) -> None:
    name = "Data_Frames"
    assert rows_of({name: wanted}, {"data-frames": "2.3.3"}) == [
        (f"  package {name}", wanted or "any version", candidate, note)
    ]


def test_where_the_index_cannot_be_asked_no_package_is_called_current() -> None:
    assert rows_of({"a": "==1"}, None) == [("  package a", "==1", "-", "which is the newest is not known")]


def test_composer_without_packages_has_no_rows_of_them() -> None:
    assert rows_of({}, None) == []
