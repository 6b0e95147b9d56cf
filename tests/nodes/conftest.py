"""A cluster of nodes that are containers with systemd, made from what roles published, for tests that look inside."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import testinfra

from localcloud.hadoop import HadoopError
from localcloud.podman.commands import CONFIGURATION, inspect, missing, podman
from localcloud.podman.images import image_of
from tests.freeipa.stand_in import HOST, PASSWORD, REALM, StandIn, stand_in
from tests.freeipa.stand_in import missing as missing_for_a_realm
from tests.integration.conftest import REPOSITORY, LocalCloud, run
from tests.integration.google import Google
from tests.integration.secrets_support import ACCOUNTS
from tests.nodes.file_server import file_server_client
from tests.nodes.intranet import DOMAIN, Intranet, intranet
from tests.nodes.intranet import missing as missing_for_a_site
from tests.nodes.observed_job import Observed, observe
from tests.nodes.one_node import OneNode, one_node, small_environment
from tests.yarn.jobs.cluster import Cluster, create_cluster, delete_cluster, running_cloud

INVENTORY = str(REPOSITORY / "inventories" / "local")
FILE_SERVER = "10.10.4.2"
MOUNTS = ["/shared/data", "/shared/projects", "/shared/dask-tmp"]
# What a laptop's inventory leaves out.
FACTS: dict[str, Any] = {
    # Airflow has tests of its own.
    "platform_composer": None,
    "platform_nfs": {
        "server": FILE_SERVER,
        "share": "/vol",
        "mounts": [
            {"mountpoint": "/shared/data", "export": "/vol/data", "version": "4.1"},
            {"mountpoint": "/shared/projects", "export": "/vol/projects"},
            {"mountpoint": "/shared/dask-tmp", "export": "/vol/dask-tmp", "options": ["nolock"]},
        ],
    },
    "platform_job_account": "yarn",
    "platform_metrics": {"interval": 5, "groups": ["dask", "node", "yarn"]},
}
# Of the template `etl` in the environment `local`.
PRINCIPAL = f"dask/etl-local.{DOMAIN}@{REALM}"
NODE_ACCOUNT = "dataproc-node@local-project.iam.gserviceaccount.com"
NODES = ["nodes-m", "nodes-w-0", "nodes-w-1"]


@pytest.fixture(scope="session")
def containers_can_be_nodes() -> None:
    """Skip, and say why, where they cannot."""
    try:
        problem = missing()
        image_of("2.3-debian12")
    except HadoopError as error:
        problem = str(error)
    if problem:
        pytest.skip(f"SKIPPED, needs nodes in containers: {problem}")


@pytest.fixture(scope="module")
def booted_node(containers_can_be_nodes: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneNode]:
    """One node alone, for a module's tests."""
    with one_node(tmp_path_factory.mktemp("one-node")) as node:
        yield node


@pytest.fixture(name="node")
def bare_node(booted_node: OneNode) -> Iterator[OneNode]:
    """One node alone on which nothing ran yet."""
    booted_node.reset()
    yield booted_node
    booted_node.loop_devices(present=True)


@pytest.fixture(name="tree")
def environment_tree(tmp_path: Path) -> Path:
    """A small environment that works."""
    return small_environment(tmp_path / "tree")


@pytest.fixture(scope="session")
def ipa(containers_can_be_nodes: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    """The realm as the controller sees it; no node reaches this KDC."""
    if problem := missing_for_a_realm() or missing_for_a_site():
        pytest.skip(f"SKIPPED, needs a Kerberos realm of its own: {problem}")
    with stand_in(tmp_path_factory.mktemp("ipa")) as started:
        yield started


def facts_of(ipa: StandIn) -> dict[str, Any]:
    """What a laptop's inventory leaves out of a realm."""
    kdcs = [f"{HOST}:{ipa.kdc_port}"]
    return {
        "platform_kerberos": {"realm": REALM, "domain": DOMAIN, "kdcs": kdcs, "ipa_server": HOST},
        "service_principals_ipa_ca_path": str(ipa.authority),
        "service_principals_ipa_https_port": ipa.https_port,
        "service_principals_ipa_ldap_port": ipa.ldap_port,
    }


@pytest.fixture(scope="session")
def nodes_cloud(ipa: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A local cloud of containers, after the environment was built and ``site.yml`` ran."""
    os.environ["CONTAINERS_CONF"] = str(CONFIGURATION)
    home = tmp_path_factory.mktemp("nodes") / "home"
    exports = home / "filestore" / FILE_SERVER / "vol"
    with running_cloud(home, "podman") as cloud:
        exports.mkdir(parents=True)
        (home / "facts.json").write_text(json.dumps({**FACTS, **facts_of(ipa)}))
        account = {"accountId": NODE_ACCOUNT.partition("@")[0]}
        Google(cloud.environment).call("POST", ACCOUNTS, json=account, allow=(409,))
        with file_server_client(home, home / "filestore") as client:
            playbook(cloud, "playbooks/prepare_shared.yml", f"@{home}/facts.json", inventory=client.inventory)
        cloud.environment.update(ipa.client_environment, IPA_PASS=PASSWORD)
        playbook(cloud, "site.yml", f"@{home}/facts.json")
        # The environment becomes one of the pins there are; the checkout's own file stays as it is.
        shutil.copy(REPOSITORY / "inventories/local/group_vars/all/pins.yml", home / "pin.yml")
        # In the caller's own environment: what leads to the local cloud leads to no package index.
        pin = f"environment_image_pin_file={home}/pin.yml"
        build = ["ansible-playbook", "-i", INVENTORY, "playbooks/build_environment.yml", "-e", pin]
        unchecked = ["-e", "environment_image_allow_unchecked=true"]
        run([*build, *unchecked], cloud.environment_without_proxy(), timeout=600)
        playbook(cloud, "site.yml", f"@{home}/facts.json", f"@{home}/pin.yml")
        yield cloud


def playbook(cloud: LocalCloud, name: str, *variables: str, inventory: Path | None = None) -> str:
    """Run a playbook as a client of the cloud, with the hosts of one more inventory; its output."""
    extra = [part for variable in variables for part in ("-e", variable)]
    extra += ["-i", str(inventory)] if inventory else []
    return cloud.run("ansible-playbook", "-i", INVENTORY, name, *extra).stdout


@pytest.fixture(scope="session")
def cluster(nodes_cloud: LocalCloud) -> Iterator[Cluster]:
    """A master and two workers, of a realm whose KDC is not up while they boot."""
    made = create_cluster(nodes_cloud, "nodes", workers=2)
    yield made
    delete_cluster(made)


@pytest.fixture(scope="session")
def company(
    nodes_cloud: LocalCloud, cluster: Cluster, ipa: StandIn, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Intranet]:
    """A KDC and a web site of the realm, on the cluster's network."""
    found = inspect("container", container_of(nodes_cloud, NODES[0])) or {}
    (network,) = found["NetworkSettings"]["Networks"]
    with intranet(network, ipa, tmp_path_factory.mktemp("intranet")) as company:
        yield company


@pytest.fixture(scope="session")
def observed(nodes_cloud: LocalCloud, cluster: Cluster) -> Observed:
    """One job on the cluster, watched."""
    return observe(cluster, shared(nodes_cloud, "dask-tmp"))


@pytest.fixture(scope="session")
def hosts(nodes_cloud: LocalCloud, cluster: Cluster) -> dict[str, Any]:
    """The nodes as testinfra's hosts, by name."""
    return {name: testinfra.get_host(f"podman://{container_of(nodes_cloud, name)}") for name in NODES}


@pytest.fixture(params=NODES)
def host(hosts: dict[str, Any], request: pytest.FixtureRequest) -> Any:
    """Each node."""
    return hosts[request.param]


@pytest.fixture
def master(hosts: dict[str, Any]) -> Any:
    """The master."""
    return hosts["nodes-m"]


def container_of(cloud: LocalCloud, node: str) -> str:
    """The name of the container that is a node."""
    labels = (f"localcloud.clusters={cloud.home / 'clusters'}", f"localcloud.node={node}")
    (name,) = podman("ps", "--format={{.Names}}", *(f"--filter=label={label}" for label in labels)).split()
    return name


def shared(cloud: LocalCloud, name: str) -> Path:
    """The directory that an export is on this machine."""
    return cloud.home / "filestore" / FILE_SERVER / "vol" / name
