# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about what fits: workers on nodes, users in their limit, clusters in their bounds, runs in lifetimes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_source import Finding, KeyPath, format_key
from ansible_collections.dataplatform.compute.plugins.module_utils.launcher import workflow_seconds

Located = Iterator[tuple[KeyPath, Finding]]

# What the operating system, the NodeManager and the page cache of a node need beside YARN's containers.
SYSTEM_MEMORY_MB = 2048
# Dataproc's own limits (discovery document of dataproc v1: LifecycleConfig, InstanceGroupAutoscalingPolicyConfig).
IDLE_DELETE_SECONDS = (300, 14 * 86400)
AUTO_DELETE_SECONDS = (600, 14 * 86400)
PRIMARY_WORKERS_MIN = 2


def check_nodes(sizes: dict[str, Any]) -> Located:
    """YARN offers no more than the machine has: memory minus the system's share, cores plus one for the waiting AM."""
    for name, node in sizes["nodes"].items():
        path: KeyPath = ("platform_sizes", "nodes", name)
        memory = node["memory_mb"] - SYSTEM_MEMORY_MB
        if node["yarn_memory_mb"] > memory:
            expected = (
                f"expected at most {memory}: {node['memory_mb']} of the machine minus {SYSTEM_MEMORY_MB} for the system"
            )
            yield _at((*path, "yarn_memory_mb"), node["yarn_memory_mb"], expected)
        if node["yarn_vcores"] > node["cores"] + 1:
            expected = f"expected at most {node['cores'] + 1}: the machine's cores and one for an application master"
            yield _at((*path, "yarn_vcores"), node["yarn_vcores"], expected)


def check_worker_fits_nodes(sizes: dict[str, Any]) -> Located:
    """On every node type one worker fits, and one worker beside an application master, in memory and in vcores."""
    worker, master = sizes["worker"], sizes["application_master"]
    for name, node in sizes["nodes"].items():
        for key, offered in (("memory_mb", node["yarn_memory_mb"]), ("vcores", node["yarn_vcores"])):
            path: KeyPath = ("platform_sizes", "worker", key)
            if worker[key] > offered:
                yield _at(path, worker[key], f"expected a worker to fit its node: {name} offers {offered}")
            elif worker[key] + master[key] > offered:
                expected = (
                    f"expected a worker beside an application master ({master[key]}) to fit one node: "
                    f"together {worker[key] + master[key]}, {name} offers {offered}"
                )
                yield _at(path, worker[key], expected)


def check_user_limit(sizes: dict[str, Any]) -> Located:
    """A user's limit holds the stated number of workers and an application master; one worker more does not fit."""
    worker, master, user = sizes["worker"], sizes["application_master"], sizes["user"]
    room_for_more = True
    for key in ("memory_mb", "vcores"):
        needed = user["workers"] * worker[key] + master[key]
        if needed > user[key]:
            expected = (
                f"expected at least {needed}: {user['workers']} workers of {worker[key]} and an application master"
            )
            yield _at(("platform_sizes", "user", key), user[key], expected)
        room_for_more = room_for_more and needed + worker[key] <= user[key]
    if room_for_more:
        count = user["workers"] + 1
        expected = (
            f"expected too little for {count} workers (memory_mb or vcores), but {count} and an application master fit"
        )
        yield _at(("platform_sizes", "user", "memory_mb"), user["memory_mb"], expected)
    if user["workers"] > sizes["cluster"]["workers_max"]:
        expected = f"expected at most {sizes['cluster']['workers_max']}, the largest cluster"
        yield _at(("platform_sizes", "user", "workers"), user["workers"], expected)


def check_cluster_bounds(sizes: dict[str, Any]) -> Located:
    """A cluster starts with at least two workers (Dataproc's minimum) and its bounds are in order."""
    cluster = sizes["cluster"]
    if cluster["workers_min"] < PRIMARY_WORKERS_MIN:
        expected = f"expected at least {PRIMARY_WORKERS_MIN}, Dataproc's minimum of primary workers"
        yield _at(("platform_sizes", "cluster", "workers_min"), cluster["workers_min"], expected)
    if cluster["workers_max"] < cluster["workers_min"]:
        expected = f"expected at least workers_min, {cluster['workers_min']}"
        yield _at(("platform_sizes", "cluster", "workers_max"), cluster["workers_max"], expected)


def check_autoscaling_bounds(policies: dict[str, Any], sizes: dict[str, Any]) -> Located:
    """Primary and secondary workers together stay within the platform's smallest and largest cluster."""
    lowest, highest = sizes["cluster"]["workers_min"], sizes["cluster"]["workers_max"]
    for name, policy in policies.items():
        path: KeyPath = ("platform_autoscaling_policies", name)
        primary, secondary = policy["workerConfig"], policy.get("secondaryWorkerConfig", {"maxInstances": 0})
        minimum = primary.get("minInstances", PRIMARY_WORKERS_MIN)
        if minimum < max(lowest, PRIMARY_WORKERS_MIN):
            expected = f"expected at least {max(lowest, PRIMARY_WORKERS_MIN)} (platform_sizes.cluster.workers_min)"
            yield _at((*path, "workerConfig", "minInstances"), minimum, expected)
        for group, config in (("workerConfig", primary), ("secondaryWorkerConfig", secondary)):
            if config["maxInstances"] < config.get("minInstances", 0):
                expected = f"expected at least minInstances, {config['minInstances']}"
                yield _at((*path, group, "maxInstances"), config["maxInstances"], expected)
        total = primary["maxInstances"] + secondary["maxInstances"]
        if total > highest:
            group = "secondaryWorkerConfig" if secondary["maxInstances"] else "workerConfig"
            value = secondary["maxInstances"] or primary["maxInstances"]
            expected = (
                f"expected at most {highest} workers in all (platform_sizes.cluster.workers_max), but it allows {total}"
            )
            yield _at((*path, group, "maxInstances"), value, expected)


def check_lifetimes(templates: dict[str, Any]) -> Located:
    """Idle and maximum lifetime are within Dataproc's ranges, and an idle cluster goes before its maximum age."""
    for name, template in templates.items():
        path: KeyPath = ("platform_cluster_templates", name, "config", "lifecycleConfig")
        lifecycle = template["config"]["lifecycleConfig"]
        idle, maximum = seconds(lifecycle["idleDeleteTtl"]), seconds(lifecycle["autoDeleteTtl"])
        for key, value, (low, high) in (
            ("idleDeleteTtl", idle, IDLE_DELETE_SECONDS),
            ("autoDeleteTtl", maximum, AUTO_DELETE_SECONDS),
        ):
            if not low <= value <= high:
                yield _at((*path, key), lifecycle[key], f"expected {low}s to {high}s, Dataproc's range")
        if idle > maximum:
            expected = f"expected at most autoDeleteTtl, {lifecycle['autoDeleteTtl']}"
            yield _at((*path, "idleDeleteTtl"), lifecycle["idleDeleteTtl"], expected)


def check_workload_timeouts(workloads: dict[str, Any], templates: dict[str, Any]) -> Located:
    """No cluster reaches its maximum age while a run may still be going on."""
    for name, workload in workloads.items():
        template = templates.get(workload["template"])
        if not template:
            continue
        maximum = seconds(template["config"]["lifecycleConfig"]["autoDeleteTtl"])
        longest = workflow_seconds(workload)
        if longest >= maximum:
            expected = (
                f"expected less: with waiting in the queue a run may take {longest} s, and autoDeleteTtl of the "
                f"template {workload['template']} deletes its cluster after {maximum} s"
            )
            yield _at(("platform_workloads", name, "timeout"), workload["timeout"], expected)


def seconds(duration: str) -> int:
    """Seconds of a duration in Google's JSON form, such as ``600s``."""
    return int(duration.removesuffix("s"))


def _at(path: KeyPath, value: object, expected: str) -> tuple[KeyPath, Finding]:
    return path, Finding(format_key(path), repr(value), expected)


def check_workload_workers(workloads: dict[str, Any], sizes: dict[str, Any]) -> Located:
    """A workload asks for no fewer workers at most than at least, and for no more at least than its owner may have.

    More at most than the owner may have is fine: the driver grants the limit and says so.
    """
    limit = sizes["user"]["workers"]
    for name, workload in workloads.items():
        workers = workload.get("workers") or {}
        least, most = workers.get("min", 0), workers.get("max", limit)
        path: KeyPath = ("platform_workloads", name, "workers", "min")
        if least > most:
            yield _at(path, least, f"expected at most {most}, the workload's own max")
        elif least > limit:
            yield _at(path, least, f"expected at most {limit}, the workers a user may have (platform_sizes.user)")
