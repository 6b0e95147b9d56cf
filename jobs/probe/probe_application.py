"""The probe's application in YARN: started as its owner, with the settings of the Dask jobs."""

from __future__ import annotations

import os
import re
import time
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from dask_on_yarn.options import Options
from dask_on_yarn.resource_manager import Application, ResourceManager
from dask_on_yarn.spark_application import SparkApplication, driver_host
from dask_on_yarn.spark_settings import spark_settings

START_SECONDS = 300.0
STARTS = 3


@dataclass(frozen=True)
class Running:
    """An application whose master is at work. ``asked_as`` is as whom it was asked for, ``tags`` are Dataproc's."""

    spark: SparkApplication
    application: Application
    asked_as: str
    tags: str

    @property
    def context(self) -> Any:
        """The SparkContext."""
        return self.spark.context

    @property
    def driver_host(self) -> str:
        """The address at which containers reach this driver."""
        return str(self.context.getConf().get("spark.driver.host"))

    def facts(self) -> dict[str, str]:
        """What it is, by name."""
        jvm = self.context._jvm
        return {
            "application.user_asked": self.asked_as,
            "application.user": self.application.user,
            "application.queue": self.application.queue,
            "application.tags": " ".join(sorted(part for part in self.tags.split(",") if part)),
            "spark": str(self.context.version),
            "spark.hadoop": str(jvm.org.apache.hadoop.util.VersionInfo.getVersion()),
            "java": str(jvm.System.getProperty("java.version")),
            "filesystem": self.spark.default_filesystem(),
        }


def start(options: Options, manager: ResourceManager) -> Running:
    """An application whose master is not on the node that would leave first: that could not leave before it ends.

    Raises RuntimeError when YARN does not let it run.
    """
    for attempt in range(STARTS):
        running = _start_once(options, manager)
        nodes = sorted((node.host for node in manager.nodes(states=["RUNNING"])), key=natural)
        if attempt == STARTS - 1 or not nodes or running.application.master_host != nodes[-1]:
            break
        running.spark.stop(0)
    return running


def _start_once(options: Options, manager: ResourceManager) -> Running:
    tag = f"probe-{uuid.uuid4().hex[:12]}"
    spark = SparkApplication()
    tags = spark.setting("spark.yarn.tags")
    asked_as = spark.become(options.owner)
    host = driver_host(os.environ.get("SPARK_LOCAL_IP", ""), urlsplit(manager.urls[0]).hostname or "127.0.0.1")
    settings = spark_settings(
        options,
        workers=(options.min_workers, options.max_workers),
        tags=tags,
        run_tag=tag,
        default_filesystem=spark.default_filesystem(),
        driver_host=spark.setting("spark.driver.host", host),
        dashboard="",
    )
    spark.start(settings)
    deadline = time.monotonic() + START_SECONDS
    while not spark.started:
        if time.monotonic() > deadline:
            raise RuntimeError(f"YARN has not let the application run within {START_SECONDS:.0f} s")
        time.sleep(0.5)
    (application,) = manager.applications(tag=tag)
    return Running(spark, application, asked_as, tags)


def natural(text: str) -> list[tuple[int, str]]:
    """A key that sorts names by the numbers in them."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"\d+|\D+", text)]
