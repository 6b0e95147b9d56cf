"""Unmodified Google clients against localcloud, reached by environment variables alone.

A client that is not installed is skipped by name, and pytest's summary lists it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.conftest import LocalCloud

REGION = "europe-west1"
POLICY = """\
workerConfig: {minInstances: 2, maxInstances: 10}
basicAlgorithm:
  cooldownPeriod: 120s
  yarnConfig: {gracefulDecommissionTimeout: 600s, scaleUpFactor: 1.0, scaleDownFactor: 0.0}
"""
TEMPLATE = """\
placement:
  managedCluster:
    clusterName: nightly
    config:
      softwareConfig: {imageVersion: 2.3.10-debian12}
jobs:
- stepId: say
  pysparkJob: {mainPythonFileUri: 'gs://clients/say.py', args: [hello]}
"""
SAY = "import sys\nprint('said', *sys.argv[1:])\n"


def needs(tool: str) -> None:
    """Skip the calling test, by the client's name, when the client is not installed."""
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed: this client was not tested")


@pytest.fixture(scope="module")
def gcloud(localcloud: LocalCloud) -> Callable[..., str]:
    """Run gcloud and return its standard output."""
    needs("gcloud")

    def call(*arguments: str, check: bool = True) -> str:
        return localcloud.run("gcloud", *arguments, check=check).stdout

    return call


@pytest.fixture(scope="module")
def bucket(localcloud: LocalCloud) -> str:
    """A bucket that holds the driver used by the job tests, made through google-cloud-storage."""
    in_client(
        localcloud,
        f"""
        from google.cloud import storage
        bucket = storage.Client().create_bucket("clients", location="{REGION}")
        bucket.blob("say.py").upload_from_string({SAY!r})
        bucket.blob("wait.py").upload_from_string("import time\\nprint('waiting', flush=True)\\ntime.sleep(600)\\n")
        """,
    )
    return "clients"


def in_client(localcloud: LocalCloud, program: str) -> str:
    """Run a Python program as a client process: the variables are read at import time, so this one must be its own."""
    lines = program.strip("\n").splitlines()
    indent = len(lines[0]) - len(lines[0].lstrip())
    return localcloud.run(sys.executable, "-c", "\n".join(line[indent:] for line in lines)).stdout


def test_gcloud_autoscaling_policies(gcloud: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY)
    arguments = ("--region", REGION)
    gcloud("dataproc", "autoscaling-policies", "import", "elastic", f"--source={tmp_path / 'policy.yaml'}", *arguments)
    described = json.loads(
        gcloud("dataproc", "autoscaling-policies", "describe", "elastic", *arguments, "--format=json")
    )
    assert described["workerConfig"]["maxInstances"] == 10
    assert described["basicAlgorithm"]["yarnConfig"]["scaleUpMinWorkerFraction"] is not None
    listed = json.loads(gcloud("dataproc", "autoscaling-policies", "list", *arguments, "--format=json"))
    # Other tests' policies may be there, too.
    assert "elastic" in [policy["id"] for policy in listed]
    # A second import updates: gcloud tries to create, meets the conflict and replaces.
    (tmp_path / "policy.yaml").write_text(POLICY.replace("maxInstances: 10", "maxInstances: 8"))
    gcloud("dataproc", "autoscaling-policies", "import", "elastic", f"--source={tmp_path / 'policy.yaml'}", *arguments)
    described = json.loads(
        gcloud("dataproc", "autoscaling-policies", "describe", "elastic", *arguments, "--format=json")
    )
    assert described["workerConfig"]["maxInstances"] == 8


def test_gcloud_shows_the_refusal_of_an_unknown_field(localcloud: LocalCloud, tmp_path: Path) -> None:
    needs("gcloud")
    (tmp_path / "policy.yaml").write_text(POLICY + "bogus: 1\n")
    completed = localcloud.run(
        *f"gcloud dataproc autoscaling-policies import bad --region={REGION} --source={tmp_path}/policy.yaml".split(),
        check=False,
    )
    assert completed.returncode != 0
    assert "bogus" in completed.stderr


def test_gcloud_workflow_templates(gcloud: Callable[..., str], bucket: str, tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    source = f"--source={tmp_path / 'template.yaml'}"
    for expected_version in (1, 2):
        gcloud("dataproc", "workflow-templates", "import", "say", source, f"--region={REGION}")
        described = json.loads(
            gcloud("dataproc", "workflow-templates", "describe", "say", f"--region={REGION}", "--format=json")
        )
        assert described["version"] == expected_version
    listed = json.loads(gcloud("dataproc", "workflow-templates", "list", f"--region={REGION}", "--format=json"))
    # Other tests' templates may be there, too.
    assert "say" in [template["id"] for template in listed]
    gcloud("dataproc", "workflow-templates", "instantiate", "say", f"--region={REGION}")
    jobs = json.loads(gcloud("dataproc", "jobs", "list", f"--region={REGION}", "--format=json"))
    assert [job["status"]["state"] for job in jobs if job["placement"]["clusterName"].startswith("nightly-")] == [
        "DONE"
    ]
    clusters = json.loads(gcloud("dataproc", "clusters", "list", f"--region={REGION}", "--format=json"))
    assert not [cluster for cluster in clusters if cluster["clusterName"].startswith("nightly-")]


def test_gcloud_clusters_and_jobs(localcloud: LocalCloud, gcloud: Callable[..., str], bucket: str) -> None:
    gcloud("dataproc", "clusters", "create", "bench", f"--region={REGION}", "--num-workers=2")
    described = json.loads(gcloud("dataproc", "clusters", "describe", "bench", f"--region={REGION}", "--format=json"))
    assert described["status"]["state"] == "RUNNING"
    assert described["config"]["workerConfig"]["numInstances"] == 2

    submit = ["gcloud", "dataproc", "jobs", "submit", "pyspark", f"--region={REGION}", "--cluster=bench"]
    completed = localcloud.run(*submit, f"gs://{bucket}/say.py", "--", "good", "morning")
    assert "said good morning" in completed.stdout + completed.stderr

    gcloud("dataproc", "jobs", "submit", "pyspark", f"gs://{bucket}/wait.py", f"--region={REGION}",
           "--cluster=bench", "--id=endless", "--async")  # fmt: skip
    gcloud("dataproc", "jobs", "kill", "endless", f"--region={REGION}")
    killed = json.loads(gcloud("dataproc", "jobs", "describe", "endless", f"--region={REGION}", "--format=json"))
    assert killed["status"]["state"] == "CANCELLED"

    gcloud("dataproc", "clusters", "delete", "bench", f"--region={REGION}")
    clusters = json.loads(gcloud("dataproc", "clusters", "list", f"--region={REGION}", "--format=json"))
    assert "bench" not in [cluster["clusterName"] for cluster in clusters]


def make_tree(directory: Path) -> dict[str, bytes]:
    """Write a few files with awkward names and contents; return what was written."""
    files = {
        "plain.txt": b"one\n",
        "empty": b"",
        "sub/with space.txt": b"two\n",
        "sub/umlaut-ü.txt": b"three\n",
        "sub/deep/binary.bin": os.urandom(300_000),
    }
    for name, content in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)
    return files


def read_tree(directory: Path) -> dict[str, bytes]:
    """Return every file below a directory by its relative name."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_gcloud_storage(gcloud: Callable[..., str], tmp_path: Path) -> None:
    source = tmp_path / "source"
    files = make_tree(source)
    gcloud("storage", "buckets", "create", "gs://gcloud-storage", f"--location={REGION}")
    gcloud("storage", "cp", str(source / "plain.txt"), "gs://gcloud-storage/copied.txt")
    assert gcloud("storage", "cat", "gs://gcloud-storage/copied.txt") == "one\n"
    gcloud("storage", "rsync", "-r", str(source), "gs://gcloud-storage/tree", "--delete-unmatched-destination-objects")
    listed = gcloud("storage", "ls", "--recursive", "gs://gcloud-storage/tree/**").splitlines()
    assert sorted(listed) == sorted(f"gs://gcloud-storage/tree/{name}" for name in files)
    (tmp_path / "back").mkdir()
    gcloud("storage", "rsync", "-r", "gs://gcloud-storage/tree", str(tmp_path / "back"))
    assert read_tree(tmp_path / "back") == files
    gcloud("storage", "rm", "--recursive", "gs://gcloud-storage/tree")
    assert gcloud("storage", "ls", "gs://gcloud-storage/**").split() == ["gs://gcloud-storage/copied.txt"]


def test_gsutil_rsync(localcloud: LocalCloud, gcloud: Callable[..., str], tmp_path: Path) -> None:
    needs("gsutil")
    files = make_tree(tmp_path / "source")
    gcloud("storage", "buckets", "create", "gs://gsutil-rsync", f"--location={REGION}")
    localcloud.run("gsutil", "-m", "rsync", "-r", "-d", str(tmp_path / "source"), "gs://gsutil-rsync/tree")
    (tmp_path / "back").mkdir()
    localcloud.run("gsutil", "-m", "rsync", "-r", "gs://gsutil-rsync/tree", str(tmp_path / "back"))
    assert read_tree(tmp_path / "back") == files


def test_rclone_sync(localcloud: LocalCloud, bucket: str, tmp_path: Path) -> None:
    needs("rclone")
    files = make_tree(tmp_path / "source")
    remote = {
        "RCLONE_CONFIG": "/dev/null",
        "RCLONE_CONFIG_LC_TYPE": "google cloud storage",
        "RCLONE_CONFIG_LC_SERVICE_ACCOUNT_FILE": localcloud.environment["GOOGLE_APPLICATION_CREDENTIALS"],
        "RCLONE_CONFIG_LC_BUCKET_POLICY_ONLY": "true",
    }
    localcloud.run("rclone", "sync", "--checksum", str(tmp_path / "source"), f"LC:{bucket}/rclone", **remote)
    localcloud.run("rclone", "sync", f"LC:{bucket}/rclone", str(tmp_path / "back"), **remote)
    assert read_tree(tmp_path / "back") == files


def test_gcloud_secrets(localcloud: LocalCloud, gcloud: Callable[..., str], tmp_path: Path) -> None:
    payload = tmp_path / "payload"
    payload.write_bytes(b"\x05\x02\x00\xff")
    gcloud("secrets", "create", "by-gcloud", "--replication-policy=user-managed", f"--locations={REGION}")
    gcloud("secrets", "versions", "add", "by-gcloud", f"--data-file={payload}")
    read = tmp_path / "read"
    gcloud("secrets", "versions", "access", "latest", "--secret=by-gcloud", f"--out-file={read}")
    assert read.read_bytes() == payload.read_bytes()
    grant = ("--member=user:ada@example.com", "--role=roles/secretmanager.secretAccessor", "--format=json")
    policy = json.loads(gcloud("secrets", "add-iam-policy-binding", "by-gcloud", *grant))
    assert policy["bindings"][0]["members"] == ["user:ada@example.com"]
    gcloud("secrets", "versions", "disable", "1", "--secret=by-gcloud")
    refused = localcloud.run(*["gcloud", "secrets", "versions", "access", "1", "--secret=by-gcloud"], check=False)
    assert refused.returncode != 0
    assert "is in DISABLED state" in refused.stderr


def test_google_cloud_dataproc_over_rest(localcloud: LocalCloud, bucket: str) -> None:
    output = in_client(
        localcloud,
        f"""
        from google.api_core.client_options import ClientOptions
        from google.cloud import dataproc_v1 as dataproc
        options = ClientOptions(api_endpoint="{REGION}-dataproc.googleapis.com:443")
        clusters = dataproc.ClusterControllerClient(transport="rest", client_options=options)
        jobs = dataproc.JobControllerClient(transport="rest", client_options=options)
        scope = dict(project_id="local-project", region="{REGION}")
        cluster = clusters.create_cluster(cluster=dict(project_id="local-project", cluster_name="library"), **scope)
        cluster.result(timeout=60)
        print(clusters.get_cluster(cluster_name="library", **scope).status.state.name)
        job = dict(
            placement=dict(cluster_name="library"),
            pyspark_job=dict(main_python_file_uri="gs://{bucket}/say.py", args=["library"]),
        )
        operation = jobs.submit_job_as_operation(job=job, **scope)
        print(operation.result(timeout=60).status.state.name)
        clusters.delete_cluster(cluster_name="library", **scope).result(timeout=60)
        print("library" in [cluster.cluster_name for cluster in clusters.list_clusters(**scope)])
        """,
    )
    assert output.splitlines() == ["RUNNING", "DONE", "False"]


def test_google_cloud_storage(localcloud: LocalCloud, bucket: str) -> None:
    output = in_client(
        localcloud,
        f"""
        import os
        from google.api_core.exceptions import PreconditionFailed
        from google.cloud import storage
        bucket = storage.Client().bucket("{bucket}")
        large = os.urandom(9_000_000)
        blob = bucket.blob("large.bin", chunk_size=1_048_576)
        blob.upload_from_string(large)
        print(bucket.blob("large.bin").download_as_bytes() == large)
        print(bucket.blob("large.bin").download_as_bytes(start=10, end=19) == large[10:20])
        try:
            bucket.blob("large.bin").upload_from_string("x", if_generation_match=0)
        except PreconditionFailed:
            print("precondition held")
        bucket.blob("large.bin").delete()
        print(bucket.blob("large.bin").exists())
        """,
    )
    assert output.splitlines() == ["True", "True", "precondition held", "False"]


def test_gcsfs(localcloud: LocalCloud, bucket: str) -> None:
    output = in_client(
        localcloud,
        f"""
        import gcsfs
        files = gcsfs.GCSFileSystem()
        with files.open("{bucket}/gcsfs/a b.txt", "w") as file:
            file.write("written")
        print(files.cat_file("{bucket}/gcsfs/a b.txt").decode())
        print(files.glob("{bucket}/gcsfs/*"))
        files.rm("{bucket}/gcsfs", recursive=True)
        print(files.exists("{bucket}/gcsfs/a b.txt"))
        """,
    )
    assert output.splitlines() == ["written", f"['{bucket}/gcsfs/a b.txt']", "False"]


def test_state_survives_a_killed_server(localcloud: LocalCloud, bucket: str) -> None:
    """A client that keeps its token goes on after the server was killed and started again."""
    before = in_client(localcloud, f"import gcsfs; print(gcsfs.GCSFileSystem().ls('{bucket}'))")
    pid = json.loads((localcloud.home / "server.pid").read_text())["pid"]
    os.kill(pid, 9)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    port = localcloud.environment["HTTPS_PROXY"].rsplit(":", 1)[1]
    localcloud.cli("up", "--port", port, "--engine", "process")
    assert in_client(localcloud, f"import gcsfs; print(gcsfs.GCSFileSystem().ls('{bucket}'))") == before


def test_the_proxy_refuses_hosts_that_are_not_googles(localcloud: LocalCloud) -> None:
    completed = subprocess.run(
        ["curl", "--silent", "--show-error", "https://example.com/"],
        env=localcloud.client_environment(), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert completed.returncode != 0
    assert "403" in completed.stderr
