"""Benchmark: ``drift.yml`` over many resources, against one gcloud call per resource and a look with ``site.yml``.

    .venv/bin/python tests/benchmarks/bench_drift.py [--resources 260] [--runs 3] [--gcloud-calls 10] [--airflow]

Everything runs against a local cloud of its own, in one run. ``site.yml`` is converged once with ``--resources``
autoscaling policies and as many workloads (one workflow template each), beside the buckets and artefacts that are
always there; with ``--airflow`` also with an Airflow environment, whose metadata a real Airflow reads out. The peers
are what else there is to look with: one ``gcloud ... describe`` per resource, of which ``--gcloud-calls`` are timed and
scaled to all, and ``site.yml --check --diff``, which tells what it would do, kind by kind.

Prints wall and CPU seconds of the client processes (the server's are not counted), the requests made, and the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

from bench_converge import TOOLS, Cost, localcloud, many_facts, measure, median, print_table

BAR_SECONDS = 20.0


def main() -> None:
    """Run the benchmark and print the table and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resources", type=int, default=260, help="policies, and as many templates (%(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="repetitions; medians are printed (%(default)s)")
    parser.add_argument("--gcloud-calls", type=int, default=10, help="gcloud calls timed, then scaled (%(default)s)")
    parser.add_argument("--airflow", action="store_true", help="with an Airflow environment")
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
    """Converge once, then time the three ways to look in turn."""
    facts = many_facts(options.resources)
    if options.airflow:
        # A DAG for each of so many copies would measure the gate, which has a benchmark of its own.
        facts.pop("platform_composer")
        facts["dag_release_workloads"] = {}
    (work / "facts.json").write_text(json.dumps(facts))
    stated = ["-e", f"@{work / 'facts.json'}"]
    measure(["ansible-playbook", "site.yml", *stated], environment)

    drift, checked = [], []
    for number in range(options.runs):
        localcloud(environment, "requests", "--clear")
        drift.append(measure(["ansible-playbook", "playbooks/drift.yml", *stated], environment))
        if number == 0:
            journal = [json.loads(line) for line in localcloud(environment, "requests", "--json").splitlines()]
        checked.append(measure(["ansible-playbook", "site.yml", "--check", "--diff", *stated], environment))

    total = 2 * options.resources
    ours, peer = median(drift), median(checked)
    rows = [
        (f"drift.yml, {total} policies and templates", ours, f"median of {options.runs}; bar: {BAR_SECONDS:g} s wall"),
        ("site.yml --check --diff", peer, f"median of {options.runs}"),
    ]
    ratios = [f"site.yml --check: {peer.wall / ours.wall:.2f}x wall, {peer.cpu / ours.cpu:.2f}x CPU"]
    if shutil.which("gcloud"):
        one, many = by_gcloud(options, facts, {**environment, **client_variables(work)}, total)
        rows += [
            ("gcloud, one describe", one, f"median of {options.gcloud_calls}"),
            (f"gcloud, {total} of them", many, "scaled"),
        ]
        ratios.append(f"gcloud: {many.wall / ours.wall:.0f}x wall, {many.cpu / ours.cpu:.0f}x CPU")
    else:
        print("gcloud is not installed: that peer was not measured")
    print_table(rows)
    print("times what drift.yml takes:", "; ".join(ratios))
    print("requests of one run of drift.yml:")
    for method, count in sorted(Counter(entry["method_id"] for entry in journal).items()):
        print(f"  {count:3} {method}")


def client_variables(work: Path) -> dict[str, str]:
    """What makes a process a client of the local cloud."""
    return json.loads((work / "home" / "environment.json").read_text())


def by_gcloud(options: argparse.Namespace, facts: dict, environment: dict[str, str], total: int) -> tuple[Cost, Cost]:
    """The cost of one ``describe``, and that of one for every resource, worked out."""
    names = list(facts["platform_workloads"])
    describe = ["gcloud", "dataproc", "workflow-templates", "describe", "--region=europe-west1"]
    calls = [measure([*describe, names[number % len(names)]], environment) for number in range(options.gcloud_calls)]
    one = median(calls)
    return one, Cost(one.wall * total, one.cpu * total)


if __name__ == "__main__":
    main()
