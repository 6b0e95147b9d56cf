"""Small sources of DAGs for tests of the gate and of releases, and the gate as a release asks it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.dag_archive import DagArchive, build_archive
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_gate import GateSettings, ask_gate

REPOSITORY = Path(__file__).parents[2]
GATE = REPOSITORY / "roles" / "dag_release" / "files"
OWNERS = {"ada": "growth", "grace": "platform"}
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dataplatform-compute"
AIRFLOW_PYTHON = CACHE / "airflow" / "bin" / "python"

LIBRARY = {
    "dataplatform_dask/__init__.py": """
import json
from importlib.resources import files

from airflow.models.dag import DAG

RELEASE = json.loads(files("dataplatform_dask").joinpath("release/release.json").read_text())["release"]


def platform_dag(dag_id, tags=(), **options):
    return DAG(dag_id, tags=[*tags, f"release:{RELEASE}"], schedule=None, **options)
"""
}
GUARD = """
# Airflow reads this first: it forgets the library of another DAG archive.
import sys

for name in [name for name in sys.modules if name.partition(".")[0] == "dataplatform_dask"]:
    del sys.modules[name]
"""

HEAD = """
from datetime import datetime, timedelta

from airflow.models.dag import DAG
from airflow.operators.python import PythonOperator

from dataplatform_dask import RELEASE, platform_dag

SOUND = {"owner": "ada", "retries": 1, "execution_timeout": timedelta(minutes=5)}


def work():
    pass


def task(name="work", **options):
    return PythonOperator(task_id=name, python_callable=work, **{**SOUND, **options})
"""


def sound_dag(dag_id: str, owner: str = "ada") -> str:
    """A file with one DAG that keeps to everything; the owner is one of the team whose archive it is for."""
    return f"{HEAD}\nwith platform_dag({dag_id!r}, start_date=datetime(2026, 1, 1)):\n    task(owner={owner!r})\n"


def archive(team: str, files: Mapping[str, str], workloads: str = "{}\n") -> DagArchive:
    """An archive of these files with the small library."""
    content = {**LIBRARY, f"release_guard_{team}.py": GUARD, **files}
    return build_archive(team, "test", {name: text.encode() for name, text in content.items()}, workloads)


def settings(cache: str = "", **policies: Any) -> GateSettings:
    """The gate with Airflow's own Python."""
    return GateSettings(
        python=str(AIRFLOW_PYTHON),
        directory=str(GATE),
        policies={"owners": OWNERS, **policies},
        cache=cache,
    )


def ask(archives: Sequence[DagArchive], **options: Any) -> dict[str, Any]:
    """The gate's report on these archives."""
    return ask_gate(archives, settings(**options))
