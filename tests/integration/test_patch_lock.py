"""patch_lock, artifact_copy, artifact_fetch and artifact_prune against a local cloud."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.dataplatform.compute.plugins.module_utils import (
    artifact_copy,
    artifact_fetch,
    artifact_prune,
    patch_lock,
    process_identity,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition

STORAGE = "https://storage.googleapis.com"
BUCKET, OTHER = "patching-artifacts", "patching-artifacts-of-dev"
IMAGE, ARCHIVE, KEPT, BUNDLE, UNUSED = ("1" * 64, "2" * 64, "3" * 64, "4" * 64, "5" * 64)
PINS: dict[str, Any] = {"dataproc_image": "2.3.10-debian12", "environment": None, "init_actions": None}


@pytest.fixture(name="client")
def client_with_buckets(empty_localcloud: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[GoogleClient]:
    """A client of a cloud with two empty buckets."""
    for name, value in empty_localcloud.client_environment().items():
        monkeypatch.setenv(name, value)
    client = GoogleClient({"project": "local-project", "auth_kind": "application"})
    for bucket in (BUCKET, OTHER):
        client.request("POST", f"{STORAGE}/storage/v1/b", params={"project": "local-project"}, json={"name": bucket})
    yield client
    client.close()


def task(definition: TaskDefinition, *, check: bool = False, **options: Any) -> dict[str, Any]:
    """Run a task's core in this process, as the action plugin does."""
    arguments = {"project": "local-project", "region": "europe-west1", "bucket": BUCKET, **options}
    validated = ArgumentSpecValidator(definition.argument_spec, **definition.constraints).validate(arguments)
    assert not validated.error_messages, validated.error_messages
    return definition.execute(validated.validated_parameters, Reporter(check_mode=check))


def lock(state: str = "held", **options: Any) -> dict[str, Any]:
    return task(patch_lock.DEFINITION, environment="dev", state=state, **options)


def put(client: GoogleClient, name: str, data: bytes = b"x", bucket: str = BUCKET) -> None:
    query = {"uploadType": "media", "name": name}
    client.request("POST", f"{STORAGE}/upload/storage/v1/b/{bucket}/o", params=query, data=data)


def names(client: GoogleClient, bucket: str = BUCKET) -> set[str]:
    return {item["name"] for item in client.pages(f"{STORAGE}/storage/v1/b/{bucket}/o", "items")}


def dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


@pytest.fixture(name="as_process")
def as_another_process(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let the lock be taken in the name of another process."""
    return lambda identity: monkeypatch.setattr(patch_lock, "process_identity", lambda _pid: identity)


@pytest.mark.usefixtures("client")
def test_one_run_at_a_time() -> None:
    taken = lock()
    assert (taken["changed"], taken["interrupted"]) == (True, False)
    refused = lock()
    assert refused["failed"]
    assert "may be alive. Nothing was changed" in refused["msg"]
    found = lock("read")
    assert (found["held"], found["alive"], found["run"]) == (True, True, taken["run"])
    assert lock("free", run="another")["changed"] is False
    assert lock("read")["held"]
    assert lock("free", run=taken["run"])["changed"] is True
    assert lock("read")["held"] is False
    assert lock("free", run=taken["run"])["changed"] is False


@pytest.mark.usefixtures("client")
def test_two_runs_that_start_together_cannot_both_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    state = patch_lock.TreeStorage.state
    monkeypatch.setattr(patch_lock.TreeStorage, "state", lambda *_arguments: None)
    lock()
    # The second looked before the first had written.
    calls: list[str] = []

    def first_look_is_old(storage: Any, name: str) -> Any:
        calls.append(name)
        return None if len(calls) == 1 else state(storage, name)

    monkeypatch.setattr(patch_lock.TreeStorage, "state", first_look_is_old)
    assert "took gs://patching-artifacts/patching/dev/lock at the same moment" in lock()["msg"]


@pytest.mark.usefixtures("client")
def test_the_lock_of_a_process_that_is_gone_is_taken_over(as_process: Callable[[str], None]) -> None:
    process = dead_process()
    name, world, _started = process_identity.process_identity(os.getpid()).split(" ")
    as_process(f"{name.partition(':')[0]}:{process} {world} 1")
    lock()
    assert lock("read")["alive"] is False
    taken = lock()
    assert (taken["interrupted"], taken["held_by"]) == (True, f"{name.partition(':')[0]}:{process}")


@pytest.mark.usefixtures("client")
def test_the_lock_of_another_machine_is_taken_over_after_its_lease(as_process: Callable[[str], None]) -> None:
    as_process("elsewhere:1 boot/pid:[1] 1")
    lock()
    assert lock(lease=3600)["failed"]
    # The server tells ages in whole seconds.
    time.sleep(2.1)
    over = lock(lease=1)
    assert over.get("interrupted") is True, over


@pytest.mark.usefixtures("client")
def test_no_lease_takes_the_lock_from_a_run_that_is_alive_here(as_process: Callable[[str], None]) -> None:
    as_process(process_identity.process_identity(os.getpid()))
    lock()
    # Over from the first moment.
    assert lock(lease=-1)["failed"]
    assert lock("read", lease=-1)["alive"] is True


@pytest.mark.usefixtures("client")
def test_an_unfinished_run_leaves_its_lock_to_whoever_comes_next(as_process: Callable[[str], None]) -> None:
    as_process("elsewhere:1 boot/pid:[1] 1")
    assert lock("unfinished", run=lock()["run"])["changed"] is True
    assert lock("read")["alive"] is False
    assert lock()["interrupted"] is True


def test_a_holding_lasts_for_longer_where_its_run_says_so(client: GoogleClient) -> None:
    def updated() -> str:
        place = quote("patching/dev/lock", safe="")
        return client.request("GET", f"{STORAGE}/storage/v1/b/{BUCKET}/o/{place}")["updated"]

    taken = lock()
    before = updated()
    assert lock(run=taken["run"])["run"] == taken["run"]
    # A lease is counted from here.
    assert updated() > before
    lock("free", run=taken["run"])
    other = lock()
    assert "is not this run's any more" in lock(run=taken["run"])["msg"]
    assert lock("read")["run"] == other["run"]


def test_check_mode_takes_nothing(client: GoogleClient) -> None:
    assert task(patch_lock.DEFINITION, check=True, environment="dev")["changed"] is True
    assert names(client) == set()


def test_artefacts_are_copied_once_and_whole(client: GoogleClient) -> None:
    for name in ("environment.sqfs", "lock.txt"):
        put(client, f"{IMAGE}/{name}", name.encode(), OTHER)
    put(client, f"{UNUSED}/environment.sqfs", bucket=OTHER)
    options = {"source_bucket": OTHER, "digests": [IMAGE]}
    foretold = task(artifact_copy.DEFINITION, check=True, **options)
    assert (len(foretold["copied"]), names(client)) == (2, set())
    assert task(artifact_copy.DEFINITION, **options) == foretold
    assert names(client) == {f"{IMAGE}/environment.sqfs", f"{IMAGE}/lock.txt"}
    place = quote(f"{IMAGE}/lock.txt", safe="")
    content = client.request("GET", f"{STORAGE}/storage/v1/b/{BUCKET}/o/{place}", params={"alt": "media"}, raw=True)
    assert content.content == b"lock.txt"
    assert task(artifact_copy.DEFINITION, **options)["changed"] is False


def test_what_the_other_bucket_does_not_have_stops_before_the_first_copy(client: GoogleClient) -> None:
    put(client, f"{IMAGE}/environment.sqfs", bucket=OTHER)
    result = task(artifact_copy.DEFINITION, source_bucket=OTHER, digests=[IMAGE, ARCHIVE])
    assert f"gs://{OTHER} has nothing of {ARCHIVE[:12]}; nothing was copied" in result["msg"]
    assert names(client) == set()


def fetch(path: Path, content: bytes = b"pandas==3.0.5\n", **options: Any) -> dict[str, Any]:
    wanted = {"object": f"{IMAGE}/lock.txt", "sha256": hashlib.sha256(content).hexdigest(), "path": str(path)}
    return task(artifact_fetch.DEFINITION, **wanted, **options)


def test_a_text_is_fetched_where_the_file_has_another(client: GoogleClient, tmp_path: Path) -> None:
    put(client, f"{IMAGE}/lock.txt", b"pandas==3.0.5\n")
    path = tmp_path / "lock.txt"
    path.write_text("pandas==3.0.4\n")
    path.chmod(0o640)
    assert fetch(path, check=True)["changed"] is True
    assert path.read_text() == "pandas==3.0.4\n"
    assert fetch(path)["changed"] is True
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("pandas==3.0.5\n", 0o640)
    assert fetch(path)["changed"] is False


@pytest.mark.parametrize(
    ("there", "problem"), [(None, "lock.txt is not there"), (b"pandas==3.1.0\n", "lock.txt has the SHA-256")]
)
def test_no_other_text_comes_in_the_files_place(
    client: GoogleClient, tmp_path: Path, there: bytes | None, problem: str
) -> None:
    if there is not None:
        put(client, f"{IMAGE}/lock.txt", there)
    path = tmp_path / "lock.txt"
    path.write_text("pandas==3.0.4\n")
    assert problem in fetch(path)["msg"]
    assert path.read_text() == "pandas==3.0.4\n"


def bundle(environment: str) -> bytes:
    data = io.BytesIO()
    text = f"squashfs=gs://{BUCKET}/{environment}/environment.sqfs\n".encode()
    with tarfile.open(fileobj=data, mode="w") as archive:
        entry = tarfile.TarInfo("environment/environment.conf")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
    return data.getvalue()


def release(digest: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("workloads.json", f'{{"uri": "gs://{BUCKET}/{digest}/node-bundle.tar"}}')
    return data.getvalue()


def prune(check: bool = False, **options: Any) -> dict[str, Any]:
    arguments = {"pins": {**PINS, "node_bundle": None}, "older_than_days": 0, **options}
    return task(artifact_prune.DEFINITION, check=check, **arguments)


def test_what_nothing_names_goes_and_everything_else_stays(client: GoogleClient) -> None:
    put(client, f"{IMAGE}/environment.sqfs")
    put(client, f"{IMAGE}/sbom.json")
    put(client, f"{UNUSED}/run_dask.py")
    for digest, environment in ((KEPT, ARCHIVE), (BUNDLE, IMAGE)):
        put(client, f"{digest}/node-bundle.tar", bundle(environment))
    put(client, f"{ARCHIVE}/environment.tar.zst")
    before = names(client)
    foretold = prune(check=True, pins={**PINS, "node_bundle": KEPT})
    assert names(client) == before
    assert prune(pins={**PINS, "node_bundle": KEPT}) == foretold
    # The kept bundle names the archive, the deleted one named the image.
    assert before - names(client) == {
        f"{IMAGE}/environment.sqfs",
        f"{IMAGE}/sbom.json",
        f"{BUNDLE}/node-bundle.tar",
    }
    assert prune(pins={**PINS, "node_bundle": KEPT})["changed"] is False


@pytest.mark.parametrize("how", ["previous pins", "kept", "a release of DAGs", "its age"])
def test_what_is_named_or_new_stays(client: GoogleClient, how: str) -> None:
    put(client, f"{BUNDLE}/node-bundle.tar", bundle(IMAGE))
    put(client, f"{IMAGE}/environment.sqfs")
    options: dict[str, Any] = {}
    if how == "previous pins":
        options["record"] = {"previous": [{"pins": {**PINS, "node_bundle": BUNDLE}}]}
    elif how == "kept":
        options["keep"] = [BUNDLE]
    elif how == "a release of DAGs":
        put(client, "dag-releases/dev/growth/abc.zip", release(BUNDLE))
    else:
        options["older_than_days"] = 1
    before = names(client)
    assert prune(**options)["changed"] is False
    assert names(client) == before
    assert prune()["changed"] is (how != "a release of DAGs")


def test_what_was_withdrawn_goes(client: GoogleClient) -> None:
    put(client, f"{BUNDLE}/node-bundle.tar", bundle(IMAGE))
    put(client, f"{IMAGE}/environment.sqfs")
    left = {**PINS, "node_bundle": BUNDLE}
    record = {"previous": [], "withdrawn": [{"id": "0123456789ab", "pins": left, "at": "", "reason": "slow"}]}
    assert len(prune(record=record)["pruned"]) == 2
    assert not names(client)


def test_a_cluster_keeps_what_it_boots_from(client: GoogleClient) -> None:
    put(client, f"{BUNDLE}/node-bundle.tar", bundle(IMAGE))
    put(client, f"{IMAGE}/environment.sqfs")
    url = "https://dataproc.googleapis.com/v1/projects/local-project/regions/europe-west1/clusters"
    metadata = {"node-bundle-uri": f"gs://{BUCKET}/{BUNDLE}/node-bundle.tar"}
    body = {"clusterName": "living", "config": {"gceClusterConfig": {"metadata": metadata}}}
    client.request("POST", url, json={**body, "projectId": "local-project"})
    assert prune()["changed"] is False
