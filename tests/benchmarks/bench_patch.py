"""Benchmark: ``patch.yml`` with nothing to do, against ``site.yml --check`` and against asking by hand with gcloud.

    .venv/bin/python tests/benchmarks/bench_patch.py [--runs 3]

Everything runs against a local cloud of its own, in one run, in an environment that was converged and has everything
there is pinned. By hand is what somebody types who wants to know the same of images and templates: one list of the
public images, one list of the workflow templates.

Prints wall and CPU seconds of the client processes, the ratios, and what a run writes, which must be nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path

from bench_converge import TOOLS, localcloud, measure, median, print_table

REPOSITORY = Path(__file__).parents[2]
BAR_SECONDS = 15.0
# Airflow is not looked into by either.
STATED = {"platform_composer": None}
NEWEST = "2.3.11-debian12"
# Writes what the checkout gives, which is pinned then, so that nothing is left to do.
TELL = """
- hosts: localhost
  gather_facts: false
  vars:
    artifacts_sources: {jobs: "{{ checkout }}/jobs", init-actions: "{{ checkout }}/init-actions"}
    node_bundle_init_actions: "{{ checkout }}/init-actions"
  tasks:
    - ansible.builtin.import_role: {name: cluster_templates, tasks_from: rendered}
    - ansible.builtin.copy:
        content: "{{ cluster_templates_checkout_pins | to_json }}"
        dest: "{{ told }}"
        mode: "0600"
"""


def main() -> None:
    """Run the benchmark and print the table and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="repetitions; medians are printed (%(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        environment = {**os.environ, "LOCALCLOUD_HOME": str(work / "home"), "PATH": f"{TOOLS}:{os.environ['PATH']}"}
        localcloud(environment, "up", "--port", "0", "--engine", "process")
        try:
            run_benchmark(options.runs, work, environment)
        finally:
            localcloud(environment, "down")


def run_benchmark(runs: int, work: Path, environment: dict[str, str]) -> None:
    """Converge once, then time the ways to look in turn."""
    facts = work / "facts.json"
    facts.write_text(json.dumps(STATED))
    stated = ["-e", f"@{facts}"]
    (work / "tell.yml").write_text(TELL)
    with_roles = {**environment, "ANSIBLE_ROLES_PATH": str(REPOSITORY / "roles")}
    given = json.dumps({"told": str(work / "told.json"), "checkout": str(REPOSITORY)})
    tell = ["ansible-playbook", "-i", "inventories/local", str(work / "tell.yml"), "-e", given]
    measure([*tell, *stated], with_roles)
    pins = {"dataproc_image": NEWEST, "environment": None, **json.loads((work / "told.json").read_text())}
    facts.write_text(json.dumps({**STATED, "platform_pins": pins}))
    measure(["ansible-playbook", "site.yml", *stated], environment)
    client = {**environment, **json.loads((work / "home" / "environment.json").read_text())}
    by_hand = [
        ["gcloud", "compute", "images", "list", "--project=cloud-dataproc", "--no-standard-images"],
        ["gcloud", "dataproc", "workflow-templates", "list", "--region=europe-west1"],
    ]
    patched, checked, asked = [], [], []
    for _number in range(runs):
        localcloud(environment, "requests", "--clear")
        patched.append(measure(["ansible-playbook", "playbooks/patch.yml", *stated], environment))
        journal = [json.loads(line) for line in localcloud(environment, "requests", "--json").splitlines()]
        checked.append(measure(["ansible-playbook", "site.yml", "--check", *stated], environment))
        if shutil.which("gcloud"):
            asked.append(sum((measure(command, client).wall for command in by_hand), 0.0))

    ours, peer = median(patched), median(checked)
    print_table(
        [
            ("patch.yml, nothing to do", ours, f"median of {runs}; bar: {BAR_SECONDS:g} s wall"),
            ("site.yml --check", peer, f"median of {runs}"),
        ]
    )
    print(f"site.yml --check takes {peer.wall / ours.wall:.2f}x the wall time of patch.yml")
    if asked:
        print(f"two gcloud lists take {sorted(asked)[len(asked) // 2] / ours.wall:.2f}x the wall time of patch.yml")
    else:
        print("gcloud is not installed: that peer was not measured")
    writes = [one["method_id"] for one in journal if one["method"] != "GET" and one["method_id"] != "oauth2.token"]
    print(f"written: {writes or 'nothing'}")


if __name__ == "__main__":
    main()
