"""Exit codes of run_dask.py; any other code is the user's script's own."""

from __future__ import annotations

#: Worker after worker failed to start and none runs: the environment of the nodes or the network is broken.
WORKERS_FAILED = 70
#: The cluster was lost (application master, scheduler, ResourceManager): nothing is wrong with the script, try again.
CLUSTER_LOST = 75
#: The owner may not use the queue of the asked priority, or is not the owner the job's label names.
NOT_ALLOWED = 77
#: An option is wrong, or not even one worker fits the limits.
BAD_OPTIONS = 78
#: The script had no task to do for ``--idle-timeout`` seconds.
IDLE_TIMEOUT = 123
#: The script ran longer than ``--timeout`` seconds.
TIMEOUT = 124
#: No worker came within ``--queue-timeout`` seconds.
QUEUE_TIMEOUT = 125
#: The launcher was told to stop by SIGTERM (128 + 15), which is what cancelling a Dataproc job does.
TERMINATED = 143


class RunEnded(Exception):
    """Ends the run before the script's own end: ``exit_code`` for the shell, ``reason`` for people."""

    def __init__(self, exit_code: int, reason: str) -> None:
        super().__init__(reason)
        self.exit_code = exit_code
        self.reason = reason
