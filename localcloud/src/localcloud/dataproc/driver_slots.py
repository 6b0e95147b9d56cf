"""How many drivers a cluster's master runs at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from localcloud.dataproc.cluster_properties import machine_size
from localcloud.dataproc.records import Record

_MOST_JOBS = "dataproc:dataproc.scheduler.max-concurrent-jobs"
_DRIVER_SIZE = "dataproc:dataproc.scheduler.driver-size-mb"
_SYSTEM_MB = 3584
_DEFAULT_DRIVER_MB = 1024
_LEAST_JOBS = 5
_HOLDING_STATES = frozenset({"SETUP_DONE", "RUNNING", "CANCEL_PENDING", "CANCEL_STARTED"})


def most_drivers(cluster: dict[str, Any]) -> int:
    """Return the bound that Dataproc documents, from the cluster's properties and its master's memory."""
    properties = cluster["config"]["softwareConfig"]["properties"]
    if _MOST_JOBS in properties:
        return max(1, int(properties[_MOST_JOBS]))
    _, memory = machine_size(cluster["config"]["masterConfig"]["machineTypeUri"].rpartition("/")[2])
    return max((memory - _SYSTEM_MB) // int(properties.get(_DRIVER_SIZE, _DEFAULT_DRIVER_MB)), _LEAST_JOBS)


def held_slots(jobs: Iterable[Record]) -> Counter[str]:
    """Return how many drivers each cluster, by UUID, has."""
    return Counter(
        record.internal["cluster_uuid"] for record in jobs if record.body["status"]["state"] in _HOLDING_STATES
    )
