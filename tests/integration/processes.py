"""Processes of plays that tests kill."""

from __future__ import annotations

import contextlib

import psutil


def kill_family(process: int) -> None:
    """Kill a play and all it started at once, as a machine that loses power does: nothing can clean up.

    Ansible's workers have sessions of their own. All are stopped first, so that none starts another unnoticed.
    """
    root = psutil.Process(process)
    stopped: set[psutil.Process] = set()
    with contextlib.suppress(psutil.NoSuchProcess):
        root.suspend()
        while new := set(root.children(recursive=True)) - stopped:
            for one in new:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.suspend()
            stopped |= new
    for one in (*stopped, root):
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
