"""``init-actions/nfs-mounts.sh`` as it is, under systemd, with the kernel's NFS server and client, v3 and v4.1."""

from __future__ import annotations

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.shared_directories import shared_directories

from tests.nfs.conftest import ACCOUNTS, PREPARE, Machine, bundle

# A file server that is there before anything is mounted, and a daemon of Hadoop that says what it found at its start.
SERVER_UNIT = """
[Unit]
DefaultDependencies=no
After=local-fs.target
Before=remote-fs-pre.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/uml/serve.sh start
[Install]
WantedBy=remote-fs-pre.target
"""
DAEMON_UNIT = """
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'findmnt --noheadings --types nfs,nfs4 --output TARGET > /uml/found; touch /shared/data/by-daemon'
[Install]
WantedBy=multi-user.target
"""


def test_mounts_of_both_versions_a_second_run_and_a_stale_one(machine: Machine) -> None:
    answer = machine.boot(
        PREPARE
        + """
/uml/serve.sh start
mount_nodes
start_daemon
echo "data=$(source_of /shared/data)"; echo "projects=$(source_of /shared/projects)"
for place in data projects; do
  su yarn -c "umask 027; echo from-a-node > /shared/$place/file"
  echo "file=$(cat /srv/nfs/$place/file) $(stat -c '%u:%g %a' /srv/nfs/$place/file)"
  flock --nonblock /shared/$place/lock true; echo "lock=$?"
done
before=$(stat -c %i:%y /proc/1/mountinfo >/dev/null; grep /shared/ /proc/self/mountinfo)
mount_nodes
[ "$before" = "$(grep /shared/ /proc/self/mountinfo)" ]; echo "untouched=$?"
/uml/serve.sh replace data
stat --file-system /shared/data >/dev/null 2>&1; echo "stale=$?"
mount_nodes
daemon
echo "data=$(source_of /shared/data)"
echo new > /shared/data/new; echo "new=$(cat /srv/nfs/data/new)"
"""
    )
    assert answer.values("code") == ["0", "0", "0"], answer.output
    assert [value.split() for value in answer.values("data")] == [["127.0.0.1:/data", "nfs"]] * 2
    assert [value.split() for value in answer.values("projects")] == [["127.0.0.1:/projects", "nfs4"]]
    assert answer.values("file") == ["from-a-node 2001:2001 640"] * 2
    assert answer.values("lock") == ["0", "0"]
    assert answer.values("untouched") == ["0"]
    assert answer.values("stale") == ["1"]
    before, after = answer.values("daemon")
    assert before.endswith(" active")
    assert after == before, "the node manager was stopped or started again"
    assert answer.values("new") == ["new"]


def test_directories_of_the_share_keep_their_group_and_who_is_in_it_may_write(machine: Machine) -> None:
    mount = {"mountpoint": "/shared/tmp", "export": "/share/tmp", "mode": "3775"}
    boots = []
    for version, read_only in (("4.1", True), ("3", False)):
        server = {"server": "127.0.0.1", "share": "/share", "mounts": [{**mount, "version": version}]}
        wanted = shared_directories(server, ACCOUNTS, read_only)
        (directory,) = wanted["directories"]
        boots.append(
            f"mount -t nfs -o {wanted['options']} {wanted['source']} /mnt; mkdir /mnt/{directory['path']}; echo made=$?"
        )
    answer = machine.boot(
        PREPARE
        + f"""
useradd --uid 3001 --groups yarn colleague
/uml/serve.sh start; /uml/serve.sh export share
{boots[0]}; umount /mnt
{boots[1]}
cd /mnt/{directory["path"]}; chown {directory["uid"]}:{directory["gid"]} .; chmod {directory["mode"]} .
su yarn -c 'umask 002; mkdir run; echo a > run/file; echo a > kept'
su colleague -c 'umask 002; echo b >> run/file; echo b > run/theirs'; echo "changed=$?"
su colleague -c 'rm -f kept'; echo "removed=$?"
su nobody -s /bin/sh -c 'echo c > run/other'; echo "other=$?"
cd /srv/nfs/share/tmp; for path in . run run/file run/theirs kept; do stat -c 'path=%n %u:%g %a' $path; done
"""
    )
    assert answer.values("made") == ["1", "0"], answer.output
    assert answer.values("path") == [
        ". 2001:2001 3775",
        "run 2001:2001 2775",
        "run/file 2001:2001 664",
        "run/theirs 3001:2001 664",
        "kept 2001:2001 664",
    ]
    assert (answer.values("changed"), answer.values("removed")) == (["0"], ["1"])
    assert answer.values("other") != ["0"]


@pytest.mark.slow
def test_mounts_are_there_again_after_a_reboot_before_hadoop(machine: Machine) -> None:
    machine.install("/etc/systemd/system/file-server.service", SERVER_UNIT)
    machine.install("/etc/systemd/system/hadoop-yarn-nodemanager.service", DAEMON_UNIT)
    first = machine.boot(
        PREPARE
        + "systemctl enable --now --quiet file-server; mount_nodes; systemctl enable --quiet hadoop-yarn-nodemanager"
    )
    assert first.values("code") == ["0"], first.output
    again = machine.boot(
        """
echo "daemon=$(systemctl is-active hadoop-yarn-nodemanager) $(sort /uml/found | paste -sd' ')"
echo "written=$(ls /srv/nfs/data)"
"""
    )
    assert again.values("daemon") == ["active /shared/data /shared/projects"], again.output
    assert again.values("written") == ["by-daemon"]


def test_a_missing_export_is_loud_and_mounts_once_it_is_there(machine: Machine) -> None:
    for version, name in (("3", "missing-3"), ("4.1", "missing-4")):
        mounts = [{"mountpoint": "/shared/extra", "export": f"/{name}", "version": version}]
        machine.install(f"/uml/{name}.tsv", bundle(mounts)["nfs/mounts.tsv"])
    answer = machine.boot(
        PREPARE
        + """
/uml/serve.sh start
for version in 3 4; do
  cp /uml/missing-$version.tsv /opt/dataplatform/bundle/nfs/mounts.tsv
  mount_nodes
  echo "state=$(systemctl is-failed shared-extra.mount)"
done
/uml/serve.sh export missing-4
mount_nodes
echo "extra=$(source_of /shared/extra)"
"""
    )
    assert answer.values("code") == ["9", "9", "0"], answer.output
    assert answer.values("state") == ["failed", "failed"]
    assert answer.values("extra")[0].split() == ["127.0.0.1:/missing-4", "nfs4"]
    for name in ("missing-3", "missing-4"):
        assert f"127.0.0.1:/{name} cannot be mounted on /shared/extra: mount.nfs" in answer.output


def test_a_server_that_is_late_away_and_back(machine: Machine) -> None:
    answer = machine.boot(
        PREPARE
        + """
(sleep 8; /uml/serve.sh start) &
mount_nodes
/uml/serve.sh stop
(dd if=/dev/zero of=/shared/data/big bs=64k count=16 conv=fsync 2>/dev/null; echo "writer=$?") &
writer=$!
sleep 5; kill -0 $writer; echo "waits=$?"
/uml/serve.sh start
wait $writer
echo "size=$(stat -c %s /srv/nfs/data/big)"
mount_nodes
"""
    )
    assert answer.values("code") == ["0", "0"], answer.output
    assert (answer.values("waits"), answer.values("writer"), answer.values("size")) == (["0"], ["0"], ["1048576"])


@pytest.mark.slow
def test_a_server_that_is_dead_at_boot_fails_the_node_and_a_terminated_run_is_run_again(machine: Machine) -> None:
    answer = machine.boot(
        PREPARE
        + """
# The second unit is written, and has not its name yet, when the signal comes.
mkdir /uml/tools
printf '#!/bin/sh\\nmkdir /uml/first && exec /usr/bin/sync "$@"\\ntouch /uml/second; exec sleep 600\\n' >/uml/tools/sync
chmod +x /uml/tools/sync
PATH="/uml/tools:$PATH" /opt/dataplatform/bundle/nfs-mounts.sh & action=$!
until [ -e /uml/second ]; do sleep 0.1; done
echo "middle=$(ls -A /etc/systemd/system | grep shared- | sed 's/[.]new[.].*/.new/' | sort | paste -sd' ')"
kill -TERM $action; wait $action; echo "terminated=$?"
echo "half=$(ls -A /etc/systemd/system | grep -c '[.]new[.]')"
# Asking once instead of for two minutes.
sed 's/retry=2/retry=0/' /opt/dataplatform/bundle/nfs-mounts.sh >/uml/nfs-mounts.sh; chmod +x /uml/nfs-mounts.sh
/uml/nfs-mounts.sh; echo "dead=$?"
echo "state=$(systemctl is-failed shared-data.mount)"
# And in the middle of a mount.
/opt/dataplatform/bundle/nfs-mounts.sh & action=$!
for ((n = 0; n < 300; n++)); do [ "$(systemctl is-active shared-data.mount)" = activating ] && break; sleep 0.2; done
kill -TERM $action; wait $action; echo "terminated=$?"
/uml/serve.sh start
mount_nodes
"""
    )
    assert (answer.values("dead"), answer.values("state")) == (["9"], ["failed"]), answer.output
    assert "127.0.0.1:/data cannot be mounted on /shared/data: mount.nfs: " in answer.output
    assert answer.values("terminated") == ["143", "143"], answer.output
    assert answer.values("half") == ["0"], "a unit was left half-written"
    assert answer.values("middle") == [".shared-projects.mount.new shared-data.mount"]
    assert answer.values("code") == ["0"]


def test_accounts_with_other_numbers_are_refused_before_anything_is_mounted(machine: Machine) -> None:
    answer = machine.boot(
        """
useradd --uid 999 yarn
/opt/dataplatform/bundle/nfs-mounts.sh; echo "code=$?"
ls /etc/systemd/system | grep -c shared-
"""
    )
    assert answer.values("code") == ["4"]
    assert "expected 2001:2001" in answer.output
    assert answer.output.rstrip().endswith("0")
