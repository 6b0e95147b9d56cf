"""Which engines an instance has: nodes that really run, or only processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.dataproc.cluster_engine import ClusterEngine, NoNodes
from localcloud.dataproc.cluster_nodes import Surroundings
from localcloud.dataproc.drivers import PlainCaller, SparkCaller, client_environment
from localcloud.dataproc.engine import Engine
from localcloud.dataproc.hosts import Hosts, ProcessHosts
from localcloud.dataproc.process_engine import ProcessEngine
from localcloud.dataproc.yarn_engine import YarnEngine, end_clusters
from localcloud.hadoop import HadoopMissing, HadoopRuntime
from localcloud.podman.commands import missing
from localcloud.podman.hosts import ContainerHosts, Serve
from localcloud.podman.mounts import program_directories
from localcloud.settings import Settings, default_cluster_python


@dataclass(frozen=True)
class Engines:
    """What runs drivers, and what clusters are made of."""

    drivers: Engine
    clusters: ClusterEngine


def find_runtime(settings: Settings) -> tuple[HadoopRuntime | None, str]:
    """Return (Hadoop, "") or (None, why clusters have no YARN). Raises HadoopMissing when `settings` insist on it."""
    if settings.engine == "process":
        return None, "the process engine was asked for; jobs run on local Dask"
    if settings.engine == "podman" and (problem := missing()):
        raise HadoopMissing(problem)
    try:
        runtime = HadoopRuntime.find()
        if runtime.spark_home is None:
            raise HadoopMissing("Spark is missing; run scripts/setup.sh, or set LOCALCLOUD_SPARK_HOME to its home")
        if not default_cluster_python().exists():
            raise HadoopMissing(
                f"the clusters' Python {default_cluster_python()} is missing; run scripts/setup.sh, or set "
                "LOCALCLOUD_CLUSTER_PYTHON to one"
            )
    except HadoopMissing as problem:
        if settings.engine in ("yarn", "podman"):
            raise
        return None, f"no YARN: {problem}; jobs run on local Dask"
    return runtime, ""


def make_engines(
    settings: Settings,
    runtime: HadoopRuntime | None,
    storage: Any,
    issue_token: Any,
    *,
    serve: Serve,
    in_front: Callable[[dict[str, Any]], dict[str, str]],
) -> Engines:
    """Return the engines of an instance; without `runtime` clusters have no nodes.

    `issue_token` returns OAuth's token answer for a service account; `serve` answers on sockets of nodes; `in_front`
    returns the directories that stand in front of search paths on a cluster's nodes.
    """
    python = default_cluster_python()
    if runtime is None or runtime.spark_home is None:
        # A server with nodes may have been killed here.
        end_clusters(settings.clusters_directory)
        drivers = ProcessEngine(settings.jobs_directory, settings.environment_file, PlainCaller(python), storage)
        return Engines(drivers, NoNodes(settings.clusters_directory))
    surroundings = Surroundings(
        project=settings.project,
        project_number=settings.project_number,
        email=settings.service_account_email,
        issue_token=issue_token,
        client_environment=lambda: client_environment(settings.environment_file),
        in_front=in_front,
    )
    clusters = YarnEngine(
        settings.clusters_directory, runtime, surroundings, storage, _hosts_of(settings, runtime, python, serve)
    )
    caller = SparkCaller(python, runtime.spark_home, clusters.driver_environment, clusters.driver_place)
    return Engines(ProcessEngine(settings.jobs_directory, settings.environment_file, caller, storage), clusters)


def _hosts_of(settings: Settings, runtime: HadoopRuntime, python: Path, serve: Serve) -> Callable[[Path], Hosts]:
    """Return what makes the hosts of the cluster in a directory."""
    if settings.engine != "podman":
        return ProcessHosts
    # Drivers find their files where the local cloud put them.
    mounts = dict.fromkeys(program_directories(runtime, python), False) | {
        settings.bundle_file: False,
        settings.jobs_directory: True,
    }
    return lambda directory: ContainerHosts(directory, mounts, settings.filestore_directory, serve)
