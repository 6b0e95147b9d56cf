# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said about a change of the queues: its lines, and what becomes of it on each cluster."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.yarn_queues_report import (
    changed_lines,
    describe,
    differing_settings,
)

URI = "gs://a/live/dev/fair-scheduler.xml"


def cluster(state: str, metadata: dict[str, str] | None) -> dict[str, Any]:
    """A cluster as Dataproc lists it."""
    config = {} if metadata is None else {"gceClusterConfig": {"metadata": metadata}}
    return {"clusterName": "etl", "status": {"state": state}, "config": config}


@pytest.mark.parametrize(
    ("state", "metadata", "takes", "when"),
    [
        ("RUNNING", {"fair-scheduler-uri": URI}, True, "within 60 seconds"),
        ("UPDATING", {"fair-scheduler-uri": URI}, True, "within 60 seconds"),
        ("STOPPED", {"fair-scheduler-uri": URI}, True, "when it runs (it is STOPPED)"),
        ("DELETING", {"fair-scheduler-uri": URI}, False, "never: it is DELETING"),
        ("RUNNING", {}, False, "never: it was made without fair-scheduler-uri"),
        ("RUNNING", None, False, "never: it was made without fair-scheduler-uri"),
        ("RUNNING", {"fair-scheduler-uri": "gs://b/x"}, False, "never: its fair-scheduler-uri is gs://b/x"),
    ],
)
def test_a_cluster_takes_it_when_it_looks_there(
    state: str, metadata: dict[str, str] | None, takes: bool, when: str
) -> None:
    described = describe(cluster(state, metadata), URI)
    assert (described["name"], described["state"], described["takes"]) == ("etl", state, takes)
    assert described["when"].startswith(when)


def test_changed_lines_are_those_that_differ() -> None:
    assert changed_lines("a\nb\n", "a\nb\n") == []
    assert changed_lines("a\nb\n", "a\nc\n") == ["@@ -1,2 +1,2 @@", " a", "-b", "+c"]
    assert changed_lines("", "a\n") == ["@@ -0,0 +1 @@", "+a"]


def allocations(queues: str) -> str:
    """An allocation file with these queues below the root queue."""
    return f'<allocations>\n  <!-- by somebody -->\n  <queue name="root">{queues}</queue>\n</allocations>'


NORMAL = '<queue name="normal" type="parent"><weight>3</weight><aclSubmitApps>ada</aclSubmitApps></queue>'


def test_settings_that_differ_are_called_by_their_queue() -> None:
    live = allocations(
        NORMAL.replace(">3<", ">5<").replace(">ada<", "> <") + '<queue name="low"><weight>1</weight></queue>'
    )
    assert differing_settings(live, allocations(NORMAL)) == [
        {"field": "root.low.weight", "live": "1", "wanted": None},
        {"field": "root.normal.aclSubmitApps", "live": " ", "wanted": "ada"},
        {"field": "root.normal.weight", "live": "5", "wanted": "3"},
    ]


def test_layout_and_comments_are_no_settings() -> None:
    assert differing_settings(allocations(f"\n    {NORMAL}\n").replace("somebody", "me"), allocations(NORMAL)) == []


@pytest.mark.parametrize("live", ["", "weight: 3", "<allocations>"])
def test_a_published_text_that_is_no_allocation_file_is_one_difference(live: str) -> None:
    (difference,) = differing_settings(live, allocations(NORMAL))
    assert (difference["field"], difference["wanted"]) == ("content", "an allocation file")
