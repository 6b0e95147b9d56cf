"""How the driver of a job is called: as a plain process, or by spark-submit."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from localcloud.dataproc.engine import EngineError
from localcloud.dataproc.hosts import Place
from localcloud.dataproc.job_files import JobFiles

_TAGS = "spark.yarn.tags"
# YARN refuses an application with a longer one.
_LONGEST_TAG = 100


@dataclass(frozen=True)
class Call:
    """A driver's command line, and what its environment has beyond that of every driver."""

    arguments: list[str]
    environment: dict[str, str]


class Caller(Protocol):
    """Knows how to call drivers."""

    python: Path

    def call(self, job: dict[str, Any], files: JobFiles, temporary: Path) -> Call:
        """Return how to call the driver of `job`, which may use the directory `temporary`. Raises EngineError."""


class PlainCaller:
    """Runs the main file with the cluster's Python; there is no YARN."""

    def __init__(self, python: Path) -> None:
        """Run drivers with `python`."""
        self.python = python

    def call(self, job: dict[str, Any], files: JobFiles, _temporary: Path) -> Call:
        """Return the main file with the job's arguments."""
        path = {"PYTHONPATH": os.pathsep.join(files.python_path)} if files.python_path else {}
        return Call([str(self.python), str(files.main), *job["pysparkJob"].get("args", [])], path)


class SparkCaller:
    """Runs spark-submit on the cluster's master, as Dataproc's agent does."""

    def __init__(
        self,
        python: Path,
        spark_home: Path,
        environment_of: Callable[[str], dict[str, str]],
        place_of: Callable[[str], Place],
    ) -> None:
        """Run drivers and executors with `python`.

        `environment_of` returns a cluster's variables for drivers, `place_of` how they are started on its master.
        """
        self.python = python
        self._spark_home = spark_home
        self._environment_of = environment_of
        self._place_of = place_of

    def call(self, job: dict[str, Any], files: JobFiles, temporary: Path) -> Call:
        """Return the call of spark-submit. Raises EngineError when the job's cluster is not there."""
        description = job["pysparkJob"]
        properties = dict(description.get("properties", {}))
        properties[_TAGS] = ",".join(filter(None, (properties.get(_TAGS), *yarn_tags(job))))
        listed = {
            "--py-files": [str(path) for path in files.python],
            "--files": [str(path) for path in files.plain],
            "--jars": [str(path) for path in files.jars],
            "--archives": [f"{packed}#{unpacked.name}" for packed, unpacked in files.archives],
        }
        options = [part for name, paths in listed.items() if paths for part in (name, ",".join(paths))]
        for key, value in properties.items():
            options += ["--conf", f"{key}={value}"]
        submit = self._spark_home / "bin" / "spark-submit"
        environment = {
            "PYSPARK_PYTHON": str(self.python),
            "SPARK_HOME": str(self._spark_home),
            # Nothing of a driver that is killed stays in /tmp. A driver that is started in a container is in none of
            # its control groups, over which Java's own monitoring stumbles.
            "SPARK_SUBMIT_OPTS": f"-Djava.io.tmpdir={temporary} -XX:-UsePerfData -XX:-UseContainerSupport",
        }
        if os.geteuid() != 0:
            # Dataproc starts drivers as root; simple authentication believes whoever says so.
            environment["HADOOP_USER_NAME"] = "root"
        cluster = job["placement"]["clusterUuid"]
        place = self._place_of(cluster)
        entering: list[str] = []
        if place.entering:
            # A driver that is started on another machine would begin in its root directory.
            entering = [*place.entering, f"--chdir={files.main.parent}"]
            # Other accounts of that machine, which have to get at some of its files, cannot enter the job's directory.
            environment["TMPDIR"] = "/tmp"  # noqa: S108
        return Call(
            [*entering, str(submit), *options, str(files.main), *description.get("args", [])],
            environment | self._environment_of(cluster) | place.environment,
        )


def yarn_tags(job: dict[str, Any]) -> list[str]:
    """Return the tags by which Dataproc knows the YARN applications of a job."""
    identity = job["jobUuid"]
    return [
        f"dataproc_job_{job['reference']['jobId']}"[:_LONGEST_TAG],
        f"dataproc_hash_{zlib.crc32(identity.encode()):08x}",
        f"dataproc_uuid_{identity}",
        "dataproc_master_index_0",
    ]


def client_environment(path: Path) -> dict[str, str]:
    """Return the variables that lead clients to the local cloud. Raises EngineError while it is being stopped."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise EngineError(f"{path} does not exist: the local cloud is being stopped.") from None
