"""A Dask cluster whose workers live in YARN containers: from nothing to the first worker, and back to nothing."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dask_on_yarn import log_forwarding, metrics_target, worker_preload
from dask_on_yarn.application_kill import kill_with_new_jvm
from dask_on_yarn.application_watch import ApplicationWatch
from dask_on_yarn.dataproc_job import job_id_of
from dask_on_yarn.exit_codes import CLUSTER_LOST, NOT_ALLOWED, WORKERS_FAILED, RunEnded
from dask_on_yarn.options import Options
from dask_on_yarn.scheduler_process import SchedulerProcess
from dask_on_yarn.security import RunSecurity
from dask_on_yarn.spark_application import SparkApplication, driver_host
from dask_on_yarn.spark_settings import spark_settings
from dask_on_yarn.worker_process import WorkerTask
from dask_on_yarn.worker_slots import MOST_FAILED_STARTS, SparkJobRunner, WorkerSlots

if TYPE_CHECKING:
    from distributed import Client

    from dask_on_yarn.departures import Departures
    from dask_on_yarn.resource_manager import Application, ResourceManager
    from dask_on_yarn.scaling import SlotAdaptive, SlotCluster

#: How often the launcher looks while it waits for something, in seconds: start-up is measured in tenths.
POLL_SECONDS = 0.05
#: How long a remote call to the scheduler may take, in seconds; taking in a large graph keeps a scheduler that busy.
CALL_SECONDS = 60.0
STOP_SECONDS = 20.0
#: What YARN says when the owner may not use the queue or when there is no such queue.
REFUSALS = ("cannot submit applications to queue", "rejected by queue placement")


class YarnCluster:
    """Scheduler in a child process, workers in the containers of a Spark application.

    ``workers`` are the least and the most workers after all limits. ``say`` gets lines for people. Use ``start`` once
    and ``stop`` always, from the main thread.
    """

    kind = "yarn"

    def __init__(
        self,
        options: Options,
        *,
        workers: tuple[int, int],
        run_tag: str,
        resource_manager: ResourceManager,
        directory: Path,
        worker_environment: dict[str, str],
        extra_preload: tuple[str, ...],
        say: Callable[[str], None],
    ) -> None:
        self._options = options
        self._least, self._most = workers
        self._tag = run_tag
        self._resource_manager = resource_manager
        self._directory = directory
        self._worker_environment = worker_environment
        self._worker_preload = (log_forwarding.__name__, worker_preload.__name__, *extra_preload)
        self._say = say
        self._host = ""
        self._scheduler: SchedulerProcess | None = None
        self._spark: SparkApplication | None = None
        self._slots: WorkerSlots | None = None
        self._cluster: SlotCluster | None = None
        self._adaptive: SlotAdaptive | None = None
        self._departures: Departures | None = None
        self._watch: ApplicationWatch | None = None
        self._announcement: metrics_target.Announcement | None = None
        self._metrics_labels: dict[str, str] = {}
        self.client: Client | None = None
        self.security: RunSecurity | None = None

    # -- up

    def start(self, confirm_owner: Callable[[str], None], check: Callable[[], None]) -> None:
        """Bring everything up and return with the first worker (at once when no worker is to stay).

        ``confirm_owner`` gets ``spark.yarn.tags`` before YARN is asked for anything, ``check`` is called all the time;
        both may raise RunEnded. Raises RunEnded when the cluster cannot come up.
        """
        self._host = driver_host(os.environ.get("SPARK_LOCAL_IP", ""), self._resource_manager_host())
        self._scheduler = SchedulerProcess(self._host, self._directory, lambda line: self._say(f"scheduler | {line}"))
        self._spark = SparkApplication()
        tags = self._spark.setting("spark.yarn.tags")
        confirm_owner(tags)
        run = job_id_of(tags) or self._tag
        self._metrics_labels = {"owner": self._options.owner, "workload": self._options.workload, "run": run}
        user = self._spark.become(self._options.owner)
        self._say(f'asking YARN for "{self._options.workload}" as {user} in queue {self._options.queue}')
        self._watch = ApplicationWatch(
            self._resource_manager, self._tag, self._options.owner, self._say, self._worker_description()
        )
        settings = spark_settings(
            self._options,
            workers=(self._least, self._most),
            tags=tags,
            run_tag=self._tag,
            default_filesystem=self._spark.default_filesystem(),
            driver_host=self._spark.setting("spark.driver.host", self._host),
            dashboard=self._dashboard_root,
        )
        self._spark.start(settings)
        self._watch.start()
        self._wait(lambda: self._scheduler.ready, check)
        self._announce()
        self._connect()
        self._wait(self._spark_started, check)
        self._open_slots()
        if self._least:
            self._wait(lambda: bool(self._cluster.workers), check, self.state)
        self._watch.first_worker_came()
        self._start_adapting()

    def _resource_manager_host(self) -> str:
        return urlsplit(self._resource_manager.urls[0]).hostname or "127.0.0.1"

    def _worker_description(self) -> str:
        return f"a worker container of {self._options.worker_memory_mb} MiB and {self._options.worker_vcores} vcores"

    def _wait(self, ready: Callable[[], bool], *checks: Callable[[], object]) -> None:
        while not ready():
            self.check()
            for check in checks:
                check()
            time.sleep(POLL_SECONDS)

    def _spark_started(self) -> bool:
        try:
            return self._spark.started
        except RuntimeError as error:
            code = NOT_ALLOWED if any(refusal in str(error) for refusal in REFUSALS) else CLUSTER_LOST
            raise RunEnded(code, f"YARN did not take the application: {error}") from error

    def _announce(self) -> None:
        try:
            address = f"{socket.gethostbyname(self._host)}:{self._scheduler.dashboard_port}"
            self._announcement = metrics_target.announce("scheduler", address, self._metrics_labels)
        except OSError as error:
            self._say(f"metrics of this run are not sent: {error}")

    def _connect(self) -> None:
        from distributed import Client  # noqa: PLC0415 - takes a second, in which YARN is already at work

        self.security = self._scheduler.security()
        self.client = Client(
            self._scheduler.address,
            security=self.security.dask_security(),
            set_as_default=False,
            name="launcher",
            timeout=f"{CALL_SECONDS:g}s",
        )
        log_forwarding.print_forwarded(self.client, self._say)

    def _open_slots(self) -> None:
        from dask_on_yarn.scaling import SlotCluster  # noqa: PLC0415 - imports distributed

        options = self._options
        template = WorkerTask(
            slot="",
            first_try=1,
            scheduler=self._scheduler.address,
            certificate=self.security.certificate,
            key=self.security.key,
            threads=options.worker_threads,
            memory_limit_mb=options.worker_limit_mb,
            environment={**self._worker_environment, **metrics_target.labels_for_workers(self._metrics_labels)},
            preload=self._worker_preload,
        )
        self._slots = WorkerSlots(SparkJobRunner(self._spark.context), template, self._tag, self._say)
        self._cluster = SlotCluster(self.client, self._slots, self._most, self._say)
        self._slots.add(self._least)

    def _start_adapting(self) -> None:
        from dask_on_yarn.departures import Departures  # noqa: PLC0415 - not needed for start-up
        from dask_on_yarn.scaling import SlotAdaptive  # noqa: PLC0415 - imports distributed

        self._adaptive = SlotAdaptive(self._cluster, self._least, self._most, self._options.idle_hold)
        self._departures = Departures(
            self.client, self._cluster, self._spark.executor_hosts, self._resource_manager, self._say
        )
        self._departures.start()

    # -- while it runs

    @property
    def address(self) -> str:
        """Address of the Dask scheduler."""
        return self._scheduler.address

    @property
    def dashboard_url(self) -> str:
        """The dashboard as reached from this machine's network, and as YARN's web pages lead to it."""
        link = self.application.tracking_url if self.application else ""
        return f"{self._dashboard_root}status" + (f"; through YARN: {link}" if link else "")

    @property
    def _dashboard_root(self) -> str:
        return f"http://{self._host}:{self._scheduler.dashboard_port}/"

    @property
    def application(self) -> Application | None:
        """The last the ResourceManager said about the application."""
        return self._watch.application if self._watch else None

    def check(self) -> None:
        """Raise RunEnded when a part without which the run cannot go on is gone."""
        code = self._scheduler.exit_code if self._scheduler else None
        if code:
            raise RunEnded(CLUSTER_LOST, f"the Dask scheduler ended with code {code}:\n{self._scheduler.log_tail}")
        if code == 0 and self._slots:
            self._slots.stop_replacing()  # the script shut the cluster down and may go on without it
        if self._slots and self._slots.failed_starts >= MOST_FAILED_STARTS and not self._cluster.workers:
            raise RunEnded(WORKERS_FAILED, f"{self._slots.failed_starts} workers in a row ended before they could work")
        if self._watch and not (self._spark and self._spark.error):
            self._watch.check()
        if self._spark and self._spark.context is not None and self._spark.stopped:
            raise RunEnded(
                CLUSTER_LOST, "Spark stopped: the application master was lost more often than YARN restarts it"
            )

    def state(self) -> dict[str, Any] | None:
        """What run_state.describe says; None when the scheduler does not answer in time."""
        try:
            state = self.client.sync(self.client.scheduler.dask_on_yarn_state, callback_timeout=CALL_SECONDS)
        except (OSError, TimeoutError):
            return None
        if self._cluster:
            self._cluster.see(state["workers"])
        return state

    # -- down

    def stop(self, exit_code: int) -> None:
        """Take everything down; safe at any moment of ``start`` and when parts are gone already.

        YARN shows an ``exit_code`` other than 0 as a failed application.
        """
        if self._departures:
            self._departures.stop()
        if self._adaptive:
            self.client.loop.add_callback(self._adaptive.stop, "the run is over")
        if self._slots:
            self._slots.stop_replacing()
        if self.client:
            with contextlib.suppress(Exception):  # whatever state the loop is in, the rest must be stopped too
                self.client.close(timeout=5)
        if self._announcement:
            self._announcement.withdraw()
        if self._scheduler:
            self._scheduler.stop()
        if self._spark:
            self._stop_application(exit_code)
        if self._watch:
            self._watch.stop()

    def _stop_application(self, exit_code: int) -> None:
        stopper = threading.Thread(target=self._stop_spark, args=(exit_code,), daemon=True)
        stopper.start()
        stopper.join(STOP_SECONDS if self._spark.context is not None else 0)
        if self._watch is None:
            return
        if self._spark.context is None and not self._submitted():
            return
        if self._watch.wait_final(STOP_SECONDS if self._spark.context is not None and not stopper.is_alive() else 0):
            return
        application = self._watch.application
        if application is None:
            return
        try:
            self._spark.kill(application.id)
        except Exception:  # the JVM is gone, as after a signal to the whole process group
            kill_with_new_jvm(application.id, application.user)
        if not self._watch.wait_final(STOP_SECONDS):
            self._say(
                f"application {application.id} is still {application.state}: yarn application -kill {application.id}"
            )

    def _stop_spark(self, exit_code: int) -> None:
        with contextlib.suppress(
            Exception
        ):  # py4j's many ways to say that the JVM is gone; the application is checked next
            self._spark.stop(exit_code)

    def _submitted(self) -> bool:
        """Whether the application reached YARN; waits for a submission that is under way."""
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(Exception):  # an unreachable ResourceManager must not keep us from ending
                application = self._watch.ask()
                if application is not None:
                    return not application.is_finished
            if self._spark.error:
                return False
            time.sleep(0.2)
        return False
