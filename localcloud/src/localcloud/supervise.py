"""Starting, finding and stopping the server process."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import psutil

from localcloud.home import HomeError, prepare_home
from localcloud.settings import Settings

LOOPBACK = "127.0.0.1"
_START_SECONDS = 60.0
_STOP_SECONDS = 45.0
# A server that is gone refuses at once; one on a busy machine is only late.
ANSWER_SECONDS = 60.0
# Job drivers, YARN and Airflow are stopped one after another.
_RESET_SECONDS = 180.0
_LOG_BYTES = 10 * 1024 * 1024
# What the server process answers on the pipe it was given, before its message.
READY = "ready"
LOCKED = "locked"
FAILED = "failed"


class SuperviseError(Exception):
    """Something about the server process went wrong; the message is for people."""


class NoAnswerError(SuperviseError):
    """The server is there, and does not answer."""


def running(settings: Settings, patience: float = ANSWER_SECONDS) -> dict[str, Any] | None:
    """Return the process file of the running server (pid, port, pace, started, secret), or None.

    Only a server that answers counts: after `kill -9` the file is still there. Raises NoAnswerError where one is there
    that has not answered within ``patience`` seconds.
    """
    process = read_process_file(settings)
    if process is None or not psutil.pid_exists(process["pid"]):
        return None
    try:
        call(process, "GET", "/localcloud/status", timeout=patience)
    except NoAnswerError:
        raise
    except (OSError, SuperviseError):
        return None
    return process


def read_process_file(settings: Settings) -> dict[str, Any] | None:
    """Return what the last server wrote about itself, dead or alive, or None."""
    try:
        return json.loads(settings.process_file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def call(
    process: dict[str, Any], method: str, path: str, body: Any = None, timeout: float = ANSWER_SECONDS
) -> dict[str, Any]:
    """Call the control API of a running server, which has ``timeout`` seconds to answer.

    Raises SuperviseError with its message, NoAnswerError when it takes longer, OSError when it is gone.
    """
    connection = http.client.HTTPConnection(LOOPBACK, process["port"], timeout=timeout)
    try:
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, {"Authorization": f"Bearer {process['secret']}"})
        response = connection.getresponse()
        answer = json.loads(response.read() or b"{}")
    except TimeoutError:
        raise NoAnswerError(
            f"the server (process {process['pid']}) has not answered within {timeout:g} s. Next step: wait, or end it"
            f" with kill -9 {process['pid']}; nothing that it has acknowledged is lost"
        ) from None
    except (http.client.HTTPException, ValueError) as error:
        raise SuperviseError(f"port {process['port']} does not answer like localcloud: {error}") from None
    finally:
        connection.close()
    if response.status != 200:
        raise SuperviseError(answer.get("error", f"the control API answered {response.status}"))
    return answer


def start(settings: Settings) -> tuple[dict[str, Any], bool]:
    """Return the running server and whether this call started it; returns once it serves. Raises SuperviseError."""
    process = running(settings)
    if process is not None:
        return process, False
    try:
        prepare_home(settings)
    except HomeError as error:
        raise SuperviseError(str(error)) from None
    outcome, message = _spawn(_like_the_killed_one(settings))
    if outcome == FAILED and settings.port == 0:
        outcome, message = _spawn(settings)
    if outcome == FAILED:
        raise SuperviseError(message or f"the server died while starting:\n{_log_tail(settings)}")
    # A process that lost the race for the lock waits for the one that won it.
    deadline = time.monotonic() + _START_SECONDS
    while (patience := deadline - time.monotonic()) > 0:
        process = running(settings, max(patience, 1.0))
        if process is not None:
            return process, outcome == READY
        time.sleep(0.05)
    if outcome == LOCKED:
        raise SuperviseError(f"{message}, but it does not answer (log: {settings.log_file})")
    raise SuperviseError(f"the server started, but does not answer (log: {settings.log_file})")


def _like_the_killed_one(settings: Settings) -> Settings:
    """Return the settings with the port of a killed server, where any port will do: its job drivers still use it."""
    killed = read_process_file(settings)
    if killed is None or settings.port != 0:
        return settings
    return dataclasses.replace(settings, port=killed["port"])


def stop(settings: Settings) -> bool:
    """Stop the server and its job drivers; return whether there was anything to stop. Raises SuperviseError."""
    process = read_process_file(settings)
    if running(settings) is None:
        return _clean_up_after_crash(settings, process is not None)
    pid = process["pid"]
    try:
        # Not psutil's wait: in a container without an init nobody reaps the server, and it would wait for that.
        server = os.pidfd_open(pid)
    except ProcessLookupError:
        return _clean_up_after_crash(settings, crashed=True)
    try:
        signal.pidfd_send_signal(server, signal.SIGTERM)
        if not select.select([server], [], [], _STOP_SECONDS)[0]:
            raise SuperviseError(
                f"the server (process {pid}) does not stop within {_STOP_SECONDS:.0f} s; log: {settings.log_file}"
            )
    finally:
        os.close(server)
    settings.environment_file.unlink(missing_ok=True)
    return True


def reset(settings: Settings) -> None:
    """Empty the instance, through its server or, when that is down, on disk. Raises SuperviseError."""
    process = running(settings)
    if process is not None:
        call(process, "POST", "/localcloud/reset", timeout=_RESET_SECONDS)
        return
    if not settings.database_file.exists():
        return
    from localcloud.instance import reset_stopped  # noqa: PLC0415  (costs half a second)

    with _locked(settings):
        reset_stopped(settings)


def _clean_up_after_crash(settings: Settings, crashed: bool) -> bool:
    """Stop what a killed server left behind: its job drivers outlive it on purpose."""
    found = settings.environment_file.exists() or crashed
    if settings.database_file.exists():
        from localcloud.instance import stop_drivers  # noqa: PLC0415  (costs half a second)

        with _locked(settings):
            if found:
                stop_drivers(settings)
    settings.environment_file.unlink(missing_ok=True)
    settings.process_file.unlink(missing_ok=True)
    return found


@contextlib.contextmanager
def _locked(settings: Settings) -> Iterator[None]:
    """Hold the lock of the home for a block. Raises SuperviseError while a server holds it."""
    from localcloud import server  # noqa: PLC0415  (costs half a second)

    try:
        lock = server.take_lock(settings, 0)
    except server.LockedError as error:
        raise SuperviseError(f"{error}, but it does not answer (log: {settings.log_file})") from None
    try:
        yield
    finally:
        lock.release()


def _spawn(settings: Settings) -> tuple[str, str]:
    """Start the server process in a session of its own; return its first words (READY, LOCKED or FAILED; message)."""
    if settings.log_file.exists() and settings.log_file.stat().st_size > _LOG_BYTES:
        settings.log_file.replace(settings.log_file.with_suffix(".log.1"))
    reader, writer = os.pipe()
    log = os.open(settings.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    command = [
        sys.executable,
        "-m",
        "localcloud.daemon",
        f"--home={settings.home}",
        f"--port={settings.port}",
        f"--pace={settings.pace}",
        f"--engine={settings.engine}",
        f"--report-to={writer}",
    ]
    try:
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=(writer,),
            cwd="/",
        )
    finally:
        os.close(writer)
        os.close(log)
    with os.fdopen(reader, encoding="utf-8") as stream:
        outcome, _, message = stream.read().partition(" ")
    return outcome or FAILED, message


def _log_tail(settings: Settings) -> str:
    try:
        return "\n".join(settings.log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
    except FileNotFoundError:
        return "(no log)"
