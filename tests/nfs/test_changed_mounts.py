"""``init-actions/nfs-mounts.sh`` on a node where Hadoop runs already, and whose bundle has other mounts than before."""

from __future__ import annotations

from tests.nfs.conftest import PREPARE, Machine, bundle

DATA = {"mountpoint": "/shared/data", "export": "/data"}
PROJECTS = {"mountpoint": "/shared/projects", "export": "/projects", "version": "4.1"}
PROJECTS_CHANGED = {**PROJECTS, "options": ["nosuid"]}
BUNDLES = {
    "first": [DATA, PROJECTS],
    "missing": [{**DATA, "export": "/missing"}, PROJECTS_CHANGED],
    "back": [DATA, PROJECTS_CHANGED],
    "moved": [{**DATA, "export": "/moved"}, PROJECTS_CHANGED],
}


def test_changed_mounts_are_made_again_and_the_node_manager_runs_on(machine: Machine) -> None:
    for name, mounts in BUNDLES.items():
        machine.install(f"/uml/{name}.tsv", bundle(mounts)["nfs/mounts.tsv"])
    answer = machine.boot(
        PREPARE
        + """
sed -i 's/answer_seconds=15/answer_seconds=3/' /opt/dataplatform/bundle/nfs-mounts.sh
use() { cp /uml/$1.tsv /opt/dataplatform/bundle/nfs/mounts.tsv; }
/uml/serve.sh start
/uml/serve.sh export moved
use first; mount_nodes; start_daemon

# The run that fails with the first mount must not forget that the second has changed.
use missing; mount_nodes; daemon
use back; mount_nodes; daemon
echo "options=$(findmnt --noheadings --output OPTIONS --mountpoint /shared/projects | grep -o nosuid)"

# The server is back as soon as the old mount is gone. Until then whoever looks at the mountpoint may wait for ever;
# that depends on the kernel and its caches, so here the first look does.
mkdir /uml/tools
printf '#!/bin/sh\\nmkdir /uml/looked 2>/dev/null && exec sleep 600\\nexec /usr/bin/findmnt "$@"\\n' >/uml/tools/findmnt
chmod +x /uml/tools/findmnt
use moved; /uml/serve.sh stop
PATH="/uml/tools:$PATH" mount_nodes & action=$!
while grep -q ' /shared/data .* 127.0.0.1:/data ' /proc/self/mountinfo && kill -0 $action; do sleep 0.1; done
/uml/serve.sh start; wait $action; daemon
echo "data=$(source_of /shared/data)"
"""
    )
    assert answer.values("code") == ["0", "9", "0", "0"], answer.output
    daemons = answer.values("daemon")
    assert daemons[0].endswith(" active")
    assert daemons == daemons[:1] * 4, "the node manager was stopped or started again"
    assert answer.values("options") == ["nosuid"]
    assert "/shared/data was a server that does not answer" in answer.output
    assert answer.values("data")[0].split() == ["127.0.0.1:/moved", "nfs"]
