"""Hadoop's daemons as systemd units of a node, under the names that Dataproc gives them."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from localcloud.hadoop.daemons import Daemon
from localcloud.hadoop.errors import HadoopError
from localcloud.podman import namespaces

RESOURCE_MANAGER = "hadoop-yarn-resourcemanager.service"
NODE_MANAGER = "hadoop-yarn-nodemanager.service"
_ACCOUNT = "yarn"
_SCRIPT = "start.sh"
_OUTPUT = "driveroutput"
_UNIT = """\
[Unit]
Description={description}
After=network-online.target remote-fs.target
Wants=network-online.target

[Service]
Type=simple
User={account}
{capabilities}ExecStart=/bin/sh {script}
StandardOutput=append:{output}
StandardError=inherit
KillMode=control-group
SuccessExitStatus=143

[Install]
WantedBy=multi-user.target
"""
# Applications hand their files over on the machine's own file system, not on HDFS, where the NodeManager reads what is
# another account's with that account's rights.
_READS_FOR_OTHERS = "AmbientCapabilities=CAP_DAC_READ_SEARCH\n"


class UnitDaemon(Daemon):
    """One daemon of a node; `process_of_node` returns the node's first process, None while the node is not there."""

    def __init__(self, directory: Path, unit: str, process_of_node: Callable[[], int | None]) -> None:
        """Look after `unit`, whose files are in `directory`, which the node sees at the same path."""
        super().__init__(directory)
        self._unit = unit
        self._process_of_node = process_of_node

    def start(self, command: list[str], environment: dict[str, str], work: Path) -> None:
        """Write the unit and start it; one that runs is left as it is. Raises HadoopError."""
        if self.alive():
            return
        directory = self._directory
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(mode=0o755, parents=True)
        variables = [f"{name}={value}" for name, value in (environment | {"USER": _ACCOUNT}).items()]
        script = f"cd {shlex.quote(str(work))}\nexec env -i {shlex.join(variables)} {shlex.join(command)}\n"
        (directory / _SCRIPT).write_text(script, encoding="utf-8")
        unit = _UNIT.format(
            description=self._unit.removesuffix(".service"),
            account=_ACCOUNT,
            capabilities=_READS_FOR_OTHERS if self._unit == NODE_MANAGER else "",
            script=directory / _SCRIPT,
            output=directory / _OUTPUT,
        )
        (directory / self._unit).write_text(unit, encoding="utf-8")
        home = shlex.quote(str(directory.parent))
        # As on Dataproc's nodes, Hadoop's configuration is root's, and everybody reads it.
        self._call(
            f"chown -R {_ACCOUNT}: {home} && chown -R root: {home}/conf && chmod -R a+rX {home}/conf"
            f" && cp {shlex.quote(str(directory / self._unit))} /usr/lib/systemd/system/{self._unit}"
            f" && systemctl daemon-reload && systemctl enable --quiet {self._unit} && systemctl start {self._unit}"
        )

    def alive(self) -> bool:
        """Return whether it runs, or is about to."""
        process = self._process_of_node()
        if process is None or not (self._directory / _SCRIPT).exists():
            return False
        answer = namespaces.call(process, ["systemctl", "is-active", self._unit])
        return answer.stdout.strip() in ("active", "activating", "reloading")

    def kill(self) -> None:
        """End it and all it started at once, as a machine that loses power would."""
        process = self._process_of_node()
        if process is not None and (self._directory / _SCRIPT).exists():
            namespaces.call(process, ["systemctl", "kill", "--signal=SIGKILL", self._unit])
            namespaces.call(process, ["systemctl", "stop", self._unit])

    def _call(self, script: str) -> None:
        process = self._process_of_node()
        if process is None:
            raise HadoopError(f"the node of {self._directory} is not running")
        try:
            answer = namespaces.call(process, ["sh", "-c", script])
        except subprocess.TimeoutExpired as problem:
            raise HadoopError(f"{self._unit} did not start within {problem.timeout:.0f} s") from None
        if answer.returncode:
            raise HadoopError(f"{self._unit} did not start: {answer.stderr.strip()}")
