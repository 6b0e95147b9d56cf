"""Preload of every worker: tells when Google takes the machine back, and warns when the worker's disk is on NFS."""

from __future__ import annotations

import logging
import tempfile
from typing import Any

from dask_on_yarn import storage_warnings
from dask_on_yarn.node_watch import PreemptionNotice

PREEMPTED_TOPIC = "dask-on-yarn-preempted"

logger = logging.getLogger(__name__)


def dask_setup(worker: Any) -> None:
    """Called by Dask in a worker that starts."""
    for warning in storage_warnings.check({"spill": worker.local_directory, "temporary": tempfile.gettempdir()}):
        logger.warning("%s", warning)

    def tell() -> None:
        worker.loop.add_callback(worker.log_event, PREEMPTED_TOPIC, {"name": str(worker.name)})

    PreemptionNotice(tell).start()
