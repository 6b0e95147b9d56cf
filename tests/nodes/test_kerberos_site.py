"""A Dask job reads from a web site that asks for Kerberos tickets, with the ticket that its nodes have."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.nodes.conftest import NODES, PRINCIPAL
from tests.nodes.intranet import TEXT, WEB, Intranet
from tests.yarn.jobs.cluster import Cluster

UNIT = "service-principal.service"
# Any program that speaks GSSAPI; nothing here says where a ticket is.
READS = f"""
import json, os, socket, subprocess
from dask.distributed import Client
client = Client()
client.wait_for_workers(2)

def read(**variables):
    command = ["curl", "--silent", "--negotiate", "--user", ":", "--write-out", "%{{http_code}}", "http://{WEB}/rates.txt"]
    done = subprocess.run(command, env=dict(os.environ, **variables), capture_output=True, text=True)
    return [socket.gethostname(), done.stdout]

def read_without():
    return read(KRB5CCNAME="FILE:/nonexistent")

answers = {{
    "driver": [read()], "workers": list(client.run(read).values()),
    "without": [read_without(), *client.run(read_without).values()],
}}
print("RESULT", json.dumps(answers), flush=True)
"""


@pytest.fixture(scope="module")
def tickets(hosts: dict[str, Any], company: Intranet) -> dict[str, Any]:
    """The nodes, after their timer would have tried again."""
    for host in hosts.values():
        # Not `start`, which would join a try of the timer's that began before there was a KDC.
        assert host.run(f"systemctl restart {UNIT}").rc == 0, host.run(f"journalctl --unit {UNIT}").stdout
    return hosts


def test_nodes_booted_while_the_kdc_was_away(host: Any) -> None:
    assert "no KDC answers" in host.run(f"journalctl --boot --unit {UNIT} --output cat").stdout


@pytest.mark.parametrize("name", NODES)
def test_every_node_has_the_ticket_of_its_template(tickets: dict[str, Any], name: str) -> None:
    host = tickets[name]
    keytab = host.file("/etc/security/keytabs/service-principal.keytab")
    assert (keytab.user, keytab.group, keytab.mode) == ("root", "root", 0o400)
    ticket = host.file("/run/service-principal/ticket")
    assert (ticket.user, ticket.group, ticket.mode) == ("yarn", "yarn", 0o600)
    directory = host.file("/run/service-principal")
    assert (directory.user, directory.mode) == ("yarn", 0o700)
    listing = host.run("setpriv --reuid=yarn --regid=yarn --init-groups klist")
    assert f"Default principal: {PRINCIPAL}" in listing.stdout
    assert host.service("service-principal.timer").is_running


def test_metadata_names_the_secret_and_holds_none(cluster: Cluster) -> None:
    metadata = cluster.body["config"]["gceClusterConfig"]["metadata"]
    named = {name: value for name, value in metadata.items() if "principal" in name}
    assert named == {
        "service-principal": PRINCIPAL,
        "service-principal-secret": "projects/local-project/secrets/keytab-etl-local",
    }


def test_driver_and_workers_read_with_the_nodes_ticket_and_not_without(
    tickets: dict[str, Any], cluster: Cluster, company: Intranet
) -> None:
    output = cluster.submit(READS, min_workers=2, max_workers=2).succeeds()
    (line,) = [line.removeprefix("RESULT ") for line in output.splitlines() if line.startswith("RESULT ")]
    answers = json.loads(line)
    assert answers["driver"] == [["nodes-m", f"{TEXT}200"]]
    assert sorted(answers["workers"]) == [[name, f"{TEXT}200"] for name in NODES[1:]]
    assert sorted(name for name, _answer in answers["without"]) == NODES
    for _name, answer in answers["without"]:
        assert answer.endswith("401")
        assert TEXT not in answer
    # As the site saw them.
    served = {(address, user) for address, status, user in company.visits() if status == 200}
    assert len(served) == 3
    assert {user for _address, user in served} == {PRINCIPAL}
    assert len([status for _address, status, user in company.visits() if (status, user) == (401, "-")]) >= 3
