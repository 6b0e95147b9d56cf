# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.patch_images import (
    Image,
    newest_of_track,
    usable_images,
    version_of_label,
)


def listed(label: str, created: str = "2026-10-01T03:00:00.000-07:00", **changes: Any) -> dict[str, Any]:
    return {
        "name": f"dataproc-{label}",
        "labels": {"goog-dataproc-version": label},
        "status": "READY",
        "creationTimestamp": created,
        **changes,
    }


def versions(items: list[dict[str, Any]]) -> list[str]:
    return [image.version for image in usable_images(items)]


def test_versions_are_in_the_order_of_their_numbers() -> None:
    assert versions([listed("2-3-11-debian12"), listed("2-3-9-debian12"), listed("2-2-60-rocky9")]) == [
        "2.2.60-rocky9",
        "2.3.9-debian12",
        "2.3.11-debian12",
    ]


@pytest.mark.parametrize(
    "item",
    [
        listed("2-3-11-debian12", status="PENDING"),
        listed("2-3-11-debian12", deprecated={"state": "DEPRECATED"}),
        listed("2-3-11-debian12", deprecated={"state": "OBSOLETE"}),
        listed("2-3-11-debian12", labels={}),
        listed("2-3-12-debian12", name="dataproc-2-3-deb12-20261101-045100-eap"),
        listed("2-3-12-debian12", name="dataproc-2-3-deb12-20261101-045100-tmp"),
        listed("2-3-debian12"),
        {"name": "another", "status": "READY", "creationTimestamp": "2026-10-01T03:00:00Z"},
    ],
)
def test_what_no_cluster_can_have_is_left_out(item: dict[str, Any]) -> None:
    assert versions([item]) == []


def test_of_two_images_of_a_version_the_newer_one_counts() -> None:
    found = usable_images([listed("2-3-9-debian12", "2026-10-02T00:00:00Z"), listed("2-3-9-debian12")])
    assert found == [Image("2.3.9-debian12", datetime(2026, 10, 2, tzinfo=UTC))]


def test_the_newest_is_of_the_same_track_and_system() -> None:
    images = usable_images([listed("2-3-9-debian12"), listed("2-3-12-rocky9"), listed("2-4-1-debian12")])
    assert newest_of_track(images, "2.3.2-debian12").version == "2.3.9-debian12"
    assert newest_of_track(images, "2.2.1-debian12") is None


def test_a_label_that_is_no_version_is_none() -> None:
    assert version_of_label("2-3-11-debian12") == "2.3.11-debian12"
    assert version_of_label("preview") == ""
