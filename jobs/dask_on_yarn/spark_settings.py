"""Spark's configuration for a run, every value set on purpose; a pure function of the options."""

from __future__ import annotations

from dask_on_yarn.options import EXECUTOR_HEAP_MB, MASTER_OVERHEAD_MB, Options

#: Seconds after which an executor without a slot is given back.
EXECUTOR_IDLE_SECONDS = 3


def spark_settings(
    options: Options,
    *,
    workers: tuple[int, int],
    tags: str,
    run_tag: str,
    default_filesystem: str,
    driver_host: str,
    dashboard: str,
) -> dict[str, str]:
    """Settings that go on top of what spark-submit and spark-defaults.conf brought.

    ``workers`` are the least and the most workers after all limits; ``tags`` is what ``spark.yarn.tags`` held before
    (Dataproc finds its job's applications by them) and ``run_tag`` the tag the launcher finds its own application by.
    ``dashboard`` is the URL of the root of Dask's dashboard, to which the application's tracking link leads.
    """
    least, most = workers
    return {
        "spark.master": "yarn",
        "spark.submit.deployMode": "client",
        "spark.app.name": options.workload,
        "spark.yarn.queue": options.queue,
        "spark.yarn.tags": ",".join(filter(None, (tags, run_tag))),
        # Spark makes a directory of its own below it that only the owner reads.
        "spark.yarn.stagingDir": f"{default_filesystem.rstrip('/')}/tmp/spark-staging-{options.owner}",  # noqa: S108
        "spark.driver.host": driver_host,
        # A worker is a container: one executor with one task. The JVM needs little, Dask lives in the overhead.
        "spark.executor.cores": str(options.worker_vcores),
        "spark.task.cpus": str(options.worker_vcores),
        "spark.executor.memory": f"{EXECUTOR_HEAP_MB}m",
        "spark.executor.memoryOverhead": f"{options.worker_memory_mb - EXECUTOR_HEAP_MB}m",
        "spark.yarn.am.cores": "1",
        "spark.yarn.am.memory": f"{options.master_memory_mb - MASTER_OVERHEAD_MB}m",
        "spark.yarn.am.memoryOverhead": f"{MASTER_OVERHEAD_MB}m",
        # Executors follow the slots: a slot is a job, and an executor without a job goes.
        "spark.dynamicAllocation.enabled": "true",
        "spark.dynamicAllocation.minExecutors": "0",
        "spark.dynamicAllocation.initialExecutors": str(least),
        "spark.dynamicAllocation.maxExecutors": str(most),
        # Dataproc's default of 2 would count as the initial number, and is refused where at most one is wanted.
        "spark.executor.instances": str(least),
        "spark.dynamicAllocation.executorIdleTimeout": f"{EXECUTOR_IDLE_SECONDS}s",
        "spark.dynamicAllocation.schedulerBacklogTimeout": "1s",
        "spark.dynamicAllocation.sustainedSchedulerBacklogTimeout": "1s",
        "spark.dynamicAllocation.shuffleTracking.enabled": "true",
        "spark.shuffle.service.enabled": "false",
        "spark.yarn.scheduler.heartbeat.interval-ms": "1000",
        # Lost containers are normal (preemption, spot, scale-in): they must not end the application.
        "spark.task.maxFailures": "100",
        "spark.executor.maxNumFailures": "100",
        "spark.executor.failuresValidityInterval": "10m",
        "spark.yarn.maxAppAttempts": "2",
        "spark.yarn.am.attemptFailuresValidityInterval": "1h",
        "spark.excludeOnFailure.enabled": "false",
        "spark.speculation": "false",
        "spark.locality.wait": "0s",
        # Four busy worker threads can starve the executor's small JVM for a while.
        "spark.executor.heartbeatInterval": "15s",
        "spark.network.timeout": "180s",
        # The task's closure carries the run's key.
        "spark.authenticate": "true",
        "spark.network.crypto.enabled": "true",
        "spark.io.encryption.enabled": "false",
        # Without a UI of its own Spark registers this address with YARN, whose tracking link leads to Dask's pages.
        "spark.ui.enabled": "false",
        "spark.driver.appUIAddress": dashboard,
        "spark.ui.showConsoleProgress": "false",
        "spark.eventLog.enabled": "false",
        "spark.log.level": "WARN",
    }
