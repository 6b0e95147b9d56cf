"""Diagnosing a cluster: an archive in a bucket, with what is known of it."""

from __future__ import annotations

import io
import json
import tarfile
from datetime import timedelta
from typing import Any

import pytest

from localcloud.errors import ApiError

CLUSTERS = "projects/test-project/regions/europe-west4/clusters"


def archive(world: Any, uri: str) -> dict[str, bytes]:
    """Return the contents of an archive by name."""
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    with tarfile.open(fileobj=io.BytesIO(world.storage.objects[bucket, name])) as stream:
        return {member.name: stream.extractfile(member).read() for member in stream.getmembers()}


def test_an_archive_holds_the_cluster_and_the_logs_of_its_nodes(world: Any) -> None:
    cluster = world.cluster("sick")
    logs = world.settings.clusters_directory / cluster["clusterUuid"] / "sick-m"
    logs.mkdir(parents=True)
    (logs / "datanode.log").write_text("disk failure\n")
    (logs / "driveroutput").write_text("of a daemon\n")
    (logs / "secret.key").write_text("private\n")
    operation = world.call("POST", f"{CLUSTERS}/sick:diagnose", {})
    assert operation["metadata"]["operationType"] == "DIAGNOSE"
    assert "done" not in operation
    world.offset += timedelta(seconds=60)
    done = world.call("GET", operation["name"])
    assert done["response"]["@type"].endswith("dataproc.v1.DiagnoseClusterResults")
    uri = done["response"]["outputUri"]
    assert uri.startswith(f"gs://{cluster['config']['configBucket']}/google-cloud-dataproc-metainfo/")
    files = archive(world, uri)
    assert json.loads(files["diagnostic/cluster.json"])["clusterUuid"] == cluster["clusterUuid"]
    assert files["diagnostic/logs/sick-m/datanode.log"] == b"disk failure\n"
    assert files["diagnostic/logs/sick-m/driveroutput"] == b"of a daemon\n"
    assert not [name for name in files if "secret" in name]


def test_the_directory_of_the_archive_can_be_named(world: Any) -> None:
    world.cluster("sick")
    operation = world.call("POST", f"{CLUSTERS}/sick:diagnose", {"tarballGcsDir": "gs://mine/reports/"})
    world.offset += timedelta(seconds=60)
    done = world.call("GET", operation["name"])
    assert done["response"]["outputUri"] == "gs://mine/reports/diagnostic.tar.gz"
    assert "diagnostic/cluster.json" in archive(world, done["response"]["outputUri"])


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [("gone", {}, 404), ("sick", {"tarballGcsDir": "reports"}, 400), ("sick", {"jobs": ["no-such-job"]}, 404)],
)
def test_what_cannot_be_diagnosed(world: Any, path: str, body: dict[str, Any], code: int) -> None:
    world.cluster("sick")
    with pytest.raises(ApiError) as raised:
        world.call("POST", f"{CLUSTERS}/{path}:diagnose", body)
    assert raised.value.code == code
