"""The parent of the user's script: starts it with the rights it may have, and leaves none of its processes behind.

``main(["UID:GID" or "same", GRACE_SECONDS, RUN_DIRECTORY, COMMAND...])``; RUN_DIRECTORY is removed when the launcher
was killed and cannot do so. Standard library only: it runs as long as the script.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path
from types import FrameType

from dask_on_yarn.processes import adopt_orphans, die_with_parent, drop_capabilities, forbid_new_rights

_KILL_ROUNDS = 100


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit code, or 128 + n when signal n ended it."""
    identity, grace, run_directory, *command = arguments
    launcher = os.getppid()
    adopt_orphans()
    guard = os.getpid()
    asked_to_stop: list[int] = []

    def on_signal(number: int, _frame: FrameType | None) -> None:
        asked_to_stop.append(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, on_signal)
    script = os.fork()
    if script == 0:
        _become_script(identity, guard, command)
    status = _wait(script, asked_to_stop, float(grace))
    _end_descendants()
    if os.getppid() != launcher:
        shutil.rmtree(run_directory, ignore_errors=True)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _become_script(identity: str, guard: int, command: list[str]) -> None:
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        os.setpgid(0, 0)
        if identity != "same":
            uid, gid = (int(part) for part in identity.split(":"))
            os.setgroups([gid])
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
        elif os.geteuid() == 0:
            drop_capabilities()
        forbid_new_rights()
        die_with_parent(guard)
        os.execvp(command[0], command)  # noqa: S606 - no shell is the point
    except OSError as error:
        os.write(2, f"cannot start {command[0]}: {error}\n".encode())
    finally:
        os._exit(127)


def _wait(script: int, asked_to_stop: list[int], grace: float) -> int:
    """Wait for the script, reap what it orphaned; after a stop signal grant it ``grace`` seconds."""
    kill_at = None
    pause = 0.005
    while True:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == script:
                    return status
                if pid == 0:
                    break
        if asked_to_stop and kill_at is None:
            _signal_group(script, signal.SIGTERM)
            kill_at = time.monotonic() + grace
        if kill_at is not None and time.monotonic() > kill_at:
            _signal_group(script, signal.SIGKILL)
        time.sleep(pause)
        pause = min(0.1, pause * 1.5)


def _signal_group(script: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(script, number)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(script, number)


def _end_descendants() -> None:
    """Kill what the script left; orphans become our children, so a few rounds reach all of them."""
    for _ in range(_KILL_ROUNDS):
        children = [int(pid) for pid in Path("/proc/thread-self/children").read_text().split()]
        if not children:
            return
        for pid in children:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)
