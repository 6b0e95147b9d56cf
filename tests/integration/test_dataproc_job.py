"""dataproc_job against a local cloud that really runs the drivers."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils import job_task, run_lookup

from tests.integration.conftest import LocalCloud
from tests.integration.google import PROJECT, Google, wait_for
from tests.integration.runs_support import Watcher

BUCKET = "job-tests-scripts"
CLUSTER = "job-tests"
DRIVERS = {
    "count": "import time\nfor n in range(6):\n    print('line', n)\n    time.sleep(0.3)\nprint('end', end='')\n",
    "fail": "print('before')\nraise KeyError('carrier')\n",
    "sleep": "import time\nprint('started')\ntime.sleep(300)\n",
    "silent": "pass\n",
    "noisy": "for number in range(60000):\n    print('noise', number)\n",
    "colour": "print('\\x1b[31mred\\x1b[0m \\x1b]0;title\\x07text')\nprint('10%\\r90%\\r100%')\n",
}


class JobWatcher(Watcher):
    """A watcher of ``dataproc_job``."""

    def job(self, **params: Any) -> dict[str, Any]:
        """The task's result."""
        return self.run(job_task.DEFINITION, **params)


@pytest.fixture
def watcher(localcloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> JobWatcher:
    """A watcher whose process is a client of the local cloud."""
    for name, value in localcloud.environment.items():
        monkeypatch.setenv(name, value)
    return JobWatcher()


@pytest.fixture(scope="module")
def google(localcloud: LocalCloud) -> Iterator[Google]:
    """The cloud with the drivers uploaded and one cluster running."""
    google = Google(localcloud.environment)
    google.ensure_bucket(BUCKET)
    for name, text in DRIVERS.items():
        google.upload(BUCKET, f"{name}.py", text)
    google.post("clusters", {"clusterName": CLUSTER, "projectId": PROJECT, "config": {}})
    wait_for(lambda: google.get(f"clusters/{CLUSTER}").get("status", {}).get("state") == "RUNNING", "the cluster")
    yield google
    localcloud.cli("fault", "clear")


@pytest.fixture
def job_id() -> str:
    """A job id nobody has used."""
    return f"job-{uuid.uuid4()}"


def driver(name: str, **more: Any) -> dict[str, Any]:
    """A job that runs one of the drivers."""
    main = {"mainPythonFileUri": f"gs://{BUCKET}/{name}.py"}
    return {"placement": {"clusterName": CLUSTER}, "pysparkJob": main, **more}


def submissions(localcloud: LocalCloud) -> int:
    """How many submissions the journal has."""
    return sum("jobs:submit" in str(entry) for entry in localcloud.requests())


def state(google: Google, job_id: str) -> str:
    """The state of a job, empty when it does not exist."""
    return google.get(f"jobs/{job_id}").get("status", {}).get("state", "")


def test_a_job_is_followed_line_by_line_to_its_end(google: Google, watcher: JobWatcher, job_id: str) -> None:
    result = watcher.job(job=driver("count", labels={"team": "growth"}), job_id=job_id)
    assert "failed" not in result, result
    assert result["changed"] is True
    assert result["state"] == state(google, job_id) == "DONE"
    assert result["output_tail"] == [*(f"line {number}" for number in range(6)), "end"]
    assert result["job"]["labels"]["team"] == "growth"
    assert result["driver_output_uri"].startswith("gs://")
    assert job_id in result["console_url"]
    assert 1.5 < result["duration_seconds"] < 60
    assert result["usage"]["applications"] == 0, "this driver starts no YARN application"
    assert watcher.output() == [*(f"| line {number}" for number in range(6)), "| end"], "every line, once, in order"
    assert watcher.index("RUNNING") < watcher.index("| line 0") < watcher.index("DONE"), "while the job runs"


def test_the_same_job_id_is_the_same_job(
    localcloud: LocalCloud, google: Google, watcher: JobWatcher, job_id: str
) -> None:
    localcloud.clear_requests()
    first = watcher.job(job=driver("silent"), job_id=job_id)
    second = watcher.job(job=driver("silent"), job_id=job_id)
    assert (first["changed"], second["changed"]) == (True, False)
    assert first["job"]["jobUuid"] == second["job"]["jobUuid"]
    assert submissions(localcloud) == 1


def test_the_same_request_id_is_the_same_job(localcloud: LocalCloud, google: Google, watcher: JobWatcher) -> None:
    request_id = str(uuid.uuid4())
    localcloud.clear_requests()
    results = [watcher.job(job=driver("silent"), request_id=request_id, state="submitted") for _ in range(2)]
    assert [result["changed"] for result in results] == [True, False]
    assert {result["job_id"] for result in results} == {request_id}
    assert submissions(localcloud) == 1


def test_two_at_once_submit_one_job(localcloud: LocalCloud, google: Google, watcher: JobWatcher, job_id: str) -> None:
    localcloud.clear_requests()
    localcloud.cli("fault", "add", "--method", "dataproc.projects.regions.jobs.get", "--delay", "0.3", "--count", "2")
    results: list[dict[str, Any]] = []
    threads = [
        threading.Thread(target=lambda: results.append(watcher.job(job=driver("silent"), job_id=job_id)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    localcloud.cli("fault", "clear")
    assert [result["state"] for result in results] == ["DONE", "DONE"]
    assert len({result["job"]["jobUuid"] for result in results}) == 1


def test_without_an_id_every_run_is_a_new_job(google: Google, watcher: JobWatcher) -> None:
    results = [watcher.job(job=driver("silent"), state="submitted") for _ in range(2)]
    assert [result["changed"] for result in results] == [True, True]
    assert results[0]["job_id"] != results[1]["job_id"]


def test_another_job_under_the_same_id_is_refused(google: Google, watcher: JobWatcher, job_id: str) -> None:
    watcher.job(job=driver("silent"), job_id=job_id)
    result = watcher.job(job=driver("count"), job_id=job_id)
    assert result["failed"]
    assert result["error"]["type"] == "ValidationError"
    assert "pysparkJob.mainPythonFileUri is 'gs://job-tests-scripts/silent.py'" in result["msg"]


def test_a_failed_job_says_why_and_where_the_log_is(google: Google, watcher: JobWatcher, job_id: str) -> None:
    result = watcher.job(job=driver("fail"), job_id=job_id)
    assert result["failed"]
    assert result["error"]["type"] == "RunFailedError"
    assert result["state"] == "ERROR"
    assert result["msg"].startswith(f"Dataproc job {job_id} ended as ERROR: ")
    assert result["msg"].count(result["console_url"]) == 1, "addresses are shown once"
    assert result["output_tail"][0] == "before"
    assert result["output_tail"][-1] == "KeyError: 'carrier'"
    assert "    KeyError: 'carrier'" in result["msg"]
    assert f"{result['driver_output_uri']}.*" in result["msg"]
    assert result["console_url"] in result["msg"]


def test_a_job_that_takes_too_long_is_cancelled(google: Google, watcher: JobWatcher, job_id: str) -> None:
    watcher.job(job=driver("sleep"), job_id=job_id, state="submitted")
    wait_for(lambda: google.driver_output(job_id), "its first line")
    result = watcher.job(job_id=job_id, timeout=2)
    assert result["failed"]
    assert result["state"] == state(google, job_id) == "CANCELLED"
    assert "longer than its limit of 2 s (timeout); it has been cancelled" in result["msg"]
    assert result["output_tail"] == ["started"]


def test_a_running_job_can_be_cancelled_and_cancelling_again_changes_nothing(
    google: Google, watcher: JobWatcher, job_id: str
) -> None:
    watcher.job(job=driver("sleep"), job_id=job_id, state="submitted")
    wait_for(lambda: state(google, job_id) == "RUNNING", "the job")
    predicted = watcher.job(job_id=job_id, state="cancelled", check_mode=True)
    assert predicted["changed"] is True
    assert state(google, job_id) == "RUNNING", "check mode cancels nothing"
    first, second = (watcher.job(job_id=job_id, state="cancelled") for _ in range(2))
    assert (first["changed"], first["state"]) == (True, "CANCELLED")
    assert (second["changed"], second["state"]) == (False, "CANCELLED")


def test_a_job_that_is_cancelled_elsewhere_fails_the_task(google: Google, watcher: JobWatcher, job_id: str) -> None:
    timer = threading.Thread(
        target=lambda: (
            wait_for(lambda: state(google, job_id) == "RUNNING", "it"),
            google.post(f"jobs/{job_id}:cancel", {}),
        )
    )
    timer.start()
    result = watcher.job(job=driver("sleep"), job_id=job_id)
    timer.join()
    assert result["failed"]
    assert f"job {job_id} ended as CANCELLED" in result["msg"]


def test_check_mode_submits_nothing(localcloud: LocalCloud, google: Google, watcher: JobWatcher, job_id: str) -> None:
    localcloud.clear_requests()
    result = watcher.job(job=driver("silent"), job_id=job_id, check_mode=True)
    assert result["changed"] is True
    assert (result["job_id"], result["state"]) == (job_id, "STATE_UNSPECIFIED")
    assert google.get(f"jobs/{job_id}") == {}
    watcher.job(job=driver("silent"), job_id=job_id)
    assert watcher.job(job=driver("silent"), job_id=job_id, check_mode=True)["changed"] is False
    unnamed = watcher.job(job=driver("silent"), check_mode=True)
    assert (unnamed["changed"], unnamed["job_id"], unnamed["request_id"]) == (True, "", "")


def test_an_unknown_field_is_refused_before_any_call(
    localcloud: LocalCloud, google: Google, watcher: JobWatcher
) -> None:
    localcloud.clear_requests()
    result = watcher.job(job=driver("silent", lables={}))
    assert result["failed"]
    assert "did you mean 'labels'?" in result["msg"]
    assert not [entry for entry in localcloud.requests() if "dataproc" in str(entry)]


@pytest.mark.parametrize("wanted", ["finished", "submitted", "cancelled"])
def test_a_job_that_does_not_exist_is_named(google: Google, watcher: JobWatcher, wanted: str) -> None:
    result = watcher.job(job_id="no-such-job", state=wanted)
    assert result["failed"]
    assert "there is no job 'no-such-job'" in result["msg"]


def test_output_that_is_gone_does_not_spoil_the_result(google: Google, watcher: JobWatcher, job_id: str) -> None:
    first = watcher.job(job=driver("count"), job_id=job_id)
    assert google.delete_objects(first["driver_output_uri"]) > 0
    again = watcher.job(job_id=job_id)
    assert "failed" not in again
    assert (again["state"], again["output_tail"], again["output_error"]) == ("DONE", [], "")


def test_output_that_may_not_be_read_does_not_spoil_the_result(
    localcloud: LocalCloud, google: Google, watcher: JobWatcher, job_id: str
) -> None:
    localcloud.cli("fault", "add", "--method", "storage.objects.list", "--status", "403")
    result = watcher.job(job=driver("count"), job_id=job_id)
    localcloud.cli("fault", "clear")
    assert (result["state"], result["output_tail"]) == ("DONE", [])
    assert "403" in result["output_error"]


def test_a_service_that_stumbles_is_asked_again(
    localcloud: LocalCloud, google: Google, watcher: JobWatcher, job_id: str
) -> None:
    for method in ("dataproc.projects.regions.jobs.submit", "dataproc.projects.regions.jobs.get"):
        localcloud.cli("fault", "add", "--method", method, "--status", "503", "--count", "2")
    result = watcher.job(job=driver("silent"), job_id=job_id)
    localcloud.cli("fault", "clear")
    assert "failed" not in result, result
    assert (result["changed"], result["state"]) == (True, "DONE")


def test_a_submission_whose_answer_is_lost_is_not_submitted_twice(
    localcloud: LocalCloud, google: Google, watcher: JobWatcher, job_id: str
) -> None:
    localcloud.cli("fault", "add", "--method", "*.jobs.submit", "--kind", "truncate", "--count", "1")
    result = watcher.job(job=driver("silent"), job_id=job_id)
    localcloud.cli("fault", "clear")
    assert "failed" not in result, result
    assert result["state"] == "DONE"
    jobs = google.get("jobs").get("jobs", [])
    assert sum(job["reference"]["jobId"] == job_id for job in jobs) == 1


def test_a_long_log_is_read_in_full_and_only_its_end_is_kept(google: Google, watcher: JobWatcher, job_id: str) -> None:
    result = watcher.job(job=driver("noisy"), job_id=job_id, output_lines=3)
    assert result["output_tail"] == ["noise 59997", "noise 59998", "noise 59999"]
    assert [line for line in watcher.lines if "noise" in line] == [f"  | noise {number}" for number in range(60000)]


def test_nothing_a_driver_prints_moves_the_terminal(google: Google, watcher: JobWatcher, job_id: str) -> None:
    watcher.job(job=driver("colour"), job_id=job_id)
    assert watcher.output() == ["| red text", "| 100%"]


def test_output_can_be_kept_from_the_screen(google: Google, watcher: JobWatcher, job_id: str) -> None:
    result = watcher.job(job=driver("count"), job_id=job_id, show_output=False)
    assert result["output_tail"][0] == "line 0"
    assert not [line for line in watcher.lines if "line 0" in line]


def test_a_job_on_its_own_is_found_again_with_its_output(google: Google, watcher: JobWatcher, job_id: str) -> None:
    watcher.job(job=driver("count"), job_id=job_id)
    found = watcher.run(run_lookup.DEFINITION, run=job_id)
    assert (found["kind"], found["workflow"]) == ("job", {})
    assert found["jobs"][0]["output"] == [*(f"line {number}" for number in range(6)), "end"]
    assert watcher.run(run_lookup.DEFINITION, run=job_id, output_lines=2)["jobs"][0]["output"] == ["line 5", "end"]
    missing = watcher.run(run_lookup.DEFINITION, run="nothing-of-that-name")
    assert "'nothing-of-that-name' is neither a workflow run" in missing["msg"]
