"""What the engine on YARN decides, without daemons."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from localcloud.dataproc.cluster_engine import ClusterEngineError, Snapshot
from localcloud.dataproc.cluster_idle import ClusterIdle
from localcloud.dataproc.driver_slots import most_drivers
from localcloud.dataproc.drivers import SparkCaller
from localcloud.dataproc.hosts import Place
from localcloud.dataproc.init_actions import SCOPE_LINE, Call, InitAction, run
from localcloud.dataproc.job_files import JobFiles
from localcloud.dataproc.node_book import NodeBook, wanted_workers
from localcloud.hadoop import Network

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def cluster(properties: dict[str, str] | None = None, **config: Any) -> dict[str, Any]:
    return {
        "clusterName": "one",
        "clusterUuid": "uuid",
        "status": {"state": "RUNNING", "stateStartTime": NOON.isoformat()},
        "config": {
            "masterConfig": {"machineTypeUri": "zones/z/machineTypes/n2-standard-4", "numInstances": 1},
            "softwareConfig": {"properties": properties or {}},
            **config,
        },
    }


@pytest.mark.parametrize(
    ("properties", "most"),
    [
        ({}, 12),
        ({"dataproc:dataproc.scheduler.driver-size-mb": "2048"}, 6),
        ({"dataproc:dataproc.scheduler.driver-size-mb": "8192"}, 5),
        ({"dataproc:dataproc.scheduler.max-concurrent-jobs": "3"}, 3),
    ],
)
def test_most_drivers(properties: dict[str, str], most: int) -> None:
    assert most_drivers(cluster(properties)) == most


def test_a_cluster_without_workers_works_on_its_master() -> None:
    assert wanted_workers(cluster()) == {"one-m": "master"}
    grown = cluster(workerConfig={"numInstances": 2}, secondaryWorkerConfig={"numInstances": 1})
    assert list(wanted_workers(grown).values()) == ["worker", "worker", "secondary"]


def test_a_node_keeps_its_address(tmp_path: Path) -> None:
    book = NodeBook(tmp_path / "nodes.json", Network("127.22.8"))
    first, second = book.address("one-w-0", "worker"), book.address("one-w-1", "worker")
    book.end_at("one-w-1", 5.0)
    again = NodeBook(tmp_path / "nodes.json", Network("127.22.8"))
    assert [again.address(name, "worker") for name in ("one-w-1", "one-w-0")] == [second, first]
    assert again.address("one-m", "master") == "127.22.8.1"
    assert (again.due(4.9), again.due(5.0)) == ([], ["one-w-1"])


class Seen:
    """An engine that shows one application."""

    def __init__(self, state: str) -> None:
        self.application = {"id": "application_1", "state": state}

    def snapshot(self, _identity: str) -> Snapshot:
        return Snapshot(0.0, {}, {"application_1": self.application})


class Clock:
    def __init__(self) -> None:
        self.instant = NOON + timedelta(hours=1)

    def now(self) -> datetime:
        return self.instant


def test_a_yarn_application_keeps_a_cluster_from_being_idle() -> None:
    engine, clock = Seen("ACCEPTED"), Clock()
    idle = ClusterIdle(engine, clock)  # type: ignore[arg-type]
    jobs_ended = NOON + timedelta(minutes=5)
    assert idle.since(cluster(), jobs_ended) is None
    unseen = cluster({"dataproc:dataproc.cluster-ttl.consider-yarn-activity": "false"})
    assert ClusterIdle(engine, clock).since(unseen, jobs_ended) == jobs_ended  # type: ignore[arg-type]
    engine.application["state"] = "FINISHED"
    assert idle.since(cluster(), jobs_ended) == clock.instant
    assert idle.since(cluster(), None) is None


def test_a_driver_is_called_with_properties_files_and_tags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    job = {
        "reference": {"jobId": "J" * 100},
        "placement": {"clusterUuid": "uuid"},
        "jobUuid": "job-uuid",
        "pysparkJob": {"args": ["--x", "a b"], "properties": {"spark.yarn.queue": "root.low", "spark.yarn.tags": "t"}},
    }
    files = JobFiles(
        main=tmp_path / "main.py",
        python=[tmp_path / "a.py", tmp_path / "b.zip"],
        archives=[(tmp_path / "archives" / "env.tar.gz", tmp_path / "work" / "alias")],
    )
    places = {"uuid": Place()}
    caller = SparkCaller(
        Path("/python"), Path("/spark"), lambda identity: {"HADOOP_CONF_DIR": f"/{identity}/conf"}, places.__getitem__
    )
    call = caller.call(job, files, tmp_path)
    assert call.arguments[0] == "/spark/bin/spark-submit"
    assert call.arguments[-3:] == [str(tmp_path / "main.py"), "--x", "a b"]
    options = dict(zip(call.arguments[1:-3:2], call.arguments[2:-3:2], strict=True))
    assert options["--py-files"] == f"{tmp_path}/a.py,{tmp_path}/b.zip"
    assert options["--archives"] == f"{tmp_path}/archives/env.tar.gz#alias"
    assert "spark.yarn.queue=root.low" in call.arguments
    tags = next(part for part in call.arguments if part.startswith("spark.yarn.tags=")).partition("=")[2].split(",")
    assert tags[0] == "t"
    assert {"dataproc_uuid_job-uuid", "dataproc_master_index_0"} < set(tags)
    assert max(map(len, tags)) == 100
    assert call.environment["HADOOP_USER_NAME"] == "root"
    assert call.environment["HADOOP_CONF_DIR"] == "/uuid/conf"
    places["uuid"] = Place(["enter", "node"])
    entered = caller.call(job, files, tmp_path)
    assert entered.arguments == ["enter", "node", f"--chdir={tmp_path}", *call.arguments]
    assert entered.environment["TMPDIR"] == "/tmp"  # noqa: S108


def action(text: str, seconds: float = 10) -> InitAction:
    return InitAction("gs://code/act.sh", 0, text.encode(), seconds)


def test_an_action_says_whether_it_is_confined() -> None:
    assert not action("#!/bin/sh\nexit 1\n").is_confined
    assert action(f"#!/bin/sh\n{SCOPE_LINE}\nexit 1\n").is_confined


def test_an_action_runs_with_the_environment_of_its_call(tmp_path: Path) -> None:
    call = Call(["env", "ENTERED=yes"], {"PATH": "/usr/bin:/bin", "HADOOP_CONF_DIR": str(tmp_path)}, tmp_path)
    output = run(action('#!/bin/sh\necho "$HADOOP_CONF_DIR $ENTERED $HOME"\n'), call, "one-m", "gs://b/f")
    assert output.read_text() == f"{tmp_path} yes \n"


def test_an_action_that_takes_too_long_is_named(tmp_path: Path) -> None:
    slow = action(f"#!/bin/sh\n{SCOPE_LINE}\nsleep 60\n", seconds=0.2)
    expected = (
        "Initialization action timed out. Failed action 'gs://code/act.sh', see output in: "
        "gs://b/f/one-m/dataproc-initialization-script-0_output"
    )
    with pytest.raises(ClusterEngineError) as problem:
        run(slow, Call([], {"PATH": "/usr/bin:/bin"}, tmp_path), "one-m", "gs://b/f")
    assert str(problem.value) == expected
    left = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, text=True, check=False).stdout
    assert left == "", json.dumps(left)
