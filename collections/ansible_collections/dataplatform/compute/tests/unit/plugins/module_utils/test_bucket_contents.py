# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Emptying buckets: only ours, all versions, nothing in check mode."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.bucket_contents import run
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import NotFoundError, ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter

OURS = {"managed-by": "dataplatform-compute", "environment": "dev"}


class Storage:
    """Buckets with labels and objects; remembers what was deleted."""

    def __init__(self, **labels: dict[str, str]) -> None:
        self.labels = labels
        self.deleted: list[tuple[str, str]] = []

    def request(self, method: str, url: str, *, params: dict[str, str]) -> dict[str, Any]:
        """Answer a look at a bucket or a deletion."""
        if method == "DELETE":
            self.deleted.append((url.partition("/b/")[2], params["generation"]))
            return {}
        bucket = url.rpartition("/")[2]
        if bucket not in self.labels:
            raise NotFoundError(404, "notFound", "no such bucket", url, method)
        return {"labels": self.labels[bucket]}

    def pages(self, _url: str, _key: str, *, params: dict[str, str]) -> Iterator[dict[str, str]]:
        """Two versions of one object with an awkward name."""
        assert params["versions"] == "true"
        yield from ({"name": "a b/ü", "generation": generation} for generation in ("1", "2"))


def empty(
    storage: Storage,
    *buckets: str,
    check_mode: bool = False,
    labels: dict[str, str] | None = None,
    concurrency: int = 2,
) -> dict[str, Any]:
    """Run the core."""
    labels = OURS if labels is None else labels
    params = {"buckets": list(buckets), "ownership_labels": labels, "concurrency": concurrency}
    return run(params, storage, Reporter(check_mode=check_mode))


def test_every_version_is_deleted() -> None:
    storage = Storage(data=OURS)
    result = empty(storage, "data")
    assert (result["changed"], result["deleted"]) == (True, {"data": 2})
    assert sorted(storage.deleted) == [("data/o/a%20b%2F%C3%BC", "1"), ("data/o/a%20b%2F%C3%BC", "2")]


def test_check_mode_counts_and_deletes_nothing() -> None:
    storage = Storage(data=OURS)
    assert empty(storage, "data", check_mode=True)["diff"]["before"] == "gs://data: 2 objects\n"
    assert storage.deleted == []


def test_one_bucket_of_somebody_else_stops_everything() -> None:
    storage = Storage(data=OURS, theirs={**OURS, "environment": "prod"})
    with pytest.raises(ValidationError, match="theirs does not carry environment=dev"):
        empty(storage, "data", "theirs")
    assert storage.deleted == []


def test_a_bucket_that_does_not_exist_is_empty() -> None:
    assert empty(Storage(), "gone")["changed"] is False


def test_labels_are_not_optional() -> None:
    with pytest.raises(ValidationError, match="ownership_labels is empty"):
        empty(Storage(data=OURS), "data", labels={})


def test_nothing_at_once_is_refused() -> None:
    with pytest.raises(ValidationError, match="concurrency is 0"):
        empty(Storage(data=OURS), "data", concurrency=0)
