"""The process that is one environment's Airflow: `AIRFLOW_PYTHON airflow_host.py DIRECTORY`.

It imports Airflow once, and everything else is a fork of it: the scheduler with its DAG processor, the triggerer, and
each command of its command line, which so takes a fraction of a second instead of several. It is told what to do over
the socket `host.sock` of DIRECTORY, one JSON line a connection, and writes what a command prints, and its exit code, to
the command's directory.

It runs with Airflow's Python (3.11), so it imports nothing but the standard library and Airflow.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

SOCKET_FILE = "host.sock"
OUTPUT_FILE = "output"
EXIT_FILE = "exit.json"
# What the platform's DAGs import; forks find it there already.
_PRELOADED = (
    "airflow.cli.commands.dag_command",
    "airflow.cli.commands.scheduler_command",
    "airflow.cli.commands.task_command",
    "airflow.cli.commands.triggerer_command",
    "airflow.executors.local_executor",
    "airflow.jobs.scheduler_job_runner",
    "airflow.operators.bash",
    "airflow.operators.python",
    "airflow.providers.google.cloud.operators.dataproc",
    "airflow.providers.google.cloud.operators.gcs",
    "airflow.providers.google.cloud.secrets.secret_manager",
    "airflow.providers.google.cloud.sensors.dataproc",
    "airflow.providers.google.cloud.triggers.dataproc",
)
# Each reads logs of the others from disk; a server for them would need a port.
_DAEMONS = {
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}
_LONGEST_PAUSE = 30.0
_PR_SET_PDEATHSIG = 1
_UNKNOWN_CODE = 255


def run_command_line(arguments: list[str]) -> int:
    """Run Airflow's command line with `arguments` in this process; return its exit code."""
    from airflow.__main__ import main  # noqa: PLC0415  (Airflow is there in its own environment only)

    sys.argv = ["airflow", *arguments]
    try:
        main()
    except SystemExit as ending:
        if isinstance(ending.code, str):
            print(ending.code, file=sys.stderr)
            return 1
        return ending.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def fork(action: Callable[[], int], output: Path, close: Callable[[], None]) -> int:
    """Run `action` in a child with a session of its own, its output appended to a file; return its process id.

    `close` closes what belongs to the host.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    code = _UNKNOWN_CODE
    try:
        # Nobody goes on when the host is killed.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.close(descriptor)
        close()
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(line_buffering=True)
        code = action()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


class Daemon:
    """A part of Airflow that always runs: it is started again when it ends, after ever longer pauses."""

    def __init__(self, name: str, arguments: list[str], log: Path) -> None:
        """Run `airflow ARGUMENTS`, its output appended to `log`."""
        self.name = name
        self._arguments = arguments
        self._log = log
        self._pause = 0.5
        self._started = 0.0
        self.process: int | None = None
        self.start_at = 0.0

    def start(self, close: Callable[[], None]) -> None:
        """Start it now; see `fork`."""
        self._started = time.monotonic()
        self.process = fork(lambda: run_command_line(self._arguments), self._log, close)

    def ended(self) -> None:
        """Note that it ended; it is started again later."""
        lasted = time.monotonic() - self._started
        self._pause = 0.5 if lasted > _LONGEST_PAUSE else min(self._pause * 2, _LONGEST_PAUSE)
        self.process = None
        self.start_at = time.monotonic() + self._pause


class Host:
    """Starts what it is asked for and sees it to the end."""

    def __init__(self, directory: Path) -> None:
        """Serve the environment in `directory`."""
        self._directory = directory
        self._commands: dict[int, str] = {}
        self._daemons = {
            name: Daemon(name, arguments, directory / "logs" / f"{name}.log") for name, arguments in _DAEMONS.items()
        }
        self._web_port = 0
        self._selector = selectors.DefaultSelector()
        self._sockets: list[socket.socket] = []

    def run(self) -> NoReturn:
        """Import Airflow, start its parts, and serve for ever."""
        for name in _PRELOADED:
            importlib.import_module(name)
        self._watch_children()
        listener = self._listen()
        self._sockets.append(listener)
        self._selector.register(listener, selectors.EVENT_READ)
        while True:
            for daemon in self._daemons.values():
                if daemon.process is None and daemon.start_at <= time.monotonic():
                    daemon.start(self._close)
            waiting = [daemon.start_at for daemon in self._daemons.values() if daemon.process is None]
            timeout = max(0.0, min(waiting) - time.monotonic()) if waiting else None
            for key, _events in self._selector.select(timeout):
                if key.fileobj is listener:
                    connection, _address = listener.accept()
                    with connection:
                        self._sockets.append(connection)
                        self._serve(connection)
                        self._sockets.remove(connection)
                else:
                    key.fileobj.recv(4096)
            self._reap()

    def _watch_children(self) -> None:
        """Let the end of a child wake the selector."""
        reader, writer = socket.socketpair()
        writer.setblocking(False)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        self._sockets += [reader, writer]
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector.register(reader, selectors.EVENT_READ)

    def _close(self) -> None:
        """Close, in a child, what belongs to the host."""
        self._selector.close()
        for each in self._sockets:
            each.close()

    def _listen(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        os.umask(0o077)
        # Through a descriptor, because the path of a socket may have 107 characters at most.
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(SOCKET_FILE, dir_fd=directory)
        listener.bind(f"/proc/self/fd/{directory}/{SOCKET_FILE}")
        os.close(directory)
        listener.listen(64)
        return listener

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        try:
            with connection.makefile("rwb") as stream:
                request = json.loads(stream.readline())
                stream.write(json.dumps(self._answer(request)).encode() + b"\n")
        except (OSError, ValueError, KeyError) as problem:
            print(f"a request failed: {problem!r}", file=sys.stderr, flush=True)

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["action"] == "execute":
            directory = self._directory / "commands" / request["id"]
            arguments = list(request["arguments"])
            process = fork(lambda: run_command_line(arguments), directory / OUTPUT_FILE, self._close)
            self._commands[process] = request["id"]
            return {"process": process}
        if request["action"] == "stop":
            number = signal.SIGKILL if request["force"] else signal.SIGTERM
            running = [process for process, name in self._commands.items() if name == request["id"]]
            for process in running:
                # A child that has not been waited for keeps its id, so this hits nobody else.
                os.killpg(process, number)
            return {"running": bool(running)}
        if request["action"] == "web":
            return {"port": self._serve_web(request["port"])}
        return {"daemons": {name: daemon.process for name, daemon in self._daemons.items()}, "web": self._web_port}

    def _serve_web(self, port: int) -> int:
        """Start the web server on a port of the loopback, unless it runs; 0 ends it. Return the port it is on, or 0."""
        daemon = self._daemons.get("webserver")
        if not port and daemon is not None:
            del self._daemons["webserver"]
            self._web_port = 0
            if daemon.process is not None:
                os.kill(daemon.process, signal.SIGTERM)
        elif port and daemon is None:
            pid_file = self._directory / "webserver.pid"
            pid_file.unlink(missing_ok=True)
            arguments = ["webserver", "--hostname", "127.0.0.1", "--port", str(port), "--pid", str(pid_file)]
            # The address that the pages link to.
            os.environ["AIRFLOW__WEBSERVER__BASE_URL"] = f"http://127.0.0.1:{port}"
            self._daemons["webserver"] = Daemon("webserver", arguments, self._directory / "logs" / "webserver.log")
            self._web_port = port
        return self._web_port

    def _reap(self) -> None:
        while True:
            try:
                process, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if process == 0:
                return
            name = self._commands.pop(process, None)
            if name is not None:
                code = os.waitstatus_to_exitcode(status)
                # As a shell has it: a command that a signal ended has 128 and the signal's number.
                write_exit(self._directory / "commands" / name, 128 - code if code < 0 else code)
            for daemon in self._daemons.values():
                if daemon.process == process:
                    print(f"{daemon.name} ended with {os.waitstatus_to_exitcode(status)}", file=sys.stderr, flush=True)
                    daemon.ended()


def write_exit(directory: Path, code: int) -> None:
    """Write a command's exit code so that a reader sees nothing or all of it."""
    temporary = directory / f"{EXIT_FILE}.new"
    temporary.write_text(json.dumps({"exit_code": code}), encoding="utf-8")
    temporary.replace(directory / EXIT_FILE)


if __name__ == "__main__":
    Host(Path(sys.argv[1])).run()
