# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is pinned in a cluster, and what a new one would have in its place."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.cluster_pins import describe

LABELS = {"cluster-template": "etl", "placement": "shared"}


def config(image: str = "2.3.11-debian12", bundle: str = "gs://a/1/node-bundle.tar", *actions: str) -> dict[str, Any]:
    """A ClusterConfig as far as something is pinned in it."""
    return {
        "softwareConfig": {"imageVersion": image},
        "gceClusterConfig": {"metadata": {"node-bundle-uri": bundle, "other": "x"}},
        "initializationActions": [{"executableFile": uri} for uri in actions or ("gs://a/1/node-bundle.sh",)],
    }


CONFIGS = {"etl": {"own": config(), "shared": config()}}


def cluster(live: dict[str, Any] | None, labels: dict[str, str] | None = None) -> dict[str, Any]:
    """A cluster as Dataproc lists it."""
    labels = LABELS if labels is None else labels
    return {"clusterName": "c", "status": {"state": "RUNNING"}, "labels": labels, "config": live}


def test_a_cluster_as_new_ones_are() -> None:
    described = describe(cluster({**config(), "workerConfig": {"numInstances": 9}}), CONFIGS)
    assert (described["name"], described["state"], described["differs"]) == ("c", "RUNNING", [])
    assert described["pins"] == {
        "image": "2.3.11-debian12",
        "node bundle": "gs://a/1/node-bundle.tar",
        "node-bundle.sh": "gs://a/1/node-bundle.sh",
    }


def test_a_cluster_with_older_pins() -> None:
    live = config("2.3.10-debian12", "gs://a/0/node-bundle.tar", "gs://a/0/node-bundle.sh", "gs://a/0/gone.sh")
    assert describe(cluster(live), CONFIGS)["differs"] == [
        {"field": "image", "wanted": "2.3.11-debian12", "live": "2.3.10-debian12"},
        {"field": "node bundle", "wanted": "gs://a/1/node-bundle.tar", "live": "gs://a/0/node-bundle.tar"},
        {"field": "node-bundle.sh", "wanted": "gs://a/1/node-bundle.sh", "live": "gs://a/0/node-bundle.sh"},
        {"field": "gone.sh", "wanted": None, "live": "gs://a/0/gone.sh"},
    ]


@pytest.mark.parametrize(
    ("labels", "live"),
    [
        ({"cluster-template": "gone", "placement": "own"}, "gone own"),
        ({"cluster-template": "etl", "placement": "elsewhere"}, "etl elsewhere"),
        ({}, "(none)"),
    ],
)
def test_a_cluster_whose_template_is_gone(labels: dict[str, str], live: str) -> None:
    assert describe(cluster(config(), labels), CONFIGS)["differs"] == [
        {"field": "cluster template", "wanted": None, "live": live}
    ]


def test_a_cluster_that_dataproc_tells_nothing_of() -> None:
    described = describe(cluster(None), CONFIGS)
    assert described["pins"] == {}
    assert [one["live"] for one in described["differs"]] == [None, None, None]
