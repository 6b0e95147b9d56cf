"""Starting, stopping, being killed: what `localcloud up`, `down`, `exec` and the others promise."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import threading
import time

import psutil
import requests

from .conftest import COMMAND, Server

POLICIES = "https://dataproc.googleapis.com/v1/projects/local-project/regions/europe-west1/autoscalingPolicies"
USERINFO = "https://www.googleapis.com/oauth2/v3/userinfo"


def policy(name: str) -> dict:
    return {
        "id": name,
        "workerConfig": {"maxInstances": 10},
        "basicAlgorithm": {
            "yarnConfig": {"gracefulDecommissionTimeout": "3600s", "scaleUpFactor": 0.5, "scaleDownFactor": 1.0}
        },
    }


def test_up_down_and_what_stays(tmp_path):
    server = Server(tmp_path / "home")
    assert server.command("status", check=False).returncode == 3
    assert "is up" in server.command("up", "--port", "0").stdout
    again = server.command("up")
    assert "was up already" in again.stdout
    assert server.command("status").returncode == 0
    session = server.session()
    assert session.post(POLICIES, json=policy("kept")).status_code == 200
    pid = server.process["pid"]
    assert server.command("down").stdout == "localcloud is down\n"
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    assert not (server.home / "environment.json").exists()
    assert not (server.home / "server.pid").exists()
    assert server.command("down").stdout == "localcloud was not running\n"
    assert server.command("env", check=False).returncode == 1
    assert "localcloud up" in server.command("exec", "--", "true", check=False).stderr
    authority = (server.home / "ca.pem").read_bytes()
    server.up()
    assert (server.home / "ca.pem").read_bytes() == authority
    # The token of the first life is good in the second.
    session.proxies = {"https": f"http://127.0.0.1:{server.process['port']}"}
    assert session.get(f"{POLICIES}/kept").status_code == 200
    server.down()


def test_files_are_private(server):
    assert stat.S_IMODE(server.home.stat().st_mode) == 0o700
    for name in (
        "ca.key",
        "server.pem",
        "service-account.json",
        "authorized-user.json",
        "environment.json",
        "server.pid",
        "server.lock",
        "server.log",
        "state.sqlite",
        "state.sqlite-wal",
    ):
        assert stat.S_IMODE((server.home / name).stat().st_mode) == 0o600, name
    for name in ("objects", "jobs", "gcloud"):
        assert stat.S_IMODE((server.home / name).stat().st_mode) == 0o700, name


def test_kill_9_loses_nothing_that_was_acknowledged(own_server):
    """Write without pause, kill at an arbitrary moment: every acknowledged resource is there afterwards, whole."""
    session = own_server.session()
    acknowledged: list[str] = []
    stopped = threading.Event()

    def write(worker: int) -> None:
        own = requests.Session()
        own.trust_env = False
        own.headers, own.proxies, own.verify = session.headers, session.proxies, session.verify
        number = 0
        while not stopped.is_set():
            name = f"policy-{worker}-{number:05d}"
            try:
                answer = own.post(POLICIES, json=policy(name), timeout=5)
            except requests.RequestException:
                return
            if answer.status_code == 200:
                acknowledged.append(name)
            number += 1

    for round_ in range(2):
        threads = [threading.Thread(target=write, args=(10 * round_ + worker,)) for worker in range(3)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 30
        while len(acknowledged) < 40 * (round_ + 1) and time.monotonic() < deadline:
            time.sleep(0.01)
        own_server.kill()
        stopped.set()
        for thread in threads:
            thread.join()
        stopped.clear()
        assert "was killed" in own_server.command("status", check=False).stdout
        own_server.up()
        session.proxies = {"https": f"http://127.0.0.1:{own_server.process['port']}"}
        found = set()
        token = ""
        while True:
            listed = session.get(POLICIES, params={"pageSize": 200, "pageToken": token}).json()
            found |= {each["id"] for each in listed["policies"] if each["basicAlgorithm"]["yarnConfig"]}
            token = listed.get("nextPageToken", "")
            if not token:
                break
        assert len(acknowledged) >= 40 * (round_ + 1)
        assert set(acknowledged) <= found
        # Beyond the acknowledged ones there may be one per writer, whose answer the kill cut off.
        assert len(found) <= len(acknowledged) + 3 * (round_ + 1)


def test_two_at_once_one_wins_and_the_other_says_so(tmp_path):
    home = tmp_path / "home"
    environment = {**os.environ, "LOCALCLOUD_HOME": str(home)}
    racing = [
        subprocess.Popen([COMMAND, "up", "--port", "0"], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    outputs = [process.communicate(timeout=60)[0] for process in racing]
    server = Server(home)
    try:
        assert [process.returncode for process in racing] == [0, 0, 0]
        assert sorted("was up already" in output for output in outputs) == [False, True, True]
        addresses = {output.split("http://")[1].split()[0] for output in outputs}
        assert addresses == {f"127.0.0.1:{server.process['port']}"}
        assert server.session().get(USERINFO).status_code == 200
    finally:
        server.down()


def test_a_taken_port_is_named_with_a_way_out(tmp_path):
    server = Server(tmp_path / "home")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        result = server.command("up", "--port", str(port), check=False)
    assert result.returncode == 1
    assert f"port {port} on 127.0.0.1 cannot be used" in result.stderr
    assert f"process {os.getpid()}" in result.stderr
    assert "--port N" in result.stderr
    assert not (server.home / "environment.json").exists()


def test_down_after_kill_9_cleans_up(own_server):
    own_server.kill()
    assert (own_server.home / "environment.json").exists()
    assert own_server.command("down").stdout == "localcloud is down\n"
    assert not (own_server.home / "environment.json").exists()
    assert own_server.command("status", check=False).returncode == 3


def test_up_after_kill_9_takes_the_same_port(own_server):
    """Jobs outlive a killed server and still talk to its port."""
    port = own_server.process["port"]
    for arguments in ((), ("--port", "0")):
        own_server.kill()
        own_server.command("up", *arguments)
        assert own_server.process["port"] == port


def test_exec_overrides_what_the_shell_presets(server):
    script = "import json, os; print(json.dumps(dict(os.environ)))"
    result = subprocess.run(
        [COMMAND, "exec", "--", "python3", "-c", script],
        env={
            **os.environ,
            "LOCALCLOUD_HOME": str(server.home),
            "REQUESTS_CA_BUNDLE": "/etc/ssl/certs/ca-certificates.crt",
            "https_proxy": "http://corporate.example.org:3128",
            "GOOGLE_APPLICATION_CREDENTIALS": "/home/me/real-credentials.json",
            "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": "/home/me/real-token",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    seen = json.loads(result.stdout)
    assert seen["REQUESTS_CA_BUNDLE"] == str(server.home / "bundle.pem")
    assert seen["https_proxy"] == f"http://127.0.0.1:{server.process['port']}"
    assert seen["GOOGLE_APPLICATION_CREDENTIALS"] == str(server.home / "service-account.json")
    assert "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE" not in seen
    missing = server.command("exec", "--", "no-such-command", check=False)
    assert (missing.returncode, missing.stderr) == (127, "localcloud: no such command: no-such-command\n")
    assert server.command("exec", "--", "sh", "-c", "exit 7", check=False).returncode == 7


def test_env_in_both_formats(server):
    variables = json.loads(server.command("env", "--format", "json").stdout)
    assert variables == server.environment
    shell = server.command("env").stdout
    shown = subprocess.run(
        ["sh", "-c", f'{shell}\nprintf %s "$https_proxy"'], capture_output=True, text=True, check=True
    )
    assert shown.stdout == variables["https_proxy"]


def test_reset_empties_everything_but_the_credentials(own_server):
    session = own_server.session()
    assert session.post(POLICIES, json=policy("gone")).status_code == 200
    bucket = "https://storage.googleapis.com/storage/v1/b"
    assert session.post(bucket, params={"project": "local-project"}, json={"name": "gone-bucket"}).status_code == 200
    own_server.command("fault", "add", "--status", "503", "--method", "x")
    own_server.command("reset", "--yes")
    assert session.get(POLICIES).json() == {}
    assert session.get(f"{bucket}/gone-bucket").status_code == 404
    assert own_server.command("fault", "list").stdout == ""
    assert session.post(POLICIES, json=policy("new")).status_code == 200
    assert "buckets.insert" not in own_server.command("requests").stdout
