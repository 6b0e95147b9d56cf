"""``init-actions/nfs-mounts.sh`` as it is, under systemd, with the kernel's NFS server and client, v3 and v4.1."""

from __future__ import annotations

from tests.nfs.conftest import PREPARE, Machine, bundle


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


def test_terminated_and_run_again(machine: Machine) -> None:
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
/uml/serve.sh start
mount_nodes
"""
    )
    assert answer.values("terminated") == ["143"], answer.output
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
