"""``init-actions/yarn_queues.py`` as a program, against a metadata server and a Cloud Storage of its own."""

from __future__ import annotations

import ast
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.fair_scheduler import allocation_file
from ansible_collections.dataplatform.compute.tests.unit.plugins.module_utils.inventory_facts import sound_facts

from tests.unit.init_actions.fake_google import Google, certificate, serve

PROGRAM = Path(__file__).parents[3] / "init-actions" / "yarn_queues.py"
OBJECT = "acme-artifacts/live/dev/fair-scheduler.xml"


def rendered(weight: int = 3) -> bytes:
    """The file as the role renders it."""
    facts = sound_facts()
    facts["platform_queues"]["normal"]["weight"] = weight
    text = allocation_file(
        facts["platform_queues"],
        users=facts["platform_users"],
        teams=facts["platform_teams"],
        sizes=facts["platform_sizes"],
    )
    return text.encode()


@dataclass
class Node:
    """A master: its configuration directory and what its programs find in the environment."""

    google: Google
    conf: Path
    environment: dict[str, str]

    @property
    def file(self) -> Path:
        """The allocation file."""
        return self.conf / "fair-scheduler.xml"

    def publish(self, generation: int, content: bytes) -> None:
        """A new generation in the bucket."""
        self.google.objects[OBJECT] = (generation, content)

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the program to its end."""
        return subprocess.run(
            [sys.executable, str(PROGRAM), *arguments],
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture(scope="module", name="authority")
def certificate_authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the node trusts."""
    return certificate(tmp_path_factory.mktemp("authority"))


def processes(node: Node) -> list[int]:
    """Ids of the processes that were started for this node."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"HADOOP_CONF_DIR={node.conf}\0".encode() in (directory / "environ").read_bytes():
                found.append(int(directory.name))
    return found


@pytest.fixture(name="node")
def master_node(tmp_path: Path, authority: Path) -> Iterator[Node]:
    """A master with a good file in the bucket and none on disk."""
    google = Google(attributes={"dataproc-role": "Master", "fair-scheduler-uri": f"gs://{OBJECT}"})
    server = serve(google, authority)
    address = f"127.0.0.1:{server.server_address[1]}"
    conf = tmp_path / "conf"
    conf.mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "HADOOP_CONF_DIR": str(conf),
        "GCE_METADATA_HOST": address,
        "https_proxy": f"http://{address}",
        "http_proxy": "http://127.0.0.1:1",
        "SSL_CERT_FILE": str(authority),
    }
    node = Node(google, conf, environment)
    node.publish(1, rendered())
    yield node
    # What a test that failed left behind.
    for process in processes(node):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    server.shutdown()
    server.server_close()


def storage_requests(node: Node) -> list[str]:
    """What Cloud Storage was asked."""
    return [path for path in node.google.requests if path.startswith("/storage/")]


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Fail when a condition does not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_a_new_generation_is_put_in_place_and_an_unchanged_one_costs_one_empty_answer(node: Node) -> None:
    first = node.run("refresh")
    assert first.returncode == 0, first.stdout + first.stderr
    assert node.file.read_bytes() == rendered()
    assert node.file.stat().st_mode & 0o777 == 0o644
    before = node.file.stat()
    second = node.run("refresh")
    assert (second.returncode, second.stdout) == (0, "")
    assert storage_requests(node)[1].endswith("ifGenerationNotMatch=1")
    assert node.google.answers[-1] == 304
    assert node.file.stat().st_mtime_ns == before.st_mtime_ns, "the ResourceManager would load it again"
    node.publish(2, rendered(weight=5))
    assert re.search(r"generation 2 of gs://\S+ is in place: \d+ bytes.*\(\d+\.\d\d s\)", node.run("refresh").stdout)
    assert node.file.read_bytes() == rendered(weight=5)


def test_a_new_generation_of_the_same_content_does_not_touch_the_file(node: Node) -> None:
    node.run("refresh")
    before = node.file.stat()
    node.publish(2, rendered())
    assert "is what is in place already" in node.run("refresh").stdout
    assert (node.file.stat().st_mtime_ns, node.file.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


@pytest.mark.parametrize("damage", [b"<allocations/>", None])
def test_a_file_changed_or_lost_on_the_node_is_restored(node: Node, damage: bytes | None) -> None:
    node.run("refresh")
    node.file.unlink()
    if damage:
        node.file.write_bytes(damage)
    assert node.run("refresh").returncode == 0
    assert node.file.read_bytes() == rendered()


BAD = {
    "no XML": (b"<allocations>", "it is not XML"),
    "empty": (b"", "it is not XML"),
    "an entity": (b'<!DOCTYPE a [<!ENTITY b "c">]><allocations/>', "declarations"),
    "another root": (b"<configuration/>", "'configuration', expected 'allocations'"),
    "no queues": (b"<allocations/>", "expected the one queue 'root'"),
    "two tops": (rendered().replace(b"</queue>\n  <queuePl", b'</queue><queue name="x"/>\n  <queuePl'), "'root', 'x'"),
    "an empty list": (rendered().replace(b"Apps>grace<", b"Apps><"), "empty aclSubmitApps"),
    "a comma and a space": (
        rendered().replace(b"ada,grace", b"ada, grace"),
        "'ada, grace', expected users with commas",
    ),
    "an open root": (rendered().replace(b"<aclAdministerApps> </aclAdministerApps>", b""), "lets everybody into every"),
    "a weight of zero": (rendered().replace(b"<weight>3<", b"<weight>0<"), "weight '0'"),
    "a weight in words": (rendered().replace(b"<weight>3<", b"<weight>three<"), "weight 'three'"),
    "an empty limit": (re.sub(rb"memory-mb=\d+,vcores=\d+", b"", rendered()), "maxChildResources is empty"),
    "no placement": (re.sub(rb"(?s)<queuePlacementPolicy>.*</queuePlacementPolicy>", b"", rendered()), "placement"),
    "a rule that is terminal": (rendered().replace(b'name="specified" create="false"', b'name="default"'), "placement"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_generation_is_refused_and_the_old_file_stays(node: Node, name: str) -> None:
    node.run("refresh")
    content, reason = BAD[name]
    node.publish(2, content)
    refused = node.run("refresh")
    assert refused.returncode == 4
    assert "failed, REFUSED: refused generation 2 of gs://" in refused.stdout
    assert reason in refused.stdout
    assert "the old file stays" in refused.stdout
    assert len(refused.stdout.splitlines()) == 1
    assert node.file.read_bytes() == rendered()
    again = node.run("refresh")
    assert (again.returncode, again.stdout) == (4, ""), "known already: said once, and not fetched again"
    assert node.google.answers[-1] == 304
    node.publish(3, rendered(weight=5))
    assert node.run("refresh").returncode == 0
    assert node.file.read_bytes() == rendered(weight=5)


@pytest.mark.parametrize("faults", [[503, 500], [429], ["cut"]], ids=str)
def test_passing_faults_are_retried(node: Node, faults: list[int | str]) -> None:
    node.google.faults = faults
    assert node.run("refresh").returncode == 0
    assert node.file.read_bytes() == rendered()
    assert len(storage_requests(node)) > 1


@pytest.mark.parametrize(
    ("faults", "code", "attempts", "reason"),
    [
        ([503] * 9, 7, 5, "UNAVAILABLE: .* did not answer in 5 attempts: HTTP 503"),
        ([403], 6, 1, "NOT_PERMITTED: .* may not read"),
        ([404], 5, 1, "NOT_FOUND: .* does not exist; publish it with playbooks/queues.yml"),
    ],
)
def test_lasting_faults_end_with_a_code_of_their_own(
    node: Node, faults: list[int | str], code: int, attempts: int, reason: str
) -> None:
    node.file.write_bytes(b"old")
    node.google.faults = faults
    failed = node.run("refresh")
    assert failed.returncode == code
    assert re.search(reason, failed.stdout)
    assert len(storage_requests(node)) == attempts
    assert node.file.read_bytes() == b"old"


def test_a_server_that_is_not_google_gets_no_token(node: Node) -> None:
    failed = node.run("refresh", SSL_CERT_FILE=os.devnull)
    assert failed.returncode == 7
    assert "CERTIFICATE_VERIFY_FAILED" in failed.stdout
    assert storage_requests(node) == []


def test_the_token_is_in_no_argument_and_no_line(node: Node) -> None:
    node.google.faults = [403]
    assert "token-of-the-node" not in node.run("refresh").stdout
    assert all("token-of-the-node" not in path for path in node.google.requests)


def test_no_metadata_server_and_no_attribute_are_told_apart(node: Node) -> None:
    del node.google.attributes["fair-scheduler-uri"]
    without = node.run("refresh")
    assert without.returncode == 3
    assert "metadata has no fair-scheduler-uri" in without.stdout
    nobody = node.run("refresh", GCE_METADATA_HOST="127.0.0.1:1")
    assert nobody.returncode == 3
    assert "did not answer in 5 attempts" in nobody.stdout
    node.google.attributes["fair-scheduler-uri"] = "https://x/y"
    assert "expected gs://BUCKET/NAME" in node.run("refresh").stdout


def test_a_directory_that_does_not_exist_is_not_made(node: Node) -> None:
    node.conf.rmdir()
    failed = node.run("refresh")
    assert failed.returncode == 8
    assert f"{node.conf} cannot be written" in failed.stdout


def test_workers_do_nothing(node: Node) -> None:
    node.google.attributes["dataproc-role"] = "Worker"
    done = node.run()
    assert done.returncode == 0
    assert "nothing to do on a node whose dataproc-role is 'Worker'" in done.stdout
    assert list(node.conf.iterdir()) == []


@pytest.mark.parametrize("role", [None, "", "master"])
def test_a_node_without_a_role_is_not_taken_for_a_worker(node: Node, role: str | None) -> None:
    del node.google.attributes["dataproc-role"]
    if role is not None:
        node.google.attributes["dataproc-role"] = role
    failed = node.run()
    assert failed.returncode == 3
    assert f"metadata dataproc-role is {role!r}, expected Master or Worker" in failed.stdout
    assert list(node.conf.iterdir()) == []


def test_a_metadata_server_that_is_unwell_is_asked_again(node: Node) -> None:
    node.google.metadata_faults = [503, 500]
    assert node.run("refresh").returncode == 0
    assert node.google.metadata_faults == []
    assert node.file.read_bytes() == rendered()


def test_a_full_disk_is_named_and_the_old_file_stays(node: Node) -> None:
    node.publish(1, rendered() + b" " * 8192)
    small = f"mount -t tmpfs -o size=8k none {node.conf}; echo old >{node.file}"
    # The file system lives as long as the namespace: what is left on it has to be said there.
    script = (
        f"set -e; {small}; {sys.executable} {PROGRAM} refresh && exit; echo code $?; cat {node.file}; ls -A {node.conf}"
    )
    command = ["unshare", "--map-root-user", "--mount", "bash", "-c", script]
    done = subprocess.run(command, env=node.environment, capture_output=True, text=True, timeout=60, check=False)
    if "unshare" in done.stderr:
        pytest.skip(f"a small file system needs a mount namespace: {done.stderr.strip()}")
    said, *after = done.stdout.splitlines()
    assert "failed, DISK_FULL" in said
    assert f"{node.conf} cannot be written" in said
    assert after == ["code 11", "old", "fair-scheduler.d", "fair-scheduler.xml"]


def test_terminated_while_downloading_and_run_again(node: Node) -> None:
    node.google.before_answer = threading.Event()
    process = subprocess.Popen([sys.executable, str(PROGRAM), "refresh"], env=node.environment)
    wait_until(lambda: bool(storage_requests(node)))
    process.terminate()
    assert process.wait(10) == -signal.SIGTERM
    assert not node.file.exists()
    node.google.before_answer.set()
    assert node.run("refresh").returncode == 0
    assert node.file.read_bytes() == rendered()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_killed_between_write_and_rename_leaves_the_old_file_and_the_next_run_repairs(
    node: Node, tmp_path: Path, number: signal.Signals
) -> None:
    node.run("refresh")
    node.publish(2, rendered(weight=5))
    # The program itself, with a rename that never comes back.
    source = PROGRAM.read_text()
    assert "        new.replace(target)\n" in source
    stuck = tmp_path / "stuck.py"
    stuck.write_text(source.replace("        new.replace(target)\n", "        time.sleep(600)\n"))
    process = subprocess.Popen([sys.executable, str(stuck), "refresh"], env=node.environment)
    wait_until((node.conf / ".fair-scheduler.xml.new").exists)
    process.send_signal(number)
    assert process.wait(10) == -number
    assert node.file.read_bytes() == rendered()
    assert node.run("refresh").returncode == 0
    assert node.file.read_bytes() == rendered(weight=5)
    assert sorted(path.name for path in node.conf.iterdir()) == ["fair-scheduler.d", "fair-scheduler.xml"]


def test_two_refreshes_at_once_do_not_meet(node: Node) -> None:
    node.google.before_answer = threading.Event()
    first = subprocess.Popen([sys.executable, str(PROGRAM), "refresh"], env=node.environment)
    wait_until(lambda: bool(storage_requests(node)))
    second = node.run("refresh")
    assert (second.returncode, len(storage_requests(node))) == (0, 1)
    assert "another refresh is running" in second.stdout
    node.google.before_answer.set()
    assert first.wait(30) == 0
    assert node.file.read_bytes() == rendered()


def test_without_systemd_one_process_goes_on_until_the_directory_is_gone(node: Node) -> None:
    for _run in range(2):
        installed = node.run("install", "--interval", "1")
        assert installed.returncode == 0, installed.stdout + installed.stderr
    assert node.file.read_bytes() == rendered()
    wait_until(lambda: len(processes(node)) == 1)
    node.publish(2, b"<allocations/>")
    log = node.conf / "fair-scheduler.d" / "refresh.log"
    wait_until(lambda: "refused generation 2" in log.read_text())
    node.google.faults = [503] * 5
    node.publish(3, rendered(weight=5))
    wait_until(lambda: node.file.read_bytes() == rendered(weight=5), 60)
    assert log.read_text().count("refused generation 2") == 1
    shutil.rmtree(node.conf)
    wait_until(lambda: not processes(node))


def machine_with_systemd(node: Node, tmp_path: Path, conf: Path) -> dict[str, Path]:
    """Run the init action twice, with systemd said to run and ``conf`` to be the system's; the places it may write."""
    places = {
        "SYSTEM_CONF_DIRECTORY": conf,
        "SYSTEMD_RUNTIME": tmp_path / "runtime",
        "UNIT_DIRECTORY": tmp_path / "units",
        "PROGRAM": tmp_path / "installed.py",
        "CHECK_PROGRAM": PROGRAM.parent / "lib" / "queues_taken.py",
    }
    for name in ("runtime", "units", "tools"):
        (tmp_path / name).mkdir()
    systemctl = tmp_path / "tools" / "systemctl"
    systemctl.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n')
    systemctl.chmod(0o755)
    text = PROGRAM.read_text()
    for name, path in places.items():
        text, count = re.subn(rf'^{name} = Path\(".*"\)$', f"{name} = Path({str(path)!r})", text, flags=re.MULTILINE)
        assert count == 1
    copy = tmp_path / "yarn_queues.py"
    copy.write_text(text)
    environment = {**node.environment, "PATH": f"{tmp_path}/tools:{os.environ['PATH']}"}
    written = [tmp_path / "units", places["PROGRAM"], conf]
    states = []
    for _run in range(2):
        subprocess.run([sys.executable, str(copy)], env=environment, check=True, timeout=60)
        files = [file for place in written if place.exists() for file in (place, *place.glob("*"))]
        states.append([(file, file.stat().st_ino, file.stat().st_mtime_ns) for file in files])
    assert states[0] == states[1]
    return places


@pytest.mark.parametrize("problem", ["no bundle", "systemd"])
def test_what_keeps_the_timer_from_being_installed_has_a_code(node: Node, tmp_path: Path, problem: str) -> None:
    copy = tmp_path / "yarn_queues.py"
    missing = PROGRAM.parent / "lib" / ("none.py" if problem == "no bundle" else "queues_taken.py")
    text = PROGRAM.read_text().replace("/opt/dataplatform/bundle/lib/queues_taken.py", str(missing))
    text = text.replace('"/etc/hadoop/conf"', repr(str(node.conf))).replace(
        '"/run/systemd/system"', repr(str(tmp_path))
    )
    text = text.replace('"/etc/systemd/system"', repr(str(tmp_path))).replace(
        '"/usr/local/sbin/', f'"{tmp_path}/installed-'
    )
    copy.write_text(text)
    systemctl = tmp_path / "systemctl"
    systemctl.write_text("#!/bin/sh\necho 'Failed to reload' >&2; exit 1\n")
    systemctl.chmod(0o755)
    environment = {**node.environment, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = [sys.executable, str(copy)]
    failed = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    reasons = {
        "no bundle": (5, "none.py does not exist: run node-bundle.sh first"),
        "systemd": (10, "systemctl daemon-reload failed: Failed to reload"),
    }
    code, reason = reasons[problem]
    assert failed.returncode == code
    assert reason in failed.stdout


def test_where_systemd_runs_a_hardened_timer_is_installed(node: Node, tmp_path: Path) -> None:
    places = machine_with_systemd(node, tmp_path, node.conf)
    calls = ["daemon-reload", "enable yarn-queues-taken.service", "enable --now yarn-queues.timer"]
    assert (tmp_path / "calls").read_text().splitlines() == calls * 2
    service = (places["UNIT_DIRECTORY"] / "yarn-queues.service").read_text()
    assert f"ExecStart={sys.executable} {places['PROGRAM']} refresh\n" in service
    assert f"ReadWritePaths={node.conf.resolve()}\n" in service
    assert places["PROGRAM"].stat().st_mode & 0o111
    check = (places["UNIT_DIRECTORY"] / "yarn-queues-taken.service").read_text()
    assert f"ExecStart={sys.executable} {places['CHECK_PROGRAM']}\n" in check
    assert "After=hadoop-yarn-resourcemanager.service\n" in check
    assert "User=yarn\n" in check
    assert "WantedBy=hadoop-yarn-resourcemanager.service\n" in check
    assert f"BindReadOnlyPaths={node.conf.resolve()}\n" in check
    assert "ReadWritePaths" not in check
    assert processes(node) == []
    if shutil.which("systemd-analyze"):
        units = map(str, places["UNIT_DIRECTORY"].iterdir())
        checked = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
        assert "yarn-queues" not in checked.stderr, checked.stderr


def test_with_another_directory_than_the_systems_nothing_else_is_written(node: Node, tmp_path: Path) -> None:
    places = machine_with_systemd(node, tmp_path, Path("/etc/hadoop/conf"))
    assert not (tmp_path / "calls").exists()
    assert list(places["UNIT_DIRECTORY"].iterdir()) == []
    assert not places["PROGRAM"].exists()
    wait_until(lambda: len(processes(node)) == 1)


def test_it_runs_on_the_oldest_python_and_needs_only_the_standard_library() -> None:
    tree = ast.parse(PROGRAM.read_text(), feature_version=(3, 9))
    imported = {
        (node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported <= sys.stdlib_module_names
    assert "# init-action-scope: hadoop-conf-dir" in PROGRAM.read_text().splitlines()
