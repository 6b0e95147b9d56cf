"""Calls of podman, with the configuration that nodes need."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from localcloud.hadoop import HadoopError

CONFIGURATION = Path(__file__).with_name("containers.conf")
_SECONDS = 120.0


class PodmanError(HadoopError):
    """podman did not do what it was asked to; the message is its own."""


def missing() -> str:
    """Return why containers cannot be nodes on this machine, or an empty text."""
    if os.geteuid() != 0:
        return "nodes in containers mount file systems and have systemd: run it as root"
    for program in ("podman", "runc", "nsenter"):
        if shutil.which(program) is None:
            return f"{program} is not installed; run scripts/setup.sh, or on Debian: apt-get install podman runc"
    return ""


def podman(*arguments: str) -> str:
    """Run `podman` and return what it printed. Raises PodmanError with its own words."""
    answer = subprocess.run(
        ["podman", *arguments],
        env={**os.environ, "CONTAINERS_CONF": str(CONFIGURATION)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if answer.returncode:
        lines = [line for line in answer.stderr.splitlines() if "failed to connect to syslog" not in line]
        raise PodmanError(f"podman {arguments[0]}: {' '.join(lines[-3:]) or f'exit code {answer.returncode}'}")
    return answer.stdout


def inspect(kind: str, name: str) -> dict[str, Any] | None:
    """Return what podman knows of a container, an image or a network; None when there is none of this name."""
    try:
        podman(kind, "exists", name)
    except PodmanError:
        return None
    found = json.loads(podman(kind, "inspect", name))
    return found[0] if found else None
