"""The metrics agent on a node with systemd: the real init action, account, unit and endpoint, and a Google."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from node_metrics.exposition import parse

from tests.nodes.one_node import OneNode

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]
PORT = 9464
LABELS = {"owner": "ada", "workload": "flights-etl", "run": "job-1", "worker": "worker-1"}
# A worker as the agent sees one: it answers on the loopback, and announces itself by the very code of the jobs.
WORKER = """
import http.server, json, sys
sys.path.insert(0, "/opt/jobs")
from dask_on_yarn import metrics_target

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        content = b'dask_worker_memory_bytes{type="spilled"} 12345\\n'
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
labels = json.loads(sys.argv[1])
slot = labels.pop("worker")
announced = metrics_target.announce_worker(slot, server.server_address[1], metrics_target.labels_for_workers(labels))
print("announced" if announced else "no agent", flush=True)
server.serve_forever()
"""


def wait_until(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Fail when a condition does not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.1)


@pytest.fixture(name="ready")
def node_with_a_bundle(node: OneNode) -> OneNode:
    """A node with a bundle that asks for metrics every second."""
    node.pin("gs://b/x/e.sqfs", "gs://b/x/e.tar.zst")
    (node.opt / "dataplatform" / "bundle" / "metrics").mkdir()
    configure(node, "interval=1\ngroups=dask,node\nport=9464\n")
    node.google.attributes |= {"dataproc-cluster-name": "etl"}
    node.google.machine |= {
        "project/project-id": "acme",
        "instance/id": "4711",
        "instance/zone": "projects/1/zones/europe-west3-a",
        "instance/name": "etl-w-0",
    }
    variables = {"SSL_CERT_FILE": "/authority.pem", **node.variables}
    lines = "".join(f"{name}={value}\n" for name, value in variables.items())
    node.shell(f"cat >/etc/environment <<'END'\n{lines}END")
    return node


def configure(node: OneNode, text: str) -> None:
    """Write what the role renders."""
    (node.opt / "dataplatform" / "bundle" / "metrics" / "metrics.conf").write_text(text)


def installed(node: OneNode) -> str:
    """Run the init action; what it said."""
    done = node.init_action("node-metrics.sh")
    assert done.returncode == 0, done.stderr
    return done.stderr


def endpoint(node: OneNode) -> str:
    """What the node shows of itself, empty while nobody answers."""
    return node.run("curl", "--silent", f"http://127.0.0.1:{PORT}/metrics").stdout


def journal(node: OneNode) -> str:
    """What the agent of the newest start said."""
    return node.shell(
        "journalctl --output cat _SYSTEMD_INVOCATION_ID=$(systemctl show -P InvocationID node-metrics.service)"
    )


def points_of(node: OneNode, name: str) -> list[dict[str, str]]:
    """Labels of the points that Google got of a figure."""
    return [
        series["metric"]["labels"]
        for request in list(node.google.points)
        for series in request
        if series["metric"]["type"] == f"custom.googleapis.com/{name}"
    ]


def test_a_node_sends_what_it_and_dask_say(ready: OneNode) -> None:
    installed(ready)
    jobs = ready.opt / "jobs" / "dask_on_yarn"
    jobs.mkdir(parents=True, exist_ok=True)
    for name in ("__init__.py", "metrics_target.py"):
        shutil.copy(REPOSITORY / "jobs" / "dask_on_yarn" / name, jobs)
    # Containers run as yarn.
    worker = ready.start("runuser", "--user", "yarn", "--", "python3", "-c", WORKER, json.dumps(LABELS))
    assert worker.stdout.readline() == "announced\n"
    wait_until(lambda: points_of(ready, "dask/worker_memory"), "a point of the worker")
    assert points_of(ready, "dask/worker_memory")[0] == {
        "cluster": "etl",
        "node": "etl-w-0",
        **LABELS,
        "type": "spilled",
    }
    assert points_of(ready, "node/memory_utilization")[0] == {"cluster": "etl", "node": "etl-w-0"}
    (sample,) = parse(endpoint(ready), {"dask_worker_memory"})
    assert (sample.value, sample.labels["run"]) == (12345.0, "job-1")
    # Killed, it leaves its file; the agent, which is another account, takes that away.
    ready.shell("pkill --signal KILL --uid yarn python3")
    worker.wait(10)
    wait_until(lambda: not ready.shell("ls -A /run/dask-metrics"), "the file of the dead worker is gone")
    wait_until(lambda: "dask_worker" not in endpoint(ready), "the dead worker is not shown")


def test_the_agent_may_do_nothing_else(ready: OneNode) -> None:
    installed(ready)
    wait_until(lambda: endpoint(ready), "the endpoint answers")
    shown = ready.shell(
        "systemctl show node-metrics.service -p User,MemoryMax,NoNewPrivileges,ProtectSystem,CapabilityBoundingSet"
    )
    assert set(shown.splitlines()) == {
        "User=node-metrics",
        f"MemoryMax={128 << 20}",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=",
    }
    process = ready.shell("systemctl show -P MainPID node-metrics.service").strip()
    status = dict(
        line.split(":\t") for line in ready.shell(f"cat /proc/{process}/status").splitlines() if ":\t" in line
    )
    assert status["CapEff"].strip("0") == ""
    assert status["Uid"].split()[0] == ready.shell("id -u node-metrics").strip() != "0"
    assert ready.shell("stat -c '%a %U %G' /run/dask-metrics").strip() == "1770 node-metrics yarn"
    assert f"127.0.0.1:{PORT}" in ready.shell("ss --listening --tcp --numeric")
    assert f"0.0.0.0:{PORT}" not in ready.shell("ss --listening --tcp --numeric")


def test_a_second_run_leaves_the_agent_alone_and_another_bundle_starts_it_anew(ready: OneNode) -> None:
    installed(ready)
    wait_until(lambda: endpoint(ready), "the endpoint answers")
    main = ready.shell("systemctl show -P MainPID node-metrics.service")
    installed(ready)
    assert ready.shell("systemctl show -P MainPID node-metrics.service") == main
    bundle = ready.opt / "dataplatform" / "bundle"
    bundle.rename(bundle.with_name("another"))
    bundle.symlink_to("another")
    installed(ready)
    wait_until(
        lambda: ready.shell("systemctl show -P MainPID node-metrics.service") not in (main, "0\n"), "a new start"
    )
    wait_until(lambda: endpoint(ready), "the endpoint answers")


def test_monitoring_that_refuses_or_is_away_is_said_once(ready: OneNode) -> None:
    ready.google.point_faults = [403, 403, 503]
    installed(ready)
    wait_until(lambda: ready.google.points, "points are taken again")
    wait_until(lambda: "takes points again" in journal(ready), "it is said that points are taken again")
    said = journal(ready)
    assert said.count("HTTP 403") == 1
    assert said.count("HTTP 503") == 1
    assert "token-of-the-node" not in said
    assert ready.google.point_faults == []


def test_terminated_in_the_middle_and_run_again(ready: OneNode) -> None:
    # Found before the real one: it never ends.
    ready.shell("printf '#!/bin/sh\\ntouch /run/is-stuck; exec sleep 600\\n' >/usr/local/sbin/systemd-tmpfiles")
    ready.shell("chmod +x /usr/local/sbin/systemd-tmpfiles")
    stuck = ready.start("/init-actions/node-metrics.sh")
    try:
        wait_until(lambda: ready.run("test", "-e", "/run/is-stuck").returncode == 0, "the action is in the middle")
        stuck.send_signal(signal.SIGTERM)
        assert stuck.wait(20) != 0
    finally:
        ready.shell("rm -f /usr/local/sbin/systemd-tmpfiles /run/is-stuck")
    installed(ready)
    wait_until(lambda: endpoint(ready), "the endpoint answers")
    # The agent itself ends at once and in good order.
    ready.shell("systemctl stop node-metrics.service")
    assert ready.shell("systemctl show -P Result node-metrics.service").strip() == "success"
    assert "told to stop" in journal(ready)


@pytest.mark.parametrize(
    ("damage", "code", "message"),
    [
        ("rm -rf /opt/dataplatform/bundle", 5, "run node-bundle.sh first"),
        ("rm /opt/dataplatform/bundle/metrics/metrics.conf", 4, "does not say which metrics are sent"),
        ("rm -r /opt/dataplatform/bundle/lib/node_metrics", 5, "was not made by the role node_bundle"),
    ],
)
def test_a_bundle_without_the_parts_is_refused(ready: OneNode, damage: str, code: int, message: str) -> None:
    ready.shell(damage)
    done = ready.init_action("node-metrics.sh")
    assert (done.returncode, message in done.stderr) == (code, True), done.stderr
    assert ready.run("systemctl", "is-active", "node-metrics.service").stdout.strip() == "inactive"


def test_after_a_reboot_it_is_there_again(ready: OneNode) -> None:
    """The last test of the module: the node's Google does not come back."""
    installed(ready)
    wait_until(lambda: endpoint(ready), "the endpoint answers")
    ready.restart()
    wait_until(lambda: "node_memory_utilization" in endpoint(ready), "the endpoint answers")
    assert ready.shell("stat -c '%a %U %G' /run/dask-metrics").strip() == "1770 node-metrics yarn"
    # Without a metadata server it goes on, and says so once.
    assert journal(ready).count("metadata server") == 1
