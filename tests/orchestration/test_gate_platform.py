"""The gate on the platform's own DAGs, with workloads rendered from the local inventory's facts."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_archive import build_archive
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_gate import ask_gate, describe
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_loose_files import (
    LOOSE,
    merge_documents,
    merge_sources,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_sources import read_sources

from tests.orchestration.gate_support import AIRFLOW_PYTHON, REPOSITORY, settings
from tests.orchestration.inventory import TEAMS, documents

pytestmark = pytest.mark.skipif(not AIRFLOW_PYTHON.exists(), reason="Airflow is not installed: make setup")


@pytest.fixture(name="verdict", scope="module")
def verdict_on_the_platform() -> dict[str, Any]:
    """The report on the archives that a release of this checkout consists of, with its findings as lines."""
    sources = read_sources(str(REPOSITORY / "dags"), TEAMS)
    rendered = documents()
    archives = [build_archive(team, "local", found.files, rendered[team]) for team, found in sources.items()]
    report = ask_gate(archives, settings())
    report["lines"] = describe(report["findings"], {team: found.origins for team, found in sources.items()})
    return report


def test_the_platforms_own_dags_pass(verdict: dict[str, Any]) -> None:
    assert verdict["lines"] == []


def test_every_workload_is_a_dag_of_its_team(verdict: dict[str, Any]) -> None:
    growth, platform = (verdict["archives"][team]["dags"] for team in ("growth", "platform"))
    assert {"flights-etl", "flights-analytics"} <= set(growth)
    assert growth["flights-etl"] == "workloads_growth.py"
    assert platform["flights-delay-model"] == "workloads_platform.py"


def test_files_are_imported_fast(verdict: dict[str, Any]) -> None:
    slow = {
        file: seconds
        for archive in verdict["archives"].values()
        for file, seconds in archive["seconds"].items()
        if seconds > 2.5
    }
    assert slow == {}


def test_the_platforms_own_dags_pass_as_loose_files(verdict: dict[str, Any]) -> None:
    merged = merge_sources(read_sources(str(REPOSITORY / "dags"), TEAMS))
    report = ask_gate([build_archive(LOOSE, "local", merged.files, merge_documents(documents()))], settings())
    assert describe(report["findings"], {LOOSE: merged.origins}) == []
    archives = verdict["archives"]
    assert set(report["archives"][LOOSE]["dags"]) == set().union(*(archives[team]["dags"] for team in archives))


@pytest.mark.parametrize("syntax", ["regexp", "glob"])
def test_of_loose_files_airflow_reads_the_top_alone(tmp_path: Path, syntax: str) -> None:
    merged = merge_sources(read_sources(str(REPOSITORY / "dags"), TEAMS))
    folder = tmp_path / "dags"
    # Modules of a team, with the words by which Airflow knows a DAG file.
    for name, content in {**merged.files, "theirs/not_dataplatform_dask.py": b"# airflow dag"}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    ask = (
        "from airflow.utils.file import find_path_from_directory as find;"
        f"print(*find({str(folder)!r}, '.airflowignore', {syntax!r}), sep='\\n')"
    )
    environment = {"AIRFLOW_HOME": str(tmp_path / "airflow"), "PATH": os.environ["PATH"]}
    command = [str(AIRFLOW_PYTHON), "-W", "ignore", "-c", ask]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    read = {str(Path(line).relative_to(folder)) for line in answer.stdout.splitlines() if line.endswith(".py")}
    # What no release wrote is read as before.
    assert read == {name for name in merged.files if name.endswith(".py") and "/" not in name} | {
        "theirs/not_dataplatform_dask.py"
    }
