"""A local cloud with real ResourceManagers for the tests that submit jobs, converged by the project's own playbook."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import LocalCloud
from tests.yarn.jobs.cluster import Cluster, converged_cloud, create_cluster, delete_cluster


@pytest.fixture(scope="session")
def yarn_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A local cloud with real YARN behind its clusters, after ``site.yml``."""
    if not shutil.which("java"):
        pytest.skip("no Java on this machine: YARN cannot run (Debian: openjdk-17-jdk-headless)")
    with converged_cloud(tmp_path_factory.mktemp("yarn-cloud") / "home") as cloud:
        yield cloud


@pytest.fixture(scope="module")
def cluster(yarn_cloud: LocalCloud, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster of three workers for one module's tests."""
    name = Path(request.node.path).stem.replace("_", "-")
    cluster = create_cluster(yarn_cloud, name)
    yield cluster
    delete_cluster(cluster)
