#!/usr/bin/env python3
"""Ask the ResourceManager whether it runs with the queues of the allocation file, and fail loudly when it does not.

It says what it thinks of a file in its own log only: one that it cannot load at its start ends it, one that it cannot
load later is left aside, and the cluster works on with the queues it had. So every queue of the file, and how many
applications may run in it, is looked for in what it answers, for SECONDS: it takes a new file within 15.

    queues_taken.py [--seconds SECONDS]

The files are fair-scheduler.xml and yarn-site.xml in $HADOOP_CONF_DIR (default /etc/hadoop/conf). Exit codes are those
of node-bundle.sh. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

CONF_DIRECTORY = Path(os.environ.get("HADOOP_CONF_DIR", "/etc/hadoop/conf"))
REFUSED, NOT_FOUND, NOT_TAKEN = 4, 5, 10
# The ResourceManager of a new cluster answers late; systemd gives this check more.
SECONDS = 120.0
PAUSE_SECONDS = 1.0
TIMEOUT_SECONDS = 10
# What systemd's journal makes an error of.
ERROR = "<3>"


class Problem(Exception):
    """The end, in words, with its exit code and its name."""

    def __init__(self, name: str, code: int, text: str) -> None:
        super().__init__(text)
        self.name, self.code = name, code


def stated_queues() -> dict[str, int | None]:
    """Every queue of the allocation file with its limit of running applications. Raises Problem."""
    file = CONF_DIRECTORY / "fair-scheduler.xml"
    try:
        root = ElementTree.fromstring(file.read_bytes())  # noqa: S314  checked before it was put there
    except OSError as error:
        raise Problem("NOT_FOUND", NOT_FOUND, f"{file} cannot be read: {error.strerror}") from error
    except ElementTree.ParseError as error:
        raise Problem(
            "NOT_TAKEN", NOT_TAKEN, f"the ResourceManager cannot have taken {file}, it is not XML: {error}"
        ) from error
    found: dict[str, int | None] = {}

    def collect(element: ElementTree.Element, parent: str) -> None:
        for queue in element.findall("queue"):
            name = f"{parent}.{queue.get('name')}" if parent else str(queue.get("name"))
            limit = (queue.findtext("maxRunningApps") or "").strip()
            found[name] = int(limit) if limit.isdigit() else None
            collect(queue, name)

    collect(root, "")
    return found


def address() -> str:
    """Where the ResourceManager answers. Raises Problem."""
    file = CONF_DIRECTORY / "yarn-site.xml"
    try:
        properties = ElementTree.fromstring(file.read_bytes()).iter("property")  # noqa: S314  the image's own
        values = {entry.findtext("name", ""): entry.findtext("value", "") for entry in properties}
    except (OSError, ElementTree.ParseError) as error:
        raise Problem("NOT_FOUND", NOT_FOUND, f"{file} cannot be read: {error}") from error
    host = values.get("yarn.resourcemanager.hostname", "")
    web = values.get("yarn.resourcemanager.webapp.address") or (f"{host}:8088" if host else "")
    web = web.replace("${yarn.resourcemanager.hostname}", host)
    if not re.fullmatch(r"[^\s:/]+:[0-9]+", web):
        text = f"{file} has the webapp address {web!r} of the ResourceManager, expected HOST:PORT"
        raise Problem("REFUSED", REFUSED, text)
    return web


def running_queues(web: str) -> tuple[dict[str, int], str]:
    """The queues that the ResourceManager runs with, by full name, with their limits; or why they are not known."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{web}/ws/v1/cluster/scheduler", timeout=TIMEOUT_SECONDS) as answer:
            scheduler = json.loads(answer.read())["scheduler"]["schedulerInfo"]
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError) as error:
        return {}, f"{web} gives no answer: {error}"
    if scheduler.get("type") != "fairScheduler":
        return {}, f"its scheduler is {scheduler.get('type')!r}, expected 'fairScheduler'"
    found: dict[str, int] = {}

    def collect(queue: dict[str, Any]) -> None:
        found[queue["queueName"]] = queue["maxApps"]
        for child in (queue.get("childQueues") or {}).get("queue", []):
            collect(child)

    collect(scheduler["rootQueue"])
    return found, ""


def difference(stated: dict[str, int | None], running: dict[str, int]) -> str:
    """What the ResourceManager has otherwise than stated; empty when it has taken the file."""
    found = [f"it has no queue {name}" for name in stated if name not in running]
    for name, limit in stated.items():
        if limit is not None and running.get(name, limit) != limit:
            found.append(f"{name} may run {running[name]} applications, expected {limit}")
    return "; ".join(found)


def check(seconds: float) -> str:
    """Wait until the ResourceManager has taken the file; what to say then. Raises Problem."""
    web = address()
    started = time.monotonic()
    while True:
        # Anew each time: a newer file may have come, and that is then the one that has to be taken.
        stated = stated_queues()
        running, problem = running_queues(web)
        problem = problem or difference(stated, running)
        passed = time.monotonic() - started
        if not problem:
            return f"the ResourceManager has taken {len(stated)} queues ({passed:.2f} s)"
        if passed >= seconds:
            text = (
                f"the ResourceManager has not taken {CONF_DIRECTORY}/fair-scheduler.xml after {seconds:g} s: {problem}"
            )
            raise Problem("NOT_TAKEN", NOT_TAKEN, f"{text}; look for 'fair scheduler' in the ResourceManager's log")
        time.sleep(PAUSE_SECONDS)


def main() -> int:
    """Check, and say the result in one line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help="how long the ResourceManager has to take the file"
    )
    arguments = parser.parse_args()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    try:
        print(f"{stamp} queues_taken: {check(arguments.seconds)}", flush=True)
    except Problem as problem:
        print(f"{ERROR}{stamp} queues_taken: failed, {problem.name}: {problem}", flush=True)
        return problem.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
