"""Preload of every worker: tells when Google takes the machine back, warns of NFS under it, announces its metrics."""

from __future__ import annotations

import logging
import tempfile
from typing import Any

from dask_on_yarn import metrics_target, storage_warnings
from dask_on_yarn.node_watch import PreemptionNotice
from dask_on_yarn.worker_process import parse_worker_name

PREEMPTED_TOPIC = "dask-on-yarn-preempted"

logger = logging.getLogger(__name__)


def dask_setup(worker: Any) -> None:
    """Called by Dask in a worker that starts."""
    for warning in storage_warnings.check({"spill": worker.local_directory, "temporary": tempfile.gettempdir()}):
        logger.warning("%s", warning)

    slot, _host, _attempt = parse_worker_name(str(worker.name)) or (str(worker.name), "", 0)
    try:
        metrics_target.announce_worker(slot, worker.http_server.port)
    except OSError as error:
        logger.warning("this worker's metrics are not sent: %s", error)

    def tell() -> None:
        worker.loop.add_callback(worker.log_event, PREEMPTED_TOPIC, {"name": str(worker.name)})

    PreemptionNotice(tell).start()
