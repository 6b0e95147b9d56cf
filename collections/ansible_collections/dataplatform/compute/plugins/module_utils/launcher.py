# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the driver of a workload's job, ``jobs/run_dask.py``, is told on its command line. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

DRIVER = "jobs/run_dask.py"
"""Artefact that Dataproc starts as the job's main file."""

PACKAGE = "jobs/dask_on_yarn.zip"
"""Artefact with the driver's modules."""

# Dataproc's limit of a workflow's dagTimeout.
_LONGEST_SECONDS = 86400
# What the driver needs beside the times it limits itself: starting, retiring workers, writing the run record.
_MARGIN_SECONDS = 600


def launcher_arguments(
    name: str,
    workload: Mapping[str, Any],
    *,
    script_uri: str,
    script_arguments: Sequence[str],
    settings: Mapping[str, Any],
) -> list[str]:
    """Return the arguments of the driver of one workload.

    What the platform decides stands before ``--``, what the workload's own arguments say behind it: no argument of a
    workload can change its owner, queue or limits. ``settings`` has ``sizes`` (the fact platform_sizes), ``prices``
    (platform_prices), ``run_directory`` (below which run records go) and ``account`` (who runs the script, or null).
    """
    sizes, prices = settings["sizes"], settings["prices"]
    worker, user = sizes["worker"], sizes["user"]
    workers = workload.get("workers") or {}
    most = workers.get("max", user["workers"])
    options = {
        "script": script_uri,
        "owner": workload["owner"],
        "workload": name,
        "priority": workload["priority"],
        "min-workers": workers.get("min", min(1, most)),
        "max-workers": most,
        "user-workers": user["workers"],
        "worker-memory-mb": worker["memory_mb"],
        "worker-vcores": worker["vcores"],
        "worker-threads": worker["vcores"],
        "master-memory-mb": sizes["application_master"]["memory_mb"],
        "timeout": workload["timeout"],
        "queue-timeout": workload.get("queue_timeout"),
        "idle-timeout": workload.get("idle_timeout"),
        "run-directory": f"{settings['run_directory']}/{name}",
        "price-vcore-hour": prices["vcore_hour"],
        "price-gib-hour": prices["gib_hour"],
        "script-account": settings.get("account"),
    }
    given = [part for option, value in options.items() if value is not None for part in (f"--{option}", str(value))]
    return [*given, "--", *script_arguments]


def workflow_seconds(workload: Mapping[str, Any]) -> int:
    """Return how long Dataproc lets the workflow live: the driver's own limits end a run before that.

    The driver says what it waited for and leaves a run record; Dataproc's limit only cancels.
    """
    waiting = workload.get("queue_timeout") or workload["timeout"]
    return min(workload["timeout"] + waiting + _MARGIN_SECONDS, _LONGEST_SECONDS)
