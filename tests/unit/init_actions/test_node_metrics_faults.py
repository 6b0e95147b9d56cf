"""The metrics agent among servers, announcements and counters that users' code made up, and a Google that refuses."""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import tracemalloc
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from node_metrics import agent as agents
from node_metrics import figures, points, scraping
from node_metrics.agent import Agent, Log, Settings
from node_metrics.counters import Counters
from node_metrics.exposition import Sample, parse
from node_metrics.figures import Reading
from node_metrics.google import Machine, Outcome
from node_metrics.targets import Target

MACHINE = Machine("acme", "4711", "europe-west3-a", "etl-m", "etl", "Master")
LABELS = {"owner": "ada", "workload": "flights-etl", "run": "job-1"}
HEAD = b"HTTP/1.1 200 OK\r\n"


# -- servers


@contextlib.contextmanager
def answering(pieces: Iterable[bytes], pause: float = 0) -> Iterator[int]:
    """A server of one connection that sends the pieces, with pauses, and closes; its port."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connected, _address = listener.accept()
            with connected, contextlib.suppress(OSError):
                connected.recv(65536)
                for piece in pieces:
                    connected.sendall(piece)
                    if done.wait(pause):
                        return

        thread = threading.Thread(target=answer)
        thread.start()
        yield listener.getsockname()[1]
        done.set()
        thread.join(10)


@pytest.mark.parametrize("start", [b"HTTP/1.1 2", HEAD + b"X: ", HEAD + b"\r\n"], ids=["status", "header", "content"])
def test_a_server_that_sends_a_byte_now_and_then_has_so_long_in_all(
    monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    monkeypatch.setattr(scraping, "_SECONDS", 0.3)
    # Each byte comes well within the time, all of them do not.
    with answering([start, *[b"0"] * 100], pause=0.03) as port, pytest.raises(TimeoutError):
        scraping.get("127.0.0.1", port, "/metrics")


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b"\r\n" + b"x" * 3000,
        HEAD + b"Content-Length: 3000\r\n\r\n" + b"x" * 3000,
        HEAD + b"Content-Length: 99999999999999999999\r\n\r\n" + b"x" * 3000,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nbb8\r\n" + b"x" * 3000,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n" + b"x" * 3000,
        HEAD + b"X: y\r\n" * 600,
    ],
    ids=["no length", "length", "any length", "chunk", "negative chunk", "headers"],
)
def test_an_answer_that_is_too_large_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    monkeypatch.setattr(scraping, "_LARGEST", 2000)
    with answering([answer]) as port, pytest.raises(OSError, match="of more than 2000 bytes"):
        scraping.get("127.0.0.1", port, "/metrics")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (HEAD + b"Content-Length: 20\r\n\r\na 12", "ended 16 bytes early"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n14\r\na 12", "IncompleteRead"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nhello\r\n", "IncompleteRead"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n", "ValueError"),
        (b"SSH-2.0-OpenSSH\r\n", "BadStatusLine"),
        (b"", "RemoteDisconnected"),
        (b"HTTP/1.1 500 No\r\n\r\n", "answered HTTP 500, expected 200"),
    ],
)
def test_an_answer_that_is_none_is_no_answer(answer: bytes, message: str) -> None:
    with answering([answer]) as port, pytest.raises(OSError, match=message):
        scraping.get("127.0.0.1", port, "/metrics")


@pytest.mark.parametrize(
    "text",
    [
        b'dask_worker_tasks{state="ready"} 1\n' * 20000,
        b"dask_worker_tasks{" + b",".join(b'a%d=""' % number for number in range(60000)) + b"} 1\n",
        b"dask_worker_tasks " + b"ab " * 230000,
        b"ab\n" * 230000,
    ],
    ids=["samples", "labels", "words", "lines"],
)
def test_no_answer_takes_memory_many_times_its_size(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    largest = 768 << 10
    monkeypatch.setattr(scraping, "_LARGEST", largest)
    worker = Target("worker", "127.0.0.1", 0, 1.5, {**LABELS, "worker": "worker-1"})
    with answering([HEAD + b"\r\n" + text]) as port:
        tracemalloc.start()
        try:
            readings = scraping.read_target(Target(**{**vars(worker), "port": port}))
            _now, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert readings[0] == Reading(figures.WORKER_UP, 1, worker.labels)
    # Four of the real size at a time, and the program, in the unit's 128 MiB.
    assert most < 5 * largest, most / largest


def test_lines_that_nobody_writes_are_passed_over() -> None:
    assert list(parse('a{b="' + "c" * 70000 + '"} 1\na 2\r\na 3', {"a"})) == [Sample("a", 2.0), Sample("a", 3.0)]


# -- values


def test_values_that_google_does_not_take_are_left_out() -> None:
    readings = [
        *(Reading(figures.TASKS, value, {"state": str(value)}) for value in (1e30, -1e30, 2.0**63, math.inf, math.nan)),
        *(Reading(figures.CPU, value, {"of": str(value)}) for value in (math.inf, -math.inf, math.nan)),
        Reading(figures.TASKS, -(2.0**63)),
        Reading(figures.CPU, 1e30),
    ]
    values = [series["points"][0]["value"] for series in points.time_series(readings, MACHINE, 1000.0)]
    assert values == [{"int64Value": str(-(2**63))}, {"doubleValue": 1e30}]


def test_a_sum_that_is_too_large_for_a_number_is_left_out() -> None:
    text = (
        b'dask_scheduler_tasks_compute_seconds_total{task_prefix_name="a"} 1.7e308\n'
        b'dask_scheduler_tasks_compute_seconds_total{task_prefix_name="b"} 1.7e308\n'
        b"dask_scheduler_desired_workers 1e308\ndask_scheduler_desired_workers 1e308\n"
    )
    with answering([HEAD + b"\r\n" + text]) as port:
        readings = scraping.read_target(Target("scheduler", "127.0.0.1", port, 1.5, LABELS))
    (series,) = points.time_series(readings, MACHINE, 1000.0)
    assert series["metric"]["type"] == figures.SCHEDULER_UP.type


# -- counters


class Scheduler:
    """Looks at a scheduler that began at 500, once a minute from 1000 on; the intervals that Google gets."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.now = 1000.0

    def look(self, *values: float, labels: dict[str, str] = LABELS, began: float = 500.0) -> list[tuple[str, str]]:
        """What is sent of a counter with these values, if it is there at all."""
        readings = [Reading(figures.SCHEDULER_UP, 1, labels)]
        readings += [Reading(figures.COMPUTED, value, labels, began) for value in values]
        found = self.counters.since_they_fell(readings, self.now)
        series = points.time_series(found, MACHINE, self.now)
        self.now += 60.0
        intervals = [each["points"][0]["interval"] for each in series if each["metricKind"] == "CUMULATIVE"]
        return [(interval["startTime"][14:-1], interval["endTime"][14:-1]) for interval in intervals]


def test_a_counter_that_falls_counts_from_the_look_before() -> None:
    scheduler = Scheduler()
    assert scheduler.look(7.0) == [("08:20.000", "16:40.000")]
    assert scheduler.look(7.0) == [("08:20.000", "17:40.000")]
    # Google refuses the very end of the last interval.
    assert scheduler.look(2.0) == [("17:40.001", "18:40.000")]
    assert scheduler.look(3.0) == [("17:40.001", "19:40.000")]
    assert scheduler.look(9.0) == [("17:40.001", "20:40.000")]
    assert scheduler.look(8.0) == [("20:40.001", "21:40.000")]


def test_the_next_interval_begins_later_than_any_end() -> None:
    ends = [number / 1000 for number in range(1000, 3000)]
    assert [end for end in ends if points.timestamp(points.earliest_after(end)) <= points.timestamp(end)] == []


def test_the_agent_sends_counters_that_fell_with_their_new_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, values = iter([1000.0, 1060.0]), iter([7.0, 2.0])
    monkeypatch.setattr(agents, "time", SimpleNamespace(time=lambda: next(clock), monotonic=lambda: 0.0))
    monkeypatch.setattr(
        scraping, "read_targets", lambda _targets: [Reading(figures.COMPUTED, next(values), LABELS, 500.0)]
    )
    monitoring = Monitoring()
    agent = an_agent([], monitoring, tmp_path, [])
    agent.round()
    agent.round()
    ((first,), (second,)) = monitoring.series
    assert first["points"][0]["interval"]["startTime"] == "1970-01-01T00:08:20.000Z"
    assert second["points"][0]["interval"]["startTime"] == "1970-01-01T00:16:40.001Z"


def test_a_counter_that_is_not_there_for_a_while_is_not_forgotten() -> None:
    scheduler = Scheduler()
    scheduler.look(7.0)
    assert scheduler.look() == []
    assert scheduler.look(2.0) == [("16:40.001", "18:40.000")]


def test_a_scheduler_that_is_gone_is_forgotten() -> None:
    scheduler = Scheduler()
    scheduler.look(7.0)
    scheduler.look(2.0)
    scheduler.look(1.0, labels={**LABELS, "run": "job-2"})
    assert [dict(labels)["run"] for _figure, labels in scheduler.counters._looks] == ["job-2"]


def test_a_second_scheduler_of_a_run_counts_from_its_own_start_or_from_the_look_before() -> None:
    scheduler = Scheduler()
    scheduler.look(7.0)
    assert scheduler.look(8.0, began=1030.0) == [("17:10.000", "17:40.000")]
    # At the same time as the first one.
    assert scheduler.look(9.0, began=600.0) == [("17:40.001", "18:40.000")]
    # Of both at once the first one is sent, and neither is taken for one that fell.
    assert scheduler.look(10.0, 1.0, began=600.0) == [("17:40.001", "19:40.000")]
    assert scheduler.look(11.0, 2.0, began=600.0) == [("17:40.001", "20:40.000")]


# -- rounds


class Monitoring:
    """A Cloud Monitoring that answers with these statuses, or raises these errors, and then takes everything."""

    def __init__(self, *outcomes: int | Exception) -> None:
        self.outcomes = list(outcomes)
        self.requests: list[int] = []
        self.series: list[list[dict[str, Any]]] = []

    def write(self, _project: str, series: list[dict[str, Any]]) -> Outcome:
        """Take a request; it is kept, and its number of points."""
        self.requests.append(len(series))
        self.series.append(series)
        outcome = self.outcomes.pop(0) if self.outcomes else 200
        if isinstance(outcome, Exception):
            raise outcome
        return Outcome(outcome, "what Google says")


def an_agent(
    lines: list[str], monitoring: Monitoring, directory: Path, readings: Iterable[Reading] | Exception
) -> Agent:
    """The agent of a node that reads this of itself, and Dask's announcements in a directory."""

    def read() -> Iterable[Reading]:
        if isinstance(readings, Exception):
            raise readings
        return readings

    settings = Settings(groups=("node", "dask"), directory=directory)
    metadata = SimpleNamespace(machine=lambda: MACHINE)
    return Agent(settings, metadata, monitoring, Log(lines.append), SimpleNamespace(read=read))


MANY = [Reading(figures.DISK, 0.5, {"disk": f"/mnt/{number}"}) for number in range(401)]


def test_a_refused_request_stops_none_of_the_round(tmp_path: Path) -> None:
    lines: list[str] = []
    monitoring = Monitoring(400, 200, 400)
    agent = an_agent(lines, monitoring, tmp_path, MANY)
    agent.round()
    assert monitoring.requests == [200, 200, 1]
    assert lines == ["Cloud Monitoring refuses some points (HTTP 400): what Google says"]
    assert "node_metrics_points_written_total 200\n" in agent.text
    assert "node_metrics_write_failures_total 2\n" in agent.text


@pytest.mark.parametrize("status", [403, 503, 0])
def test_a_failure_that_is_not_one_of_points_ends_the_round(tmp_path: Path, status: int) -> None:
    monitoring = Monitoring(status)
    an_agent([], monitoring, tmp_path, MANY).round()
    assert monitoring.requests == [200]


def test_only_a_request_that_was_taken_says_that_points_are_taken_again(tmp_path: Path) -> None:
    lines: list[str] = []
    agent = an_agent(lines, Monitoring(503, 400, 200), tmp_path, MANY[:1])
    agent.round()
    agent.round()
    assert [line.partition(":")[0] for line in lines] == [
        "Cloud Monitoring does not take points now",
        "Cloud Monitoring refuses some points (HTTP 400)",
    ]
    agent.round()
    assert lines[2:] == ["Cloud Monitoring takes points again, after 2 failures"]


def test_a_round_that_is_held_up_at_its_beginning_is_not_followed_by_one_too_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, held_up = [1000.0], 0.3

    def read() -> float:
        now = clock[0]
        clock[0] += held_up
        return now

    monkeypatch.setattr(agents, "time", SimpleNamespace(time=read, monotonic=read))
    monitoring = Monitoring()
    agent = an_agent([], monitoring, tmp_path, MANY[:1])
    begun = agent.round()
    # Awake in the very moment when the next one is due, and at once.
    clock[0], held_up = begun + 5, 0.0
    agent.round()
    ends = [datetime.fromisoformat(series["points"][0]["interval"]["endTime"]) for (series,) in monitoring.series]
    assert ends[1] - ends[0] >= timedelta(seconds=5)


def test_what_nobody_thought_of_is_a_line_and_the_next_round_is_as_any_other(tmp_path: Path) -> None:
    lines: list[str] = []
    monitoring = Monitoring(OverflowError("too large"), OverflowError("too large"))
    agent = an_agent(lines, monitoring, tmp_path, MANY[:1])
    for _round in range(3):
        agent.round()
    assert monitoring.requests == [1, 1, 1]
    assert lines == ["a round ended early: OverflowError('too large')", "rounds end in good order again"]


def test_a_group_that_fails_in_any_way_does_not_take_the_others_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monitoring = Monitoring()
    agent = an_agent(lines, monitoring, tmp_path, RuntimeError("can't start new thread"))
    monkeypatch.setattr(scraping, "read_targets", lambda _targets: [Reading(figures.SCHEDULER_UP, 1, LABELS)])
    agent.round()
    assert monitoring.requests == [1]
    assert lines == ["no figures of node: can't start new thread"]
