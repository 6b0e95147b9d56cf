"""The metrics agent: what it reads, what it selects, what it sends, and what it does when that fails."""

from __future__ import annotations

import json
import math
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from node_metrics import agent as agents
from node_metrics import figures, hadoop, node, points, scraping
from node_metrics.__main__ import main, read_configuration
from node_metrics.agent import Agent, Log, Settings
from node_metrics.exposition import Sample, parse, render
from node_metrics.figures import Reading
from node_metrics.google import Machine, Metadata, Monitoring, Outcome
from node_metrics.targets import Target

from tests.unit.init_actions.fake_google import Google, serve

REPOSITORY = Path(__file__).parents[3]
MACHINE = Machine("acme", "4711", "europe-west3-a", "etl-w-0", "etl", "Worker")
LABELS = {"owner": "ada", "workload": "flights-etl", "run": "job-1"}
# As distributed 2026.8.0 with prometheus_client 0.26.0 answers, cut down.
SCHEDULER = """# HELP dask_scheduler_workers Number of workers known by scheduler
# TYPE dask_scheduler_workers gauge
dask_scheduler_workers{state="idle"} 1.0
dask_scheduler_workers{state="saturated"} 2.0
dask_scheduler_workers{state="from the future"} 9.0
dask_scheduler_desired_workers 3.0
dask_scheduler_tasks{state="no-worker"} 4.0
dask_scheduler_tasks{state="released"} 11.0
dask_scheduler_tasks_compute_seconds_total{task_prefix_name="a \\"b\\" {c}"} 1.5
dask_scheduler_tasks_compute_seconds_total{task_prefix_name="read\\\\csv"} 2.0
dask_scheduler_tasks_compute_seconds_created{task_prefix_name="a"} 1.7e+09
dask_scheduler_tick_duration_maximum_seconds NaN
"""
WORKER = """dask_worker_memory_bytes{type="managed"} 8.4668416e+07
dask_worker_memory_bytes{type="unmanaged"} 5.0
dask_worker_memory_bytes{type="spilled"} 1e+09
dask_worker_tasks{state="executing"} 2.0
dask_worker_tick_duration_maximum_seconds 0.25
"""


# -- reading


def test_samples_are_read_with_their_labels() -> None:
    wanted = {"dask_scheduler_tasks_compute_seconds_total", "dask_scheduler_desired_workers"}
    assert list(parse(SCHEDULER, wanted)) == [
        Sample("dask_scheduler_desired_workers", 3.0),
        Sample("dask_scheduler_tasks_compute_seconds_total", 1.5, {"task_prefix_name": 'a "b" {c}'}),
        Sample("dask_scheduler_tasks_compute_seconds_total", 2.0, {"task_prefix_name": "read\\csv"}),
    ]


@pytest.mark.parametrize("line", ["a", 'a{b="c" 1', 'a{b="c"} x', "a{b=c} 1", "# a 1", "", "a{} ", '{a="b"} 1'])
def test_lines_that_are_no_samples_are_passed_over(line: str) -> None:
    assert list(parse(f"{line}\na 1\n", {"a"})) == [Sample("a", 1.0)]


def test_what_is_written_can_be_read() -> None:
    samples = [Sample("a", 1.5, {"x": 'q"\\\n', "y": "z"}), Sample("b", math.inf), Sample("a", 2, {"x": "w", "y": "z"})]
    text = render(samples, {"a": "says\nmore"})
    assert text.splitlines()[0] == "# HELP a says\\nmore"
    assert sorted(parse(text, {"a", "b"}), key=str) == sorted(samples, key=str)


def test_processor_time_is_of_the_time_between_two_looks(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "mounts").write_text("overlay / overlay rw 0 0\n")
    (tmp_path / "meminfo").write_text("MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 250 kB\n")
    # user nice system idle iowait irq softirq steal guest guest_nice
    (tmp_path / "stat").write_text("cpu  100 0 100 800 0 0 0 0 50 0\ncpu0 1 1 1 1 1 1 1 1\nprocs_blocked 3\n")
    found = node.Node(tmp_path)
    first = {reading.figure: reading.value for reading in found.read()}
    assert figures.CPU not in first
    assert first[figures.MEMORY] == 0.75
    assert first[figures.BLOCKED] == 3
    (tmp_path / "stat").write_text("cpu  120 0 110 850 15 0 0 5 50 0\nprocs_blocked 0\n")
    second = {reading.figure: reading.value for reading in found.read()}
    assert second[figures.CPU] == pytest.approx(0.35)
    assert next(iter(found.read())).figure == figures.BLOCKED, "no time has passed"


def test_disks_are_local_ones() -> None:
    mounts = (
        "/dev/sda1 / ext4 rw 0 0\n/dev/sda15 /boot/efi vfat rw 0 0\n/dev/nvme0n1 /mnt/1 ext4 rw 0 0\n"
        "10.10.4.2:/vol /mnt/nfs nfs rw 0 0\n/dev/loop0 /opt/dataplatform/environment squashfs ro 0 0\n"
        "/dev/nvme0n1 /mnt/1 ext4 rw 0 0\ntmpfs /run tmpfs rw 0 0\n"
    )
    assert node.disks(mounts) == ["/", "/mnt/1"]
    assert 0 < node.disk_utilization("/") <= 1


SITE = """<configuration>
<property><name>yarn.resourcemanager.hostname</name><value>etl-m</value></property>
<property><name>yarn.resourcemanager.webapp.address</name><value>{}</value></property>
</configuration>"""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("etl-m:8088", ("etl-m", 8088)),
        ("${yarn.resourcemanager.hostname}:9", ("etl-m", 9)),
        ("0.0.0.0:9", (socket.gethostname(), 9)),
        ("", (socket.gethostname(), 8088)),
    ],
)
def test_yarns_web_address_is_hadoops_configuration(tmp_path: Path, value: str, expected: tuple[str, int]) -> None:
    site = tmp_path / "yarn-site.xml"
    site.write_text(SITE.format(value))
    assert hadoop.web_address(site, "yarn.resourcemanager.webapp.address", 8088) == expected
    site.write_text("<configuration>")
    with pytest.raises(OSError, match="is not XML"):
        hadoop.web_address(site, "x", 1)


# -- servers on the node


@pytest.fixture(name="answers")
def server_with_answers() -> Iterator[dict[str, Any]]:
    """A server; its answers by path are in the mapping, and its port is there as ``port``."""
    answers: dict[str, Any] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers.get(unquote(self.path))
            content = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
            self.send_response(200 if answer is not None else 503)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    answers["port"] = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield answers
    server.shutdown()
    server.server_close()


def values(readings: list[Reading]) -> dict[tuple[str, ...], float]:
    """Values by the figure's name and the labels that are not the run's."""
    return {
        (
            reading.figure.name,
            *(value for key, value in sorted(reading.labels.items()) if key not in LABELS),
        ): reading.value
        for reading in readings
    }


def test_of_a_scheduler_the_listed_figures_are_taken(answers: dict[str, Any]) -> None:
    answers["/metrics"] = SCHEDULER
    found = scraping.read_target(Target("scheduler", "127.0.0.1", answers["port"], 12.5, LABELS))
    assert values(found) == {
        ("dask/scheduler_up",): 1,
        ("dask/workers", "idle"): 1,
        ("dask/workers", "saturated"): 2,
        ("dask/workers_wanted",): 3,
        ("dask/tasks", "no-worker"): 4,
        ("dask/compute_time",): 3.5,
    }
    assert {reading.since for reading in found if reading.figure.kind == "CUMULATIVE"} == {12.5}


def test_of_a_worker_the_listed_figures_are_taken(answers: dict[str, Any]) -> None:
    answers["/metrics"] = WORKER
    labels = {**LABELS, "worker": "worker-1"}
    found = scraping.read_targets([Target("worker", "127.0.0.1", answers["port"], 0, labels)])
    assert values(found)["dask/worker_memory", "spilled", "worker-1"] == 1e9
    assert values(found)["dask/worker_delay", "worker-1"] == 0.25
    assert all(reading.labels.items() >= labels.items() for reading in found)


def test_what_does_not_answer_is_a_figure(answers: dict[str, Any]) -> None:
    refusing = Target("worker", "127.0.0.1", answers["port"], 0, LABELS)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        away = Target("scheduler", "127.0.0.1", nobody.getsockname()[1], 0, LABELS)
        found = scraping.read_targets([refusing, away])
    assert values(found) == {("dask/worker_up",): 0, ("dask/scheduler_up",): 0}


def test_queues_are_the_priorities_and_not_the_users(answers: dict[str, Any]) -> None:
    name = "Hadoop:service=ResourceManager,name=QueueMetrics,q0=root"
    numbers = {"AppsPending": 1, "AppsRunning": 2, "PendingMB": 3}
    # What Java's pattern finds: no bean with more keys than it has. The default queue is YARN's own.
    beans = [{"name": f"{name},q1={queue}", **numbers} for queue in ("default", "normal")]
    answers[f"/jmx?qry={name},q1=*"] = {"beans": beans}
    assert values(scraping.read_queues("127.0.0.1", answers["port"])) == {
        ("yarn/applications_pending", "normal"): 1,
        ("yarn/applications_running", "normal"): 2,
        ("yarn/memory_pending", "normal"): 3 << 20,
    }


def test_the_node_manager_says_what_it_runs(answers: dict[str, Any]) -> None:
    name = "Hadoop:service=NodeManager,name=NodeManagerMetrics"
    path = f"/jmx?qry={name}"
    answers[path] = {"beans": [{"name": name, "ContainersRunning": 2, "BadLocalDirs": 1, "BadLogDirs": 1}]}
    found = values(scraping.read_node_manager("127.0.0.1", answers["port"]))
    assert found == {("node/containers",): 2, ("node/bad_directories",): 2}
    for wrong in ({"beans": []}, {"beans": [{"name": name}]}, [], "{"):
        answers[path] = wrong
        with pytest.raises(ValueError, match=r"."):
            scraping.read_node_manager("127.0.0.1", answers["port"])


# -- points


def test_points_are_what_google_takes() -> None:
    readings = [
        Reading(figures.TASKS, 4.0, {**LABELS, "state": "waiting"}),
        Reading(figures.COMPUTED, 1.5, LABELS, since=999.0),
        Reading(figures.COMPUTED, 7.5, LABELS, since=999.5),
        Reading(figures.CPU, 0.5),
    ]
    tasks, computed, cpu = points.time_series(readings, MACHINE, 1000.0625)
    assert tasks == {
        "metric": {
            "type": "custom.googleapis.com/dask/tasks",
            "labels": {"cluster": "etl", "node": "etl-w-0", **LABELS, "state": "waiting"},
        },
        "resource": {
            "type": "gce_instance",
            "labels": {"project_id": "acme", "instance_id": "4711", "zone": "europe-west3-a"},
        },
        "metricKind": "GAUGE",
        "valueType": "INT64",
        "unit": "{task}",
        "description": figures.TASKS.description,
        "points": [{"interval": {"endTime": "1970-01-01T00:16:40.062Z"}, "value": {"int64Value": "4"}}],
    }
    (point,) = computed["points"]
    assert point["interval"]["startTime"] == "1970-01-01T00:16:39.000Z"
    assert point["value"] == {"doubleValue": 1.5}, "one point per series in a request"
    assert cpu["metric"]["labels"] == {"cluster": "etl", "node": "etl-w-0"}


def test_a_counter_that_began_just_now_has_no_point_yet() -> None:
    readings = [Reading(figures.COMPUTED, 0.0, LABELS, since=since) for since in (1000.0, 2000.0)]
    assert points.time_series(readings, MACHINE, 1000.0) == []


def test_requests_hold_at_most_two_hundred_series() -> None:
    readings = [Reading(figures.TASKS, 1, {"run": str(number)}) for number in range(401)]
    sizes = [len(batch) for batch in points.batches(points.time_series(readings, MACHINE, 1.0))]
    assert sizes == [200, 200, 1]


def test_figures_have_names_and_units_of_their_own_and_are_in_the_handbook() -> None:
    names = [figure.name for figure in figures.FIGURES]
    assert len(set(names)) == len(names)
    assert {figure.group for figure in figures.FIGURES} == set(figures.GROUPS)
    handbook = (REPOSITORY / "docs" / "metrics.md").read_text()
    rows = [line for line in handbook.partition("## All figures")[2].splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == names
    for figure in figures.FIGURES:
        (row,) = [row for row in rows if row.startswith(f"| `{figure.name}`")]
        assert f"| {figure.unit} |" in row, row


# -- sending


@pytest.fixture(name="google")
def fake_google() -> Google:
    """A Google that knows a worker."""
    return Google(
        attributes={"dataproc-role": "Worker", "dataproc-cluster-name": "etl"},
        machine={
            "project/project-id": "acme",
            "instance/id": "4711",
            "instance/zone": "projects/1/zones/europe-west3-a",
            "instance/name": "etl-w-0",
        },
    )


@pytest.fixture(name="lines")
def said() -> list[str]:
    """What the agent says."""
    return []


@pytest.fixture(name="agent")
def agent_of_a_worker(
    google: Google, lines: list[str], cloud_authority: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Agent]:
    """An agent of the node's own figures that reaches this Google, and that never waits longer at random."""
    server = serve(google, cloud_authority)
    address = f"127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("https_proxy", f"http://{address}")
    monkeypatch.setenv("SSL_CERT_FILE", str(cloud_authority))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    metadata = Metadata(address)
    settings = Settings(groups=("node", "dask"), directory=tmp_path)
    yield Agent(settings, metadata, Monitoring(metadata), Log(lines.append), node.Node(), jitter=lambda: 0.0)
    server.shutdown()
    server.server_close()


def rounds(agent: Agent, google: Google, count: int) -> list[int]:
    """In which of so many rounds something was sent."""
    sent = []
    for number in range(count):
        before = google.requests.count("/v3/projects/acme/timeSeries")
        agent.round()
        sent += [number] if google.requests.count("/v3/projects/acme/timeSeries") > before else []
    return sent


def test_what_is_read_is_shown_and_sent(agent: Agent, google: Google, lines: list[str]) -> None:
    agent.round()
    (series,) = google.points
    assert {each["metric"]["type"] for each in series} >= {
        f"custom.googleapis.com/node/{name}_utilization" for name in ("memory", "disk")
    }
    assert series[0]["resource"]["labels"]["instance_id"] == "4711"
    shown = {sample.name: sample.value for sample in parse(agent.text, {"node_metrics_points_written_total"})}
    assert shown == {"node_metrics_points_written_total": len(series)}
    assert "node_memory_utilization 0." in agent.text
    assert lines == []


def test_a_missing_permission_is_said_once_and_tried_ever_more_rarely(
    agent: Agent, google: Google, lines: list[str]
) -> None:
    google.point_faults = [403] * 100
    assert rounds(agent, google, 45) == [0, 1, 3, 7, 15, 31]
    (line,) = lines
    assert "HTTP 403" in line
    assert "roles/monitoring.metricWriter" in line
    assert "what Google says" in line
    assert "node_metrics_last_write_status 403" in agent.text
    google.point_faults = []
    assert rounds(agent, google, 5) == [2, 3, 4]
    assert lines[1:] == ["Cloud Monitoring takes points again, after 6 failures"]


def test_monitoring_away_and_back(agent: Agent, google: Google, lines: list[str]) -> None:
    google.point_faults = [503, 500, 429]
    assert rounds(agent, google, 10) == [0, 1, 3, 7, 8, 9]
    assert lines == [
        "Cloud Monitoring does not take points now: HTTP 503; later rounds try again",
        "Cloud Monitoring takes points again, after 3 failures",
    ]
    assert len(google.points) == 3


def test_a_refused_point_stops_nothing(agent: Agent, google: Google, lines: list[str]) -> None:
    google.point_faults = [400, 0, 400, 400]
    assert rounds(agent, google, 5) == [0, 1, 2, 3, 4]
    assert lines == ["Cloud Monitoring refuses some points (HTTP 400): what Google says"]


def test_points_are_of_the_time_when_the_round_began(
    agent: Agent, google: Google, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    read = agent._node.read

    def slowly() -> Iterator[Reading]:
        clock[0] += 30
        return read()

    monkeypatch.setattr(agents.time, "time", lambda: clock[0])
    monkeypatch.setattr(agent._node, "read", slowly)
    agent.round()
    assert {series["points"][0]["interval"]["endTime"] for series in google.points[0]} == {"1970-01-01T00:16:40.000Z"}


def test_no_metadata_server_is_said_once_and_figures_are_shown_all_the_same(lines: list[str], tmp_path: Path) -> None:
    metadata = Metadata("127.0.0.1:1")
    settings = Settings(groups=("node",), directory=tmp_path)
    agent = Agent(settings, metadata, Monitoring(metadata), Log(lines.append), node.Node())
    agent.round()
    agent.round()
    assert len(lines) == 1
    assert "node_memory_utilization" in agent.text


def test_a_token_that_is_not_accepted_is_asked_for_anew(
    agent: Agent, google: Google, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/computeMetadata/v1/instance/service-accounts/default/token"
    agent.round()
    agent.round()
    assert google.requests.count(path) == 1
    google.point_faults = [401]
    assert rounds(agent, google, 2) == [0, 1]
    assert google.requests.count(path) == 2
    assert len(google.points) == 3


def test_yarn_that_is_not_there_yet_is_said_once(google: Google, lines: list[str], tmp_path: Path) -> None:
    settings = Settings(groups=("yarn",), directory=tmp_path, yarn_site=tmp_path / "none.xml")
    agent = Agent(settings, Metadata("127.0.0.1:1"), None, Log(lines.append), node.Node())
    agent._machine = MACHINE
    agent.round()
    agent.round()
    (line,) = lines
    assert line.startswith("no figures of yarn: ")


def test_pauses_grow_and_are_not_the_same_on_all_nodes() -> None:
    assert [agents.rounds_to_leave_out(failures, 503, lambda: 0.0) for failures in (1, 2, 3, 4, 5, 90)] == [
        0,
        1,
        3,
        7,
        15,
        15,
    ]
    assert agents.rounds_to_leave_out(5, 503, lambda: 1.0) == 8
    assert agents.rounds_to_leave_out(5, 400, lambda: 0.0) == 0


def test_the_token_is_in_no_line(agent: Agent, google: Google, lines: list[str]) -> None:
    google.point_faults = [403]
    agent.round()
    assert "token-of-the-node" not in "".join(lines) + agent.text


def test_a_connection_that_breaks_is_an_outcome() -> None:
    explained = agents.explanation(Outcome(0, "Connection refused"), "acme")
    assert explained == "Cloud Monitoring does not take points now: Connection refused; later rounds try again"


# -- the program


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it has nothing, expected interval, groups, port"),
        ("interval=60\ngroups=dask\nport=1\nsecret=x\n", "expected interval, groups, port"),
        ("interval=often\ngroups=dask\nport=1\n", "interval is 'often'"),
        ("interval=60\ngroups=dask\nport=0\n", "port is '0'"),
        ("interval=60\ngroups=dask,nodes\nport=1\n", "groups has 'nodes', expected some of dask, node, yarn"),
    ],
)
def test_a_wrong_configuration_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    file = tmp_path / "metrics.conf"
    file.write_text(text)
    assert main([str(file)]) == 2
    assert message in capsys.readouterr().out


def test_the_configuration_is_read() -> None:
    settings, port = read_configuration("# made by a role\ninterval=30\ngroups=dask,yarn\nport=9464\n")
    assert (settings.interval, settings.groups, port) == (30, ("dask", "yarn"), 9464)
