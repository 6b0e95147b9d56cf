# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report on drift: its table, its data, and what it says of what could not be looked at."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.drift_report import DEFINITION, run
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter

HASH = "0123456789ab" + "c" * 52
CLEAN = {"results": [{"id": "x", "action": "none", "diff": {}}], "changed": False}
LABEL = {"before": {"labels": {"team": "a"}}, "after": {"labels": {"team": "b"}}}
DRIFTED = {
    "results": [{"id": "data", "action": "update", "diff": LABEL}, {"id": "new", "action": "create", "diff": {}}]
}


def report(results: dict[str, Any], **stated: Any) -> dict[str, Any]:
    """Run the task; what it shows is what it returns."""
    shown: list[str] = []
    params = {"results": results, "environment": "dev", "clusters": {}, "unseen": [], **stated}
    result = run(params, None, Reporter(progress=shown.append))
    assert shown == ["\n".join(result["text"])]
    return result


def test_no_drift_is_one_line_that_names_what_was_looked_at() -> None:
    result = report(
        {"storage_buckets_result": CLEAN, "cluster_templates_policies_result": CLEAN, "composer_result": {}}
    )
    assert result["text"] == ["No drift in dev: bucket, autoscaling policy"]
    assert result["report"]["drifted"] is False
    assert result["report"]["looked_at"] == ["bucket", "autoscaling policy"]


def test_drift_is_a_table_and_data() -> None:
    result = report({"storage_buckets_result": DRIFTED})
    assert result["text"] == [
        "Drift in dev: 2 are not as the inventory says.",
        "kind    name  what differs  wanted  live",
        "bucket  data  labels.team   b       a",
        "bucket  new   missing",
    ]
    assert result["report"]["drifted"] is True
    assert result["report"]["drift"][0] == {
        "kind": "bucket",
        "name": "data",
        "state": "differs",
        "fields": [{"field": "labels.team", "wanted": "b", "live": "a"}],
    }


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, "(absent)"),
        ("", "(empty)"),
        ("a\nb", "a\\nb"),
        ({"b": 1, "a": [True]}, '{"a": [true], "b": 1}'),
        (f"gs://bucket/{HASH}/run_dask.py", "0123456789ab…/run_dask.py"),
        ("x" * 30 + "y" * 30, "x" * 19 + "…" + "y" * 20),
    ],
)
def test_cells_are_short_and_the_data_whole(value: Any, cell: str) -> None:
    diff = {"before": {"a": value}, "after": {"a": "wanted"}}
    result = report({"storage_buckets_result": {"results": [{"id": "data", "action": "update", "diff": diff}]}})
    assert result["text"][-1].partition("wanted  ")[2] == cell
    assert result["report"]["drift"][0]["fields"][0]["live"] == value


def test_clusters_on_other_pins_are_shown_and_are_no_drift() -> None:
    image = {"field": "image", "wanted": "2.3.11-debian12", "live": "2.3.10-debian12"}
    clusters = [
        {"name": "etl-shared", "state": "RUNNING", "differs": [image]},
        {"name": "ml-shared", "state": "RUNNING", "differs": []},
    ]
    result = report({"storage_buckets_result": CLEAN}, clusters={"clusters": clusters})
    assert result["report"]["drifted"] is False
    assert [one["name"] for one in result["report"]["clusters"]] == ["etl-shared"]
    assert result["text"][-1].split() == ["etl-shared", "RUNNING", "image", "2.3.11-debian12", "2.3.10-debian12"]


def test_what_could_not_be_looked_at_is_named_beside_the_rest() -> None:
    unseen = [{"what": "secrets", "error": "403\n  no permission"}]
    result = report(
        {"storage_buckets_result": CLEAN, "service_principals_secrets_result": {"failed": True}}, unseen=unseen
    )
    assert result["text"] == [
        "No drift in dev, as far as could be looked at: bucket",
        "",
        "Could not be looked at:",
        "secrets: 403 no permission",
    ]
    assert result["report"]["unseen"] == unseen


def test_a_result_that_nobody_registers_is_refused() -> None:
    with pytest.raises(ValidationError, match="did you mean 'storage_buckets_result'"):
        report({"storage_bucket_result": CLEAN})


def test_it_needs_no_credentials() -> None:
    params = {"results": {}, "environment": "dev", "clusters": {}, "unseen": []}
    assert DEFINITION.execute(params, Reporter())["text"] == ["No drift in dev: nothing was looked at"]
