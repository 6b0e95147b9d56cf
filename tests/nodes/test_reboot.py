"""A node after a reboot, on which no init action runs again: what they set up has to come back by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.nfs_mounts import bundle_files

from tests.nodes.one_node import BUCKET, one_node
from tests.unit.init_actions.test_yarn_queues import rendered

pytestmark = pytest.mark.slow

SERVER = "10.10.4.2"
MOUNTS = [{"mountpoint": f"/shared/{name}", "export": f"/vol/{name}"} for name in ("data", "dask-tmp")]


def test_mounts_and_queues_are_there_again(containers_can_be_nodes: None, tmp_path: Path) -> None:
    with one_node(tmp_path) as node:
        node.google.attributes |= {"dataproc-role": "Master", "fair-scheduler-uri": f"gs://{BUCKET}/live/queues.xml"}
        node.google.objects[f"{BUCKET}/live/queues.xml"] = (1, rendered())
        node.variables["SSL_CERT_FILE"] = "/authority.pem"
        node.pin("gs://none", "gs://none")
        for path, text in bundle_files(SERVER, MOUNTS, {"yarn": {"uid": 2001, "gid": 2001}}).items():
            file = node.opt / "dataplatform" / "bundle" / path
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        node.shell(f"mkdir -p /etc/hadoop/conf /var/lib/localcloud/filestore/{SERVER}/vol/{{data,dask-tmp}}")
        for action in ("nfs-mounts.sh", "yarn_queues.py"):
            done = node.init_action(action)
            assert done.returncode == 0, done.stdout + done.stderr
        node.restart()
        for mount in MOUNTS:
            found = node.shell(f"findmnt --noheadings --types nfs --output SOURCE --mountpoint {mount['mountpoint']}")
            assert found.strip() == f"{SERVER}:{mount['export']}"
        assert node.shell("systemctl is-active yarn-queues.timer").strip() == "active"
        wants = "/etc/systemd/system/hadoop-yarn-resourcemanager.service.wants/yarn-queues-taken.service"
        assert node.shell(f"test -e {wants} && cat /etc/hadoop/conf/fair-scheduler.xml") == rendered().decode()
