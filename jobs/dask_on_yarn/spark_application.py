"""The Spark application that holds the containers: start it as the owner, list its executors, kill it, stop it."""

from __future__ import annotations

import os
import re
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark import SparkContext


class SparkApplication:
    """One Spark application in the JVM that spark-submit started (or one started here when there is none)."""

    def __init__(self) -> None:
        """Connect to the JVM; nothing reaches YARN yet."""
        from pyspark import SparkConf  # noqa: PLC0415 - the local fallback runs without pyspark
        from pyspark.java_gateway import launch_gateway  # noqa: PLC0415

        self._gateway = launch_gateway()
        self._conf = SparkConf(_jvm=self._gateway.jvm)
        self._settled = threading.Event()
        self.context: SparkContext | None = None
        self.error: str | None = None

    @property
    def _jvm(self) -> Any:
        return self._gateway.jvm

    def setting(self, name: str, default: str = "") -> str:
        """A Spark property as spark-submit and spark-defaults.conf set it."""
        return self._conf.get(name, default) or default

    def default_filesystem(self) -> str:
        """Hadoop's default file system as a URL, such as ``hdfs://master``."""
        return self._jvm.org.apache.hadoop.fs.FileSystem.getDefaultUri(self._hadoop_configuration()).toString()

    def _hadoop_configuration(self) -> Any:
        return self._jvm.org.apache.hadoop.yarn.conf.YarnConfiguration()

    def become(self, owner: str) -> str:
        """Make every later call of this JVM to Hadoop one of ``owner``; returns the user YARN will see.

        Dataproc starts drivers as root. Without Kerberos YARN believes the name the client states, so this is fair
        accounting and no protection. With Kerberos the ticket decides, and its name is returned.
        """
        group_information = self._jvm.org.apache.hadoop.security.UserGroupInformation
        if not group_information.isSecurityEnabled():
            group_information.setLoginUser(group_information.createRemoteUser(owner))
        return group_information.getLoginUser().getShortUserName()

    def start(self, settings: dict[str, str]) -> None:
        """Create the SparkContext in a thread: it blocks until the application runs, which may take hours."""
        for name, value in settings.items():
            self._conf.set(name, value)
        threading.Thread(target=self._create, name="spark-context", daemon=True).start()

    def _create(self) -> None:
        from pyspark import SparkContext  # noqa: PLC0415

        try:
            self.context = SparkContext(conf=self._conf, gateway=self._gateway)
        except Exception as error:  # py4j turns whatever the JVM throws into exceptions of its own
            self.error = java_message(error)
        finally:
            self._settled.set()

    @property
    def started(self) -> bool:
        """Whether the SparkContext is up; raises RuntimeError with Spark's message when it failed."""
        if self._settled.is_set() and self.error:
            raise RuntimeError(self.error)
        return self._settled.is_set()

    @property
    def stopped(self) -> bool:
        """Whether Spark itself ended the SparkContext, as it does when the application is lost."""
        return self.context is not None and bool(self.context._jsc.sc().isStopped())

    def executor_hosts(self) -> list[str]:
        """Host of each live executor; a host appears once per executor."""
        scheduler_context = self.context._jsc.sc()
        driver_host = scheduler_context.conf().get("spark.driver.host")
        driver_port = int(scheduler_context.conf().get("spark.driver.port"))
        tracker = scheduler_context.statusTracker()
        found = [(info.host(), info.port()) for info in tracker.getExecutorInfos()]
        block_manager = scheduler_context.env().blockManager().blockManagerId()
        drivers = {(driver_host, driver_port), (block_manager.host(), block_manager.port())}
        return [host for host, port in found if (host, port) not in drivers]

    def kill(self, application_id: str) -> None:
        """Kill the application through YARN's own client; works while the SparkContext is still blocked."""
        client = self._jvm.org.apache.hadoop.yarn.client.api.YarnClient.createYarnClient()
        client.init(self._hadoop_configuration())
        client.start()
        try:
            client.killApplication(
                self._jvm.org.apache.hadoop.yarn.api.records.ApplicationId.fromString(application_id)
            )
        finally:
            client.stop()

    def stop(self, exit_code: int) -> None:
        """Stop the SparkContext and give every container back; blocks. YARN shows a code other than 0 as failed."""
        if self.context is None:
            return
        # What Spark logs about connections that end together with the application would only alarm people.
        self.context.setLogLevel("OFF")
        self.context._jsc.sc().stop(exit_code)
        self.context.stop()


def driver_host(setting: str, resource_manager_host: str) -> str:
    """The address workers reach this driver at: what was set, else this machine's on the way to YARN's master."""
    if setting:
        return setting
    if os.environ.get("SPARK_LOCAL_IP"):
        return os.environ["SPARK_LOCAL_IP"]
    import socket  # noqa: PLC0415 - rarely needed

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((resource_manager_host, 9))
        return probe.getsockname()[0]


def java_message(error: Exception) -> str:
    """The first line of what Java said, without py4j's frame around it."""
    text = str(getattr(error, "java_exception", None) or error)
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("at ")]
    return re.sub(r"^(?:[a-z]\w*\.)+[A-Z]\w*(?:Exception|Error): ", "", lines[0]) if lines else type(error).__name__
