"""Notices of decommission and preemption, against servers that behave as YARN and Google's metadata server do."""

from __future__ import annotations

import json
import threading
import time

from dask_on_yarn.node_watch import DecommissionWatch, PreemptionNotice
from dask_on_yarn.resource_manager import ResourceManager

from .fake_server import serve


def nodes(*hosts: str) -> tuple[int, str]:
    found = [{"id": f"{host}:1", "nodeHostName": host, "state": "DECOMMISSIONING"} for host in hosts]
    return 200, json.dumps({"nodes": {"node": found}})


def test_a_host_is_reported_once_per_decommission() -> None:
    answers = [nodes(), nodes("a"), nodes("a", "b"), nodes("b"), nodes("a", "b")]
    with serve(lambda _: answers.pop(0)) as server:
        watch = DecommissionWatch(ResourceManager([server.url]))
        assert [watch.poll() for _ in range(5)] == [[], ["a"], ["b"], [], ["a"]]
        assert server.requests[0].startswith("/ws/v1/cluster/nodes?states=DECOMMISSIONING&")


def test_the_watch_survives_errors_and_stops() -> None:
    answers = [(503, "starting"), (503, "starting"), nodes("a")]
    hosts: list[str] = []
    errors: list[str] = []
    seen = threading.Event()
    with serve(lambda _: answers.pop(0) if answers else nodes("a")) as server:
        watch = DecommissionWatch(ResourceManager([server.url], attempts=1), interval=0.02)
        watch.start(lambda host: (hosts.append(host), seen.set()), errors.append)
        assert seen.wait(60)
        watch.stop()
        asked = len(server.requests)
        time.sleep(0.1)
        assert len(server.requests) == asked
    assert hosts == ["a"]
    assert len(errors) == 1
    assert "HTTP 503 starting" in errors[0]


def test_preemption_is_reported_once() -> None:
    preempted = threading.Event()

    def answer(path: str) -> tuple[int, str, dict[str, str]]:
        if "wait_for_change" in path:
            assert "last_etag=e1" in path
            preempted.wait(60)
            return 200, "TRUE", {"ETag": "e2"}
        return 200, "FALSE", {"ETag": "e1"}

    calls: list[float] = []
    with serve(answer) as server:
        notice = PreemptionNotice(lambda: calls.append(time.monotonic()), {"GCE_METADATA_HOST": server.host})
        thread = threading.Thread(target=notice.run)
        thread.start()
        time.sleep(0.1)
        assert calls == []
        preempted.set()
        thread.join(60)
        assert len(calls) == 1
        assert server.requests[0] == "/computeMetadata/v1/instance/preempted"
        assert server.headers[0]["Metadata-Flavor"] == "Google"


def test_without_a_metadata_server_it_ends_quietly() -> None:
    calls: list[None] = []
    PreemptionNotice(lambda: calls.append(None), {"GCE_METADATA_HOST": "127.0.0.1:9"}).run()
    assert calls == []


def test_a_metadata_server_that_restarts_is_asked_again() -> None:
    answers = [(200, "FALSE", {"ETag": "e1"}), (503, ""), (200, "FALSE", {"ETag": "e1"}), (200, "TRUE", {"ETag": "e2"})]
    calls: list[None] = []
    with serve(lambda _: answers.pop(0)) as server:
        PreemptionNotice(lambda: calls.append(None), {"GCE_METADATA_HOST": server.host}, pause=0.01).run()
    assert calls == [None]
