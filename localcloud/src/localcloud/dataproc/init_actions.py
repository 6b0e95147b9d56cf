"""Initialization actions on nodes that are processes of this machine.

A script that may change anything on a node would change this machine: only scripts that promise to write nowhere but
below $HADOOP_CONF_DIR are run, the others are skipped.
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


def run(action: InitAction, folder: str, node: str, directory: Path, environment: dict[str, str]) -> Path | None:
    """Run a script on `node` with its files in `directory`; return the file with its output, None when it is skipped.

    `folder` is the cluster's in the staging bucket. What the script starts in the background goes on. Raises
    ClusterEngineError, worded as Google does.
    """
    if not action.is_confined:
        _log.info("%s: initialization action %s is skipped: it has no line '%s'", node, action.uri, SCOPE_LINE)
        return None
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    script = directory / f"{action.index}-{action.uri.rpartition('/')[2]}"
    script.write_bytes(action.content)
    script.chmod(0o700)
    output = directory / action.output_name
    with output.open("wb") as stream:
        try:
            process = subprocess.Popen(
                [str(script)],
                cwd=directory,
                env=environment,
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


def _failure(how: str, action: InitAction, folder: str, node: str) -> ClusterEngineError:
    output = f"{folder}/{node}/{action.output_name}"
    return ClusterEngineError(f"Initialization action {how}. Failed action '{action.uri}', see output in: {output}")
