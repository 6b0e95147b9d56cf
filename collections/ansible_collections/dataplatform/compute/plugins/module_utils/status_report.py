# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The state of an environment: everything that was found, and the same as JSON for programs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.status_clusters import Cluster
from ansible_collections.dataplatform.compute.plugins.module_utils.status_failures import Failure
from ansible_collections.dataplatform.compute.plugins.module_utils.status_pins import Pin
from ansible_collections.dataplatform.compute.plugins.module_utils.status_reasons import Reason
from ansible_collections.dataplatform.compute.plugins.module_utils.status_runs import WAITING, Run


@dataclass(frozen=True)
class Release:
    """The live release of a team's DAGs."""

    team: str
    release: str
    verified: bool
    released_by: str
    released_at: datetime | None


@dataclass(frozen=True)
class Status:
    """Everything that was found, each kind in the order in which it is shown (see :func:`in_order`).

    ``runs`` have not ended; ``reasons`` why some wait are by the run's id; ``notes`` say what could not be looked at.
    ``inventories`` are those that commands have to name.
    """

    where: str
    now: datetime
    hours: float
    failures: Sequence[Failure]
    runs: Sequence[Run]
    reasons: Mapping[str, Reason]
    clusters: Sequence[Cluster]
    pinned_image: str
    slots_per_user: int
    pins: Sequence[Pin]
    releases: Sequence[Release]
    notes: Sequence[str]
    inventories: Sequence[str] = ()

    @property
    def waiting(self) -> list[Run]:
        """Runs that wait: for a driver, for YARN, or for their first worker."""
        return [run for run in self.runs if run.phase == WAITING or run.run in self.reasons]

    @property
    def running(self) -> list[Run]:
        """All others."""
        return [run for run in self.runs if run not in self.waiting]

    def held_slots(self) -> dict[str, int]:
        """How many workers each user's own clusters and jobs on shared ones may have, as Airflow's pools count them."""
        held: dict[str, int] = {}
        own = [cluster for cluster in self.clusters if cluster.placement == "own" and cluster.state != "ERROR"]
        for part in [*own, *(run for run in self.runs if run.shared)]:
            if part.owner:
                # What no DAG made does not say how many it may take: all that its owner may have.
                held[part.owner] = held.get(part.owner, 0) + (part.slots or self.slots_per_user)
        return held


def in_order(status: Status) -> Status:
    """Failures newest first, clusters worst first, then, as runs, oldest first; what is unverified or due first."""
    return replace(
        status,
        failures=sorted(status.failures, key=lambda failure: failure.ended, reverse=True),
        runs=sorted(status.runs, key=lambda run: (run.submitted or status.now, run.run)),
        clusters=sorted(status.clusters, key=lambda one: (not one.broken, one.created or status.now, one.name)),
        pins=sorted(status.pins, key=lambda pin: not pin.attention),
        releases=sorted(status.releases, key=lambda release: (release.verified, release.team)),
    )


def as_json(status: Status) -> dict[str, Any]:
    """All of it, with times in ISO 8601 and ages in seconds."""
    now = status.now
    return {
        "at": now.isoformat(),
        "counts": {
            "failed": len(status.failures),
            "waiting": len(status.waiting),
            "running": len(status.running),
            "clusters": len(status.clusters),
            "clusters_broken": sum(cluster.broken for cluster in status.clusters),
            "pins_needing_attention": sum(pin.attention for pin in status.pins),
        },
        "failures": [
            _plain({**asdict(failure), "command": failure.command(status.inventories)}) for failure in status.failures
        ],
        "runs": [
            _plain(
                {
                    **asdict(run),
                    "phase": run.phase,
                    "queue": run.queue,
                    "age_seconds": since(run.submitted, now),
                    "seconds_left_at_least": run.seconds_left(now),
                    "reason": asdict(status.reasons[run.run]) if run.run in status.reasons else None,
                }
            )
            for run in status.runs
        ],
        "clusters": [
            _plain({**asdict(cluster), "age_seconds": since(cluster.created, now), "broken": cluster.broken})
            for cluster in status.clusters
        ],
        "worker_slots_held": status.held_slots(),
        "pins": [asdict(pin) for pin in status.pins],
        "releases": [_plain(asdict(release)) for release in status.releases],
        "notes": list(status.notes),
    }


def since(moment: datetime | None, now: datetime) -> float | None:
    """Seconds since a moment, None when it is not known."""
    return None if moment is None else max(0.0, round((now - moment).total_seconds(), 3))


def _plain(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in content.items()}
