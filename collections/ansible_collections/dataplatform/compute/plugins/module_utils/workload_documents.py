# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the DAGs of a team are made from, ``workloads.json``. Pure: same facts, same text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.launcher import DRIVER, PACKAGE
from ansible_collections.dataplatform.compute.plugins.module_utils.rendering import (
    artifact_uri,
    cluster_labels,
    workload_job,
    workload_labels,
)

_SCRIPTS = "jobs/"


def workload_documents(
    workloads: Mapping[str, Any],
    clusters: Mapping[str, Mapping[str, Any]],
    *,
    teams: Mapping[str, Any],
    users: Mapping[str, Any],
    artifact_uris: Mapping[str, str],
    labels: Mapping[str, str],
    launcher: Mapping[str, Any],
    platform: Mapping[str, Any],
    placeholders: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return {team: JSON text}; a team without workloads has a document too, for the DAGs it writes by hand.

    ``clusters`` is what :func:`cluster_configs` returned; ``labels``, ``launcher`` and ``placeholders`` are those of
    the workflow templates; ``platform`` has ``environment``, ``project``, ``region``, ``staging_bucket``, ``zones`` and
    ``schedules``, whether DAGs run by their schedules.
    """
    slots = launcher["sizes"]["user"]["workers"]
    shared = {
        **{key: platform[key] for key in ("environment", "project", "region", "staging_bucket")},
        "zones": list(platform.get("zones") or []),
        "schedules": bool(platform.get("schedules", True)),
        "users": {name: {"team": user["team"], "slots": slots} for name, user in users.items()},
        "clusters": {
            name: {
                placement: {"labels": cluster_labels(name, placement, labels), "config": config}
                for placement, config in placements.items()
            }
            for name, placements in clusters.items()
        },
        "launcher": {
            "driver": artifact_uri(DRIVER, artifact_uris, "artifacts_sources.jobs"),
            "package": artifact_uri(PACKAGE, artifact_uris, "artifacts_sources.jobs"),
            "sizes": {key: launcher["sizes"][key] for key in ("worker", "application_master", "user")},
            "prices": {key: launcher["prices"][key] for key in ("vcore_hour", "gib_hour")},
            "run_directory": launcher["run_directory"],
            "account": launcher.get("account"),
        },
        "scripts": _scripts(artifact_uris),
        "teams": {name: {"cost_center": team["cost_center"]} for name, team in teams.items()},
        "labels": dict(labels),
        "placeholders": dict(placeholders or {}),
    }
    documents = {}
    for team in teams:
        own = {
            name: _workload(
                workload,
                labels=workload_labels(name, workload, teams=teams, labels=labels),
                job=workload_job(
                    name, workload, artifact_uris=artifact_uris, launcher=launcher, placeholders=placeholders
                ),
                slots=slots,
            )
            for name, workload in workloads.items()
            if workload["team"] == team
        }
        documents[team] = json.dumps({**shared, "workloads": own}, indent=1, sort_keys=True) + "\n"
    return documents


def _workload(
    workload: Mapping[str, Any], *, labels: Mapping[str, str], job: Mapping[str, Any], slots: int
) -> dict[str, Any]:
    placement = workload["placement"]
    return {
        "owner": workload["owner"],
        "team": workload["team"],
        "description": workload.get("description", ""),
        "template": workload["template"],
        "priority": workload["priority"],
        "placement": placement,
        "schedule": workload.get("schedule"),
        "timeout": workload["timeout"],
        "queue_timeout": workload.get("queue_timeout") or workload["timeout"],
        "slots": (workload.get("workers") or {}).get("max", slots),
        "labels": cluster_labels(workload["template"], placement, labels),
        "job": dict(job),
    }


def _scripts(artifact_uris: Mapping[str, str]) -> dict[str, str]:
    """Every script below ``jobs/`` that a DAG may name, by its name there; the driver's own files are none."""
    return {
        name.removeprefix(_SCRIPTS): uri
        for name, uri in artifact_uris.items()
        if name.startswith(_SCRIPTS) and name.endswith(".py") and name != DRIVER
    }
