"""The driver of a Dask job: brings up the cluster, runs the script, takes everything down, and reports."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import uuid
from pathlib import Path
from types import FrameType

from dask_on_yarn import input_cache, log_forwarding
from dask_on_yarn.admission import admit
from dask_on_yarn.dataproc_job import OwnJob, job_id_of, own_job
from dask_on_yarn.deadlines import Deadlines
from dask_on_yarn.exit_codes import CLUSTER_LOST, TERMINATED, RunEnded
from dask_on_yarn.job_owner import confirm_owner
from dask_on_yarn.limits import Granted
from dask_on_yarn.local_cluster import HADOOP_CONF_DIR, LocalDaskCluster, yarn_is_missing
from dask_on_yarn.options import Options, parse
from dask_on_yarn.processes import die_with_parent
from dask_on_yarn.progress import Progress
from dask_on_yarn.resource_manager import ResourceManager
from dask_on_yarn.run_directory import run_directory
from dask_on_yarn.run_report import RunReport
from dask_on_yarn.script_process import Account, ScriptProcess, find_account, script_environment
from dask_on_yarn.script_source import ScriptSource
from dask_on_yarn.yarn_cluster import YarnCluster

#: Seconds between two looks at the script, and between two looks at the cluster's state.
SCRIPT_SECONDS, STATE_SECONDS = 0.1, 1.0
LOG_LEVEL = "DASK_LOGGING__DISTRIBUTED"


def main(arguments: list[str]) -> int:
    """Run a job; returns the exit code that exit_codes.py explains."""
    # Dask's own chatter at INFO would bury the script's output; whoever wants it sets the variable.
    os.environ.setdefault(LOG_LEVEL, "warning")
    # Standard output belongs to the script.
    progress = Progress(sys.stderr)
    try:
        options = parse(arguments)
        hadoop_conf_dir = None if yarn_is_missing(os.environ) else os.environ.get("HADOOP_CONF_DIR", HADOOP_CONF_DIR)
        granted = admit(options, hadoop_conf_dir)
        for message in granted.messages:
            progress.say(message)
        account = find_account(options.script_account) if options.script_account and os.geteuid() == 0 else None
        launcher = Launcher(options, granted, hadoop_conf_dir, account, progress)
    except RunEnded as end:
        progress.say(f"refused: {end.reason} (exit code {end.exit_code})")
        return end.exit_code
    return launcher.run()


class Launcher:
    """One run."""

    def __init__(
        self,
        options: Options,
        granted: Granted,
        hadoop_conf_dir: str | None,
        account: Account | None,
        progress: Progress,
    ) -> None:
        self._options = options
        self._granted = granted
        self._hadoop_conf_dir = hadoop_conf_dir
        self._account = account
        self._tag = f"dask-run-{uuid.uuid4().hex[:12]}"
        self._say = progress.say
        self._report = RunReport(options, granted, self._tag, progress)
        self._deadlines = Deadlines(options.queue_timeout, options.timeout, options.idle_timeout)
        self._stop_asked = threading.Event()
        self._cluster: YarnCluster | LocalDaskCluster | None = None
        self._script: ScriptProcess | None = None
        self._source: ScriptSource | None = None

    def run(self) -> int:
        """Everything from start to end; returns the exit code."""
        signal.signal(signal.SIGTERM, self._on_sigterm)
        if "PYSPARK_GATEWAY_PORT" in os.environ:
            die_with_parent(os.getppid(), signal.SIGTERM)  # the JVM of spark-submit: without it there is no cluster
        with run_directory() as directory:
            exit_code, reason = CLUSTER_LOST, "the launcher failed"
            try:
                exit_code, reason = self._run(directory), "the script ended"
            except RunEnded as end:
                exit_code, reason = end.exit_code, end.reason
            finally:
                self._stop(exit_code, directory)
                self._report.finish(exit_code, reason, self._cluster.application if self._cluster else None)
                self._say(f"end: {reason} (exit code {exit_code})")
        return exit_code

    def _on_sigterm(self, _number: int, _frame: FrameType | None) -> None:
        if self._stop_asked.is_set():
            os._exit(TERMINATED)  # our children die with us, YARN's containers with the JVM
        self._stop_asked.set()

    def _check(self) -> None:
        if self._stop_asked.is_set():
            raise RunEnded(TERMINATED, "told to stop by SIGTERM")
        self._deadlines.check()
        self._source.check()

    def _run(self, directory: Path) -> int:
        private, scratch = directory / "launcher", directory / "script"
        for part in (private, scratch):
            part.mkdir(mode=0o700)
        if self._account:
            directory.chmod(0o711)
            os.chown(scratch, self._account.uid, self._account.gid)
        self._source = ScriptSource(self._options.script, scratch, self._account)
        self._cluster = self._make_cluster(private)
        self._cluster.start(self._confirm_owner, self._check)
        self._report.running(self._deadlines.queued_seconds)
        self._say(f"ready after {self._deadlines.queued_seconds:.1f} s; dashboard: {self._cluster.dashboard_url}")
        self._start_script(scratch)
        return self._follow_script()

    def _make_cluster(self, directory: Path) -> YarnCluster | LocalDaskCluster:
        workers = (self._granted.min, self._granted.max)
        self._report.record.cluster = "yarn" if self._hadoop_conf_dir else "local"
        if self._hadoop_conf_dir is None:
            return LocalDaskCluster(self._options, workers=workers, directory=directory, say=self._say)
        cache = input_cache.configure(self._options.cache_size_mb)
        return YarnCluster(
            self._options,
            workers=workers,
            run_tag=self._tag,
            resource_manager=ResourceManager.from_configuration(self._hadoop_conf_dir, user=self._options.owner),
            directory=directory,
            worker_environment={LOG_LEVEL: os.environ[LOG_LEVEL], **cache.environment},
            extra_preload=cache.preload,
            say=self._say,
        )

    def _confirm_owner(self, spark_yarn_tags: str) -> None:
        job = own_job(spark_yarn_tags) if job_id_of(spark_yarn_tags) else OwnJob(None)
        self._report.record.job_id = job.job_id
        remark = confirm_owner(self._options.owner, job)
        if remark:
            self._say(remark)
            self._report.record.warnings.append(remark)

    def _start_script(self, scratch: Path) -> None:
        path = self._source.wait()
        account = self._account
        tls = scratch / ".tls"
        tls.mkdir(mode=0o700)
        if account:
            os.chown(tls, account.uid, account.gid)
        environment = script_environment(os.environ)
        uid, gid = (account.uid, account.gid) if account else (None, None)
        environment |= self._cluster.security.write(tls, uid, gid)
        environment["DASK_SCHEDULER_ADDRESS"] = self._cluster.address
        self._deadlines.running()
        self._script = ScriptProcess(
            [sys.executable, "-u", str(path), *self._options.script_arguments],
            directory=scratch,
            run_directory=scratch.parent,
            environment=environment,
            account=account,
        )

    def _follow_script(self) -> int:
        next_look = 0.0
        while self._script.wait(SCRIPT_SECONDS) is None:
            self._check()
            self._cluster.check()
            if time.monotonic() >= next_look:
                self._look()
                next_look = time.monotonic() + STATE_SECONDS
        if self._script.exit_code:
            self._cluster.check()  # a script whose cluster is lost fails, too: the loss is the reason
        return self._script.exit_code

    def _look(self) -> None:
        state = self._cluster.state()
        if state is None:
            return
        self._report.look(state)
        if state["idle_since"] is None:
            self._deadlines.busy()

    def _stop(self, exit_code: int, directory: Path) -> None:
        if self._script:
            self._script.stop()
        if not self._cluster:
            return
        if self._cluster.client and self._cluster.client.status == "running":
            self._look()
            self._report.draw_performance(self._cluster.client, directory)
        log_forwarding.print_no_more(self._cluster.client)
        self._cluster.stop(exit_code)
