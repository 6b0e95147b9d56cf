"""Dataproc of the local cloud: policies, workflow templates, clusters, and jobs that really run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


def create_service(
    settings: Any,
    store: Any,
    clock: Any,
    operations: Any,
    storage: Any,
    *,
    runtime: Any = None,
    issue_token: Callable[[str], dict[str, Any]] = lambda _email: {},
    serve: Any = None,
) -> Any:
    """Return the Dataproc service; see `localcloud.dataproc.service.DataprocService`.

    With `runtime` (a HadoopRuntime) clusters are real ones; `issue_token` returns OAuth's token answer for a service
    account; `serve` answers on sockets that listen on nodes (`localcloud.podman.hosts.Serve`). Imported on demand, so
    that the job supervisor, which shares this package, starts without the service.
    """
    from localcloud.compute.images import Images  # noqa: PLC0415
    from localcloud.dataproc.cluster_images import ClusterImages  # noqa: PLC0415
    from localcloud.dataproc.engines import make_engines  # noqa: PLC0415
    from localcloud.dataproc.service import DataprocService  # noqa: PLC0415

    images = ClusterImages(Images(store, clock, settings.project), clock)
    engines = make_engines(settings, runtime, storage, issue_token, serve=serve, in_front=images.in_front)
    return DataprocService(settings, store, clock, operations, storage, engines=engines, images=images)


def end_drivers(jobs_directory: Path) -> None:
    """End every job driver that has a directory below `jobs_directory`; see `process_engine.end_drivers`."""
    from localcloud.dataproc import process_engine  # noqa: PLC0415

    process_engine.end_drivers(jobs_directory)


def end_clusters(clusters_directory: Path) -> None:
    """End every cluster that has a directory below `clusters_directory`; see `yarn_engine.end_clusters`."""
    from localcloud.dataproc import yarn_engine  # noqa: PLC0415

    yarn_engine.end_clusters(clusters_directory)
