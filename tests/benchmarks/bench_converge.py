"""Benchmark: a no-change ``site.yml`` over many resources, against an empty play and one gcloud call per resource.

    .venv/bin/python tests/benchmarks/bench_converge.py [--resources 100] [--runs 3] [--gcloud-calls 20]

Everything runs against a local cloud of its own, in one run. ``site.yml`` is converged once with ``--resources``
autoscaling policies and as many workloads (one workflow template each), then timed when nothing is left to change. The
peer is what a shell script would do: one ``gcloud ... describe`` per resource; ``--gcloud-calls`` of them are timed and
scaled to all resources, because the real number takes minutes.

Prints wall and CPU seconds of the client processes (the server's are not counted), the requests made, and the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[2]
TOOLS = Path(sys.executable).parent
EMPTY_PLAY = "- hosts: localhost\n  gather_facts: false\n  tasks: []\n"


@dataclass(frozen=True)
class Cost:
    """Seconds of one command: elapsed, and CPU of it and its children."""

    wall: float
    cpu: float


def measure(command: list[str], environment: dict[str, str]) -> Cost:
    """Run a command to its end and return what it cost; a failure ends the benchmark with its output."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    completed = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if completed.returncode:
        sys.exit(f"{' '.join(command)} exited {completed.returncode}\n{completed.stdout}\n{completed.stderr}")
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def median(costs: list[Cost]) -> Cost:
    """Return the medians of wall and CPU, each on its own."""
    return Cost(statistics.median(cost.wall for cost in costs), statistics.median(cost.cpu for cost in costs))


def many_facts(count: int) -> dict[str, Any]:
    """Return facts without Airflow and with ``count`` policies and workloads, copies of those the inventory has."""
    common = REPOSITORY / "inventories" / "common"
    facts: dict[str, Any] = {"platform_composer": None}
    for fact, file in (("platform_autoscaling_policies", "autoscaling.yml"), ("platform_workloads", "workloads.yml")):
        entries = dict(yaml.safe_load((common / file).read_text())[fact])
        first = next(iter(entries.values()))
        for number in range(count - len(entries)):
            entries[f"copy-{number:03d}"] = first
        facts[fact] = entries
    return facts


def localcloud(environment: dict[str, str], *arguments: str) -> str:
    """Run ``localcloud ARGUMENTS`` and return its standard output."""
    command = [str(TOOLS / "localcloud"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def print_table(rows: list[tuple[str, Cost, str]]) -> None:
    """Print one line per measured thing."""
    print(f"{'':44}{'wall s':>9}{'CPU s':>9}  note")
    for name, cost, note in rows:
        print(f"{name:44}{cost.wall:9.2f}{cost.cpu:9.2f}  {note}")


def main() -> None:
    """Run the benchmark and print the table and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resources", type=int, default=100, help="policies, and as many templates (%(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="repetitions; medians are printed (%(default)s)")
    parser.add_argument("--gcloud-calls", type=int, default=20, help="gcloud calls timed, then scaled (%(default)s)")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        environment = {**os.environ, "LOCALCLOUD_HOME": str(work / "home"), "PATH": f"{TOOLS}:{os.environ['PATH']}"}
        localcloud(environment, "up", "--port", "0", "--engine", "process")
        try:
            run_benchmark(options, work, environment)
        finally:
            localcloud(environment, "down")


def run_benchmark(options: argparse.Namespace, work: Path, environment: dict[str, str]) -> None:
    """Converge once, then time the empty play, the no-change converge and the gcloud calls in turn."""
    facts = many_facts(options.resources)
    (work / "facts.json").write_text(json.dumps(facts))
    (work / "empty.yml").write_text(EMPTY_PLAY)
    converge = ["ansible-playbook", "site.yml", "-e", f"@{work / 'facts.json'}"]
    first = measure(converge, environment)

    empty, unchanged, gcloud = [], [], []
    policies = list(facts["platform_autoscaling_policies"])
    client = {**environment, **json.loads((work / "home" / "environment.json").read_text())}
    for number in range(options.runs):
        empty.append(measure(["ansible-playbook", str(work / "empty.yml")], environment))
        localcloud(environment, "requests", "--clear")
        unchanged.append(measure(converge, environment))
        if number == 0:
            journal = [json.loads(line) for line in localcloud(environment, "requests", "--json").splitlines()]
    if shutil.which("gcloud"):
        describe = ["gcloud", "dataproc", "autoscaling-policies", "describe", "--region=europe-west1"]
        gcloud = [
            measure([*describe, policies[number % len(policies)]], client) for number in range(options.gcloud_calls)
        ]

    total = 2 * options.resources
    base, ours = median(empty), median(unchanged)
    rows = [
        ("empty play", base, f"median of {options.runs}"),
        (f"site.yml, first run, {total} resources", first, "1 run"),
        (f"site.yml, nothing to change, {total} resources", ours, f"median of {options.runs}"),
        ("  above the empty play", Cost(ours.wall - base.wall, ours.cpu - base.cpu), "bar: 3 s wall"),
    ]
    if gcloud:
        call = median(gcloud)
        peer = Cost(call.wall * total, call.cpu * total)
        rows += [
            ("gcloud, one describe", call, f"median of {len(gcloud)}"),
            (f"gcloud, {total} calls", peer, f"scaled from {len(gcloud)} timed calls"),
        ]
    print_table(rows)
    if gcloud:
        print(f"ratio gcloud / site.yml: wall {peer.wall / ours.wall:.0f}x, CPU {peer.cpu / ours.cpu:.0f}x (bar: 20x)")
    else:
        print("gcloud is not installed: the peer was not measured")
    print("requests of a no-change run:")
    for method, count in sorted(Counter(entry["method_id"] for entry in journal).items()):
        print(f"  {count:3} {method}")


if __name__ == "__main__":
    main()
