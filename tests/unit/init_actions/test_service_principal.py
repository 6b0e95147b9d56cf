"""``init-actions/service-principal.sh`` up to the keytab: metadata, the secret, and what is refused."""

from __future__ import annotations

import base64
import shutil
import signal
import struct
import threading
import time
from pathlib import Path

import pytest

from tests.unit.init_actions.conftest import INIT_ACTIONS, ShellNode
from tests.unit.init_actions.fake_google import TOKEN

REALM = "CORP.INTERNAL"
PRINCIPAL = f"dask/etl-dev.corp.internal@{REALM}"
SECRET = "projects/acme-data-dev/secrets/keytab-etl-dev"  # noqa: S105  its name
PROGRAM = INIT_ACTIONS / "service-principal.sh"
KEY = bytes(range(32))


def keytab(*principals: str) -> bytes:
    """A keytab of MIT's format with a key of each."""
    entries = b""
    for principal in principals:
        name, _at, realm = principal.partition("@")
        words = [realm, *name.split("/")]
        text = b"".join(struct.pack(">H", len(word)) + word.encode() for word in words)
        entry = struct.pack(">H", len(words) - 1) + text + struct.pack(">IIBHH", 1, 0, 1, 18, len(KEY)) + KEY
        entries += struct.pack(">i", len(entry)) + entry
    return b"\x05\x02" + entries


GOOD = keytab(PRINCIPAL, PRINCIPAL)


@pytest.fixture(name="node")
def node_of_a_realm(shell_node: ShellNode) -> ShellNode:
    """A node with bundle, metadata and secret; of /etc, it can change /etc/security only."""
    if shutil.which("klist") is None:
        pytest.skip("SKIPPED, needs Debian's package krb5-user")
    bundle = shell_node.opt / "dataplatform" / "bundle"
    shutil.copytree(INIT_ACTIONS / "lib", bundle / "lib")
    shutil.copy(INIT_ACTIONS / "node-bundle.sh", bundle)
    (bundle / "kerberos").mkdir()
    (bundle / "kerberos" / "krb5.conf").write_text("[libdefaults]\n")
    (bundle / "kerberos" / "service-principal.conf").write_text(f"account=root\nrealm={REALM}\n")
    security = shell_node.directory / "security"
    security.mkdir()
    shell_node.preparation += [
        "mount --rbind /etc /etc; mount -o remount,bind,ro /etc",
        f"mount --bind '{security}' /etc/security; mount -t tmpfs none /run",
    ]
    shell_node.google.attributes |= {"service-principal": PRINCIPAL, "service-principal-secret": SECRET}
    shell_node.google.secrets[SECRET] = ("ENABLED", GOOD)
    return shell_node


def installed(node: ShellNode) -> Path:
    """The node's keytab."""
    return node.directory / "security" / "keytabs" / "service-principal.keytab"


def fetch(node: ShellNode, after: str = "") -> str:
    """Fetch the keytab as init action and service do; what was said."""
    source = "source /opt/dataplatform/bundle/lib/service-ticket.sh"
    done = node.run("bash", "-c", f"{source}; fetch_keytab '{PRINCIPAL}' '{SECRET}'; {after}", "fetch")
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_the_keytab_is_roots_alone_and_an_unchanged_one_is_left_alone(node: ShellNode) -> None:
    assert "(changed)" in fetch(node)
    assert installed(node).read_bytes() == GOOD
    assert installed(node).stat().st_mode & 0o7777 == 0o400
    assert installed(node).parent.stat().st_mode & 0o7777 == 0o755
    before = installed(node).stat()
    assert "(unchanged)" in fetch(node)
    assert (installed(node).stat().st_ino, installed(node).stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    node.google.secrets[SECRET] = ("ENABLED", keytab(PRINCIPAL))
    assert "(changed)" in fetch(node)
    assert installed(node).read_bytes() == keytab(PRINCIPAL)


def test_nothing_of_it_is_left_elsewhere_and_programs_arguments_hold_nothing(node: ShellNode) -> None:
    tools = node.directory / "tools"
    tools.mkdir()
    seen = node.directory / "seen"
    for name in ("curl", "base64", "klist", "chmod", "mv", "install", "grep", "sed", "cmp", "stat"):
        (tools / name).write_text(
            f'#!/bin/sh\ntr "\\0" " " </proc/$$/cmdline >>{seen}\nenv >>{seen}\nexec {shutil.which(name)} "$@"\n'
        )
        (tools / name).chmod(0o755)
    node.environment["PATH"] = f"{tools}:{node.environment['PATH']}"
    said = fetch(node, "find /run -mindepth 1; find /etc/security -type f")
    assert said.splitlines()[0] == "/etc/security/keytabs/service-principal.keytab"
    found = said + seen.read_text()
    assert "klist" in found
    for secret in (TOKEN, base64.b64encode(GOOD).decode(), base64.b64encode(KEY).decode()[:16], KEY.hex()):
        assert secret not in found


OTHER = f"dask/ml-dev.corp.internal@{REALM}"
FOREIGN = "dask/etl-dev.corp.internal@CORP.EXTERNAL"
REFUSED = {
    "garbage": (b"garbage", "it is not a keytab"),
    "nothing": (b"", "it is not a keytab"),
    "half a header": (b"\x05", "it is not a keytab"),
    "no key": (b"\x05\x02", "it is a keytab without a key"),
    "another principal": (keytab(OTHER), f"it is a keytab of {OTHER}"),
    "another realm": (keytab(FOREIGN), f"it is a keytab of {FOREIGN}"),
    "one more principal": (keytab(PRINCIPAL, OTHER), f"it is a keytab of {OTHER}"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_keytab_of_the_principal_is_refused_and_the_old_one_stays(node: ShellNode, name: str) -> None:
    fetch(node)
    content, reason = REFUSED[name]
    node.google.secrets[SECRET] = ("ENABLED", content)
    failed = node.run(PROGRAM)
    assert failed.returncode == 4, failed.stderr
    assert f"{SECRET} is refused: {reason}" in failed.stderr
    assert f"expected a keytab of {PRINCIPAL}" in failed.stderr
    assert installed(node).read_bytes() == GOOD
    assert [path.name for path in installed(node).parent.iterdir()] == [installed(node).name]


@pytest.mark.parametrize("state", ["DISABLED", "DESTROYED"])
def test_a_version_that_cannot_be_read_is_named(node: ShellNode, state: str) -> None:
    node.google.secrets[SECRET] = (state, GOOD)
    failed = node.run(PROGRAM)
    assert failed.returncode == 4
    assert f"is in {state} state" in failed.stderr
    assert not installed(node).exists()


@pytest.mark.parametrize(
    ("faults", "code", "requests", "reason"),
    [
        ([503] * 9, 7, 5, "in 5 attempts: HTTP 503"),
        ([403], 6, 1, "this node's service account may not read"),
        ([404], 5, 1, "has no version; publish the keytab"),
        ([302], 7, 1, "answered HTTP 302, expected 200"),
    ],
)
def test_lasting_faults_have_codes_of_their_own(
    node: ShellNode, faults: list[int | str], code: int, requests: int, reason: str
) -> None:
    node.google.faults = list(faults)
    failed = node.run(PROGRAM)
    assert failed.returncode == code, failed.stderr
    assert reason in failed.stderr
    assert len([path for path in node.google.requests if "/secrets/" in path]) == requests
    assert not installed(node).exists()


@pytest.mark.parametrize("faults", [[503, 429], ["cut"]], ids=str)
def test_passing_faults_are_retried(node: ShellNode, faults: list[int | str]) -> None:
    node.google.faults = list(faults)
    fetch(node)
    assert installed(node).read_bytes() == GOOD


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("service-principal", None, "metadata has no service-principal:"),
        ("service-principal-secret", None, "metadata has no service-principal-secret:"),
        ("service-principal", FOREIGN, f"is '{FOREIGN}', expected SERVICE/HOST@{REALM}"),
        ("service-principal", "dask/$(id)@CORP.INTERNAL", f"expected SERVICE/HOST@{REALM}"),
        ("service-principal", "dask", f"expected SERVICE/HOST@{REALM}"),
        ("service-principal-secret", "keytab-etl-dev", "expected projects/PROJECT/secrets/SECRET"),
        ("service-principal-secret", f"{SECRET}/versions/1", "expected projects/PROJECT/secrets/SECRET"),
    ],
)
def test_metadata_that_is_wrong_is_named_before_anything_is_asked(
    node: ShellNode, name: str, value: str | None, reason: str
) -> None:
    node.google.attributes.pop(name)
    if value is not None:
        node.google.attributes[name] = value
    failed = node.run(PROGRAM)
    assert failed.returncode == 3, failed.stderr
    assert reason in failed.stderr
    assert [path for path in node.google.requests if "/secrets/" in path] == []


@pytest.mark.parametrize(
    ("file", "text", "code", "reason"),
    [
        ("kerberos/krb5.conf", None, 4, "names no realm"),
        ("kerberos/service-principal.conf", None, 4, "names no realm"),
        ("kerberos/service-principal.conf", "account=root\n", 5, "no line realm=VALUE"),
        ("kerberos/service-principal.conf", f"account=nobody-here\nrealm={REALM}\n", 4, "no account nobody-here"),
    ],
)
def test_a_bundle_that_is_wrong_is_named(node: ShellNode, file: str, text: str | None, code: int, reason: str) -> None:
    path = node.opt / "dataplatform" / "bundle" / file
    path.write_text(text) if text else path.unlink()
    failed = node.run(PROGRAM)
    assert failed.returncode == code, failed.stderr
    assert reason in failed.stderr
    assert not installed(node).exists()


def test_daemons_are_ordered_after_the_ticket_and_start_no_attempt(node: ShellNode) -> None:
    # An /etc of the node's own, without a systemd that runs: what it is told is all there is to see.
    etc, tools = node.directory / "etc", node.directory / "tools"
    for directory in (etc / "security", etc / "systemd", tools):
        directory.mkdir(parents=True)
    for name in ("passwd", "group"):
        shutil.copy(f"/etc/{name}", etc)
    shutil.copytree("/etc/alternatives", etc / "alternatives", symlinks=True)
    node.preparation += [f"mount --bind '{etc}' /etc", f"mount --bind '{node.directory / 'systemd'}' /etc/systemd"]
    (tools / "systemctl").write_text(f'#!/bin/sh\necho "$@" >>{node.directory}/told\n')
    (tools / "systemctl").chmod(0o755)
    node.environment["PATH"] = f"{tools}:{node.environment['PATH']}"
    done = node.run(PROGRAM)
    assert done.returncode == 0, done.stderr
    drop_ins = sorted(node.units.glob("*.d/15-service-principal.conf"))
    assert [path.parent.name for path in drop_ins] == [
        "google-dataproc-agent.service.d",
        "hadoop-yarn-nodemanager.service.d",
        "hadoop-yarn-resourcemanager.service.d",
    ]
    assert {path.read_text() for path in drop_ins} == {"[Unit]\nAfter=service-principal.service\n"}
    unit = (node.units / "service-principal.service").read_text().splitlines()
    assert "WantedBy=multi-user.target" in unit
    assert "EnvironmentFile=-/etc/environment" in unit, "proxies and certificate authorities of the node"
    told = (node.directory / "told").read_text().splitlines()
    assert "enable --quiet service-principal.service service-principal.timer" in told
    assert told[-2:] == ["start service-principal.service", "start service-principal.timer"]


@pytest.mark.parametrize("place", ["/etc/security", "/run"])
def test_a_full_disk_is_named_and_leaves_nothing(node: ShellNode, place: str) -> None:
    node.preparation.append(
        f"mount -t tmpfs -o size=16k none {place}; dd if=/dev/zero of={place}/filler 2>/dev/null || :"
    )
    failed = node.run("bash", "-c", f"{PROGRAM} || echo code $?; find {place} -type f")
    assert failed.stdout == f"code 11\n{place}/filler\n", failed.stderr
    assert not installed(node).exists()


def test_terminated_half_way_and_run_again(node: ShellNode) -> None:
    fetch(node)
    node.google.before_answer = threading.Event()
    # The directory in memory is this process's own, so that it has to tell what is left.
    process = node.start(
        "bash", "-c", f"{PROGRAM} & echo $! >/etc/security/pid; wait $!; echo $?; find /run -mindepth 1"
    )
    deadline = time.monotonic() + 30
    while len([path for path in node.google.requests if "/secrets/" in path]) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    pid = (node.directory / "security" / "pid").read_text().strip()
    assert node.run("kill", f"-{signal.SIGTERM.value}", pid).returncode == 0
    output, _errors = process.communicate(timeout=30)
    assert output == f"{128 + signal.SIGTERM}\n"
    assert installed(node).read_bytes() == GOOD
    node.google.before_answer.set()
    assert "(unchanged)" in fetch(node)
