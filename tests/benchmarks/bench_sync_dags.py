"""Benchmark: ``sync_dags.yml`` with many DAG files and nothing changed, against Google's sample pipeline.

    .venv/bin/python tests/benchmarks/bench_sync_dags.py [--files 500] [--runs 3]

Both look at the same DAG files, in one run, against one local cloud, and both have released once before.

Google's sample (composer-utilities, ``cicd/``) runs ``ruff check`` and ``ruff format --check``; starts a fresh Airflow
(``airflow standalone``), waits for its web server, runs ``airflow dags list`` and tests on a DagBag; lists environments
with ``gcloud`` and uploads with ``gcloud storage rsync -r --delete-unmatched-destination-objects``. Left out, to
its advantage: pulling the Composer image, installing pytest in it, and its integration tests. Also shown is the least
of it that one could do with: without the fresh Airflow and the list of environments.

Ours is the whole playbook: check of the inventory, principal, jobs, gate, archives, comparison with what is live. It
is timed with the verdict of an earlier run on the very same archives (what a repeated run has), and with the gate asked
anew; the bar is judged for each.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
TOOLS = Path(sys.executable).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dataplatform-compute"
AIRFLOW_PYTHON = CACHE / "airflow" / "bin" / "python"
BAR = 5.0
ALL_TEAMS = "files"
MORE_THAN_THE_LEAST = ("fresh Airflow", "gcloud composer environments list")

DAG_FILE = '''"""An example DAG."""

from airflow.operators.empty import EmptyOperator

from dataplatform_dask import platform_dag

with platform_dag("{name}", owner="{owner}"):
    EmptyOperator(task_id="begin") >> EmptyOperator(task_id="end")
'''

# In a container of its own the sample leaves the processes to the container's end.
AIRFLOW_CHECKS = """set -euo pipefail
rm -rf "${AIRFLOW_HOME}"
setsid "${AIRFLOW_BIN}/airflow" standalone >"${AIRFLOW_HOME}.log" 2>&1 &
standalone=$!
trap 'kill -TERM -- "-${standalone}"; wait "${standalone}" || true' EXIT
until curl -sf "http://localhost:${AIRFLOW__WEBSERVER__WEB_SERVER_PORT}" >/dev/null; do
  kill -0 "${standalone}" || { cat "${AIRFLOW_HOME}.log"; exit 1; }
  sleep 2
done
"${AIRFLOW_BIN}/airflow" dags list >/dev/null
"""

DAG_TESTS = '''"""What the sample pipeline tests of a folder of DAGs."""

import os

import pytest
from airflow.models import DagBag


@pytest.fixture(scope="session")
def dag_bag():
    return DagBag(os.environ["DAG_FOLDER"], include_examples=False)


def test_there_are_dags(dag_bag):
    assert dag_bag.dags


def test_no_import_errors(dag_bag):
    assert dag_bag.import_errors == {}


def test_every_dag_keeps_to_the_rules(dag_bag):
    for dag in dag_bag.dags.values():
        assert dag.start_date
        assert dag.tags
        for task in dag.tasks:
            assert task.owner
            assert task.retries >= 1


def test_files_are_parsed_fast(dag_bag):
    for stats in dag_bag.dagbag_stats:
        assert stats.duration.total_seconds() < 2.5
'''


def main() -> None:
    """Run the benchmark and print the table and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=500, help="DAG files, over two teams (%(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="repetitions; medians are printed (%(default)s)")
    options = parser.parse_args()
    for needed in ("gcloud", "ruff"):
        if not shutil.which(needed, path=f"{TOOLS}:{os.environ['PATH']}"):
            sys.exit(f"{needed} is not installed; without it there is nothing to compare with")
    if not AIRFLOW_PYTHON.exists():
        sys.exit(f"{AIRFLOW_PYTHON} is not there: make setup")
    with tempfile.TemporaryDirectory(prefix="bench-") as directory, local_cloud(Path(directory)) as environment:
        run_benchmark(options, Path(directory), environment)


def run_benchmark(options: argparse.Namespace, work: Path, environment: dict[str, str]) -> None:
    """Release once with each, then time both in turn."""
    sources, loose = work / "dags", work / "loose"
    write_sources(sources, options.files)
    playbook = ["ansible-playbook", "playbooks/sync_dags.yml", "-e", f"dag_release_source={sources}"]
    timed("ansible-playbook site.yml", ["ansible-playbook", "site.yml", *playbook[2:]], environment)
    write_loose_files(sources, loose, environment)
    (work / "tests").mkdir()
    (work / "tests" / "test_dags.py").write_text(DAG_TESTS)
    sample = sample_pipeline(work, loose, environment)
    for name, command, variables in sample:
        timed(name, command, variables)

    times: dict[str, list[float]] = {name: [] for name in ("sample", "least", "ours", "asked")}
    for number in range(options.runs):
        times["ours"].append(timed(f"sync_dags.yml, run {number + 1}", playbook, environment, unchanged=True))
        anew = [*playbook, "-e", "dag_release_gate_cache="]
        times["asked"].append(timed("  gate asked", anew, environment, unchanged=True))
        steps = {name: timed(f"  sample: {name}", command, variables) for name, command, variables in sample}
        times["sample"].append(sum(steps.values()))
        times["least"].append(sum(seconds for name, seconds in steps.items() if name not in MORE_THAN_THE_LEAST))
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    print(f"\n{options.files} DAG files, nothing changed; medians of {options.runs}; load {os.getloadavg()[0]:.1f}")
    print(f"{'':44}{'wall s':>8}{'sample takes':>14}{'its least takes':>17}")
    rows = {
        "sample": "Google's sample pipeline",
        "least": "its least: ruff, DagBag tests, rsync",
        "ours": "sync_dags.yml, verdict remembered",
        "asked": "sync_dags.yml, gate asked anew",
    }
    for name, words in rows.items():
        taken = medians[name]
        print(f"{words:44}{taken:8.2f}{medians['sample'] / taken:13.1f}x{medians['least'] / taken:16.1f}x")
    print(f"bar: the sample pipeline takes at least {BAR:g} times as long:")
    for name in ("ours", "asked"):
        print(f"  as {rows[name]}: {'met' if medians['sample'] >= BAR * medians[name] else 'MISSED'}")


def sample_pipeline(
    work: Path, loose: Path, environment: dict[str, str]
) -> list[tuple[str, list[str], dict[str, str]]]:
    """The steps of the sample: name, command, environment."""
    # Few rules, to its advantage; this project's lines are longer than ruff's.
    rules = ["--isolated", "--line-length", "120"]
    bucket = "gs://local-project-data/sample/dags"
    airflow = {
        **{name: value for name, value in environment.items() if not name.startswith("GOOGLE")},
        "AIRFLOW_HOME": str(work / "airflow"),
        "DAG_FOLDER": str(loose),
        "PYTHONPATH": str(loose),
        "PYTHONWARNINGS": "ignore",
        "AIRFLOW_BIN": str(AIRFLOW_PYTHON.parent),
        "AIRFLOW__CORE__DAGS_FOLDER": str(loose),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__WEBSERVER__WEB_SERVER_PORT": str(free_port()),
        "NO_PROXY": "localhost",
        "no_proxy": "localhost",
        "PATH": f"{AIRFLOW_PYTHON.parent}:{environment['PATH']}",
    }
    listing = ["gcloud", "composer", "environments", "list", "--locations", "europe-west1"]
    rsync = ["gcloud", "storage", "rsync", "--recursive", "--delete-unmatched-destination-objects", "--quiet"]
    tests = [str(AIRFLOW_PYTHON), "-m", "pytest", "-q", "-p", "no:cacheprovider", str(work / "tests")]
    return [
        ("ruff check", ["ruff", "check", "--no-cache", "--select", "E,F,W", *rules, str(loose)], environment),
        ("ruff format", ["ruff", "format", "--check", "--no-cache", *rules, str(loose)], environment),
        ("fresh Airflow", ["bash", "-c", AIRFLOW_CHECKS], airflow),
        ("DagBag tests", tests, airflow),
        ("gcloud composer environments list", listing, environment),
        ("gcloud storage rsync", [*rsync, str(loose), bucket], environment),
    ]


def free_port() -> int:
    """A port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write_sources(sources: Path, files: int) -> None:
    """Copy the platform's sources and give two teams many small DAG files."""
    shutil.copytree(REPOSITORY / "dags", sources, ignore=shutil.ignore_patterns("__pycache__"))
    for number in range(files):
        team, owner = (("growth", "ada"), ("platform", "grace"))[number % 2]
        name = f"{team}_example_{number:04d}"
        path = sources / "teams" / team / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(DAG_FILE.format(name=name, owner=owner))


def write_loose_files(sources: Path, loose: Path, environment: dict[str, str]) -> None:
    """Lay the same DAG files out as the sample has them: loose, the library with its release beside them."""
    shutil.copytree(sources / "dataplatform_dask", loose / "dataplatform_dask")
    for path in (sources / "teams").glob("*/*_example_*.py"):
        shutil.copyfile(path, loose / path.name)
    (loose / ".airflowignore").write_text("dataplatform_dask\n")
    release = loose / "dataplatform_dask" / "release"
    release.mkdir()
    prefix = "gs://local-project-artifacts/dag-releases/local/growth"
    listed = subprocess.run(
        ["gcloud", "storage", "ls", prefix], env=environment, capture_output=True, text=True, check=True
    )
    kept = next(line for line in listed.stdout.split() if line.endswith(".zip"))
    archive = loose.parent / "growth.zip"
    subprocess.run(["gcloud", "storage", "cp", kept, str(archive)], env=environment, capture_output=True, check=True)
    shutil.unpack_archive(archive, loose.parent / "unpacked")
    for path in (loose.parent / "unpacked" / "dataplatform_dask" / "release").iterdir():
        shutil.copyfile(path, release / path.name)
    # Loose files are those of both teams, so any user may own a DAG among them.
    document = json.loads((release / "release.json").read_text())
    (release / "release.json").write_text(json.dumps({**document, "team": ALL_TEAMS}))


def timed(name: str, command: list[str], environment: dict[str, str], *, unchanged: bool = False) -> float:
    """Run a command and return its seconds; one that fails, or changes what it must not, ends the benchmark."""
    started = time.perf_counter()
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode or (unchanged and "changed=0 " not in done.stdout):
        sys.exit(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout[-6000:]}\n{done.stderr[-4000:]}")
    print(f"{name}: {seconds:.2f} s", file=sys.stderr, flush=True)
    return seconds


@contextmanager
def local_cloud(work: Path) -> Iterator[dict[str, str]]:
    """Bring up a local cloud of our own, with room for its own verdicts; yields the environment of its clients."""
    base = {**os.environ, "LOCALCLOUD_HOME": str(work / "home"), "PATH": f"{TOOLS}:{os.environ['PATH']}"}
    localcloud = str(TOOLS / "localcloud")
    subprocess.run([localcloud, "up", "--port", "0", "--engine", "process"], env=base, check=True, capture_output=True)
    try:
        client = json.loads((work / "home" / "environment.json").read_text())
        yield {**base, **client, "CLOUDSDK_CORE_DISABLE_PROMPTS": "1"}
    finally:
        subprocess.run([localcloud, "down"], env=base, check=True, capture_output=True)


if __name__ == "__main__":
    main()
