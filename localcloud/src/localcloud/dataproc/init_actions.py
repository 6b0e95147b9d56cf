"""Initialization actions.

A script may change anything on a node. Where nodes are processes of this machine it would change this machine: only
scripts that promise to write nowhere but below $HADOOP_CONF_DIR are run there, the others are skipped.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from localcloud.dataproc.cluster_engine import ClusterEngineError
from localcloud.dataproc.names import parse_duration

# The line by which a script promises it.
SCOPE_LINE = "# init-action-scope: hadoop-conf-dir"
DEFAULT_TIMEOUT = "600s"
_log = logging.getLogger("localcloud")


@dataclass(frozen=True)
class InitAction:
    """A script, where it came from, its place in the cluster's list and how many seconds it may take."""

    uri: str
    index: int
    content: bytes
    seconds: float

    @classmethod
    def of(cls, index: int, action: dict[str, str], content: bytes) -> InitAction:
        """Return an entry of a cluster's `initializationActions` with its script."""
        seconds = parse_duration(action.get("executionTimeout", DEFAULT_TIMEOUT)).total_seconds()
        return cls(action["executableFile"], index, content, seconds)

    @property
    def is_confined(self) -> bool:
        """Whether the script promises to write below the configuration directory only."""
        return SCOPE_LINE in self.content.decode(errors="replace").splitlines()

    @property
    def output_name(self) -> str:
        """Name of the object that holds its output, in the node's folder of the staging bucket."""
        return f"dataproc-initialization-script-{self.index}_output"


@dataclass(frozen=True)
class Call:
    """How a script is called on a node.

    `entering` stands before its command; its files, which the node sees at the same path, are in `directory`.
    """

    entering: list[str]
    environment: dict[str, str]
    directory: Path


def skip(action: InitAction, node: str) -> None:
    """Say that a script is not run, because it would change this machine."""
    _log.info("%s: initialization action %s is skipped: it has no line '%s'", node, action.uri, SCOPE_LINE)


def run(action: InitAction, call: Call, node: str, folder: str) -> Path:
    """Run a script on `node`; return the file with its output. `folder` is the cluster's in the staging bucket.

    What the script starts in the background goes on. Raises ClusterEngineError, worded as Google does.
    """
    directory = call.directory
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    script = directory / f"{action.index}-{action.uri.rpartition('/')[2]}"
    _write_program(script, action.content)
    output = directory / action.output_name
    with output.open("wb") as stream:
        try:
            process = subprocess.Popen(
                [*call.entering, str(script)],
                cwd=directory,
                env=call.environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        except OSError as problem:
            stream.write(f"{script.name}: {problem}\n".encode())
            raise _failure("failed", action, folder, node) from problem
        try:
            code = process.wait(action.seconds)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise _failure("timed out", action, folder, node) from None
    if code:
        raise _failure("failed", action, folder, node)
    return output


def _write_program(path: Path, content: bytes) -> None:
    """Write a file that is executed next, by another process.

    Had this one it open for writing, a thread that starts a program meanwhile would hand that on for a moment, and the
    kernel would refuse to execute the file: "Text file busy".
    """
    subprocess.run(["install", "--mode=0700", "/dev/stdin", str(path)], input=content, check=True, timeout=60)


def _failure(how: str, action: InitAction, folder: str, node: str) -> ClusterEngineError:
    output = f"{folder}/{node}/{action.output_name}"
    return ClusterEngineError(f"Initialization action {how}. Failed action '{action.uri}', see output in: {output}")
