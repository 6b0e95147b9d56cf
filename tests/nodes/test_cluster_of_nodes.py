"""Three nodes booted through all initialization actions from what the roles published, looked at from inside."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.conftest import LocalCloud
from tests.integration.google import wait_for
from tests.nodes.conftest import FILE_SERVER, MOUNTS, NODES, playbook, shared
from tests.nodes.observed_job import Observed
from tests.yarn.jobs.cluster import Cluster

ENVIRONMENT = "/opt/dataplatform/environment"
# Waits until it is told that everything was seen.
WAITS = """
import pathlib, time
from dask.distributed import Client
client = Client()

def wait():
    while not pathlib.Path("/shared/projects/seen").exists():
        time.sleep(0.2)

client.submit(wait).result()
"""


def test_actions_ran_in_the_order_of_the_template(host: Any, cluster: Cluster) -> None:
    actions = [
        action["executableFile"].rpartition("/")[2] for action in cluster.body["config"]["initializationActions"]
    ]
    assert actions == [
        "node-bundle.sh",
        "nfs-mounts.sh",
        "service-principal.sh",
        "yarn_queues.py",
        "dask-environment.sh",
        "node-metrics.sh",
    ]
    logs = [f"/var/log/dataproc-initialization-script-{index}.log" for index in range(len(actions))]
    changed = [host.run(f"stat -L -c %Y {log}").stdout.strip() for log in logs]
    assert changed == sorted(changed)
    # Hadoop came after them.
    (daemon,) = [unit for unit in ("resourcemanager", "nodemanager") if host.service(f"hadoop-yarn-{unit}").is_running]
    started = host.run(f'date -d "$(systemctl show -P ActiveEnterTimestamp hadoop-yarn-{daemon})" +%s').stdout.strip()
    assert int(started) >= int(changed[-1])


def test_the_bundle_is_the_one_that_the_template_pins(host: Any, cluster: Cluster) -> None:
    pinned = cluster.body["config"]["gceClusterConfig"]["metadata"]["node-bundle-uri"].split("/")[3]
    assert host.file("/opt/dataplatform/bundle").linked_to == f"/opt/dataplatform/bundles/{pinned}"
    assert host.run("find /opt/dataplatform/bundle/ -perm /022 -o ! -user root").stdout == ""


@pytest.mark.parametrize("mountpoint", MOUNTS)
def test_shared_file_systems_are_mounted_by_units(host: Any, mountpoint: str) -> None:
    unit = host.run(f"systemd-escape --path --suffix=mount {mountpoint}").stdout.strip()
    shown = dict(
        line.split("=", 1)
        for line in host.run(f"systemctl show -p ActiveState,UnitFileState,FragmentPath '{unit}'").stdout.splitlines()
    )
    assert (shown["ActiveState"], shown["UnitFileState"]) == ("active", "enabled")
    text = host.file(shown["FragmentPath"]).content_string
    assert f"What={FILE_SERVER}:/vol/{mountpoint.removeprefix('/shared/')}\n" in text
    assert "hard" in text
    assert host.mount_point(mountpoint).exists


def test_hadoop_waits_for_the_mounts(host: Any) -> None:
    for unit in ("hadoop-yarn-resourcemanager", "hadoop-yarn-nodemanager"):
        drop_in = f"/etc/systemd/system/{unit}.service.d/10-shared-file-systems.conf"
        (line,) = [row for row in host.file(drop_in).content_string.splitlines() if row.startswith("Requires")]
        assert sorted(line.removeprefix("RequiresMountsFor=").split()) == sorted(MOUNTS)


def test_the_environment_is_one_read_only_image(host: Any, nodes_cloud: LocalCloud) -> None:
    mount = host.mount_point(ENVIRONMENT)
    assert mount.filesystem == "squashfs"
    assert "ro" in mount.options
    assert host.run(f"touch {ENVIRONMENT}/x").rc != 0
    versions = host.run(
        f"{ENVIRONMENT}/bin/python -I -c 'import dask, sys; print(dask.__version__, sys.version_info[:2])'"
    )
    assert versions.stdout.strip() == "2026.8.0 (3, 11)"


def test_the_master_has_the_queues_and_fetches_new_ones(master: Any, cluster: Cluster) -> None:
    assert "<allocations>" in master.file("/etc/hadoop/conf/fair-scheduler.xml").content_string
    assert master.service("yarn-queues.timer").is_running
    fetched = master.run("systemctl start yarn-queues.service || journalctl --output=cat -u yarn-queues.service | tail")
    assert fetched.stdout == ""
    queues = cluster.yarn("scheduler")["scheduler"]["schedulerInfo"]["rootQueue"]["childQueues"]["queue"]
    assert {queue["queueName"] for queue in queues} >= {"root.critical", "root.normal", "root.low"}


def test_the_resource_manager_was_asked_whether_it_has_taken_the_queues(master: Any, cluster: Cluster) -> None:
    # It came with the ResourceManager; nobody started it.
    shown = master.run(
        "systemctl show -p Result,ExecMainStatus,UnitFileState,ExecMainExitTimestampMonotonic yarn-queues-taken"
    )
    values = dict(line.split("=", 1) for line in shown.stdout.splitlines())
    assert (values["Result"], values["ExecMainStatus"], values["UnitFileState"]) == ("success", "0", "enabled")
    assert int(values["ExecMainExitTimestampMonotonic"]) > 0
    assert "has taken" in master.run("journalctl --no-pager --output=cat -u yarn-queues-taken").stdout


@pytest.fixture
def file_that_was_not_taken(master: Any) -> Iterator[None]:
    """A queue more in the master's file, in a file that no ResourceManager loads; the check waits for a moment only."""
    file, drop_in = "/etc/hadoop/conf/fair-scheduler.xml", "/run/systemd/system/yarn-queues-taken.service.d"
    command = "/usr/bin/python3 /opt/dataplatform/bundle/lib/queues_taken.py --seconds 1"
    queue = '<queue name="more"><aclSubmitApps></aclSubmitApps></queue></allocations>'
    done = master.run(
        f"systemctl stop yarn-queues.timer yarn-queues.service && cp -p {file} /run/taken.xml"
        f" && sed -i 's|</allocations>|{queue}|' {file} && chmod 0644 {file} && mkdir -p {drop_in}"
        f" && printf '[Service]\nExecStart=\nExecStart={command}\n' >{drop_in}/soon.conf && systemctl daemon-reload"
    )
    assert done.rc == 0, done.stderr
    yield
    master.run(
        f"rm -r {drop_in}; cp -p /run/taken.xml {file}; systemctl daemon-reload; systemctl start yarn-queues.timer"
        "; systemctl reset-failed"
    )


def test_a_file_that_was_not_taken_is_a_failed_unit(
    master: Any, cluster: Cluster, file_that_was_not_taken: None
) -> None:
    assert master.run("systemctl restart yarn-queues-taken").rc != 0
    assert master.run("systemctl is-failed yarn-queues-taken").stdout.strip() == "failed"
    errors = master.run("journalctl --no-pager --output=cat --priority=err -u yarn-queues-taken").stdout
    assert "failed, NOT_TAKEN" in errors
    assert "it has no queue more" in errors
    # The cluster works on with the queues it had.
    queues = cluster.yarn("scheduler")["scheduler"]["schedulerInfo"]["rootQueue"]["childQueues"]["queue"]
    assert {queue["queueName"] for queue in queues} >= {"root.critical", "root.normal", "root.low"}


def test_nobody_logs_in_to_nodes(host: Any) -> None:
    packages = host.run("dpkg-query --show --showformat='${Package}\\n'").stdout.split()
    assert [name for name in packages if name.startswith(("sssd", "libpam-krb5", "libpam-sss", "freeipa"))] == []
    assert host.run("grep -rlE 'pam_(krb5|sss)' /etc/pam.d").stdout == ""


def test_no_token_is_left_on_nodes(host: Any) -> None:
    # The token of the local cloud begins like Google's.
    assert host.run("journalctl --no-pager | grep -c 'ya29[.]'").stdout.strip() == "0"
    assert host.run("cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c 'ya29[.]l'").stdout.strip() == "0"
    found = host.run(
        "grep -rls 'ya29[.]' /opt/dataplatform/bundles /etc /var/log /var/lib/dataplatform /tmp /run/systemd"
    )
    assert found.stdout == ""


@pytest.mark.parametrize(
    "action", ["node-bundle.sh", "nfs-mounts.sh", "service-principal.sh", "dask-environment.sh", "node-metrics.sh"]
)
def test_a_second_run_changes_nothing(host: Any, cluster: Cluster, nodes_cloud: LocalCloud, action: str) -> None:
    state = (
        "cat /proc/self/mountinfo; find /etc/systemd/system /opt/dataplatform -xdev -path /opt/dataplatform/environment"
        " -prune -o ! -type d -printf '%p %i %T@ %m %u\\n' | sort"
    )
    before = host.run(state).stdout
    names = [each["executableFile"].rpartition("/")[2] for each in cluster.body["config"]["initializationActions"]]
    home = nodes_cloud.home / "clusters" / cluster.body["clusterUuid"] / "init-actions"
    name = host.run("hostname").stdout.strip()
    # With the variables that lead all of the node to the local cloud.
    again = host.run(f"systemd-run --pipe --wait --quiet --collect {home}/{name}/{names.index(action)}-{action}")
    assert again.rc == 0, again.stderr
    assert host.run(state).stdout == before


def test_driver_and_workers_write_with_the_stated_account(observed: Observed, nodes_cloud: LocalCloud) -> None:
    wrote = observed.facts["wrote"]
    assert wrote["driver"] == ["nodes-m", 2001]
    assert wrote["worker"][0] in NODES[1:]
    assert wrote["worker"][1] == 2001
    for name in ("driver", "worker"):
        path = shared(nodes_cloud, "projects") / name
        for made, mode in ((path, "0o2775"), (path / "file", "0o664")):
            found = made.stat()
            assert (found.st_uid, found.st_gid, oct(found.st_mode & 0o7777)) == (2001, 2001, mode), made
        assert (path / "file").read_text() == wrote[name][0]


def points(cluster: Cluster, figure: str, label: str, value: str) -> list[dict[str, Any]]:
    """The time series of a figure in Cloud Monitoring with this label, with their points of the last hour."""
    now = datetime.now(UTC)
    query = {
        "filter": f'metric.type = "custom.googleapis.com/{figure}" AND metric.labels.{label} = "{value}"',
        "interval.startTime": (now - timedelta(hours=1)).isoformat(),
        "interval.endTime": (now + timedelta(minutes=1)).isoformat(),
    }
    url = "https://monitoring.googleapis.com/v3/projects/local-project/timeSeries"
    return cluster.google.call("GET", url, params=query).json().get("timeSeries", [])


def arrived(hosts: dict[str, Any], cluster: Cluster, figure: str, label: str, value: str) -> list[dict[str, Any]]:
    """The time series of a figure with this label, once there are any; what agents said when there are none."""
    try:
        return wait_for(lambda: points(cluster, figure, label, value), f"points of {figure} with {label} {value}", 240)
    except AssertionError as error:
        said = [host.run("hostname; journalctl --unit node-metrics --output cat").stdout for host in hosts.values()]
        pytest.fail("\n".join([str(error), *said]))


def test_metrics_of_a_run_reach_cloud_monitoring(
    hosts: dict[str, Any], cluster: Cluster, nodes_cloud: LocalCloud
) -> None:
    for node in NODES:
        (used,) = arrived(hosts, cluster, "node/memory_utilization", "node", node)
        assert 0 < used["points"][0]["value"]["doubleValue"] < 1
    (queue,) = arrived(hosts, cluster, "yarn/applications_pending", "queue", "normal")
    assert queue["metric"]["labels"]["node"] == "nodes-m"
    seen = shared(nodes_cloud, "projects") / "seen"
    job = cluster.submit(WAITS, max_workers=1)
    try:
        for figure in ("dask/scheduler_up", "dask/compute_time", "dask/worker_memory", "dask/worker_tasks"):
            arrived(hosts, cluster, figure, "run", job.identity)
    finally:
        seen.touch()
    job.succeeds()
    (up,) = points(cluster, "dask/scheduler_up", "run", job.identity)
    run = {"cluster": "nodes", "owner": "ada", "workload": job.identity, "run": job.identity}
    assert up["metric"]["labels"] == {**run, "node": "nodes-m"}
    assert up["resource"]["type"] == "gce_instance"
    assert {point["value"]["int64Value"] for point in up["points"]} >= {"1"}
    memory = points(cluster, "dask/worker_memory", "run", job.identity)
    assert {series["metric"]["labels"]["type"] for series in memory} == {"managed", "unmanaged", "spilled"}
    for series in memory:
        assert series["metric"]["labels"].items() >= {**run, "worker": "worker-1"}.items()
        assert series["metric"]["labels"]["node"] in NODES[1:]
    assert any(int(series["points"][0]["value"]["int64Value"]) > 1 << 20 for series in memory)
    containers = [points(cluster, "node/containers", "node", node) for node in NODES[1:]]
    assert any(int(point["value"]["int64Value"]) for (series,) in containers for point in series["points"])
    (running,) = points(cluster, "yarn/applications_running", "queue", "normal")
    assert any(point["value"]["int64Value"] == "1" for point in running["points"])
    # What has ended is announced no longer, and the endpoint shows the node to whoever is on it.
    for host in hosts.values():
        wait_for(lambda host=host: not host.run("ls -A /run/dask-metrics").stdout, "no announcement is left")
        assert "node_memory_utilization 0." in host.run("curl --silent http://127.0.0.1:9464/metrics").stdout
        assert host.run("journalctl --unit node-metrics --output cat | grep 'HTTP 4'").stdout == ""


def test_converging_again_changes_nothing(nodes_cloud: LocalCloud, cluster: Cluster) -> None:
    output = playbook(nodes_cloud, "site.yml", f"@{nodes_cloud.home}/facts.json", f"@{nodes_cloud.home}/pin.yml")
    assert " changed=0 " in output
