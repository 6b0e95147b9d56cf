# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is left of images on a given day, and what the cross-check makes of it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.image_lifecycle import (
    custom_image_life,
    image_life,
    life_warnings,
    track_of,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_rules import (
    check_inventory,
    inventory_warnings,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_source import Source
from ansible_collections.dataplatform.compute.tests.unit.plugins.module_utils.inventory_facts import sound_facts

NOWHERE = Source(positions={}, duplicates=[], directory="inventories/test")
PIN = "platform_pins.dataproc_image"
TEMPLATE = "platform_cluster_templates.etl.config.softwareConfig.imageVersion"
DATA: dict[str, Any] = {
    "as_of": "2026-11-23",
    "source": "a page",
    "warn_days": 60,
    "custom_image_days": 365,
    "tracks": {
        "2.1": {"supported_until": "2026-03-31", "creatable_until": "2026-12-31"},
        "2.3": {"supported_until": "2027-06-09", "creatable_until": "2029-06-09"},
        "3.0": {"supported_until": None, "creatable_until": None},
    },
}


@pytest.mark.parametrize(
    ("version", "track"),
    [("2.3.11-debian12", "2.3"), ("2.3-debian12", "2.3"), ("2.3", "2.3"), ("2.13.1-ml-ubuntu22", "2.13"),
     ("newest", ""), ("2", "")],
)  # fmt: skip
def test_track_of_a_version(version: str, track: str) -> None:
    assert track_of(version) == track


@pytest.mark.parametrize(
    ("version", "today", "support", "creation", "state"),
    [
        ("2.3.11-debian12", "2026-11-29", 192, 923, "supported"),
        ("2.3.11-debian12", "2027-04-09", 61, 792, "supported"),
        ("2.3.11-debian12", "2027-04-10", 60, 791, "ending"),
        ("2.3.11-debian12", "2027-06-09", 0, 731, "ending"),
        ("2.3.11-debian12", "2027-06-10", -1, 730, "unsupported"),
        ("2.1.115-debian11", "2026-12-31", -275, 0, "unsupported"),
        ("2.1.115-debian11", "2027-01-01", -276, -1, "expired"),
        ("3.0.1-debian12", "2026-11-29", None, None, "supported"),
        ("2.4.1-debian12", "2026-11-29", None, None, "unknown"),
        ("newest", "2026-11-29", None, None, "unknown"),
    ],
)
def test_life_of_an_image(version: str, today: str, support: int | None, creation: int | None, state: str) -> None:
    life = image_life(version, date.fromisoformat(today), DATA)
    days = DATA["tracks"].get(life["track"], {"supported_until": None, "creatable_until": None})
    assert life == {
        "track": track_of(version),
        **days,
        "support_days_left": support,
        "days_left": creation,
        "state": state,
    }


def test_creation_that_ends_soon_counts_although_support_is_not_announced() -> None:
    data = {**DATA, "tracks": {"2.3": {"supported_until": None, "creatable_until": "2026-12-31"}}}
    assert image_life("2.3.1-debian12", date(2026, 11, 1), data)["state"] == "ending"


@pytest.mark.parametrize(
    ("today", "left", "state"),
    [("2026-01-10", 356, "supported"), ("2026-11-02", 60, "ending"), ("2027-01-01", 0, "ending"),
     ("2027-01-02", -1, "expired")],
)  # fmt: skip
def test_life_of_a_custom_image(today: str, left: int, state: str) -> None:
    life = custom_image_life(date(2026, 1, 1), date.fromisoformat(today), DATA)
    assert life == {"usable_until": "2027-01-01", "days_left": left, "state": state}


@pytest.mark.parametrize(
    ("today", "told"),
    [
        ("2026-01-29", []),
        ("2026-01-30", ["Google's support of image track 2.1 ends on 2026-03-31, in 60 days"]),
        ("2026-03-30", ["Google's support of image track 2.1 ends on 2026-03-31, in 1 day"]),
        ("2026-04-01", ["Google's support of image track 2.1 ended on 2026-03-31"]),
        (
            "2026-12-31",
            [
                "Google's support of image track 2.1 ended on 2026-03-31",
                "no cluster can be made of image track 2.1 after 2026-12-31, in 0 days",
            ],
        ),
    ],
)
def test_what_is_told_of_a_life(today: str, told: list[str]) -> None:
    assert life_warnings(image_life("2.1.115-debian11", date.fromisoformat(today), DATA), 60) == told


def facts_with(pin: str = "2.3.11-debian12", template: Any = None) -> dict[str, Any]:
    """Sound facts with an image pinned, and one in a cluster template."""
    facts = {**sound_facts(), "platform_dataproc_images": DATA}
    facts["platform_pins"] = {**facts["platform_pins"], "dataproc_image": pin}
    if template is not None:
        facts["platform_cluster_templates"]["etl"]["config"]["softwareConfig"] = {"imageVersion": template}
    return facts


def found(facts: dict[str, Any], today: str) -> list[tuple[str, str, str]]:
    """The findings on a day: key, expectation, near miss."""
    findings = check_inventory(facts, NOWHERE, today=date.fromisoformat(today))
    return [(finding.key, finding.expected, finding.suggestion) for finding in findings]


def warned(facts: dict[str, Any], today: str) -> list[str]:
    """The warnings on a day, as they are shown."""
    return [str(finding) for finding in inventory_warnings(facts, NOWHERE, date.fromisoformat(today))]


def test_images_that_make_clusters_are_no_findings() -> None:
    facts = facts_with(template="2.1.115-debian11")
    assert found(facts, "2026-12-31") == []
    assert warned(facts, "2026-11-01") == [
        f"inventories/test: {TEMPLATE}: '2.1.115-debian11': {told}"
        for told in (
            "Google's support of image track 2.1 ended on 2026-03-31",
            "no cluster can be made of image track 2.1 after 2026-12-31, in 60 days",
        )
    ]


def test_an_expired_image_is_refused_wherever_it_is() -> None:
    expected = "expected an image of which clusters can be made; for track {} that ended on {}"
    assert found(facts_with(template="2.1.115-debian11"), "2027-01-01") == [
        (TEMPLATE, expected.format("2.1", "2026-12-31"), "")
    ]
    assert found(facts_with(), "2029-06-10") == [(PIN, expected.format("2.3", "2029-06-09"), "")]
    assert warned(facts_with(), "2027-04-09") == []
    assert warned(facts_with(), "2027-04-10") == [
        f"inventories/test: {PIN}: '2.3.11-debian12': "
        "Google's support of image track 2.3 ends on 2027-06-09, in 60 days"
    ]


@pytest.mark.parametrize(("version", "near"), [("2.33.1-debian12", "2.3"), ("9.9.1-debian12", ""), ("newest", "")])
def test_an_unknown_track_is_refused_with_the_near_miss(version: str, near: str) -> None:
    expected = "expected an image of a track of platform_dataproc_images: 2.1, 2.3, 3.0"
    assert found(facts_with(template=version), "2026-11-29") == [(TEMPLATE, expected, near)]


@pytest.mark.parametrize(
    ("part", "value", "key", "expected"),
    [
        ("as_of", "23.11.2026", "as_of", "a date in quotes"),
        ("warn_days", 0, "warn_days", "1 to 3650"),
        ("custom_image_days", "365", "custom_image_days", "1 to 3650"),
        ("source", "", "source", "not empty"),
        ("tracks", {2.3: DATA["tracks"]["2.3"]}, "tracks.2.3", "a track in quotes"),
        ("tracks", {"2.3": {"supported_until": "soon", "creatable_until": None}}, "tracks.2.3.supported_until",
         "or null"),
        ("tracks", {"2.3": {"supported_until": "2027-02-30", "creatable_until": None}}, "tracks.2.3.supported_until",
         "that the calendar has"),
        ("tracks", {"2.3": {"supported_until": "2027-06-09", "creatable_until": "2027-06-08"}},
         "tracks.2.3.creatable_until", "no day before supported_until, 2027-06-09"),
        ("tracks", {"2.3": {"supported_until": None}}, "tracks.2.3", "the key 'creatable_until'"),
    ],
)  # fmt: skip
def test_mistakes_in_the_data_are_named(part: str, value: object, key: str, expected: str) -> None:
    facts = {**facts_with(), "platform_dataproc_images": {**DATA, part: value}}
    (finding,) = found(facts, "2026-11-29")
    assert finding[0] == f"platform_dataproc_images.{key}"
    assert expected in finding[1]
    assert warned(facts, "2026-11-29") == []


def test_what_is_no_version_or_no_template_is_left_to_the_schema() -> None:
    facts = facts_with(template=7)
    facts["platform_cluster_templates"]["ml"] = "none"
    assert [key for key, *_rest in found(facts, "2026-11-29")] == ["platform_cluster_templates.ml"]
