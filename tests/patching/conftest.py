"""One local cloud with real YARN and one set of environments for all patching runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.conftest import LocalCloud
from tests.patching.environments import NAMES, PATCHED, Environments
from tests.yarn.jobs.cluster import running_cloud


@pytest.fixture(scope="session")
def yarn_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A local cloud whose clusters are real ResourceManagers."""
    with running_cloud(tmp_path_factory.mktemp("cloud") / "home", "yarn") as cloud:
        yield cloud


@pytest.fixture(scope="session")
def environments(yarn_cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Environments:
    """Three environments that were converged once. A canary takes a minute, so all tests go on with what is there."""
    made = Environments(yarn_cloud, tmp_path_factory.mktemp("environments"))
    for name in NAMES:
        made.converge(name)
    return made


@pytest.fixture(scope="module")
def patched(environments: Environments) -> None:
    """`dev` was patched, so that there are numbers to compare with: by the tests before these, or now."""
    if environments.record("dev") is None:
        environments.patch("dev", expect=PATCHED)
