"""Images with something of their own in front of search paths: it reaches all that runs on nodes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud.compute.images import Images

ACTION = """#!/usr/bin/env python3
# init-action-scope: hadoop-conf-dir
import library
print(library.ANSWER)
"""
# Where a program is found, and a library, in the driver and in the containers of executors.
JOB = """
import json, shutil
def look(_=None):
    import library
    return [shutil.which("program"), library.ANSWER]
from pyspark import SparkContext
context = SparkContext()
found = {"driver": look(), "executors": context.parallelize(range(4), 4).map(look).collect()}
print("RESULT", json.dumps(found), flush=True)
"""


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Directories with a program that fails, and one that is none of the system's; and with a library."""
    home = tmp_path_factory.mktemp("front")
    programs = {"node": "program", "broken": "python3"}
    for name, program in programs.items():
        (home / name).mkdir()
        (home / name / program).write_text("#!/bin/sh\necho broken on purpose\nexit 3\n")
        (home / name / program).chmod(0o755)
    (home / "library").mkdir()
    (home / "library" / "library.py").write_text("ANSWER = 43\n")
    # Accounts of nodes have to get there, too.
    for path in (home, *home.parents):
        if path.is_relative_to("/tmp") and path != Path("/tmp"):  # noqa: S108
            path.chmod(0o755)
    return {path.name: path for path in home.iterdir()}


@pytest.fixture(scope="module", params=["yarn", "cloud"])
def nodes(request: pytest.FixtureRequest, directories: dict[str, Path]) -> Any:
    """A cloud whose nodes are processes, and one whose nodes are containers; it has two images of its own."""
    cloud = request.getfixturevalue(request.param)
    paths = ("--node-path", str(directories["node"]), "--python-path", str(directories["library"]))
    cloud.server.command("image", "add", "2.3.801-debian12", *paths)
    cloud.server.command("image", "add", "2.3.802-debian12", "--node-path", str(directories["broken"]))
    return cloud


@contextlib.contextmanager
def cluster(cloud: Any, name: str, version: str, action: str) -> Iterator[dict[str, Any]]:
    """A cluster of one node while a block runs: the operation that made it."""
    software = {"imageVersion": version, "properties": {"dataproc:dataproc.allow.zero.workers": "true"}}
    actions = [{"executableFile": action}]
    try:
        yield cloud.finished(cloud.start_cluster(name, softwareConfig=software, initializationActions=actions))
    finally:
        cloud.delete(name)


def test_all_that_runs_on_nodes_has_it_in_front(nodes: Any, directories: dict[str, Path]) -> None:
    with cluster(nodes, "front", "2.3.801-debian12", nodes.put("front.py", ACTION)) as created:
        assert "error" not in created, created
        properties = {
            "spark.executor.instances": "1",
            "spark.executor.memory": "512m",
            "spark.yarn.am.memory": "512m",
            "spark.dynamicAllocation.enabled": "false",
        }
        job = nodes.ended(nodes.submit("front", nodes.put("front-job.py", JOB), properties=properties))
        output = nodes.output(job)
        assert job["status"]["state"] == "DONE", output
    (result,) = [line.removeprefix("RESULT ") for line in output.splitlines() if line.startswith("RESULT ")]
    found = [str(directories["node"] / "program"), 43]
    assert json.loads(result) == {"driver": found, "executors": [found] * 4}


def test_a_poisoned_image_fails_its_clusters_and_no_other(nodes: Any) -> None:
    action = nodes.put("nothing.py", ACTION.split("import", maxsplit=1)[0])
    with cluster(nodes, "poisoned", "2.3.802-debian12", action) as created:
        message = created["error"]["message"]
        assert message.startswith(f"Initialization action failed. Failed action '{action}'")
        assert nodes.cluster("poisoned")["status"]["state"] == "ERROR"
    with cluster(nodes, "healthy", "2.3.10-debian12", action) as created:
        assert "error" not in created, created


def test_drivers_without_nodes_have_it_in_front(world: Any, directories: dict[str, Path]) -> None:
    images = Images(world.store, world.clock, "test-project")
    front = {"PATH": str(directories["node"]), "PYTHONPATH": str(directories["library"])}
    images.add("2.3.801-debian12", in_front=front)
    world.cluster(config={"softwareConfig": {"imageVersion": "2.3.801-debian12"}})
    main = world.script("import library, shutil\nprint(library.ANSWER, shutil.which('program'))\n")
    job = world.job_in(world.submit(main), "DONE", "ERROR")
    assert world.output(job) == f"43 {directories['node']}/program\n"


def test_a_directory_that_is_gone_fails_the_cluster(yarn: Any, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    yarn.server.command("image", "add", "2.3.803-debian12", "--python-path", str(gone))
    gone.rmdir()
    created = yarn.finished(yarn.start_cluster("gone", softwareConfig={"imageVersion": "2.3.803-debian12"}))
    assert str(gone) in created["error"]["message"]
    yarn.delete("gone")
