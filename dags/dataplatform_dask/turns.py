"""Does a run wait for itself? A cluster keeps its owner's worker slots until its last job, whatever that waits for."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dataplatform_dask.release import ReleaseError

if TYPE_CHECKING:
    from dataplatform_dask.cluster import DaskCluster


def check_turns(clusters: Sequence[DaskCluster]) -> None:
    """Raise ReleaseError when a cluster of the DAG needs slots that one waiting for its jobs holds."""
    for outer, inner in itertools.permutations(clusters, 2):
        if outer.placement != "own" or outer.owner != inner.owner:
            continue
        after_begin = outer.begin.get_flat_relative_ids(upstream=False)
        meanwhile = after_begin & outer.delete.get_flat_relative_ids(upstream=True)
        most = outer.release.user(outer.owner)["slots"]
        for task_id, slots in _turns(inner):
            if task_id in meanwhile and outer.slots + slots > most:
                raise ReleaseError(
                    f"cluster {inner.group_id} waits for {slots} worker slots of {inner.owner}, who has {most}, while "
                    f"cluster {outer.group_id} holds {outer.slots} and waits for it; give them fewer `workers`, or run "
                    "the jobs on one cluster"
                )


def _turns(cluster: DaskCluster) -> list[tuple[str, int]]:
    """Return (task, slots) of every task that waits until the owner has so many slots."""
    if cluster.placement == "own":
        return [(cluster.create.task_id, cluster.slots)]
    return [(job.task_id, job.pool_slots) for job in cluster.jobs]
