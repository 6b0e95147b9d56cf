"""The fallback where there is neither Java nor Hadoop's configuration: Dask's own LocalCluster, used the same way."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dask_on_yarn.options import Options
from dask_on_yarn.security import RunSecurity

if TYPE_CHECKING:
    from distributed import Client, LocalCluster


#: Where Hadoop's configuration is on a Dataproc node, always.
HADOOP_CONF_DIR = "/etc/hadoop/conf"


def yarn_is_missing(environment: Mapping[str, str], hadoop_conf_dir: str = HADOOP_CONF_DIR) -> bool:
    """Whether this machine belongs to no YARN cluster: no configuration is named, and none is where nodes have it."""
    return not environment.get("HADOOP_CONF_DIR") and not Path(hadoop_conf_dir, "yarn-site.xml").exists()


class LocalDaskCluster:
    """Workers as processes of this machine; same use as YarnCluster."""

    kind = "local"
    application = None

    def __init__(
        self, options: Options, *, workers: tuple[int, int], directory: Path, say: Callable[[str], None]
    ) -> None:
        self._options = options
        self._least, self._most = workers
        self._directory = directory
        self._say = say
        self._cluster: LocalCluster | None = None
        self.client: Client | None = None
        self.security: RunSecurity | None = None

    def start(self, confirm_owner: Callable[[str], None], check: Callable[[], None]) -> None:
        """Bring the workers up."""
        self._say(
            "WARNING: no Java and no HADOOP_CONF_DIR here, so this run uses Dask on this machine instead of YARN:"
        )
        self._say("WARNING: no queue, no limits, no containers; the record says cluster: local")
        confirm_owner("")
        check()
        from distributed import Client, LocalCluster  # noqa: PLC0415 - takes a second

        from dask_on_yarn import run_state  # noqa: PLC0415 - imports distributed

        self.security = RunSecurity.create()
        threads = min(self._options.worker_threads, os.cpu_count() or 1)
        self._cluster = LocalCluster(
            n_workers=max(1, self._least),
            threads_per_worker=threads,
            memory_limit=None,
            processes=True,
            protocol="tls://",
            security=self.security.dask_security(),
            dashboard_address="127.0.0.1:0",
            local_directory=str(self._directory),
        )
        run_state.install(self._cluster.scheduler)
        self.client = Client(
            self._cluster.scheduler_address, security=self.security.dask_security(), set_as_default=False
        )
        if self._most > max(1, self._least):
            self._cluster.adapt(minimum=max(1, self._least), maximum=self._most)

    @property
    def address(self) -> str:
        """Address of the Dask scheduler."""
        return self._cluster.scheduler_address

    @property
    def dashboard_url(self) -> str:
        """The dashboard on this machine."""
        return self._cluster.dashboard_link

    def check(self) -> None:
        """Nothing can be lost that this process would survive."""

    def state(self) -> dict[str, Any] | None:
        """What run_state.describe says."""
        try:
            return self.client.sync(self.client.scheduler.dask_on_yarn_state, callback_timeout=60)
        except (OSError, TimeoutError):
            return None

    def stop(self, exit_code: int) -> None:  # noqa: ARG002 - as YarnCluster
        """End the workers."""
        if self.client:
            self.client.close(timeout=5)
        if self._cluster:
            self._cluster.close(timeout=10)
