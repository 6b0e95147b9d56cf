"""Unmodified Google clients against a running localcloud; one that is not installed is skipped, and says so."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

NAMES = ["plain.txt", "with space.txt", "quotes '\" in it.txt", "ünïcode-日本.txt", "hash#%2F+&.txt", "sub/dir/empty"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A small tree with awkward names, an empty file and one of 3 MB."""
    root = tmp_path_factory.mktemp("tree")
    for name in NAMES:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"" if name.endswith("empty") else name.encode() * 3)
    (root / "big.bin").write_bytes(os.urandom(3_000_000))
    return root


def contents(root):
    """Return relative path -> bytes of every file below a directory."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in Path(root).rglob("*") if path.is_file()}


def installed(command):
    if shutil.which(command) is None:
        pytest.skip(f"{command} is not installed")
    return command


def bucket(server, session, name):
    created = session.post("https://storage.googleapis.com/storage/v1/b?project=local-project", json={"name": name})
    assert created.status_code == 200, created.text
    return name


def run(server, *command, **options):
    result = server.client(*command, **options)
    assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
    return result.stdout


def python(server, program):
    """Run a program in this environment's Python, led to the server, and return the JSON it prints."""
    return json.loads(run(server, sys.executable, "-c", program))


def names(session, bucket_name):
    listing = session.get(f"https://storage.googleapis.com/storage/v1/b/{bucket_name}/o").json()
    return sorted(item["name"] for item in listing.get("items", []))


def writes(server, before):
    """Return the method ids of storage requests other than reads, behind the first `before` journalled requests."""
    entries = server.journal()[before:]
    return [entry["method_id"] for entry in entries if entry["host"].startswith("storage") and entry["method"] != "GET"]


def test_gcloud_storage(server, session, tree, tmp_path):
    gcloud = installed("gcloud")
    run(server, gcloud, "storage", "buckets", "create", "gs://gcloud-shelf", "--location=europe-west1")
    run(server, gcloud, "storage", "rsync", "--recursive", str(tree), "gs://gcloud-shelf/tree")
    assert names(session, "gcloud-shelf") == sorted(f"tree/{name}" for name in [*NAMES, "big.bin"])
    assert run(server, gcloud, "storage", "cat", "gs://gcloud-shelf/tree/plain.txt") == "plain.txt" * 3
    before = len(server.journal())
    run(server, gcloud, "storage", "rsync", "--recursive", str(tree), "gs://gcloud-shelf/tree")
    assert writes(server, before) == []
    run(server, gcloud, "storage", "cp", "--recursive", "gs://gcloud-shelf/tree", str(tmp_path))
    assert contents(tmp_path / "tree") == contents(tree)
    assert run(server, gcloud, "storage", "ls", "gs://gcloud-shelf/tree/*.bin").split() == [
        "gs://gcloud-shelf/tree/big.bin"
    ]
    run(server, gcloud, "storage", "rm", "--recursive", "gs://gcloud-shelf")
    assert session.get("https://storage.googleapis.com/storage/v1/b/gcloud-shelf").status_code == 404


def test_gsutil(server, session, tree, tmp_path):
    gsutil = installed("gsutil")
    bucket(server, session, "gsutil-shelf")
    run(server, gsutil, "-m", "rsync", "-r", str(tree), "gs://gsutil-shelf/tree")
    assert names(session, "gsutil-shelf") == sorted(f"tree/{name}" for name in [*NAMES, "big.bin"])
    before = len(server.journal())
    run(server, gsutil, "-m", "rsync", "-r", "-d", "-c", str(tree), "gs://gsutil-shelf/tree")
    assert writes(server, before) == []
    run(server, gsutil, "-m", "rsync", "-r", "gs://gsutil-shelf/tree", str(tmp_path))
    assert contents(tmp_path) == contents(tree)


def test_rclone(server, session, tree, tmp_path, monkeypatch):
    rclone = installed("rclone")
    bucket(server, session, "rclone-shelf")
    monkeypatch.setenv("RCLONE_CONFIG", os.devnull)
    monkeypatch.setenv("RCLONE_CONFIG_LOCAL_TYPE", "google cloud storage")
    monkeypatch.setenv("RCLONE_CONFIG_LOCAL_SERVICE_ACCOUNT_FILE", str(server.home / "service-account.json"))
    monkeypatch.setenv("RCLONE_CONFIG_LOCAL_BUCKET_POLICY_ONLY", "true")
    run(server, rclone, "sync", "--checksum", str(tree), "local:rclone-shelf/tree")
    assert names(session, "rclone-shelf") == sorted(f"tree/{name}" for name in [*NAMES, "big.bin"])
    before = len(server.journal())
    run(server, rclone, "sync", "--checksum", "--fast-list", str(tree), "local:rclone-shelf/tree")
    assert writes(server, before) == []
    run(server, rclone, "copy", "local:rclone-shelf/tree", str(tmp_path))
    assert contents(tmp_path) == contents(tree)
    run(server, rclone, "purge", "local:rclone-shelf/tree")
    assert names(session, "rclone-shelf") == []


GOOGLE_CLOUD_STORAGE = """
import io, json, os
from google.api_core.exceptions import Conflict, NotFound, PreconditionFailed
from google.cloud import storage

client = storage.Client()
bucket = client.create_bucket("library-shelf", location="EU")
small = bucket.blob("small text.txt")
small.metadata = {"team": "orders"}
small.upload_from_string("hello", checksum="crc32c")
data = os.urandom(20 << 20)
large = bucket.blob("large", chunk_size=1 << 20)
large.upload_from_file(io.BytesIO(data), size=len(data), checksum="md5")
caught = []
for action in (
    lambda: bucket.blob("none").download_as_bytes(),
    lambda: small.upload_from_string("x", if_generation_match=0),
    lambda: client.create_bucket("library-shelf"),
):
    try:
        action()
    except (NotFound, PreconditionFailed, Conflict) as error:
        caught.append(error.code)
joined = bucket.blob("joined")
joined.compose([small, small])
print(json.dumps({
    "caught": [int(code) for code in caught],
    "whole": large.download_as_bytes(checksum="md5") == data,
    "range": bucket.blob("large").download_as_bytes(start=5, end=9) == data[5:10],
    "joined": joined.download_as_bytes().decode(),
    "metadata": bucket.get_blob("small text.txt").metadata,
    "copy": bucket.copy_blob(small, bucket, "copy").md5_hash == small.md5_hash,
    "names": [blob.name for blob in client.list_blobs("library-shelf")],
    "permissions": bucket.test_iam_permissions(["storage.objects.get"]),
}))
with client.batch():
    for name in ("copy", "joined"):
        bucket.blob(name).delete()
bucket.delete(force=True)
"""


def test_google_cloud_storage(server, session):
    pytest.importorskip("google.cloud.storage", reason="google-cloud-storage is not installed")
    assert python(server, GOOGLE_CLOUD_STORAGE) == {
        "caught": [404, 412, 409],
        "whole": True,
        "range": True,
        "joined": "hellohello",
        "metadata": {"team": "orders"},
        "copy": True,
        "names": ["copy", "joined", "large", "small text.txt"],
        "permissions": ["storage.objects.get"],
    }
    assert session.get("https://storage.googleapis.com/storage/v1/b/library-shelf").status_code == 404


GCSFS = """
import json
import gcsfs

files = gcsfs.GCSFileSystem()
files.mkdir("gcsfs-shelf")
with files.open("gcsfs-shelf/a/with space ü.txt", "w") as stream:
    stream.write("text")
big = bytes(range(256)) * (12 << 12)
with files.open("gcsfs-shelf/big", "wb") as stream:
    stream.write(big)
files.pipe({f"gcsfs-shelf/parts/{number}/x.csv": b"1" for number in range(20)})
caught = []
for action in (lambda: files.cat("gcsfs-shelf/none"), lambda: files.pipe_file("gcsfs-shelf/big", b"", mode="create")):
    try:
        action()
    except OSError as error:
        caught.append(type(error).__name__)
print(json.dumps({
    "text": files.cat("gcsfs-shelf/a/with space ü.txt").decode(),
    "big": files.cat("gcsfs-shelf/big") == big,
    "part": files.cat_file("gcsfs-shelf/big", start=256, end=259) == big[256:259],
    "top": files.ls("gcsfs-shelf"),
    "glob": len(files.glob("gcsfs-shelf/parts/*/x.csv")),
    "find": len(files.find("gcsfs-shelf")),
    "caught": caught,
}))
files.rm("gcsfs-shelf", recursive=True)
"""


def test_gcsfs(server, session):
    pytest.importorskip("gcsfs", reason="gcsfs is not installed")
    assert python(server, GCSFS) == {
        "text": "text",
        "big": True,
        "part": True,
        "top": ["gcsfs-shelf/a", "gcsfs-shelf/big", "gcsfs-shelf/parts"],
        "glob": 20,
        "find": 22,
        "caught": ["FileNotFoundError", "FileExistsError"],
    }
    assert session.get("https://storage.googleapis.com/storage/v1/b/gcsfs-shelf").status_code == 404


def test_a_full_disk_is_an_answer_and_no_retry_storm(server, session, tmp_path):
    gcloud = installed("gcloud")
    bucket(server, session, "full-shelf")
    (tmp_path / "file").write_bytes(b"x" * 100_000)
    before = len(server.journal())
    with server.fault(method="storage.objects.insert", kind="disk-full"):
        result = server.client(gcloud, "storage", "cp", str(tmp_path / "file"), "gs://full-shelf/file")
    assert result.returncode != 0
    assert "no space left" in result.stdout + result.stderr
    uploads = [entry for entry in server.journal()[before:] if entry["method_id"] == "storage.objects.insert"]
    assert len(uploads) == 1
    assert names(session, "full-shelf") == []
