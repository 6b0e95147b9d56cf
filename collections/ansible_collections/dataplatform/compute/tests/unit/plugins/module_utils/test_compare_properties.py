# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Properties of the comparison that hold for every resource of every kind."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.bodies import update_body
from ansible_collections.dataplatform.compute.plugins.module_utils.compare import compare
from ansible_collections.dataplatform.compute.plugins.module_utils.kinds.registry import KINDS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .resource_strategies import resources

FEW = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
KIND_NAMES = sorted(KINDS)
STRATEGIES = {name: resources(kind.schema, kind.schema.root, 3) for name, kind in KINDS.items()}


def drawn(data: Any, kind: Any) -> dict[str, Any]:
    resource, problems = kind.schema.check(data.draw(STRATEGIES[kind.name]), required=False)
    assert problems == []
    return resource


def merge(target: Any, patch: Any) -> Any:
    """Apply a JSON merge patch, as RFC 7396 says."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


@pytest.mark.parametrize("kind_name", KIND_NAMES)
@FEW
@given(data=st.data())
def test_a_resource_does_not_differ_from_itself(kind_name, data):
    kind = KINDS[kind_name]
    resource = drawn(data, kind)
    result = compare(kind, resource, copy.deepcopy(resource))
    assert result.changes == []
    assert result.before == result.after


@pytest.mark.parametrize("kind_name", KIND_NAMES)
@FEW
@given(data=st.data())
def test_checking_twice_changes_nothing_more(kind_name, data):
    kind = KINDS[kind_name]
    resource = drawn(data, kind)
    assert kind.schema.check(resource, required=False) == (resource, [])
    assert kind.schema.normalise(resource) == resource


@pytest.mark.parametrize("kind_name", KIND_NAMES)
@FEW
@given(data=st.data())
def test_what_an_update_sends_is_the_desired_state(kind_name, data):
    """Sending the body and comparing again finds nothing: one run converges."""
    kind = KINDS[kind_name]
    target, live = drawn(data, kind), drawn(data, kind)
    changes = compare(kind, target, live).changes
    body = update_body(kind, target, live, [change.path for change in changes])
    after = merge(live, body) if kind.updates == "merge" else body
    if kind.updates == "mask":
        # Only what the mask names arrives; fixed fields are refused before.
        changes = [change for change in changes if kind.can_update(change.path)]
        assert all(change.path[0] in body for change in changes if change.after)
        return
    assert [str(change) for change in compare(kind, target, after).changes] == []


@pytest.mark.parametrize("kind_name", KIND_NAMES)
@FEW
@given(data=st.data())
def test_without_changes_both_sides_of_the_diff_are_equal(kind_name, data):
    kind = KINDS[kind_name]
    target, live = drawn(data, kind), drawn(data, kind)
    result = compare(kind, target, live)
    if not result.changes:
        assert result.before == result.after
    else:
        assert result.before != result.after
