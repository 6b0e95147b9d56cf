"""The run record: layout, round trip, what readers see, and that writing it never fails a job."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import fsspec
import pytest
from dask_on_yarn import cost, run_record
from dask_on_yarn.run_record import RunRecord, Tasks, Workers, YarnUsage


def full_record() -> RunRecord:
    record = RunRecord(run="dask-run-1", workload="flights-etl", owner="ada", queue="root.normal", job_id="job-1")
    record.workers = Workers(wanted_min=1, wanted_max=10, granted_max=3)
    for seconds, count in ((0.0, 0), (12.34, 1), (13.0, 1), (20.0, 3)):
        record.workers.sample(seconds, count)
    record.tasks = Tasks(count=100, erred=1, retried=2)
    record.yarn = YarnUsage(1024 * 3600, 7200)
    record.cost = cost.estimate(1024 * 3600, 7200, 0.03, 0.004)
    record.limits.append("ada asked for 10 workers and gets 3")
    record.finish(0)
    return record


def test_round_trip() -> None:
    record = full_record()
    assert RunRecord.from_json(record.to_json()) == record
    content = json.loads(record.to_json())
    assert content["workers"]["over_time"] == [[0.0, 0], [12.3, 1], [20.0, 3]]
    assert content["cost"]["label"] == "estimate"
    assert content["cost"]["price_vcore_hour"] == 0.03
    assert content["result"] == {"exit_code": 0, "reason": ""}
    assert content["wall_seconds"] >= 0


def test_every_field_is_documented() -> None:
    for name in json.loads(full_record().to_json()):
        assert f"``{name}``" in run_record.__doc__, name


def test_partial_information_is_enough() -> None:
    record = RunRecord(run="dask-run-2")
    content = json.loads(record.to_json())
    assert content["started"].endswith("+00:00")
    assert content["application_id"] is None
    assert content["yarn"] is None
    assert RunRecord.from_json('{"run": "x", "from_the_future": 1, "tasks": {"count": 3, "more": 1}}').tasks.count == 3


def test_files_come_first_and_the_record_last(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("<html>")
    url = full_record().write(f"file://{tmp_path}/runs/job-1/", {"performance-report.html": tmp_path / "report.html"})
    assert url == f"file://{tmp_path}/runs/job-1/run.json"
    directory = tmp_path / "runs" / "job-1"
    assert sorted(entry.name for entry in directory.iterdir()) == ["performance-report.html", "run.json"]
    assert json.loads((directory / "run.json").read_text())["files"] == ["performance-report.html"]
    with pytest.raises(FileNotFoundError):
        full_record().write(f"file://{tmp_path}/other", {"x": tmp_path / "missing"})
    assert not (tmp_path / "other" / "run.json").exists()


def test_a_plain_path_and_a_store_in_memory(tmp_path: Path) -> None:
    full_record().write(str(tmp_path / "plain"))
    assert (tmp_path / "plain" / "run.json").exists()
    full_record().write("memory://runs/job-1")
    with fsspec.open("memory://runs/job-1/run.json") as file:
        assert RunRecord.from_json(file.read().decode()).owner == "ada"


def test_readers_never_see_half_a_record(tmp_path: Path) -> None:
    record = full_record()
    record.warnings = ["x" * 1000] * 200
    record.write(str(tmp_path))
    stop = threading.Event()
    broken: list[str] = []

    def read() -> None:
        while not stop.is_set():
            try:
                json.loads((tmp_path / "run.json").read_text())
            except ValueError as error:
                broken.append(str(error))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(100):
        record.write(str(tmp_path))
    stop.set()
    reader.join()
    assert broken == []
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.json"]


def test_a_failed_or_hanging_write_is_only_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    (tmp_path / "file").write_text("")
    record = full_record()
    assert record.write_or_say(f"{tmp_path}/file/runs", said.append) is None
    assert record.write_or_say("nosuch://bucket/runs", said.append) is None
    assert said[0].startswith(f"the run record is not written: {tmp_path}/file/runs: ")
    assert "nosuch" in said[1]
    hanging = threading.Event()
    monkeypatch.setattr(RunRecord, "write", lambda *_: hanging.wait(60))
    # Who waited for the write would return what it returns.
    assert record.write_or_say("gs://bucket", said.append, timeout=0.1) is None
    hanging.set()
    assert said[2] == "the run record is not written: gs://bucket did not answer within 0.1 s"


def test_a_good_write_returns_where(tmp_path: Path) -> None:
    assert full_record().write_or_say(str(tmp_path), pytest.fail) == f"{tmp_path}/run.json"
