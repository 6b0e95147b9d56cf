"""The user's script: its own process and process group, with as few rights as possible, and its end.

The script is started by ``script_guard``, a small process that ends everything the script started, also when the
launcher itself is killed.
"""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import dask_on_yarn
from dask_on_yarn.exit_codes import BAD_OPTIONS, RunEnded
from dask_on_yarn.processes import SHARED_UMASK, dying_with_parent

#: What the guard grants a script between SIGTERM and SIGKILL, in seconds, and what the launcher grants the guard.
SCRIPT_GRACE_SECONDS = 5
GUARD_GRACE_SECONDS = 10


@dataclass(frozen=True)
class Account:
    """Numeric identity of the account a script runs as, and its home."""

    uid: int
    gid: int
    home: str


def find_account(name: str) -> Account:
    """An account by name or uid; a uid need not be in the password database. Raises RunEnded when there is none."""
    try:
        entry = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except KeyError:
        if name.isdigit():
            return Account(uid=int(name), gid=int(name), home="/")
        known = ", ".join(sorted(entry.pw_name for entry in pwd.getpwall() if entry.pw_uid))
        raise RunEnded(BAD_OPTIONS, f"--script-account {name!r}: no such account; this machine has {known}") from None
    return Account(uid=entry.pw_uid, gid=entry.pw_gid, home=entry.pw_dir)


class ScriptProcess:
    """A running script; its output goes straight to the launcher's own."""

    def __init__(
        self,
        command: list[str],
        *,
        directory: Path,
        run_directory: Path,
        environment: Mapping[str, str],
        account: Account | None = None,
    ) -> None:
        """Start ``command`` in ``directory``. With ``account`` it runs as that, else as this user without powers.

        When this process is killed, everything the script started and ``run_directory`` are removed all the same.
        """
        package = str(Path(dask_on_yarn.__file__).parent.parent)
        identity = f"{account.uid}:{account.gid}" if account else "same"
        guard = [sys.executable, "-c", f"import sys; sys.path.insert(0, {package!r}); "]
        guard[-1] += "from dask_on_yarn.script_guard import main; sys.exit(main(sys.argv[1:]))"
        home = {"HOME": account.home, "LOGNAME": str(account.uid), "USER": str(account.uid)} if account else {}
        self._process = subprocess.Popen(
            [*guard, identity, str(SCRIPT_GRACE_SECONDS), str(run_directory), *command],
            cwd=directory,
            env={**environment, **home, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            umask=SHARED_UMASK,
            preexec_fn=dying_with_parent(signal.SIGTERM),  # noqa: PLW1509 - two system calls, no locks
        )

    @property
    def exit_code(self) -> int | None:
        """None while it runs; 128 + n when signal n ended it."""
        return self._process.poll()

    def wait(self, seconds: float) -> int | None:
        """Wait at most ``seconds``; the exit code, or None when it still runs."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        """End the script and everything it started: SIGTERM, then SIGKILL."""
        if self._process.poll() is None:
            self._process.terminate()
            if self.wait(SCRIPT_GRACE_SECONDS + GUARD_GRACE_SECONDS) is None:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()


def script_environment(base: Mapping[str, str]) -> dict[str, str]:
    """The environment a script sees: ours without what leads into the driver's JVM."""
    hidden = ("PYSPARK_", "_PYSPARK", "SPARK_AUTH_SOCKET", "PY4J")
    return {name: value for name, value in base.items() if not name.startswith(hidden)}
