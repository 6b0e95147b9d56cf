"""Kill an application when the driver's JVM is gone: YARN's own command line in a new JVM."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

KILL_SECONDS = 60.0


def kill_with_new_jvm(application_id: str, user: str) -> bool:
    """Kill an application as ``user``; whether YARN's command line said it did."""
    command = _yarn_command()
    if command is None:
        return False
    try:
        done = subprocess.run(
            [*command, "-kill", application_id],
            env={**os.environ, "HADOOP_USER_NAME": user},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=KILL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _yarn_command() -> list[str] | None:
    if shutil.which("yarn"):
        return ["yarn", "application"]
    spark_class = Path(os.environ.get("SPARK_HOME", "/usr/lib/spark")) / "bin" / "spark-class"
    if spark_class.exists():
        return [str(spark_class), "org.apache.hadoop.yarn.client.cli.ApplicationCLI", "application"]
    return None
