"""Clusters with a real ResourceManager, for all tests in this directory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from localcloud.hadoop import HadoopMissing, HadoopRuntime
from tests.yarn.support import Yarn, compile_load, running_cluster


@pytest.fixture(scope="session")
def hadoop() -> HadoopRuntime:
    """Return Hadoop as it is installed on this machine; without it there is nothing to test."""
    try:
        return HadoopRuntime.find()
    except HadoopMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def load_classes(hadoop: HadoopRuntime, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory with the compiled load generator."""
    return compile_load(hadoop, tmp_path_factory.mktemp("load"))


@pytest.fixture(scope="module")
def start_cluster(
    hadoop: HadoopRuntime, load_classes: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Yarn]]:
    """Return a function that starts a cluster (see ``running_cluster``), which is stopped with the module."""
    with ExitStack() as clusters:

        def start(**options: Any) -> Yarn:
            directory = tmp_path_factory.mktemp("yarn")
            return clusters.enter_context(running_cluster(directory, hadoop, load_classes, **options))

        yield start
