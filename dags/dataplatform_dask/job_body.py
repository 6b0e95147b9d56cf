"""The body of a Dask job: Dataproc starts the launcher, the launcher the script. Pure.

The command line is the one that the rendered workloads have; what the platform decides stands before ``--``, the
script's own arguments behind it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from dataplatform_dask.release import Release, pick

_PLACEHOLDER = re.compile(r"\$\{([a-z_]+)\}")


class JobOptions(NamedTuple):
    """What a job asks for; times in seconds, None: the launcher's default."""

    script: str
    arguments: Sequence[str] = ()
    timeout: int = 3600
    queue_timeout: int | None = None
    idle_timeout: int | None = None
    workers: tuple[int, int] | None = None


def pyspark_job(release: Release, workload: str, owner: str, priority: str, options: JobOptions) -> dict[str, Any]:
    """Return the ``pysparkJob`` of a script of the release, in Google's JSON names.

    Raises ReleaseError for an unknown script.
    """
    launcher = release.launcher
    return {
        "mainPythonFileUri": launcher["driver"],
        "pythonFileUris": [launcher["package"]],
        "args": _arguments(
            launcher, release.script(options.script), options, workload=workload, owner=owner, priority=priority
        ),
        "properties": {"spark.yarn.queue": f"root.{priority}"},
    }


def _arguments(
    launcher: Mapping[str, Any], script_uri: str, options: JobOptions, *, workload: str, owner: str, priority: str
) -> list[str]:
    sizes, prices = launcher["sizes"], launcher["prices"]
    most = sizes["user"]["workers"]
    least, most = options.workers or (min(1, most), most)
    given = {
        "script": script_uri,
        "owner": owner,
        "workload": workload,
        "priority": priority,
        "min-workers": least,
        "max-workers": most,
        "user-workers": sizes["user"]["workers"],
        "worker-memory-mb": sizes["worker"]["memory_mb"],
        "worker-vcores": sizes["worker"]["vcores"],
        "worker-threads": sizes["worker"]["vcores"],
        "master-memory-mb": sizes["application_master"]["memory_mb"],
        "timeout": options.timeout,
        "queue-timeout": options.queue_timeout,
        "idle-timeout": options.idle_timeout,
        "run-directory": f"{launcher['run_directory']}/{workload}",
        "price-vcore-hour": prices["vcore_hour"],
        "price-gib-hour": prices["gib_hour"],
        "script-account": launcher.get("account"),
    }
    parts = [part for option, value in given.items() if value is not None for part in (f"--{option}", str(value))]
    return [*parts, "--", *options.arguments]


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace ``${name}`` by the environment's value. Raises ReleaseError for an unknown one, as for workloads."""
    return _PLACEHOLDER.sub(lambda found: str(pick(values, found[1], "placeholder", "placeholders")), text)


def job_seconds(timeout: int, queue_timeout: int | None) -> int:
    """Return how long Airflow lets a job live: the launcher's own limits end it before that, and say why.

    600 seconds are what the launcher needs beside the times it limits itself.
    """
    return timeout + (queue_timeout or timeout) + 600
