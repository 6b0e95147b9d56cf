"""The example jobs' output in a bucket of a local cloud: a run that is killed right before its output counts."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import LocalCloud

EXAMPLES = Path(__file__).parents[2] / "jobs" / "examples"
RUN = """
import json, os, signal, sys
import fsspec
sys.path.insert(0, sys.argv[1])
import flights_etl

target, generation, ending = sys.argv[2:]
if ending == "killed":
    flights_etl.publish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
with flights_etl.whole_output(target) as staging:
    for name in ("flights/month=1/a.parquet", "summary.json"):
        with fsspec.open(f"{staging}/{name}", "w") as file:
            json.dump({"generation": generation}, file)
"""
LIST = """
import json, sys
import fsspec

bucket, target = sys.argv[1:]
with fsspec.open(f"{target}/summary.json") as file:
    data = json.load(file)["data"]
with fsspec.open(f"{data}/flights/month=1/a.parquet") as file:
    generation = json.load(file)["generation"]
filesystem, path = fsspec.url_to_fs(bucket)
print(json.dumps([generation, data, sorted(filesystem.find(path))]))
"""


@pytest.fixture
def target(localcloud: LocalCloud) -> str:
    made = "import fsspec; fsspec.filesystem('gs', project='local-project').mkdir('flights-output')"
    localcloud.run(sys.executable, "-c", made)
    return "gs://flights-output/out"


def test_a_run_killed_before_its_output_counts(localcloud: LocalCloud, target: str) -> None:
    def run(generation: str, ending: str) -> int:
        command = (sys.executable, "-c", RUN, str(EXAMPLES), target, generation, ending)
        return localcloud.run(*command, check=ending == "complete").returncode

    def published() -> tuple[str, str, list[str]]:
        listed = localcloud.run(sys.executable, "-c", LIST, target.rpartition("/")[0], target)
        return json.loads(listed.stdout)

    run("first", "complete")
    assert run("second", "killed") == -signal.SIGKILL
    generation, _, objects = published()
    assert generation == "first"
    assert [name for name in objects if name.startswith("flights-output/out/")] == ["flights-output/out/summary.json"]

    run("third", "complete")
    generation, data, objects = published()
    assert generation == "third"
    runs = {name.split("/")[1] for name in objects} - {"out"}
    assert len(runs) == 2, "what the killed run left is gone; the data readers had before are kept"
    assert data.rpartition("/")[2] in runs
