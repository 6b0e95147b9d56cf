"""The DAG of this platform: what all DAGs have in common is set here, what harms is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import DAG

from dataplatform_dask import release as releases
from dataplatform_dask.failures import report_failure
from dataplatform_dask.turns import check_turns

if TYPE_CHECKING:
    from dataplatform_dask.cluster import DaskCluster

#: No run is older: with catchup off it only anchors schedules.
START = datetime(2026, 1, 1, tzinfo=UTC)


class PlatformDag(DAG):
    """A DAG that knows its clusters and its release; made by :func:`platform_dag`."""

    def __init__(self, dag_id: str, *, release: releases.Release, platform_owner: str, **kwargs: Any) -> None:
        super().__init__(dag_id, **kwargs)
        self.platform_release = release
        self.platform_owner = platform_owner
        self.dask_clusters: list[DaskCluster] = []

    def __exit__(self, *exception: Any) -> None:
        """Put every cluster behind what its jobs wait for, so that none is paid, or holds slots, while it waits.

        Raises ReleaseError when a run would wait for slots that it holds itself.
        """
        if exception[0] is None:
            for cluster in self.dask_clusters:
                cluster.begin_after_what_jobs_wait_for()
            check_turns(self.dask_clusters)
        super().__exit__(*exception)


def platform_dag(
    dag_id: str,
    *,
    owner: str,
    schedule: Any = None,
    always_scheduled: bool = False,
    description: str = "",
    doc_md: str | None = None,
    tags: tuple[str, ...] = (),
    max_active_runs: int = 1,
    default_args: dict[str, Any] | None = None,
    release: releases.Release | None = None,
    **kwargs: Any,
) -> PlatformDag:
    """Return a DAG with owner, release tag, retries with backoff, failure report and no catching up.

    ``owner`` is a user of the release's team. ``schedule`` counts where the inventory lets DAGs run by
    their schedules, or with ``always_scheduled``, for what keeps the platform itself in order; such a DAG is not paused
    when it comes. ``release``: the facts, by default those of this library's own release. Everything else is Airflow's
    own. Raises ReleaseError for an owner who is unknown or of another team, and TypeError for ``dagrun_timeout``, which
    would skip the deletion of clusters.
    """
    if kwargs.pop("dagrun_timeout", None) is not None:
        raise TypeError(
            f"DAG {dag_id}: dagrun_timeout skips what is unfinished, the deletion of clusters too; "
            "give the jobs a timeout instead"
        )
    release = release or releases.current()
    team = release.member(owner)["team"]
    settings = {
        "owner": owner,
        "retries": 2,
        "retry_delay": timedelta(seconds=30),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=10),
        "execution_timeout": timedelta(hours=1),
        "on_failure_callback": report_failure,
        **(default_args or {}),
    }
    if always_scheduled:
        # Whatever the environment does with new DAGs.
        kwargs.setdefault("is_paused_upon_creation", False)
    return PlatformDag(
        dag_id,
        release=release,
        platform_owner=owner,
        schedule=schedule if release.schedules or always_scheduled else None,
        start_date=kwargs.pop("start_date", START),
        catchup=kwargs.pop("catchup", False),
        description=description,
        doc_md=doc_md or description,
        tags=[*tags, f"team:{team}", f"owner:{owner}", f"release:{release.release}"],
        max_active_runs=max_active_runs,
        default_args=settings,
        **kwargs,
    )
