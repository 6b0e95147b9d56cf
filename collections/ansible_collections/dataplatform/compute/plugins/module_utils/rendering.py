# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the inventory's cluster templates and workloads to the bodies Dataproc takes. Pure: same facts, same bodies."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.launcher import (
    DRIVER,
    PACKAGE,
    launcher_arguments,
    workflow_seconds,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.near_miss import closest_match
from ansible_collections.dataplatform.compute.plugins.module_utils.placeholders import fill

PLACEMENTS = ("own", "shared")
# Secondary workers are of the primary workers' machine type.
_GROUPS = ("masterConfig", "workerConfig")


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``changes`` over it: mappings are merged, everything else is replaced, null removes a key."""
    merged = dict(base)
    for key, value in changes.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def cluster_configs(
    templates: Mapping[str, Any],
    standard: Mapping[str, Any],
    sizes: Mapping[str, Any],
    *,
    parent: str,
    init_actions: Sequence[Mapping[str, Any]] = (),
    artifact_uris: Mapping[str, str] | None = None,
    metadata: Mapping[str, Mapping[str, str]] | None = None,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return {template: {placement: ClusterConfig}}.

    ``parent`` is ``projects/P/regions/R``; the policies are looked for there. ``metadata`` is what the nodes of single
    templates have beside those of ``standard``. An initialization action that is not ``enabled`` is left out. The
    template's own ``config`` wins over what is derived from its node type and placement, and that over ``standard``.
    """
    actions = [
        {
            "executableFile": artifact_uri(
                f"init-actions/{action['script']}", artifact_uris or {}, "cluster_templates_init_actions"
            ),
            "executionTimeout": action.get("timeout", "300s"),
        }
        for action in init_actions
        if action.get("enabled", True)
    ]
    configs: dict[str, dict[str, dict[str, Any]]] = {}
    for name, template in templates.items():
        node = sizes["nodes"][template["node"]]
        derived: dict[str, Any] = {
            group: {"machineTypeUri": template["node"]} for group in _GROUPS if group in standard
        }
        properties = {
            "yarn:yarn.nodemanager.resource.memory-mb": str(node["yarn_memory_mb"]),
            "yarn:yarn.nodemanager.resource.cpu-vcores": str(node["yarn_vcores"]),
            "yarn:yarn.scheduler.maximum-allocation-mb": str(node["yarn_memory_mb"]),
            "yarn:yarn.scheduler.maximum-allocation-vcores": str(node["yarn_vcores"]),
        }
        derived["softwareConfig"] = {"properties": properties}
        if actions:
            derived["initializationActions"] = actions
        if metadata and name in metadata:
            derived["gceClusterConfig"] = {"metadata": metadata[name]}
        configs[name] = {}
        for placement in PLACEMENTS:
            policy = template["autoscaling"][placement]
            scaling = {"autoscalingConfig": {"policyUri": f"{parent}/autoscalingPolicies/{policy}"}}
            configs[name][placement] = merge(merge(merge(standard, derived), scaling), template["config"])
    return configs


def cluster_documents(configs: Mapping[str, Mapping[str, Any]], labels: Mapping[str, str]) -> dict[str, str]:
    """Return {name: JSON} of what a DAG creates a cluster from: its config and the labels it carries at least."""
    return {
        f"cluster-templates/{name}-{placement}.json": json.dumps(
            {
                "clusterTemplate": name,
                "placement": placement,
                "labels": cluster_labels(name, placement, labels),
                "config": config,
            },
            indent=2,
            sort_keys=True,
        )
        + "\n"
        for name, placements in configs.items()
        for placement, config in placements.items()
    }


def cluster_labels(template: str, placement: str, labels: Mapping[str, str]) -> dict[str, str]:
    """Labels of every cluster: ours, and by which template and for whom it was made."""
    return {**labels, "cluster-template": template, "placement": placement}


def autoscaling_policies(policies: Mapping[str, Any], labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the AutoscalingPolicy bodies, by id."""
    return [{"id": name, "labels": dict(labels), **policies[name]} for name in sorted(policies)]


def workflow_templates(
    workloads: Mapping[str, Any],
    clusters: Mapping[str, Mapping[str, Any]],
    *,
    teams: Mapping[str, Any],
    artifact_uris: Mapping[str, str],
    labels: Mapping[str, str],
    kms_key: str,
    launcher: Mapping[str, Any],
    placeholders: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Return the WorkflowTemplate bodies, one per workload, by id.

    A workload of its own cluster brings the cluster with it (Dataproc deletes it after the run); one of a shared
    cluster selects it by label. ``launcher``: the settings of :func:`launcher_arguments`; ``placeholders``: the values
    of ``${...}`` in arguments.
    """
    bodies = []
    for name in sorted(workloads):
        workload = workloads[name]
        template, placement = workload["template"], workload["placement"]
        run_labels = workload_labels(name, workload, teams=teams, labels=labels)
        if placement == "own":
            managed = {
                "clusterName": name,
                "config": clusters[template][placement],
                "labels": cluster_labels(template, placement, run_labels),
            }
            where: dict[str, Any] = {"managedCluster": managed}
        else:
            shared = {key: labels[key] for key in ("managed-by", "environment") if key in labels}
            where = {"clusterSelector": {"clusterLabels": cluster_labels(template, placement, shared)}}
        job = workload_job(name, workload, artifact_uris=artifact_uris, launcher=launcher, placeholders=placeholders)
        bodies.append(
            {
                "id": name,
                "labels": run_labels,
                "placement": where,
                "jobs": [{"stepId": "run", "labels": run_labels, **job}],
                "dagTimeout": f"{workflow_seconds(workload)}s",
                "encryptionConfig": {"kmsKey": kms_key},
            }
        )
    return bodies


def workload_labels(
    name: str, workload: Mapping[str, Any], *, teams: Mapping[str, Any], labels: Mapping[str, str]
) -> dict[str, str]:
    """Labels of every run of a workload: ours, and what its cost is accounted by."""
    return {
        **labels,
        "cost-center": teams[workload["team"]]["cost_center"],
        "owner": workload["owner"],
        "team": workload["team"],
        "workload": name,
        "priority": workload["priority"],
    }


def workload_job(
    name: str,
    workload: Mapping[str, Any],
    *,
    artifact_uris: Mapping[str, str],
    launcher: Mapping[str, Any],
    placeholders: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the job of a workload as Dataproc takes it, the same in a workflow and in a DAG."""
    job = {
        "mainPythonFileUri": artifact_uri(DRIVER, artifact_uris, "artifacts_sources.jobs"),
        "pythonFileUris": [artifact_uri(PACKAGE, artifact_uris, "artifacts_sources.jobs")],
        "args": launcher_arguments(
            name,
            workload,
            script_uri=artifact_uri(f"jobs/{workload['script']}", artifact_uris, f"platform_workloads.{name}.script"),
            script_arguments=[fill(argument, placeholders or {}) for argument in workload.get("arguments", [])],
            settings=launcher,
        ),
        "properties": {"spark.yarn.queue": f"root.{workload['priority']}"},
    }
    return {"pysparkJob": job}


def artifact_uri(name: str, artifact_uris: Mapping[str, str], key: str) -> str:
    """The address of an artefact. Raises ValidationError with the near miss; ``key`` says who asks for it."""
    if name not in artifact_uris:
        suggestion = closest_match(name, artifact_uris)
        near = f"; did you mean {suggestion!r}?" if suggestion else ""
        raise ValidationError([f"{key}: {name!r} is not among the artefacts{near}"], "the cluster templates")
    return artifact_uris[name]
