"""The stand-in for FreeIPA for those who cannot hold it, such as playbooks: started, asked and stopped by commands.

    python -m tests.freeipa.detached start DIRECTORY               prints its ports as JSON; does nothing when it runs
    python -m tests.freeipa.detached version DIRECTORY PRINCIPAL   prints the number of the principal's current keys
    python -m tests.freeipa.detached stop DIRECTORY                stops it, if it runs

``DIRECTORY/hosts`` is for libnss_wrapper, which leads programs to it by its name.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tests.freeipa.stand_in import StandIn, command, missing
from tests.integration.google import wait_for


def process_of(directory: Path) -> int:
    """The id of the server that runs in the directory; 0 when none does."""
    try:
        process = int((directory / "pid").read_text())
        arguments = Path(f"/proc/{process}/cmdline").read_text()
    except (OSError, ValueError):
        return 0
    return process if f"--directory={directory}" in arguments else 0


def start(directory: Path) -> str:
    """Start a server in an empty directory, unless one runs there; its ports."""
    problem = missing()
    if problem:
        sys.exit(f"the stand-in for FreeIPA cannot start: {problem}")
    ports = directory / "ports.json"
    if not process_of(directory):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        # It ends with its standard input: of this one it holds both ends.
        os.mkfifo(directory / "alive")
        alive = os.open(directory / "alive", os.O_RDWR)
        words, options = command(directory)
        with ports.open("w") as output, (directory / "log").open("w") as log:
            server = subprocess.Popen(words, **options, stdin=alive, stdout=output, stderr=log, start_new_session=True)
        os.close(alive)
        (directory / "pid").write_text(str(server.pid))
        wait_for(lambda: ports.read_text().endswith("\n") or server.poll() is not None, "the stand-in for FreeIPA")
        if server.poll() is not None:
            sys.exit(f"the stand-in for FreeIPA did not start:\n{(directory / 'log').read_text()}")
    return ports.read_text()


def version(directory: Path, principal: str) -> int:
    """The number of a principal's current keys."""
    return StandIn(directory, **json.loads((directory / "ports.json").read_text())).version(principal)


def stop(directory: Path) -> None:
    """Stop the server of the directory."""
    process = process_of(directory)
    if process:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGTERM)
        wait_for(lambda: not process_of(directory), "the end of the stand-in for FreeIPA")


def main() -> None:
    """Do what the first argument says."""
    verb, directory, *more = sys.argv[1:]
    answer = {"start": start, "version": version, "stop": stop}[verb](Path(directory).absolute(), *more)
    if answer is not None:
        print(answer)


if __name__ == "__main__":
    main()
