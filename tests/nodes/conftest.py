"""A cluster of nodes that are containers with systemd, made from what roles published, for tests that look inside."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import testinfra

from localcloud.hadoop import HadoopError
from localcloud.podman.commands import CONFIGURATION, missing, podman
from localcloud.podman.images import image_of
from tests.integration.conftest import REPOSITORY, LocalCloud, run
from tests.nodes.file_server import file_server_client
from tests.nodes.observed_job import Observed, observe
from tests.nodes.one_node import OneNode, one_node, small_environment
from tests.yarn.jobs.cluster import Cluster, create_cluster, delete_cluster, running_cloud

INVENTORY = str(REPOSITORY / "inventories" / "local")
FILE_SERVER = "10.10.4.2"
MOUNTS = ["/shared/data", "/shared/projects", "/shared/dask-tmp"]
# What a laptop's inventory leaves out.
FACTS: dict[str, Any] = {
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
}
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
def nodes_cloud(containers_can_be_nodes: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A local cloud of containers, after the environment was built and ``site.yml`` ran."""
    os.environ["CONTAINERS_CONF"] = str(CONFIGURATION)
    home = tmp_path_factory.mktemp("nodes") / "home"
    exports = home / "filestore" / FILE_SERVER / "vol"
    with running_cloud(home, "podman") as cloud:
        exports.mkdir(parents=True)
        (home / "facts.json").write_text(json.dumps(FACTS))
        with file_server_client(home, home / "filestore") as client:
            playbook(cloud, "playbooks/prepare_shared.yml", f"@{home}/facts.json", inventory=client.inventory)
        playbook(cloud, "site.yml", f"@{home}/facts.json")
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
    """A master and two workers."""
    made = create_cluster(nodes_cloud, "nodes", workers=2)
    yield made
    delete_cluster(made)


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
