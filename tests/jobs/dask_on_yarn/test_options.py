"""The command line: what it means, and what a wrong one is told."""

import pytest
from dask_on_yarn.exit_codes import BAD_OPTIONS, RunEnded
from dask_on_yarn.options import parse

LEAST = ["--script", "gs://b/x.py", "--owner", "ada", "--workload", "etl"]


def test_everything_after_two_dashes_belongs_to_the_script():
    options = parse([*LEAST, "--", "--owner", "grace", "--", "x"])
    assert options.owner == "ada"
    assert options.script_arguments == ("--owner", "grace", "--", "x")


def test_the_queue_is_named_after_the_priority():
    assert parse([*LEAST, "--priority", "critical"]).queue == "root.critical"


@pytest.mark.parametrize(("container", "limit"), [(12288, 10240), (2048, 1024), (6144, 5120), (24576, 22528)])
def test_dask_gets_the_container_without_what_spark_needs(container, limit):
    assert parse([*LEAST, "--worker-memory-mb", str(container)]).worker_limit_mb == limit


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        (["--min-workers", "3", "--max-workers", "2"], "--min-workers 3 is more than --max-workers 2"),
        (["--worker-memory-mb", "1024"], "--worker-memory-mb 1024: expected at least 1536"),
        (["--master-memory-mb", "512"], "--master-memory-mb 512"),
        (["--max-workers", "0"], "--max-workers: '0'"),
        (["--timeout", "soon"], "--timeout: 'soon'"),
        (["--price-vcore-hour", "-1"], "--price-vcore-hour"),
        (["--owner", "Ada Lovelace"], "--owner 'Ada Lovelace'"),
        (["--workers", "2"], "--workers"),
    ],
)
def test_a_wrong_option_is_named_with_its_value(extra, told):
    with pytest.raises(RunEnded) as caught:
        parse([*LEAST, *extra])
    assert caught.value.exit_code == BAD_OPTIONS
    assert told in caught.value.reason


def test_a_missing_option_is_named():
    with pytest.raises(RunEnded) as caught:
        parse(LEAST[:4])
    assert "--workload" in caught.value.reason
