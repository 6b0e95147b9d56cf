"""What the tests on a real ResourceManager share: clusters with the product's queues, load on them, what YARN reports.

Memory and cores of nodes and containers are numbers to YARN, so the platform's own sizes are used on any machine; what
runs in a container only waits. Only time is compressed: heartbeats are four a second instead of one, and a container
about to be preempted is given 1 s instead of YARN's 15.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import yaml
from ansible_collections.dataplatform.compute.plugins.module_utils.fair_scheduler import allocation_file

from localcloud.hadoop import ClusterPlan, HadoopRuntime, NodePlan, YarnCluster, allocate_network
from localcloud.hadoop.resource_manager import ResourceManager

REPOSITORY = Path(__file__).parents[2]
SOURCES = Path(__file__).parent / "load"
QUEUE_DEFAULTS = REPOSITORY / "roles" / "yarn_queues" / "defaults" / "main.yml"

# Generous: machines that run tests are often busy with something else, too.
PATIENCE = 90.0
KILL_WAIT = 1.0
STARVATION_CHECK = 2.0
COMPRESSED_TIME = {
    "yarn:yarn.resourcemanager.nodemanagers.heartbeat-interval-ms": "250",
    "yarn:yarn.scheduler.fair.waitTimeBeforeKill": str(int(KILL_WAIT * 1000)),
    "yarn:yarn.scheduler.fair.waitTimeBeforeNextStarvationCheck": str(int(STARVATION_CHECK * 1000)),
}


def wait_until[T](
    condition: Callable[[], T], what: str | Callable[[], str], seconds: float = PATIENCE, every: float = 0.1
) -> T:
    """Return the first true value of ``condition``. Fails with ``what`` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what() if callable(what) else what}"
        time.sleep(every)
    return value


def inventory(fact: str) -> dict[str, Any]:
    """Return the fact ``platform_FACT`` that all environments share."""
    for path in sorted((REPOSITORY / "inventories" / "common").glob("*.yml")):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        if f"platform_{fact}" in content:
            return content[f"platform_{fact}"]
    raise KeyError(fact)


def rendered_queues(**facts: Any) -> str:
    """Return the allocation file that the product renders from the common inventory, with ``facts`` instead of its."""
    return allocation_file(**{fact: inventory(fact) for fact in ("queues", "users", "teams", "sizes")} | facts)


def product_properties(sizes: dict[str, Any]) -> dict[str, str]:
    """Return the properties that the product gives clusters: for its queues, and the largest node's container."""
    defaults = yaml.safe_load(QUEUE_DEFAULTS.read_text(encoding="utf-8"))
    nodes = sizes["nodes"].values()
    return defaults["yarn_queues_properties"] | {
        "yarn:yarn.scheduler.maximum-allocation-mb": str(max(node["yarn_memory_mb"] for node in nodes)),
        "yarn:yarn.scheduler.maximum-allocation-vcores": str(max(node["yarn_vcores"] for node in nodes)),
    }


@dataclass(frozen=True)
class Leaf:
    """A user's queue below a priority's, as the ResourceManager reports it."""

    name: str
    memory_mb: int
    vcores: int


class Yarn:
    """A running cluster: what it reports, nodes that are added, load that is put on it."""

    def __init__(self, cluster: YarnCluster, directory: Path, runtime: HadoopRuntime, classes: Path) -> None:
        """Look at ``cluster``; ``classes`` holds the compiled load generator."""
        self.cluster = cluster
        self._directory = directory
        self._runtime = runtime
        self._classes = classes
        self._network = allocate_network(directory)
        self._nodes = 0
        self._manager = ResourceManager(self._network.master)

    def get(self, path: str) -> dict[str, Any]:
        """Return the JSON at ``path`` below /ws/v1/cluster, as an administrator.

        To anybody else the ResourceManager shows other people's applications with zeros for what they hold.
        """
        return self._manager.get(f"{path}?user.name=root")

    def applications(self) -> list[dict[str, Any]]:
        """Return all applications, also those that are over."""
        return (self.get("apps")["apps"] or {}).get("app", [])

    def application(self, name: str) -> dict[str, Any]:
        """Return the application that was submitted under ``name``; it fails the test when there is none."""
        found = [application for application in self.applications() if application["name"] == name]
        assert found, f"the ResourceManager knows no application {name}"
        return found[0]

    def leaves(self) -> dict[str, Leaf]:
        """Return the users' queues by name."""
        return {leaf.name: leaf for leaf in _leaves(self.queue("root"))}

    def queue(self, name: str) -> dict[str, Any]:
        """Return what the scheduler reports of one queue."""
        pending = [self.get("scheduler")["scheduler"]["schedulerInfo"]["rootQueue"]]
        while pending:
            queue = pending.pop()
            if queue["queueName"] == name:
                return queue
            pending.extend((queue.get("childQueues") or {}).get("queue", []))
        raise AssertionError(f"the scheduler has no queue {name}")

    def add_nodes(self, count: int, memory_mb: int, vcores: int) -> None:
        """Add nodes, each a daemon of its own, as clusters of localcloud have them."""
        self.cluster.add_nodes(
            [NodePlan(f"node-{index}", address, memory_mb, vcores) for index, address in self._addresses(count)]
        )

    @contextmanager
    def many_nodes(self, count: int, memory_mb: int, vcores: int) -> Iterator[None]:
        """Have ``count`` nodes more in one process, which is cheaper than :meth:`add_nodes`."""
        addresses = [address for _, address in self._addresses(count)]
        command = self._java("ManyNodes", str(self._directory / "many"), str(memory_mb), str(vcores), *addresses)
        with (self._directory / "many-nodes.log").open("wb") as log:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=self._environment())
        try:
            wait_until(lambda: self._running(addresses, process), f"{count} nodes (log: {log.name})")
            yield
        finally:
            end(process)

    @contextmanager
    def load(self, seconds: int = 180) -> Iterator[Load]:
        """Have a load generator for at most ``seconds``; afterwards nothing of its load is left on the cluster."""
        handoff = self._directory / f"handoff-{time.monotonic_ns()}"
        handoff.mkdir()
        command = self._java("LoadGenerator", str(handoff), str(seconds))
        with (self._directory / "load.log").open("ab") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=self._environment()
            )
        try:
            yield Load(process)
        finally:
            end(process)
        wait_until(lambda: self.get("metrics")["clusterMetrics"]["containersAllocated"] == 0, "containers gone")

    def _addresses(self, count: int) -> Iterator[tuple[int, str]]:
        for _ in range(count):
            yield self._nodes, self._network.worker(self._nodes)
            self._nodes += 1

    def _running(self, addresses: Iterable[str], process: subprocess.Popen[Any]) -> bool:
        assert process.poll() is None, f"the nodes ended: {self._directory / 'many-nodes.log'}"
        known = self._manager.nodes()
        return all(known.get(address, {}).get("state") == "RUNNING" for address in addresses)

    def _java(self, main: str, *arguments: str) -> list[str]:
        options = ("-Xmx512m", "-cp")
        command = self._runtime.command(main, self.cluster.conf_directory, arguments=arguments)
        at = command.index(options[1])
        command[at + 1] = f"{command[at + 1]}:{self._classes}"
        return [*command[:at], options[0], *command[at:]]

    def _environment(self) -> dict[str, str]:
        return {"PATH": f"{self._runtime.java_home}/bin:/usr/bin:/bin", **self.cluster.driver_environment()}


def _leaves(queue: dict[str, Any]) -> Iterator[Leaf]:
    for child in (queue.get("childQueues") or {}).get("queue", []):
        if child["queueName"].count(".") == 2:
            used = child["usedResources"]
            yield Leaf(child["queueName"], used["memory"], used["vCores"])
        yield from _leaves(child)


@dataclass
class Load:
    """A running load generator: applications go in, events come out."""

    process: subprocess.Popen[str]
    events: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self._reader.start()

    def submit(
        self,
        name: str,
        user: str,
        queue: str,
        *,
        containers: int,
        memory_mb: int,
        vcores: int,
        seconds: float,
        master_memory_mb: int = 1024,
        at: float = 0.0,
        at_once: int = 0,
    ) -> None:
        """Submit an application that is finished when ``containers`` have run for ``seconds`` each.

        It is submitted ``at`` seconds from now and asks for ``at_once`` containers at a time, or for all.
        """
        self._say({"submit": {key: value for key, value in locals().items() if key != "self"}})

    def kill(self, name: str) -> None:
        """Have its owner kill an application."""
        self._say({"kill": name})

    def end(self) -> None:
        """Say that no more applications follow: the generator ends with the last of them."""
        self._say({"end": True})

    def drain(self) -> None:
        """Wait until the last event of a generator that has ended is read."""
        self._reader.join(PATIENCE)
        assert not self._reader.is_alive(), "the load generator's output is still open"

    def of(self, name: str, *events: str) -> list[dict[str, Any]]:
        """Return the events of one application, or those of the given kinds."""
        return [
            event for event in list(self.events) if event["name"] == name and (not events or event["event"] in events)
        ]

    def wait_for(self, name: str, event: str, count: int = 1, seconds: float = PATIENCE) -> list[dict[str, Any]]:
        """Wait until an application has had ``count`` events of a kind and return them."""

        def come() -> list[dict[str, Any]]:
            found = self.of(name, event)
            assert len(found) >= count or self.process.poll() is None, f"the load generator ended: {self.of(name)}"
            return found if len(found) >= count else []

        return wait_until(come, lambda: f"{count} x {event} of {name}; it had {self.of(name)}", seconds)

    def _say(self, command: dict[str, Any]) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def _read(self, output: IO[str]) -> None:
        for line in output:
            self.events.append(json.loads(line))


def end(process: subprocess.Popen[Any], seconds: float = 60.0) -> None:
    """End a program that ends at the end of its input; kill it when it does not."""
    assert process.stdin
    process.stdin.close()
    try:
        process.wait(seconds)
    finally:
        process.kill()
        process.wait()


def compile_load(runtime: HadoopRuntime, directory: Path) -> Path:
    """Compile the load generator into ``directory`` and return it."""
    command = [str(runtime.java_home / "bin" / "javac"), "-d", str(directory), "-cp", f"{runtime.jars}/*"]
    subprocess.run([*command, *map(str, sorted(SOURCES.glob("*.java")))], check=True, timeout=120)
    return directory


@contextmanager
def running_cluster(
    directory: Path,
    runtime: HadoopRuntime,
    classes: Path,
    properties: dict[str, str] | None = None,
    **facts: Any,
) -> Iterator[Yarn]:
    """Have a cluster without nodes that runs with the product's queues and properties.

    ``properties`` are added to them;
    ``facts`` go over the common inventory's ``queues``, ``users``, ``teams`` and ``sizes``.
    """
    directory.mkdir(parents=True, exist_ok=True)
    queues = directory / "rendered.xml"
    queues.write_text(rendered_queues(**facts), encoding="utf-8")
    sizes = facts.get("sizes") or inventory("sizes")
    cluster = YarnCluster(directory, runtime)
    cluster.prepare(
        ClusterPlan(
            name=directory.name,
            resource_manager_address=allocate_network(directory).master,
            properties=product_properties(sizes) | COMPRESSED_TIME | (properties or {}),
            allocation_file=queues,
        )
    )
    try:
        cluster.start()
        yield Yarn(cluster, directory, runtime, classes)
    finally:
        cluster.stop()


def intervals_overlap(spans: Sequence[tuple[float, float]]) -> bool:
    """Return whether any two of the (start, end) spans share time."""
    ordered = sorted(spans)
    return any(later[0] < earlier[1] for earlier, later in itertools.pairwise(ordered))
