"""dataproc_canary against a local cloud: whatever goes wrong, it says what, and no cluster is left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils import canary_task

from tests.integration.conftest import LocalCloud
from tests.integration.google import PROJECT, Google, wait_for
from tests.integration.runs_support import Watcher

BUCKET = "canary-tests"
LABELS = {"managed-by": "dataplatform-compute", "environment": "test"}
CREATE = "dataproc.projects.regions.clusters.create"
WRITE = "import fsspec, json, sys\nwith fsspec.open(sys.argv[1], 'w') as file:\n    json.dump({document}, file)\n"
DRIVERS = {
    "good": WRITE.format(document="{'results': {'sum': 42}, 'versions': {'dask': '1'}, 'seconds': 2.5}"),
    "leaving": "import time\nprint('ready')\ntime.sleep(15)\n" + WRITE.format(document="{'results': {'sum': 7}}"),
    "fail": "print('before')\nraise KeyError('carrier')\n",
    "sleep": "import time\nprint('started')\ntime.sleep(300)\n",
    "silent": "pass\n",
    "nonsense": WRITE.format(document="{'results': {'sum': [1, 2]}}"),
}


class Canaries(Watcher):
    """Runs canaries in this process."""

    def canary(self, driver: str, *, check_mode: bool = False, **params: Any) -> dict[str, Any]:
        """The result of a canary that runs one driver."""
        return self.run(
            canary_task.DEFINITION,
            check_mode=check_mode,
            **{"cluster": "canary-test", "config": config(), "labels": LABELS, "jobs": [job(driver)], **params},
        )


def config(workers: int = 3) -> dict[str, Any]:
    """A cluster's configuration."""
    return {
        "workerConfig": {"numInstances": workers},
        "softwareConfig": {"imageVersion": "2.3.10-debian12"},
        "autoscalingConfig": {"policyUri": f"projects/{PROJECT}/regions/europe-west1/autoscalingPolicies/any"},
    }


def job(driver: str, *, name: str = "smoke", timeout: float = 60.0) -> dict[str, Any]:
    """A job of one driver, which is told where its results belong."""
    results = f"gs://{BUCKET}/{driver}/{name}.json"
    main = {"mainPythonFileUri": f"gs://{BUCKET}/{driver}.py", "args": [results]}
    return {"name": name, "job": {"pysparkJob": main}, "results": results, "timeout": timeout}


@pytest.fixture(scope="module")
def google(localcloud: LocalCloud) -> Google:
    """The cloud with the drivers uploaded."""
    google = Google(localcloud.environment)
    google.ensure_bucket(BUCKET)
    for name, text in DRIVERS.items():
        google.upload(BUCKET, f"{name}.py", text)
    return google


@pytest.fixture
def canaries(localcloud: LocalCloud, google: Google, monkeypatch: pytest.MonkeyPatch) -> Iterator[Canaries]:
    """A watcher whose process is a client of the local cloud; every test leaves the cloud without a cluster."""
    for name, value in localcloud.environment.items():
        monkeypatch.setenv(name, value)
    yield Canaries()
    localcloud.cli("fault", "clear")
    assert google.clusters() == []


def test_a_good_canary_tells_what_it_learned(canaries: Canaries, google: Google) -> None:
    result = canaries.canary("good", jobs=[job("good"), job("good", name="again")])
    assert not result.get("failed"), result
    assert result["changed"] is True
    canary = result["canary"]
    assert canary["image_version"] == "2.3.10-debian12"
    assert canary["creation_seconds"] > 0
    assert set(canary["jobs"]) == {"smoke", "again"}
    smoke = canary["jobs"]["smoke"]
    assert (smoke["results"], smoke["versions"], smoke["seconds"]) == ({"sum": 42}, {"dask": "1"}, 2.5)
    assert (smoke["state"], smoke["memory_mb"]) == ("DONE", None)
    submitted = google.get(f"jobs/{smoke['job_id']}")
    assert LABELS.items() <= submitted["labels"].items()
    assert submitted["labels"]["purpose"] == "canary"


def test_a_worker_leaves_while_a_job_runs(canaries: Canaries) -> None:
    scale_in = {"job": "smoke", "workers": 2, "timeout": 60.0, "after_output": "ready"}
    result = canaries.canary("leaving", scale_in=scale_in)
    assert not result.get("failed"), result
    assert result["canary"]["scale_in"]["nodes_left"] == ["canary-test-w-2"]
    assert canaries.index("| ready") < canaries.index("going down to 2 workers")
    assert canaries.index("going down to 2 workers") < canaries.index("DONE")


def test_a_job_that_is_over_too_soon_for_the_scale_in_fails(canaries: Canaries) -> None:
    scale_in = {"job": "smoke", "workers": 2, "timeout": 60.0, "after_output": "never said"}
    result = canaries.canary("good", scale_in=scale_in)
    assert result["failed_step"] == "scale-in during job smoke"
    assert "its driver never said 'never said'" in result["msg"]


def test_a_refused_scale_in_fails_and_stops_the_job(canaries: Canaries, localcloud: LocalCloud, google: Google) -> None:
    fault = ("--method", "dataproc.projects.regions.clusters.patch", "--status", "403", "--message", "No resizing.")
    localcloud.cli("fault", "add", *fault)
    scale_in = {"job": "smoke", "workers": 2, "timeout": 60.0, "after_output": "started"}
    result = canaries.canary("sleep", scale_in=scale_in)
    assert result["failed_step"] == "scale-in during job smoke"
    assert "No resizing." in result["msg"]
    job_id = result["canary"]["jobs"]["smoke"]["job_id"]
    assert google.get(f"jobs/{job_id}")["status"]["state"] in ("CANCEL_PENDING", "CANCEL_STARTED", "CANCELLED")


def test_a_used_up_quota_fails_in_googles_words(canaries: Canaries, localcloud: LocalCloud) -> None:
    message = "Insufficient 'N2_CPUS' quota. Requested 16.0, available 4.0."
    localcloud.cli("fault", "add", "--method", CREATE, "--status", "403", "--message", message)
    result = canaries.canary("good")
    assert (result["failed"], result["failed_step"], result["changed"]) == (True, "create", False)
    assert message.rstrip(".") in result["msg"]


@pytest.mark.parametrize(
    "message",
    [
        "The zone 'europe-west1-b' does not have enough resources available to fulfill the request.",
        "Initialization action failed. Failed action 'gs://a/0123/node-bundle.sh', see output in: "
        f"gs://{BUCKET}/metainfo/canary-test-m/dataproc-initialization-script-0_output",
    ],
    ids=["stock-out", "init action"],
)
def test_a_creation_that_fails_leaves_no_cluster(
    canaries: Canaries, localcloud: LocalCloud, google: Google, message: str
) -> None:
    google.upload(BUCKET, "metainfo/canary-test-m/dataproc-initialization-script-0_output", "one\nbundle is missing\n")
    localcloud.cli("fault", "add", "--method", CREATE, "--kind", "operation-error", "--message", message)
    result = canaries.canary("good")
    assert (result["failed_step"], result["changed"]) == ("create", True)
    assert message in result["msg"]
    assert result["msg"].partition("\n")[0].endswith("nothing is left behind")
    assert ("    bundle is missing" in result["msg"]) == ("Initialization" in message)
    assert result["canary"]["jobs"] == {}


def test_a_creation_that_hangs_is_given_up(canaries: Canaries, localcloud: LocalCloud) -> None:
    localcloud.cli("fault", "add", "--method", CREATE, "--kind", "operation-hang", "--count", "1")
    result = canaries.canary("good", create_timeout=2.0)
    assert result["failed_step"] == "create"
    assert "after 2 s (create_timeout)" in result["msg"]


def test_a_failed_job_says_why_and_where_its_log_is(canaries: Canaries) -> None:
    result = canaries.canary("fail", jobs=[job("good", name="first"), job("fail")])
    assert result["failed_step"] == "job smoke"
    for text in ("ended as ERROR", "KeyError: 'carrier'", "Whole log: gs://", "nothing is left behind"):
        assert text in result["msg"]
    assert result["canary"]["jobs"]["first"]["results"] == {"sum": 42}
    assert result["canary"]["jobs"]["smoke"]["state"] == "ERROR"


def test_a_job_that_hangs_is_cancelled(canaries: Canaries, google: Google) -> None:
    result = canaries.canary("sleep", jobs=[job("sleep", timeout=3.0)])
    assert result["failed_step"] == "job smoke"
    assert "longer than its limit of 3 s" in result["msg"]
    job_id = result["canary"]["jobs"]["smoke"]["job_id"]
    assert google.get(f"jobs/{job_id}")["status"]["state"] == "CANCELLED"


@pytest.mark.parametrize(
    ("driver", "text"),
    [("silent", "wrote nothing to"), ("nonsense", "results.sum is [1, 2]; expected a number or a text")],
)
def test_results_have_to_be_there_and_new(canaries: Canaries, google: Google, driver: str, text: str) -> None:
    # What an earlier canary wrote is no result of this one.
    google.upload(BUCKET, f"{driver}/smoke.json", json.dumps({"results": {"sum": 42}}))
    result = canaries.canary(driver)
    assert result["failed_step"] == "results of job smoke"
    assert text in result["msg"]


def test_a_deletion_that_is_refused_at_first_is_tried_again(canaries: Canaries, localcloud: LocalCloud) -> None:
    fault = ("--method", "dataproc.projects.regions.clusters.delete", "--status", "400", "--count", "3")
    localcloud.cli("fault", "add", *fault)
    assert not canaries.canary("good").get("failed")


def test_a_cluster_that_does_not_go_is_named(canaries: Canaries, localcloud: LocalCloud) -> None:
    localcloud.cli("fault", "add", "--method", "dataproc.projects.regions.clusters.delete", "--status", "403")
    result = canaries.canary("good", delete_timeout=1.0)
    assert result["failed"] is True
    assert "cluster canary-test is still there after 1 s (delete_timeout)" in result["msg"]
    assert "gcloud dataproc clusters delete canary-test --region=europe-west1" in result["msg"]
    assert result["canary"]["jobs"]["smoke"]["results"] == {"sum": 42}
    localcloud.cli("fault", "clear")
    # The next canary sweeps it away, whatever its own name.
    assert not canaries.canary("good", cluster="canary-next").get("failed")


def test_check_mode_tells_everything_and_writes_nothing(
    canaries: Canaries, localcloud: LocalCloud, google: Google
) -> None:
    _leave_behind(google, "canary-old", {**LABELS, "purpose": "canary"})
    localcloud.clear_requests()
    scale_in = {"job": "smoke", "workers": 2, "timeout": 60.0, "after_output": ""}
    result = canaries.canary("good", check_mode=True, scale_in=scale_in)
    assert result["changed"] is True
    assert result["plan"] == [
        "delete cluster canary-old, which an earlier canary left",
        "create cluster canary-test: 3 workers, 2.3.10-debian12",
        "run job smoke, at most 60 s",
        "meanwhile go down to 2 workers, gracefully",
        f"read what smoke found in gs://{BUCKET}/good/smoke.json",
        "delete cluster canary-test",
    ]
    written = [one["path"] for one in localcloud.requests() if one["method"] != "GET" and "token" not in one["path"]]
    assert written == []
    assert not canaries.canary("good").get("failed")


def test_only_leftovers_of_the_same_owners_are_swept(canaries: Canaries, google: Google) -> None:
    _leave_behind(google, "canary-old", {**LABELS, "purpose": "canary"})
    _leave_behind(google, "canary-prod", {**LABELS, "environment": "prod", "purpose": "canary"})
    _leave_behind(google, "shared", LABELS)
    assert not canaries.canary("good").get("failed")
    assert sorted(google.clusters()) == ["canary-prod", "shared"]
    # A name that somebody else has is refused, and theirs is left alone.
    result = canaries.canary("good", cluster="shared")
    assert "cluster: shared exists already" in result["msg"]
    assert result["changed"] is False
    for name in ("canary-prod", "shared"):
        google.call("DELETE", f"{_url(name)}")
    wait_for(lambda: google.clusters() == [], "the end of the clusters")


def _url(name: str) -> str:
    return f"https://dataproc.googleapis.com/v1/projects/{PROJECT}/regions/europe-west1/clusters/{name}"


def _leave_behind(google: Google, name: str, labels: dict[str, str]) -> None:
    google.post("clusters", {"clusterName": name, "projectId": PROJECT, "config": {}, "labels": labels})
    wait_for(lambda: google.get(f"clusters/{name}").get("status", {}).get("state") == "RUNNING", f"cluster {name}")
