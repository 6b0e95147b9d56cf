# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about Dataproc images: what is pinned can still make clusters, and for how long Google stands by it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.image_lifecycle import (
    EXPIRED,
    UNKNOWN,
    image_life,
    last_day,
    life_warnings,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_source import (
    Finding,
    KeyPath,
    format_key,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.near_miss import closest_match

Located = Iterator[tuple[KeyPath, Finding]]

IMAGES_FACT = "platform_dataproc_images"
_ENDS = ("supported_until", "creatable_until")


def pinned_images(facts: dict[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """Every image version that an inventory names, and where, whatever else is wrong with what is around it."""
    for path in (
        ("platform_pins", "dataproc_image"),
        *(
            ("platform_cluster_templates", name, "config", "softwareConfig", "imageVersion")
            for name in _keys(facts.get("platform_cluster_templates"))
        ),
    ):
        value: Any = facts
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, str):
            yield path, value


def check_days(images: dict[str, Any]) -> Located:
    """Every last day is a day, and support ends no later than the making of clusters."""
    for track, ends in images["tracks"].items():
        for end in _ENDS:
            if ends[end] and not last_day(ends[end]):
                path: KeyPath = (IMAGES_FACT, "tracks", track, end)
                yield path, Finding(format_key(path), repr(ends[end]), "expected a day that the calendar has")
        supported, creatable = (last_day(ends[end]) for end in _ENDS)
        if supported and creatable and creatable < supported:
            path = (IMAGES_FACT, "tracks", track, "creatable_until")
            expected = f"expected no day before supported_until, {ends['supported_until']}"
            yield path, Finding(format_key(path), repr(ends["creatable_until"]), expected)


def check_images_make_clusters(pinned: Iterator[tuple[KeyPath, str]], images: dict[str, Any], today: date) -> Located:
    """Every pinned image is of a track that is known and of which clusters can still be made."""
    for path, version in pinned:
        life = image_life(version, today, images)
        if life["state"] == UNKNOWN:
            known = sorted(images["tracks"])
            expected = f"expected an image of a track of {IMAGES_FACT}: {', '.join(known)}"
            yield path, Finding(format_key(path), repr(version), expected, closest_match(life["track"], known))
        elif life["state"] == EXPIRED:
            expected = (
                f"expected an image of which clusters can be made; for track {life['track']} that ended on "
                f"{life['creatable_until']}"
            )
            yield path, Finding(format_key(path), repr(version), expected)


def warn_of_ends(pinned: Iterator[tuple[KeyPath, str]], images: dict[str, Any], today: date) -> Located:
    """Every pinned image whose support ends soon or has ended, or of which soon no cluster can be made."""
    for path, version in pinned:
        for told in life_warnings(image_life(version, today, images), images["warn_days"]):
            yield path, Finding(format_key(path), repr(version), told)


def _keys(value: Any) -> list[Any]:
    return list(value) if isinstance(value, dict) else []
