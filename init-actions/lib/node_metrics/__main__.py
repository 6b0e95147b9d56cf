"""The unit's program: `python3 -m node_metrics CONFIGURATION`, until SIGTERM.

CONFIGURATION has lines KEY=VALUE: `interval` (seconds between two rounds), `groups` (of figures, with commas), `port`
(of the endpoint on the loopback).
"""

from __future__ import annotations

import random
import signal
import sys
import threading
import time
from pathlib import Path

from node_metrics.agent import Agent, Log, Settings
from node_metrics.endpoint import ADDRESS, serve
from node_metrics.figures import GROUPS
from node_metrics.google import Metadata, Monitoring
from node_metrics.node import Node

_KEYS = ("interval", "groups", "port")


def read_configuration(text: str) -> tuple[Settings, int]:
    """Return the settings and the endpoint's port. Raises ValueError naming key and value."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    values = dict(line.split("=", 1) if "=" in line else (line, "") for line in lines)
    if set(values) != set(_KEYS):
        raise ValueError(f"it has {', '.join(sorted(values)) or 'nothing'}, expected {', '.join(_KEYS)}")
    for key in ("interval", "port"):
        if not values[key].isdecimal() or int(values[key]) < 1:
            raise ValueError(f"{key} is {values[key]!r}, expected a whole number above 0")
    groups = tuple(values["groups"].split(","))
    unknown = [group for group in groups if group not in GROUPS]
    if unknown:
        raise ValueError(f"groups has {unknown[0]!r}, expected some of {', '.join(GROUPS)}")
    return Settings(interval=int(values["interval"]), groups=groups), int(values["port"])


def main(arguments: list[str]) -> int:
    """Run until told to stop; 2 when the configuration is wrong."""
    log = Log()
    try:
        (configuration,) = arguments
        settings, port = read_configuration(Path(configuration).read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        log.say(f"the configuration {' '.join(arguments)!r} cannot be used: {problem}")
        return 2
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    metadata = Metadata()
    agent = Agent(settings, metadata, Monitoring(metadata), log, Node())
    endpoint = serve(port, lambda: agent.text)
    log.say(f"figures of {', '.join(settings.groups)} every {settings.interval} s; http://{ADDRESS}:{port}/metrics")
    # Nodes of a cluster start together; they need not send together.
    due = time.monotonic() + random.uniform(0, min(settings.interval, 10))  # noqa: S311
    while not stopping.wait(max(0.0, due - time.monotonic())):
        # From start to start, and never sooner: Google takes a point of a series every so many seconds at most.
        due = agent.round() + settings.interval
    endpoint.shutdown()
    endpoint.server_close()
    log.say("told to stop")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
