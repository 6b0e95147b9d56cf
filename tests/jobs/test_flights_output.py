"""How the example jobs replace their output: as a whole, or not at all."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import fsspec
import pytest

EXAMPLES = Path(__file__).parents[2] / "jobs" / "examples"
SHARED = {"packaged_tables", "whole_output", "publish", "published_data", "find_table", "read_flights", "read_lookup"}


@pytest.fixture(scope="module")
def etl() -> ModuleType:
    spec = importlib.util.spec_from_file_location("flights_etl", EXAMPLES / "flights_etl.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=["directory", "objects"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "out") if request.param == "directory" else f"memory://bucket/{tmp_path.name}/out"


def names(target: str) -> list[str]:
    """Return the files below the directory that holds ``target``, relative to it."""
    filesystem, path = fsspec.url_to_fs(target)
    parent = path.rsplit("/", 1)[0]
    return sorted(name.removeprefix(parent + "/") for name in filesystem.find(parent))


def write(directory: str, name: str, text: str) -> None:
    with fsspec.open(f"{directory}/{name}", "w", auto_mkdir=True) as file:
        file.write(text)


def write_run(staging: str, generation: str) -> None:
    write(staging, f"flights/{generation}.parquet", generation)
    write(staging, "summary.json", json.dumps({"generation": generation}))


def read(target: str) -> list[str]:
    """Return the files of the published output as a reader finds them: by its summary."""
    with fsspec.open(f"{target}/summary.json", "r") as file:
        data = json.load(file).get("data", target)
    filesystem, path = fsspec.url_to_fs(data)
    return sorted(name.removeprefix(path + "/") for name in filesystem.find(path))


def test_a_successful_run_replaces_the_whole_output(etl: ModuleType, target: str) -> None:
    with etl.whole_output(target) as staging:
        write_run(staging, "old")
    assert read(target) == ["flights/old.parquet", "summary.json"]
    with etl.whole_output(target) as staging:
        write_run(staging, "new")
        assert read(target) == ["flights/old.parquet", "summary.json"]
    assert read(target) == ["flights/new.parquet", "summary.json"]


def test_data_in_an_object_store_are_kept_until_the_run_after_the_next(etl: ModuleType, tmp_path: Path) -> None:
    target = f"memory://bucket/{tmp_path.name}/out"
    for generation in ("first", "second"):
        with etl.whole_output(target) as staging:
            write_run(staging, generation)
    kept = [name for name in names(target) if name.endswith(".parquet")]
    assert sorted(name.rpartition("/")[2] for name in kept) == ["first.parquet", "second.parquet"]
    with etl.whole_output(target) as staging:
        assert [name.rpartition("/")[2] for name in names(target) if name.endswith(".parquet")] == ["second.parquet"]
        write_run(staging, "third")
    assert read(target) == ["flights/third.parquet", "summary.json"]


def test_a_failing_run_changes_nothing(etl: ModuleType, target: str) -> None:
    with etl.whole_output(target) as staging:
        write_run(staging, "old")
    before = names(target)
    with pytest.raises(ZeroDivisionError), etl.whole_output(target) as staging:
        write(staging, "flights/half.parquet", "half")
        raise ZeroDivisionError
    assert names(target) == before


def test_the_newest_of_two_runs_wins(etl: ModuleType, target: str) -> None:
    with pytest.raises(FileNotFoundError), etl.whole_output(target) as slow:
        with etl.whole_output(target) as newer:
            write_run(newer, "newer")
        write_run(slow, "slow")
    assert read(target) == ["flights/newer.parquet", "summary.json"]


def test_what_the_job_did_not_write_is_never_replaced(etl: ModuleType, target: str) -> None:
    write(target, "thesis.txt", "years of work")
    with pytest.raises(SystemExit, match=r"holds thesis.txt; expected a new directory"), etl.whole_output(target):
        pass
    assert names(target) == ["out/thesis.txt"]


def test_a_bucket_as_output_is_refused(etl: ModuleType) -> None:
    with pytest.raises(SystemExit, match="gs://bucket is a whole bucket"):
        refuse_bucket(etl)


def refuse_bucket(etl: ModuleType) -> None:
    class Bucket(fsspec.AbstractFileSystem):
        protocol = "gs"

        def exists(self, path: str, **options: object) -> bool:
            return False

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(etl.fsspec, "url_to_fs", lambda _: (Bucket(), "bucket"))
        with etl.whole_output("gs://bucket"):
            pass


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_run_leaves_the_old_output_and_the_next_one_cleans_up(
    etl: ModuleType, tmp_path: Path, ending: signal.Signals
) -> None:
    target = tmp_path / "out"
    with etl.whole_output(str(target)) as staging:
        write(staging, "summary.json", "old")
    command = [sys.executable, str(EXAMPLES / "flights_etl.py"), "--output", str(target)]
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("out.run-*/flights")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    if ending == signal.SIGKILL:
        os.killpg(process.pid, ending)
    else:
        process.terminate()
    assert process.wait(60) in (-ending, 128 + ending)
    assert [path.name for path in target.iterdir()] == ["summary.json"]
    assert (target / "summary.json").read_text() == "old"
    with etl.whole_output(str(target)) as staging:
        write(staging, "summary.json", "new")
    assert names(str(target)) == ["out/summary.json"]


def test_the_examples_share_one_way_of_reading_and_replacing() -> None:
    """Each example is one file that runs anywhere, so they hold copies; this keeps the copies the same."""
    sources = []
    for name in ("flights_etl.py", "flights_analytics.py", "flights_delay_model.py"):
        text = (EXAMPLES / name).read_text()
        functions = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name in SHARED]
        assert {function.name for function in functions} == SHARED
        sources.append({function.name: ast.get_source_segment(text, function) for function in functions})
    assert sources[0] == sources[1] == sources[2]
