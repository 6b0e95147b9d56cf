"""``init-actions/service-principal.sh`` on a node with systemd and against a real KDC: faults, rotation, reboots."""

from __future__ import annotations

import base64
import contextlib
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.ipa_names import krb5_conf

from localcloud.podman.commands import inspect
from tests.freeipa.realm import Realm
from tests.freeipa.stand_in import missing
from tests.nodes.one_node import OneNode, one_node
from tests.unit.init_actions.fake_google import TOKEN

pytestmark = pytest.mark.slow

REALM = "CORP.INTERNAL"
PRINCIPAL = f"dask/etl-dev.corp.internal@{REALM}"
OTHER = f"HTTP/intranet.corp.internal@{REALM}"
SECRET = "projects/acme-data-dev/secrets/keytab-etl-dev"  # noqa: S105  its name
KEYTAB = "/etc/security/keytabs/service-principal.keytab"
TICKET = "/run/service-principal/ticket"
JOBS_TICKET = "/var/tmp/job-ticket"  # noqa: S108  of a container
UNIT = "service-principal.service"
# Every file that the init action could have written, but for the ticket.
STATE = (
    "find /etc /opt /run/service-principal /run/.service-principal* -xdev ! -type d"
    f" ! -path {TICKET} -printf '%p %i %T@ %m %u %g\\n' 2>/dev/null | sort"
)
NODE_MANAGER = "[Service]\nExecStart=/bin/sleep infinity\n"


@dataclass
class Client:
    """A node that has metadata and bundle for a realm, and the realm."""

    node: OneNode
    realm: Realm

    def publish(self, keytab: bytes, state: str = "ENABLED") -> None:
        """Make this the secret's latest version."""
        self.node.google.secrets[SECRET] = (state, keytab)

    def act(self) -> subprocess.CompletedProcess[str]:
        """Run the init action."""
        return self.node.init_action("service-principal.sh")

    def renew(self) -> int:
        """Run the unit as its timer does; the code it ended with."""
        self.node.run("systemctl", "start", UNIT)
        return int(self.node.shell(f"systemctl show --property ExecMainStatus --value {UNIT}"))

    def as_yarn(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a program of jobs, which is told nothing of Kerberos."""
        return self.node.run("setpriv", "--reuid=yarn", "--regid=yarn", "--init-groups", "bash", "-c", command)

    def ticket(self) -> str:
        """Which file the ticket is; empty when there is none."""
        return self.node.shell(f"stat -c %i:%Y {TICKET} 2>/dev/null || true").strip()

    def works(self, ticket: str = TICKET) -> bool:
        """Whether jobs get tickets for a service with it."""
        done = self.as_yarn(
            f"cp {ticket} /tmp/try && KRB5CCNAME=/tmp/try kvno {OTHER}; code=$?; rm /tmp/try; exit $code"
        )
        return done.returncode == 0

    def said(self) -> str:
        """What the unit wrote into the journal since it was there."""
        return self.node.shell(f"journalctl --unit {UNIT} --output cat")


def wait_until(condition: Callable[[], object]) -> None:
    """Fail when a condition does not come true within 30 seconds."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def try_soon(node: OneNode) -> None:
    """Let the unit wait for a second only before it tries again."""
    drop_in = f"/etc/systemd/system/{UNIT}.d"
    node.shell(f"mkdir {drop_in}; printf '[Service]\\nRestartSec=1\\n' >{drop_in}/soon.conf")


def gateway() -> str:
    """This machine's address on the network of nodes that stand alone."""
    return inspect("network", "podman")["subnets"][0]["gateway"]


def kerberize(node: OneNode, realm: Realm) -> Client:
    """Give a node the realm's metadata, bundle and secret."""
    node.bundle(
        {
            "kerberos/krb5.conf": krb5_conf(REALM, [f"{realm.host}:{realm.port}"], "corp.internal", TICKET),
            "kerberos/service-principal.conf": f"account=yarn\nrealm={REALM}\n",
        }
    )
    node.google.attributes |= {"service-principal": PRINCIPAL, "service-principal-secret": SECRET}
    client = Client(node, realm)
    client.publish(realm.keytab(PRINCIPAL))
    return client


@pytest.fixture(scope="module", name="kdc")
def a_realm(booted_node: OneNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Realm]:
    """A realm with the principal and a service, whose KDC nodes reach, also after a reboot."""
    if problem := missing():
        pytest.skip(f"SKIPPED, needs a Kerberos realm of its own: {problem}")
    address = gateway()
    with socket.create_server((address, 0)) as listener:
        port = listener.getsockname()[1]
    realm = Realm(tmp_path_factory.mktemp("realm"), REALM, address, address, port)
    realm.create()
    for principal in (PRINCIPAL, OTHER):
        realm.kadmin("addprinc", "-randkey", "+requires_preauth", principal)
    realm.start()
    yield realm
    realm.stop()


@pytest.fixture(name="client")
def node_of_a_realm(node: OneNode, kdc: Realm) -> Iterator[Client]:
    """A node on which nothing ran yet, whose realm answers."""
    node.shell(
        f"systemctl disable --now --quiet service-principal.timer {UNIT} 2>&1; cd /etc/systemd/system;"
        f" rm -rf service-principal.* {UNIT}.d *.d/15-service-principal.conf hadoop-yarn-nodemanager.service;"
        " rm -rf /etc/krb5.conf /etc/security/keytabs /run/service-principal; systemctl daemon-reload;"
        " systemctl reset-failed; journalctl --rotate --vacuum-time=1s --quiet 2>&1"
    )
    yield kerberize(node, kdc)
    kdc.stop()
    kdc.start()


def test_programs_of_the_account_have_a_ticket_and_a_second_run_changes_nothing(client: Client) -> None:
    done = client.act()
    assert done.returncode == 0, done.stderr
    files = f"/etc/krb5.conf {KEYTAB} {KEYTAB.rpartition('/')[0]} {TICKET} {TICKET.rpartition('/')[0]}"
    assert client.node.shell(f"stat -c '%a %U %G' {files}").splitlines() == [
        "644 root root",
        "400 root root",
        "755 root root",
        "600 yarn yarn",
        "700 yarn yarn",
    ]
    listing = client.as_yarn("klist")
    assert f"Default principal: {PRINCIPAL}\n" in listing.stdout
    assert client.as_yarn(f"kvno {OTHER}").returncode == 0
    # The ticket is all that jobs have.
    assert client.as_yarn(f"cat {KEYTAB}").returncode != 0
    assert client.node.shell("systemctl is-active service-principal.timer").strip() == "active"
    assert client.node.shell(f"systemctl is-enabled {UNIT} service-principal.timer").split() == ["enabled"] * 2
    checked = client.node.run("systemd-analyze", "verify", UNIT, "service-principal.timer")
    assert "service-principal" not in checked.stdout + checked.stderr
    before = client.node.shell(STATE)
    again = client.act()
    assert again.returncode == 0, again.stderr
    assert client.node.shell(STATE) == before


def test_nothing_secret_is_left_but_the_keytab(client: Client) -> None:
    # Also by a refusal, and by a renewal that fetches the keytab anew.
    client.publish(b"no keytab")
    assert client.act().returncode == 4
    client.publish(client.realm.keytab(PRINCIPAL))
    assert client.act().returncode == 0
    client.node.shell(f"rm {KEYTAB}")
    assert client.renew() == 0
    keytab = client.realm.keytab(PRINCIPAL)
    secrets = [key.value for key in client.realm.keys(PRINCIPAL)] + [base64.b64encode(keytab)[8:48], TOKEN.encode()]
    root = Path(f"/proc/{client.node.process}/root")
    found = []
    for top in ("etc", "opt", "run", "tmp", "var/log", "var/tmp", "root", "dev/shm"):
        for path in (root / top).rglob("*"):
            with contextlib.suppress(OSError):
                if path.is_file() and not path.is_symlink() and any(s in path.read_bytes() for s in secrets):
                    found.append(f"/{path.relative_to(root)}")
    assert found == [KEYTAB]
    said = client.node.shell("journalctl --output=json --no-pager")
    assert client.said()
    assert [secret for secret in secrets if secret.decode("latin-1") in said or secret.hex() in said] == []


def test_a_kdc_that_is_down_fails_no_node_and_is_tried_again(client: Client) -> None:
    client.node.shell(f"cat >/etc/systemd/system/hadoop-yarn-nodemanager.service <<'UNIT'\n{NODE_MANAGER}UNIT\n")
    try_soon(client.node)
    client.realm.stop()
    done = client.act()
    assert done.returncode == 0, done.stderr
    assert "no KDC answers" in done.stderr
    assert client.ticket() == ""
    # Whether or not there is a ticket.
    client.node.shell("systemctl start hadoop-yarn-nodemanager")
    client.realm.start()
    wait_until(client.ticket)
    assert client.works()
    # A later failure is nothing to those who have a ticket.
    before = client.ticket()
    client.realm.stop()
    assert client.renew() == 7
    assert client.ticket() == before
    assert client.node.shell("systemctl is-active hadoop-yarn-nodemanager").strip() == "active"
    # Another keytab would not have helped.
    assert len([path for path in client.node.google.requests if "/secrets/" in path]) == 1


def test_daemons_start_after_the_first_attempt_and_do_not_depend_on_it(client: Client) -> None:
    daemons = ["hadoop-yarn-nodemanager", "hadoop-yarn-resourcemanager", "google-dataproc-agent"]
    units = " ".join(f"/etc/systemd/system/{daemon}.service" for daemon in daemons)
    client.node.shell(f"tee {units} <<'UNIT'\n{NODE_MANAGER}UNIT\n")
    try:
        assert client.act().returncode == 0
        for daemon in daemons:
            shown = client.node.shell(f"systemctl show --property After,Wants,Requires,BindsTo {daemon}")
            facts = {name: set(value.split()) for name, _is, value in (x.partition("=") for x in shown.splitlines())}
            assert UNIT in facts["After"]
            assert UNIT not in facts["Wants"] | facts["Requires"] | facts["BindsTo"]
            # Starting it later makes no attempt, and waits for none.
            before = client.ticket()
            client.node.shell(f"systemctl restart {daemon}")
            assert client.ticket() == before
    finally:
        client.node.shell(f"systemctl stop {' '.join(daemons)}; rm {units}; systemctl daemon-reload")


def test_after_a_reboot_it_is_there_again_even_when_the_kdc_is_late(kdc: Realm, tmp_path: Path) -> None:
    # A node of its own: after a restart this container would not be told what the others are told.
    with one_node(tmp_path) as node:
        client = kerberize(node, kdc)
        assert client.act().returncode == 0
        try_soon(node)
        kdc.stop()
        try:
            node.restart()
            wait_until(lambda: "no KDC answers" in node.shell(f"journalctl --boot --unit {UNIT} --output cat"))
            assert client.ticket() == ""
        finally:
            kdc.start()
        wait_until(client.ticket)
        assert client.works()
        assert node.shell("systemctl is-active service-principal.timer").strip() == "active"


def test_a_rotation_is_taken_over_and_running_jobs_keep_their_ticket(client: Client) -> None:
    assert client.act().returncode == 0
    first = client.ticket()
    client.as_yarn(f"cp {TICKET} {JOBS_TICKET}")
    client.realm.kadmin("cpw", "-randkey", PRINCIPAL)
    # The key in the realm is new, and nobody published it yet.
    assert client.renew() == 12
    assert "so it is not the one of the account's key" in client.said()
    assert client.ticket() == first
    assert client.works()
    client.publish(client.realm.keytab(PRINCIPAL))
    assert client.renew() == 0
    assert client.ticket() != first
    assert client.works()
    assert client.works(JOBS_TICKET)
    assert client.node.shell(f"stat -c '%a %U' {KEYTAB}").strip() == "400 root"
    assert "kinit" not in client.act().stderr
    client.node.shell(f"rm {JOBS_TICKET}")


def test_a_lost_keytab_is_fetched_again(client: Client) -> None:
    assert client.act().returncode == 0
    client.node.shell(f"echo damaged >{KEYTAB}")
    assert client.renew() == 0
    client.node.shell(f"rm {KEYTAB}")
    assert client.renew() == 0
    assert client.node.shell(f"stat -c '%a %U' {KEYTAB}").strip() == "400 root"


def test_a_kdc_that_refuses_the_published_keytab_fails_the_node(client: Client) -> None:
    old = client.realm.keytab(PRINCIPAL)
    client.realm.kadmin("cpw", "-randkey", PRINCIPAL)
    client.publish(old)
    failed = client.act()
    assert failed.returncode == 12, failed.stderr
    assert f"failed, NO_TICKET: the KDC refuses the latest keytab of {PRINCIPAL}" in failed.stderr
    assert "Preauthentication failed" in failed.stderr
    client.publish(client.realm.keytab(PRINCIPAL))
    assert client.act().returncode == 0
    assert client.works()


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_a_clock_that_is_wrong_is_named(client: Client, seconds: int) -> None:
    assert client.act().returncode == 0
    before = client.ticket()
    client.realm.stop()
    client.realm.start(skew_seconds=seconds)
    failed = client.act()
    assert failed.returncode == 4
    assert "the clocks of this node and of the KDC differ by 3" in failed.stderr
    assert client.ticket() == before


def test_an_image_without_kinit_is_named(client: Client) -> None:
    client.node.shell("mv /usr/bin/kinit /usr/bin/kinit.away")
    try:
        failed = client.act()
    finally:
        client.node.shell("mv /usr/bin/kinit.away /usr/bin/kinit")
    assert failed.returncode == 4
    assert "this image has no kinit" in failed.stderr
    assert "krb5-user" in failed.stderr


def test_a_full_disk_is_named_and_the_next_run_repairs(client: Client) -> None:
    directory = KEYTAB.rpartition("/")[0]
    client.node.shell(f"mkdir -p {directory}; mount -t tmpfs -o size=16k none {directory}")
    try:
        client.node.run("dd", "if=/dev/zero", f"of={directory}/filler", "bs=4k")
        failed = client.act()
        assert failed.returncode == 11, failed.stderr
        assert client.node.shell(f"ls -A {directory}") == "filler\n"
    finally:
        client.node.shell(f"umount {directory}")
    assert client.act().returncode == 0
    assert client.works()


def test_terminated_while_fetching_and_run_again(client: Client) -> None:
    client.node.google.before_answer = threading.Event()
    process = client.node.start("bash", "-c", "echo $$ > /run/action.pid; exec /init-actions/service-principal.sh")
    wait_until(lambda: [path for path in client.node.google.requests if "/secrets/" in path])
    client.node.shell("kill -TERM $(cat /run/action.pid)")
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGTERM
    assert client.node.shell("find /run /etc/security -name '.service-principal*'") == ""
    assert client.node.run("test", "-e", KEYTAB).returncode == 1
    client.node.google.before_answer.set()
    assert client.act().returncode == 0
    assert client.works()


def test_terminated_while_the_kdc_thinks_and_run_again(client: Client) -> None:
    assert client.act().returncode == 0
    before = client.ticket()
    client.realm.stop()
    # It takes the question, and says nothing.
    with socket.create_server((client.realm.address, client.realm.port)) as silent:
        client.node.shell(f"systemctl start --no-block {UNIT}")
        connection, _address = silent.accept()
        client.node.shell(f"systemctl stop {UNIT}")
        connection.close()
    assert client.node.shell("find /run -maxdepth 1 -name '.service-principal*'") == ""
    assert client.ticket() == before
    client.realm.start()
    assert client.renew() == 0
    assert client.works()


def test_what_jobs_leave_in_their_directory_leads_root_nowhere(client: Client) -> None:
    assert client.act().returncode == 0
    client.node.shell("echo precious >/root/precious")
    client.as_yarn(f"cd {TICKET.rpartition('/')[0]}; ln -sf /root/precious ticket; ln -s /root/precious ticket.new")
    assert client.renew() == 0
    assert client.node.shell("cat /root/precious; stat -c %U /root/precious") == "precious\nroot\n"
    assert client.node.shell(f"stat -c '%F %a %U' {TICKET}").strip() == "regular file 600 yarn"
    assert client.works()
