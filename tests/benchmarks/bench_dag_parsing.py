"""How long Airflow takes to parse the platform's DAGs, against plain DAGs of the provider's operators.

Run by Airflow's own Python:

    ~/.cache/dataplatform-compute/airflow/bin/python tests/benchmarks/bench_dag_parsing.py [--workloads 500] [--runs 5]

Bars: a DAG file in less than 50 ms beyond the import of the Google provider; 500 workloads in less than 2 s, from the
packaged archive too. Every parse is in a process of its own, forked from one that has imported Airflow and the
provider and has parsed a DAG that does nothing, much as Airflow's DAG processor does it; the library is imported anew
in each. All contenders take turns, and the first turn does not count: what is compiled then stays on the disk, but for
the DAG files of archives, which Python compiles each time.

The plain DAGs create a cluster, run a job and delete the cluster: three tasks, where the platform's have five. They are
measured as files that somebody wrote by hand, and as one file that makes them in a loop, which is the least there is.
Parsing waits for nothing, so its CPU seconds are its wall time on a machine without other work: bars and ratios go by
them.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1] / "dags"
LIBRARY = "dataplatform_dask/"
GUARD = "release_guard_"
ONE_FILE = (GUARD, "growth_flights.py")
FILE_BAR = 0.05
WORKLOADS_BAR = 2.0

# What the platform's operators import of the provider, and what plain DAGs do.
OUR_IMPORTS = ("airflow.providers.common.compat.sdk", "airflow.providers.google.cloud.links.dataproc")
PLAIN_IMPORTS = ("airflow.models.dag", "airflow.providers.google.cloud.operators.dataproc")

EMPTY_DAG = """from datetime import datetime

from airflow.models.dag import DAG
from airflow.operators.empty import EmptyOperator

with DAG("empty", schedule="0 5 * * *", start_date=datetime(2026, 1, 1)):
    EmptyOperator(task_id="nothing")
"""

PLAIN_HEAD = '''"""Delay statistics on an ephemeral cluster."""

from datetime import datetime, timedelta, timezone

from airflow.models.dag import DAG
from airflow.providers.google.cloud.operators.dataproc import (
    DataprocCreateClusterOperator,
    DataprocDeleteClusterOperator,
    DataprocSubmitJobOperator,
)

WHERE = {"project_id": "local-project", "region": "europe-west1"}
CONFIG = {
    "config_bucket": "staging",
    "temp_bucket": "temp",
    "gce_cluster_config": {"internal_ip_only": True, "metadata": {"someKey": "v"}},
    "master_config": {"num_instances": 1, "machine_type_uri": "n2-standard-4"},
    "worker_config": {"num_instances": 2, "machine_type_uri": "n2-standard-4"},
    "software_config": {"image_version": "2.3.10-debian12"},
    "lifecycle_config": {"idle_delete_ttl": {"seconds": 600}, "auto_delete_ttl": {"seconds": 14400}},
}
DEFAULTS = {
    "owner": "ada",
    "retries": 2,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": True,
    "execution_timeout": timedelta(hours=1),
}


'''

PLAIN_DAG = """with DAG(
    {name},
    schedule="0 5 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    description="Delay statistics",
    tags=["team:growth", "owner:ada"],
    default_args=DEFAULTS,
) as dag:
    create = DataprocCreateClusterOperator(
        task_id="create",
        cluster_name={name},
        cluster_config=CONFIG,
        labels={{"owner": "ada", "team": "growth"}},
        **WHERE,
    )
    run = DataprocSubmitJobOperator(
        task_id="run",
        job={{
            "placement": {{"cluster_name": {name}}},
            "reference": {{"project_id": "local-project"}},
            "pyspark_job": {{
                "main_python_file_uri": "gs://artifacts/flights_etl.py",
                "args": ["--input", "gs://data/nycflights13"],
            }},
        }},
        **WHERE,
    )
    delete = DataprocDeleteClusterOperator(task_id="delete", cluster_name={name}, **WHERE)
    create >> run >> delete.as_teardown(setups=create)
"""


def main() -> int:
    """Measure, print, and return whether a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workloads", type=int, default=500, help="workloads, and plain DAGs (%(default)s)")
    parser.add_argument("--runs", type=int, default=5, help="repetitions; medians are printed (%(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-parsing-") as directory:
        home = Path(directory)
        os.environ.update(
            AIRFLOW_HOME=str(home / "airflow"),
            AIRFLOW__CORE__LOAD_EXAMPLES="False",
            AIRFLOW__LOGGING__LOGGING_LEVEL="ERROR",
        )
        # As Airflow has it, whatever the one who started this has.
        sys.dont_write_bytecode = False
        # Not dags/: the library comes from the archives.
        sys.path[:0] = [str(TESTS), str(TESTS.parents[1] / "collections")]
        return _measure(home, options.workloads, options.runs)


def _measure(home: Path, workloads: int, runs: int) -> int:
    importlib.import_module("airflow.models.dagbag")
    loads = [os.getloadavg()[0]]
    imports = {
        "import of the provider, as the platform does": (_import, *OUR_IMPORTS),
        "import of the provider, as plain DAGs do": (_import, *PLAIN_IMPORTS),
    }
    imported = _in_turns(imports, runs)
    _warm_up(home)
    growth = _growth_files(workloads)
    small = {name: content for name, content in _growth_files(1).items() if name.startswith((*ONE_FILE, LIBRARY))}
    plain = _write_plain_dags(home / "plain", workloads)
    parses = {
        "one file, plain": (_parse, plain / "w_0.py", 1),
        "one file, platform, unpacked": (_parse, _write(home / "small", small), 1),
        "one file, platform, archive": (_parse, _zip(home / "small.zip", small), 1),
        "two files, platform, archive": (_parse, _zip(home / "platform.zip", _platform_files()), 2),
        f"{workloads} DAGs, plain, {workloads} files": (_parse, plain, workloads),
        f"{workloads} DAGs, plain, a loop": (_parse, _write_plain_loop(home / "loop.py", workloads), workloads),
        f"{workloads} DAGs, factory, unpacked": (_parse, _write(home / "growth", growth), workloads),
        f"{workloads} DAGs, factory, archive": (_parse, _zip(home / "growth.zip", growth), workloads),
    }
    parsed = _in_turns(parses, runs)
    loads.append(os.getloadavg()[0])

    print(f"medians of {runs}; load {loads[0]:.1f} at the start, {loads[1]:.1f} at the end")
    print(f"{'':46}{'wall s':>8}{'CPU s':>8}   CPU least - most")
    for name, taken in {**imported, **parsed}.items():
        wall, cpu = (statistics.median(column) for column in zip(*taken, strict=True))
        seconds = [one[1] for one in taken]
        print(f"{name:46}{wall:8.3f}{cpu:8.3f}   [{min(seconds):.3f} - {max(seconds):.3f}]")
    return _judge([statistics.median(one[1] for one in taken) for taken in parsed.values()], workloads)


def _judge(cpu: list[float], workloads: int) -> int:
    one_plain, one_unpacked, one_archive, two_archive, files, loop, unpacked, archive = cpu
    print("by CPU seconds:")
    print(f"one file from the archive / plain: {one_archive / one_plain:.1f}")
    print(f"each of two files of an archive: {two_archive / 2 * 1000:.0f} ms")
    print(f"factory from the archive / {workloads} plain files: {archive / files:.2f}, / a loop: {archive / loop:.2f}")
    met = {
        f"a DAG file in less than {FILE_BAR * 1000:.0f} ms": (one_unpacked, one_archive, FILE_BAR),
        f"{workloads} workloads in less than {WORKLOADS_BAR:g} s": (unpacked, archive, WORKLOADS_BAR),
    }
    missed = False
    for words, (loose, packed, bar) in met.items():
        verdicts = ["met" if seconds < bar else "MISSED" for seconds in (loose, packed)]
        print(f"bar: {words}: unpacked {verdicts[0]}, from the archive {verdicts[1]}")
        missed |= "MISSED" in verdicts
    return int(missed)


def _warm_up(home: Path) -> None:
    """Import what contenders do not have to, and let no garbage collection go through it after a fork."""
    from airflow.models.dagbag import DagBag

    for module in (*OUR_IMPORTS, *PLAIN_IMPORTS):
        importlib.import_module(module)
    path = home / "empty.py"
    path.write_text(EMPTY_DAG)
    assert DagBag(str(path), include_examples=False).dags
    gc.collect()
    gc.freeze()


def _growth_files(workloads: int) -> dict[str, bytes]:
    """The files of a team's archive with so many workloads."""
    import facts

    return dict(facts.archive(workloads={f"w-{number}": facts.workload() for number in range(workloads)}).files)


def _platform_files() -> dict[str, bytes]:
    """The files of an archive with two DAG files and no workload."""
    import facts

    return dict(facts.archive("platform", workloads={}).files)


def _write(folder: Path, files: dict[str, bytes]) -> Path:
    """Lay an archive's files out as a folder of DAGs: without the guard, which only archives have."""
    for name, content in files.items():
        if name.startswith(GUARD):
            continue
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    # In an archive Airflow looks only at the files beside each other at the top.
    (folder / ".airflowignore").write_text(f"{LIBRARY}\n")
    return folder


def _zip(path: Path, files: dict[str, bytes]) -> Path:
    import facts

    path.write_bytes(facts.zipped(files))
    return path


def _write_plain_dags(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        (folder / f"w_{number}.py").write_text(PLAIN_HEAD + PLAIN_DAG.format(name=repr(f"w-{number}")))
    return folder


def _write_plain_loop(path: Path, count: int) -> Path:
    body = "".join(f"    {line}" for line in PLAIN_DAG.format(name="name").splitlines(keepends=True))
    loop = f'for number in range({count}):\n    name = f"w-{{number}}"\n{body}    globals()[name] = dag\n'
    path.write_text(PLAIN_HEAD + loop)
    return path


def _in_turns(contenders: dict[str, tuple[Any, ...]], runs: int) -> dict[str, list[tuple[float, float]]]:
    """Call each contender's function with its arguments, each time in a process of its own; (wall, CPU) seconds."""
    taken: dict[str, list[tuple[float, float]]] = {}
    for _ in range(runs + 1):
        for name, (function, *arguments) in contenders.items():
            with multiprocessing.get_context("fork").Pool(1) as pool:
                taken.setdefault(name, []).append(pool.apply(function, arguments))
    return {name: seconds[1:] for name, seconds in taken.items()}


def _import(*modules: str) -> tuple[float, float]:
    return _timed(lambda: [importlib.import_module(module) for module in modules])[1]


def _parse(path: Path, least: int) -> tuple[float, float]:
    from airflow.models.dagbag import DagBag

    if path.is_dir():
        # Airflow has its DAGs folder there; archives it puts there itself.
        sys.path.insert(0, str(path))
    bag, seconds = _timed(lambda: DagBag(str(path), include_examples=False))
    assert not bag.import_errors, bag.import_errors
    assert len(bag.dags) >= least, f"{path}: {len(bag.dags)} DAGs, expected at least {least}"
    return seconds


def _timed(action: Callable[[], Any]) -> tuple[Any, tuple[float, float]]:
    wall, cpu = time.perf_counter(), time.process_time()
    answer = action()
    return answer, (time.perf_counter() - wall, time.process_time() - cpu)


if __name__ == "__main__":
    sys.exit(main())
