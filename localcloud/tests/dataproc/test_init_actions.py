"""Initialization actions as programs of this machine."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path

from localcloud.dataproc.init_actions import Call, InitAction, run

SCRIPT = b"#!/bin/sh\nexit 0\n"


def test_a_script_runs_while_other_threads_start_programs(tmp_path: Path) -> None:
    """What a fork copies of this process must not include a script that is still open for writing."""
    action = InitAction("gs://bucket/say.sh", 0, SCRIPT, 60.0)
    over = threading.Event()

    def start_programs() -> None:
        while not over.is_set():
            # The copy of this process lives on for a moment, as one of a large process does.
            subprocess.run(["true"], preexec_fn=lambda: time.sleep(0.005), check=True)

    threads = [threading.Thread(target=start_programs) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _time in range(60):
            run(action, Call([], {"PATH": "/usr/bin:/bin"}, tmp_path), "node", "gs://bucket/folder")
    finally:
        over.set()
        for thread in threads:
            thread.join()
