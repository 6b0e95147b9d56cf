# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The core of gcp_resources: check, list, plan, apply."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.apply import Applier, Outcome
from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient, add_common_arguments
from ansible_collections.dataplatform.compute.plugins.module_utils.desired import check_desired
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import PartialFailureError, ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.kinds.base import Kind, Scope
from ansible_collections.dataplatform.compute.plugins.module_utils.kinds.registry import KINDS
from ansible_collections.dataplatform.compute.plugins.module_utils.plan import (
    NONE,
    PlanOptions,
    plan_absent,
    plan_present,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.schema import plain
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition

DEFAULT_OWNERSHIP = {"managed-by": "dataplatform-compute"}


def list_live(client: GoogleClient, kind: Kind, scope: Scope) -> dict[str, dict[str, Any]]:
    """Return every resource of a kind by id, with one list call (and one for each further page)."""
    call = kind.list_call(scope)
    items = client.pages(call.url, kind.list_key, params=call.params)
    return {kind.live_id(item): item for item in items}


def run(params: dict[str, Any], client: GoogleClient, reporter: Reporter) -> dict[str, Any]:
    """Bring the resources of one kind into the desired state; in check mode only say what would be done."""
    kind = KINDS[params["kind"]]
    labels = params["ownership_labels"] if kind.labelled else None
    ownership = {str(key): str(value) for key, value in plain(labels or {}).items()}
    present = params["state"] == "present"
    _check_options(params, ownership)
    desired = check_desired(kind, params["resources"], ownership, required=present)
    options = PlanOptions(ownership, params["adopt"], params["allow_replace"])
    scope = Scope(client.project, client.region if kind.regional else "")
    misplaced = [problem for problem in (kind.wrong_scope(scope, one) for one in desired) if problem]
    if misplaced:
        raise ValidationError(misplaced, f"resources of kind {kind.name}")
    live = list_live(client, kind, scope) if desired or params["purge"] else {}
    if present:
        items = plan_present(kind, desired, live, options, purge=params["purge"])
    else:
        items = plan_absent(kind, list(desired), live, options)
    if reporter.check_mode:
        return _result([Outcome(item, item.action, item.message) for item in items])
    applier = Applier(client, scope, wait=params["wait"], wait_timeout=params["wait_timeout"])
    outcomes = applier.apply(items, params["concurrency"], reporter.progress)
    result = _result(outcomes)
    _raise_failures(kind, outcomes, result)
    return result


def _check_options(params: dict[str, Any], ownership: dict[str, str]) -> None:
    problems = []
    if params["purge"] and params["state"] != "present":
        problems.append("purge is true and state is 'absent'; expected purge with state 'present' only")
    if not KINDS[params["kind"]].labelled:
        problems += _unlabelled_problems(params)
    elif params["purge"] and not ownership:
        problems.append("purge is true and ownership_labels is empty; expected labels, else everything would go")
    if params["concurrency"] < 1:
        problems.append(f"concurrency is {params['concurrency']}; expected at least 1")
    if params["wait_timeout"] <= 0:
        problems.append(f"wait_timeout is {params['wait_timeout']:g}; expected seconds above 0")
    if problems:
        raise ValidationError(problems, "the options of gcp_resources")


def _unlabelled_problems(params: dict[str, Any]) -> list[str]:
    """Nothing tells ours from others' where there are no labels: what goes is listed, and said to go."""
    kind = params["kind"]
    problems = []
    if params["purge"]:
        problems.append(f"purge is true, but a {kind} has no labels that say whose it is; list those that shall go")
    if params["state"] == "absent" and params["adopt"] != "always":
        problems.append(
            f"state is 'absent', but a {kind} has no labels that say whose it is. Set adopt: always to delete it"
        )
    return problems


def _result(outcomes: list[Outcome]) -> dict[str, Any]:
    changed = [outcome for outcome in outcomes if outcome.changed]
    return {
        "changed": bool(changed),
        "results": [outcome.to_result() for outcome in outcomes],
        "diff": [outcome.diff() for outcome in changed if outcome.item.changed],
        "summary": _summary(outcomes),
    }


def _summary(outcomes: list[Outcome]) -> str:
    counts = Counter("failed" if outcome.error else outcome.action for outcome in outcomes)
    words = {"none": "unchanged"}
    parts = [f"{count} {words.get(name, name)}" for name, count in sorted(counts.items())]
    return f"{len(outcomes)} resources: {', '.join(parts)}" if parts else "0 resources"


def _raise_failures(kind: Kind, outcomes: list[Outcome], result: dict[str, Any]) -> None:
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if not failed:
        return
    done = [outcome for outcome in outcomes if outcome.action != NONE and outcome.error is None]
    lines = "".join(f"\n- {outcome.item.id}: {outcome.message}" for outcome in failed)
    finished = ", ".join(f"{outcome.item.id} ({outcome.action})" for outcome in done) or "nothing"
    raise PartialFailureError(
        f"{len(failed)} of {len(failed) + len(done)} changes to {kind.name} failed. Done: {finished}."
        f" A repeated run continues from here. Failed:{lines}",
        result,
    )


DEFINITION = TaskDefinition(
    argument_spec=add_common_arguments(
        {
            "kind": {"type": "str", "required": True, "choices": sorted(KINDS)},
            "resources": {"type": "list", "elements": "dict", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "purge": {"type": "bool", "default": False},
            "ownership_labels": {"type": "dict", "default": dict(DEFAULT_OWNERSHIP)},
            "adopt": {"type": "str", "choices": ["unlabelled", "always", "never"], "default": "unlabelled"},
            "allow_replace": {"type": "bool", "default": False},
            "wait": {"type": "bool", "default": True},
            "wait_timeout": {"type": "float", "default": 1800.0},
            "concurrency": {"type": "int", "default": 8},
        }
    ),
    run=run,
)
