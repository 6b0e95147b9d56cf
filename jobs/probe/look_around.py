"""See what a cluster is like for the jobs of this platform: the driver of the probe's only job.

It looks at the master, starts a Spark application as ``--owner`` in the queue of ``--priority`` with the settings of
Dask jobs, lets every container say what it is, and sees a node leave: once it has written READY somebody takes one
away, and the container there is given back while the application lives on.

``--results`` becomes a JSON object: ``results`` are texts by name, ``missing`` says why some are not there. What is
asked for is in docs/guesses.yml. Needs Spark and the standard library only: on the first day there is no Dask yet.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import node_facts
import probe_application
import probe_bucket
from dask_on_yarn.hadoop_configuration import HadoopConfigurationError
from dask_on_yarn.options import Options, parse
from dask_on_yarn.resource_manager import Node, ResourceManager, ResourceManagerError
from probe_containers import Container, Containers

READY = "probe: a worker may leave"
CONTAINER_SECONDS = 240.0
#: How long a node without containers is waited for while its application lives.
LEAVE_SECONDS = 30.0
#: More than one part of a driver's output.
OUTPUT_LINES, OUTPUT_WIDTH = 400, 1000


@dataclass
class Seen:
    """What was seen, and why something was not."""

    results: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def miss(self, what: str, reason: str) -> None:
        """Note it, and say it at once."""
        self.missing[what] = reason
        print(f"probe: {what}: {reason}", flush=True)


def main(arguments: list[str]) -> int:
    """Look, and write what was seen."""
    given = _arguments(arguments)
    seen = Seen({f"master.{name}": value for name, value in node_facts.facts().items()})
    seen.results.update(driver_facts())
    try:
        look_at_yarn(given, seen)
    except (RuntimeError, OSError, HadoopConfigurationError, ResourceManagerError) as error:
        seen.miss("yarn", str(error))
    for number in range(OUTPUT_LINES):
        print(f"{number:04d} ".ljust(OUTPUT_WIDTH, "."))
    probe_bucket.write(given.results, json.dumps(vars(seen), indent=1, sort_keys=True))
    return 0


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", required=True, help="gs:// address of the JSON object")
    parser.add_argument("--leave-seconds", type=float, default=300.0, help="how long a node is waited for")
    parser.add_argument("rest", nargs="*", help="behind --: options of run_dask.py, for whom and how large")
    return parser.parse_args(arguments)


def driver_facts() -> dict[str, str]:
    """How Dataproc starts a driver."""
    found = {"driver.started_by": "spark-submit" if os.environ.get("PYSPARK_GATEWAY_PORT") else node_facts.NONE}
    if node_facts.is_machine():
        found["driver.user"] = node_facts.account_name(os.geteuid())
        found["driver.hadoop_conf_dir"] = node_facts.configuration_directory()
    return found


def look_at_yarn(given: argparse.Namespace, seen: Seen) -> None:
    """What YARN is like, from an application of the owner's."""
    options = parse(given.rest)
    manager = ResourceManager.from_configuration(os.environ.get("HADOOP_CONF_DIR") or node_facts.SYSTEM_CONF_DIRECTORY)
    seen.results.update(node_sizes(manager))
    running = probe_application.start(options, manager)
    seen.results.update(running.facts())
    containers = Containers(running.driver_host)
    try:
        containers.start(running.context, options.max_workers)
        reported = containers.reported(options.max_workers, CONTAINER_SECONDS)
        seen.results.update(container_facts(reported, options))
        print(READY, flush=True)
        watch_departure(Departure(manager, running.application.id, reported, given.leave_seconds), seen)
        for container in reported:
            container.release()
    finally:
        containers.close()
        running.spark.stop(0)


def node_sizes(manager: ResourceManager) -> dict[str, str]:
    """What nodes offer to YARN, and which scheduler hands it out."""
    nodes = manager.nodes(states=["RUNNING"])
    return {
        "yarn.nodes": str(len(nodes)),
        "yarn.node_memory_mb": ", ".join(sorted({str(node.used_mb + node.available_mb) for node in nodes})),
        "yarn.node_vcores": ", ".join(sorted({str(node.used_vcores + node.available_vcores) for node in nodes})),
        "yarn.scheduler": manager.scheduler_type(),
        "yarn.hadoop": str(manager.info().get("hadoopVersion")),
    }


def container_facts(containers: list[Container], options: Options) -> dict[str, str]:
    """What the containers say of themselves; where they differ, everything that was said."""
    found = {"containers": f"{len(containers)} of {options.max_workers}"}
    for name in {name for container in containers for name in container.facts}:
        values = {container.facts.get(name, node_facts.NONE) for container in containers}
        found[f"container.{name}"] = ", ".join(sorted(values))
    return found


@dataclass(frozen=True)
class Departure:
    """A node that is to leave, and what is on the nodes."""

    manager: ResourceManager
    application_id: str
    containers: list[Container]
    seconds: float

    def node(self, node_id: str) -> Node | None:
        """The node, None when it has left."""
        nodes = self.manager.nodes(states=["RUNNING", "DECOMMISSIONING"])
        return next((node for node in nodes if node.id == node_id), None)


def watch_departure(departure: Departure, seen: Seen) -> None:
    """Give the container of a leaving node back, and see what becomes of it, of the node and of the application."""
    manager = departure.manager
    leaving = wait_for(lambda: manager.nodes(states=["DECOMMISSIONING"]), departure.seconds)
    if not leaving:
        seen.miss("departure", f"no node was DECOMMISSIONING within {departure.seconds:g} s")
        return
    node, began = leaving[0], time.monotonic()
    if node.host == manager.application(departure.application_id).master_host:
        seen.miss("departure", f"the application master was on {node.host}, which leaves after it; run it again")
        return
    there = [container for container in departure.containers if container.host == node.host]
    for container in there:
        container.release()
    freed = wait_for(lambda: (live := departure.node(node.id)) is None or not live.containers, departure.seconds)
    seconds = time.monotonic() - began
    left = wait_for(lambda: departure.node(node.id) is None, LEAVE_SECONDS)
    seen.results.update(
        {
            "departure.containers": str(len(there)),
            "departure.freed": "yes" if freed else f"not within {departure.seconds:g} s",
            "departure.seconds": f"{seconds:.0f}",
            "departure.left": "yes" if left else f"not within {LEAVE_SECONDS:g} s",
            "departure.application": manager.application(departure.application_id).state,
        }
    )


def wait_for(condition: Callable[[], Any], seconds: float) -> Any:
    """The condition's answer once that is true, or its last one when the time is up."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()) and time.monotonic() < deadline:
        time.sleep(1)
    return answer


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
