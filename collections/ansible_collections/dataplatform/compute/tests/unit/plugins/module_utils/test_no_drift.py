# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What Google makes of a request is never drift: pairs of what was sent and what came back."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.desired import check_desired
from ansible_collections.dataplatform.compute.plugins.module_utils.kinds.registry import KINDS
from ansible_collections.dataplatform.compute.plugins.module_utils.plan import NONE, PlanOptions, plan_present

DIRECTORY = Path(__file__).parents[2] / "fixtures" / "pairs"
PAIRS = [
    pytest.param(path.stem, pair["sent"], pair["answered"], id=f"{path.stem}: {pair['case']}")
    for path in sorted(DIRECTORY.glob("*.json"))
    for pair in json.loads(path.read_text())
]


def test_every_kind_has_a_pair():
    assert {path.stem for path in DIRECTORY.glob("*.json")} == set(KINDS)


@pytest.mark.parametrize(("kind_name", "sent", "answered"), PAIRS)
def test_no_drift(kind_name, sent, answered):
    kind = KINDS[kind_name]
    before = copy.deepcopy(answered)
    desired = check_desired(kind, [sent], {})
    items = plan_present(kind, desired, {kind.live_id(answered): answered}, PlanOptions())
    assert [(item.id, item.action, [str(change) for change in item.changes]) for item in items] == [
        (sent[kind.id_field], NONE, [])
    ]
    assert answered == before, "the planner must not change Google's answer"


LABELLED = [pair for pair in PAIRS if KINDS[pair.values[0]].labelled]


@pytest.mark.parametrize(("kind_name", "sent", "answered"), LABELLED)
def test_one_changed_label_is_the_only_drift(kind_name, sent, answered):
    kind = KINDS[kind_name]
    desired = check_desired(kind, [{**sent, "labels": {**sent.get("labels", {}), "reviewed": "yes"}}], {})
    [item] = plan_present(kind, desired, {kind.live_id(answered): answered}, PlanOptions())
    assert item.action == "update"
    assert {change.path for change in item.changes} in ({("labels", "reviewed")}, {("labels",)})
