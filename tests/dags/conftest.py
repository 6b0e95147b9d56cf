"""Airflow in this very process, with a home and a SQLite database of its own, and a local cloud beside it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_cloud import LocalCloud, local_cloud

AIRFLOW_IS_HERE = importlib.util.find_spec("airflow") is not None
# The repository's own Python has no Airflow: these tests are for another one.
collect_ignore_glob = [] if AIRFLOW_IS_HERE else ["test_*.py"]

if AIRFLOW_IS_HERE:
    # Airflow reads its configuration when it is imported, so this comes before any test module is.
    _HOME = Path(tempfile.mkdtemp(prefix="airflow-tests-"))
    os.environ.update(
        AIRFLOW_HOME=str(_HOME),
        AIRFLOW__CORE__DAGS_FOLDER=str(_HOME / "dags"),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__CORE__UNIT_TEST_MODE="False",
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{_HOME}/airflow.db",
        AIRFLOW__LOGGING__LOGGING_LEVEL="INFO",
        AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT="google-cloud-platform://",
    )


@pytest.fixture(scope="session", autouse=True)
def _airflow_home() -> Iterator[None]:
    """Remove Airflow's home at the end."""
    yield
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def database() -> None:
    """Airflow's tables."""
    from airflow.utils.db import initdb

    initdb(load_connections=False)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A local cloud whose jobs are plain processes, and this process its client."""
    with local_cloud(tmp_path_factory.mktemp("cloud") / "home", "process") as cloud:
        cloud.make_buckets()
        yield cloud
