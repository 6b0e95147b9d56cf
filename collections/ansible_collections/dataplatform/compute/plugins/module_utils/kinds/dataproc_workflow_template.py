# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Dataproc workflow templates. Google keeps them as they were sent; the version is an optimistic lock."""

from __future__ import annotations

from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils._schemas.dataproc import TYPES
from ansible_collections.dataplatform.compute.plugins.module_utils.kinds import dataproc
from ansible_collections.dataplatform.compute.plugins.module_utils.kinds.base import Call, Kind, Path, Scope
from ansible_collections.dataplatform.compute.plugins.module_utils.ownership import label_problems
from ansible_collections.dataplatform.compute.plugins.module_utils.schema import Schema, did_you_mean

COLLECTION = "workflowTemplates"
JOB_TYPES = tuple(name for name in TYPES["OrderedJob"] if name.endswith("Job"))
_CLUSTER = "placement.managedCluster.config"


def _update(scope: Scope, identifier: str, body: dict[str, Any], live: dict[str, Any], _changed: list[Path]) -> Call:
    name = dataproc.resource_name(scope, COLLECTION, identifier)
    version = {"version": live["version"]} if "version" in live else {}
    return Call("PUT", dataproc.item_url(scope, COLLECTION, identifier), json={**body, "name": name, **version})


def _delete(scope: Scope, identifier: str, live: dict[str, Any]) -> Call:
    version = {"version": live["version"]} if "version" in live else {}
    return Call("DELETE", dataproc.item_url(scope, COLLECTION, identifier), version)


def _checks(template: dict[str, Any]) -> list[str]:
    """Return what the field types cannot say: steps that are not there, steps with no work or two kinds of it."""
    problems = []
    steps: list[str] = []
    jobs = template.get("jobs") or []
    for index, job in enumerate(jobs):
        step = job["stepId"]
        if not dataproc.ID_PATTERN.fullmatch(step):
            problems.append(f"jobs[{index}].stepId is '{step}'; expected {dataproc.ID_EXPECTATION}")
        if step in steps:
            problems.append(f"jobs[{index}].stepId '{step}' is used already by jobs[{steps.index(step)}]")
        steps.append(step)
        kinds = [name for name in JOB_TYPES if job.get(name) is not None]
        if len(kinds) != 1:
            found = " and ".join(kinds) or "none"
            problems.append(f"jobs[{index}] has {found}; expected exactly one of {', '.join(JOB_TYPES)}")
        problems += [f"jobs[{index}].{problem}" for problem in label_problems(job.get("labels"))]
    for index, job in enumerate(jobs):
        problems += [
            f"jobs[{index}].prerequisiteStepIds names '{step}', which is no stepId of this template"
            f"{did_you_mean(step, steps)}"
            for step in job.get("prerequisiteStepIds") or []
            if step not in steps
        ]
    return problems + _placement_checks(template.get("placement") or {})


def _placement_checks(placement: dict[str, Any]) -> list[str]:
    stated = [name for name in ("managedCluster", "clusterSelector") if placement.get(name) is not None]
    if len(stated) != 1:
        found = " and ".join(stated) or "nothing"
        return [f"placement has {found}; expected either managedCluster or clusterSelector"]
    labels = (placement.get("managedCluster") or {}).get("labels")
    return label_problems(labels, "placement.managedCluster.labels")


KIND = Kind(
    name="dataproc_workflow_template",
    schema=Schema(TYPES, "WorkflowTemplate"),
    id_field="id",
    id_pattern=dataproc.ID_PATTERN,
    id_expectation=dataproc.ID_EXPECTATION,
    list_key="templates",
    list_call=lambda scope: dataproc.list_call(scope, COLLECTION),
    get_call=lambda scope, identifier: Call("GET", dataproc.item_url(scope, COLLECTION, identifier)),
    create_call=lambda scope, _identifier, body: Call("POST", dataproc.collection_url(scope, COLLECTION), json=body),
    update_call=_update,
    delete_call=_delete,
    updates="put",
    strict=True,
    unordered=frozenset(
        {
            "jobs.prerequisiteStepIds",
            f"{_CLUSTER}.gceClusterConfig.serviceAccountScopes",
            f"{_CLUSTER}.gceClusterConfig.tags",
            f"{_CLUSTER}.softwareConfig.optionalComponents",
        }
    ),
    url_fields=dataproc.URL_FIELDS,
    checks=_checks,
)
