"""Jobs: drivers really run, as processes; their output, end, cancellation, and a server that dies meanwhile."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import zipfile
from pathlib import Path
from typing import Any

import psutil
import pytest

from localcloud.dataproc.names import Location
from localcloud.errors import ApiError

REGION = "projects/test-project/regions/europe-west4"
SLEEPER = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import os, time; os.setsid(); time.sleep(300)"])
print("started", flush=True)
time.sleep(300)
"""


def processes(world: Any) -> list[psutil.Process]:
    """Return the live processes that work in a job's directory, or watch one."""
    jobs_directory = str(world.settings.jobs_directory)
    found = []
    for process in psutil.process_iter():
        try:
            concerned = jobs_directory in " ".join([process.cwd(), *process.cmdline()])
            if concerned and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def nothing_runs(world: Any) -> None:
    """Wait for the end of the supervisors, which comes just after they have told how their drivers ended."""
    world.until(lambda: processes(world) == [], 10)


def started(world: Any, job_id: str) -> Path:
    """Wait until the driver of a sleeping job has started its child; return the job's directory."""
    directory = world.settings.jobs_directory / job_id
    world.until(
        lambda: (directory / "driveroutput").exists() and b"started" in (directory / "driveroutput").read_bytes()
    )
    return directory


def test_a_driver_runs_with_its_arguments_and_the_local_clouds_environment(world: Any) -> None:
    world.cluster()
    os.environ["LEAKED"] = "from the server"
    try:
        uri = world.script(
            "import os, sys\n"
            "print(sys.argv[1:], os.environ['FROM_ENVIRONMENT_FILE'], os.environ.get('LEAKED'))\n"
            "print('to stderr', file=sys.stderr)\n"
        )
        job = world.job_in(world.submit(uri, "a b", "--c"), "DONE")
    finally:
        del os.environ["LEAKED"]
    assert world.output(job) == "['a b', '--c'] yes None\nto stderr\n"
    assert [entry["state"] for entry in job["statusHistory"]] == ["PENDING", "SETUP_DONE", "RUNNING"]
    assert job["statusHistory"][-1]["details"] == "Agent reported job success"
    assert job["done"] is True
    assert job["placement"]["clusterUuid"] == world.call("GET", f"{REGION}/clusters/shared")["clusterUuid"]
    assert f"/{job['placement']['clusterUuid']}/jobs/" in job["driverOutputResourceUri"]


def test_a_job_waits_for_its_cluster(world: Any) -> None:
    world.call("POST", f"{REGION}/clusters", {"clusterName": "shared"})
    job_id = world.submit(world.script("print('late')"))
    world.service.tick()
    assert world.job(job_id)["status"]["state"] == "PENDING"
    world.job_in(job_id, "DONE")


def test_modules_files_and_archives_are_where_spark_puts_them(world: Any) -> None:
    world.cluster()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("inside.py", "NAME = 'zipped module'\n")
        archive.writestr("data.txt", "archived data")
    objects = world.storage.objects
    objects["code", "lib.zip"] = packed.getvalue()
    objects["code", "deps/plain.py"] = b"NAME = 'plain module'\n"
    objects["code", "settings.ini"] = b"file"
    uri = world.script(
        "import plain, inside, pathlib\n"
        "print(plain.NAME, inside.NAME, pathlib.Path('renamed.ini').read_text(),"
        " pathlib.Path('unpacked/data.txt').read_text())\n"
    )
    extra = {
        "pythonFileUris": ["gs://code/deps/plain.py", "gs://code/lib.zip"],
        "fileUris": ["gs://code/settings.ini#renamed.ini"],
        "archiveUris": ["gs://code/lib.zip#unpacked"],
    }
    job = world.job_in(world.submit(uri, pyspark=extra), "DONE", "ERROR")
    assert world.output(job) == "plain module zipped module file archived data\n"


def test_a_failing_driver_says_why_and_where_to_look(world: Any) -> None:
    world.cluster()
    job = world.job_in(world.submit(world.script("raise ValueError('no such carrier')")), "ERROR")
    details = job["status"]["details"]
    assert details.startswith(
        "Job failed with message [ValueError: no such carrier]. Additional details can be found at:"
    )
    assert job["driverOutputResourceUri"] in details
    assert "Traceback" in world.output(job)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import sys; sys.exit(3)", "The driver exited with code 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "killed by signal 9"),
    ],
)
def test_silent_ends_are_explained(world: Any, text: str, reason: str) -> None:
    world.cluster()
    assert reason in world.job_in(world.submit(world.script(text)), "ERROR")["status"]["details"]


def test_what_cannot_run_ends_in_error_and_names_it(world: Any) -> None:
    world.cluster()
    missing = world.job_in(world.submit("gs://code/none.py"), "ERROR")
    assert "gs://code/none.py" in missing["status"]["details"]
    body = {"job": {"placement": {"clusterName": "shared"}, "sparkJob": {"mainClass": "org.example.Main"}}}
    other = world.call("POST", f"{REGION}/jobs:submit", body)["reference"]["jobId"]
    assert "cannot run a sparkJob" in world.job_in(other, "ERROR")["status"]["details"]


def test_output_that_cannot_be_stored_is_said_so(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(bucket: str, *_arguments: Any, **_options: Any) -> None:
        raise ApiError(404, "The specified bucket does not exist.")

    world.cluster(config={"configBucket": "never-made"})
    monkeypatch.setattr(world.storage, "write_object", refuse)
    job = world.job_in(world.submit(world.script("print('lost')")), "DONE")
    assert "never-made: The specified bucket does not exist." in job["status"]["details"]


def test_long_output_comes_as_a_series_while_the_driver_runs(world: Any) -> None:
    world.cluster()
    uri = world.script(
        "import sys, time\n"
        "for number in range(9000): print(f'{number:06d} ' + 'x' * 92)\n"
        "sys.stdout.flush()\n"
        "while True: time.sleep(0.1)\n"
    )
    job_id = world.submit(uri)
    job = world.job_in(job_id, "RUNNING")
    prefix = job["driverOutputResourceUri"].partition("//")[2].partition("/")[2]
    world.until(lambda: any(name == f"{prefix}.000000002" for _, name in world.storage.objects))
    world.call("POST", f"{REGION}/jobs/{job_id}:cancel", {})
    lines = world.output(world.job_in(job_id, "CANCELLED")).splitlines()
    assert len(lines) == 9000
    assert lines[-1].startswith("008999 ")


def test_cancelling_leaves_no_process(world: Any) -> None:
    world.cluster()
    job_id = world.submit(world.script(SLEEPER))
    started(world, job_id)
    assert len(processes(world)) == 3
    assert world.call("POST", f"{REGION}/jobs/{job_id}:cancel", {})["status"]["state"] == "CANCEL_PENDING"
    job = world.job_in(job_id, "CANCELLED")
    assert [entry["state"] for entry in job["statusHistory"][-2:]] == ["CANCEL_PENDING", "CANCEL_STARTED"]
    nothing_runs(world)
    with pytest.raises(ApiError, match="CANCELLED"):
        world.call("POST", f"{REGION}/jobs/{job_id}:cancel", {})


def test_a_driver_that_ignores_the_request_is_killed(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("localcloud.dataproc.job_runs.CANCEL_GRACE_SECONDS", 0.3)
    world.cluster()
    job_id = world.submit(world.script("import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SLEEPER))
    started(world, job_id)
    world.call("POST", f"{REGION}/jobs/{job_id}:cancel", {})
    world.job_in(job_id, "CANCELLED")
    nothing_runs(world)


def test_what_a_driver_leaves_behind_is_ended_with_it(world: Any) -> None:
    world.cluster()
    leaver = SLEEPER.replace("time.sleep(300)\n", "sys.exit(0)\n")
    world.job_in(world.submit(world.script(leaver)), "DONE")
    nothing_runs(world)


def test_a_driver_outlives_a_killed_server(world: Any) -> None:
    world.cluster()
    uri = world.script("import time\nprint('before', flush=True)\ntime.sleep(1)\nprint('after')\n")
    running, waiting = world.submit(uri), world.submit(uri)
    world.until(lambda: world.job(running)["status"]["state"] == "RUNNING")
    world.restart()
    for job_id in (running, waiting):
        assert world.output(world.job_in(job_id, "DONE", "ERROR")) == "before\nafter\n"


def test_a_server_killed_before_it_recorded_the_start_does_not_start_twice(world: Any) -> None:
    world.cluster()
    counter, end = world.settings.home / "starts", world.settings.home / "end"
    waits = f"import pathlib, time\nwhile not pathlib.Path({str(end)!r}).exists(): time.sleep(0.02)"
    job_id = world.submit(world.script(f"open({str(counter)!r}, 'a').write('x')\n{waits}"))
    world.until(counter.exists)
    record = world.service._job_runs._records.get(Location("test-project", "europe-west4"), job_id)
    record.body["status"] = record.body["statusHistory"].pop()
    assert record.body["status"]["state"] == "SETUP_DONE"
    world.service._job_runs._records.save(record)
    world.restart()
    end.touch()
    world.job_in(job_id, "DONE")
    assert counter.read_text() == "x"


def test_a_driver_whose_supervisor_was_killed_is_an_error_and_leaves_nothing(world: Any) -> None:
    world.cluster()
    job_id = world.submit(world.script("print('started', flush=True)\nimport time; time.sleep(300)"))
    started(world, job_id)
    supervisor = next(process for process in processes(world) if "localcloud.dataproc.supervisor" in process.cmdline())
    supervisor.send_signal(signal.SIGKILL)
    assert "lost" in world.job_in(job_id, "ERROR")["status"]["details"]
    nothing_runs(world)


def test_deleting_the_cluster_ends_its_jobs(world: Any) -> None:
    world.cluster()
    job_id = world.submit(world.script(SLEEPER))
    started(world, job_id)
    world.call("DELETE", f"{REGION}/clusters/shared")
    assert "Cluster 'shared' was deleted" in world.job_in(job_id, "ERROR")["status"]["details"]
    nothing_runs(world)


def test_stopping_the_local_cloud_ends_the_drivers(world: Any) -> None:
    world.cluster()
    job_id = world.submit(world.script(SLEEPER))
    started(world, job_id)
    asyncio.run(world.service.stop())
    assert processes(world) == []
    assert "local cloud was stopped" in world.job(job_id)["status"]["details"]


def test_a_job_submitted_while_the_local_cloud_stops_starts_no_driver(world: Any) -> None:
    world.cluster()
    running = world.submit(world.script(SLEEPER))
    started(world, running)
    late: list[str] = []

    async def stop() -> None:
        stopping = asyncio.create_task(world.service.stop())
        await asyncio.sleep(0)
        late.append(await asyncio.to_thread(world.submit, world.script("print('too late')", "late.py")))
        world.service.tick()
        await stopping

    asyncio.run(stop())
    assert "local cloud was stopped" in world.job(late[0])["status"]["details"]
    assert not (world.settings.jobs_directory / late[0]).exists()
    assert processes(world) == []


def test_a_job_that_was_being_set_up_when_the_local_cloud_stops_starts_no_driver(world: Any) -> None:
    world.cluster()
    job_id = world.submit(world.script(SLEEPER))
    records = world.service._job_runs._records
    record = records.get(Location("test-project", "europe-west4"), job_id)
    record.body["status"]["state"] = "SETUP_DONE"
    records.save(record)
    asyncio.run(world.service.stop())
    assert world.job(job_id)["status"]["state"] == "ERROR"
    assert processes(world) == []


def test_what_ended_in_a_transaction_that_failed_is_looked_at_again(world: Any) -> None:
    world.cluster()
    world.submit(world.script("print('x')"))
    records = world.service._job_runs._records
    (record,) = records.active()
    for change in (lambda: records.save(record), lambda: records.delete(record)):
        record.body["status"]["state"] = "DONE"
        with pytest.raises(OSError, match="full"), records.transaction():
            change()
            raise OSError("disk full")
        assert [kept.body["status"]["state"] for kept in records.active()] == ["PENDING"]


def test_submission_is_idempotent_by_request_id_and_ids_are_unique(world: Any) -> None:
    world.cluster()
    uri = world.script("print('once')")
    job = {
        "placement": {"clusterName": "shared"},
        "pysparkJob": {"mainPythonFileUri": uri},
        "reference": {"jobId": "mine"},
    }
    first = world.call("POST", f"{REGION}/jobs:submit", {"job": job, "requestId": "r-1"})
    again = world.call("POST", f"{REGION}/jobs:submit", {"job": job, "requestId": "r-1"})
    assert first["jobUuid"] == again["jobUuid"]
    with pytest.raises(ApiError) as raised:
        world.call("POST", f"{REGION}/jobs:submit", {"job": job})
    assert raised.value.message == f"Already exists: Failed to submit job: Job {REGION}/jobs/mine"
    world.job_in("mine", "DONE")


def test_jobs_are_listed_newest_first_labelled_and_deleted(world: Any) -> None:
    world.cluster()
    uri = world.script("print('x')")
    first, second = world.submit(uri, labels={"team": "red"}), world.submit(uri)
    with pytest.raises(ApiError, match="PENDING"):
        world.call("DELETE", f"{REGION}/jobs/{first}")
    for job_id in (first, second):
        world.job_in(job_id, "DONE")
    assert [job["reference"]["jobId"] for job in world.call("GET", f"{REGION}/jobs")["jobs"]] == [second, first]
    listed = world.call("GET", f"{REGION}/jobs", filter="status.state = NON_ACTIVE AND labels.team = red")
    assert [job["reference"]["jobId"] for job in listed["jobs"]] == [first]
    assert world.call("GET", f"{REGION}/jobs", jobStateMatcher="ACTIVE") == {}
    assert world.call("GET", f"{REGION}/jobs", clusterName="other") == {}
    changed = world.call("PATCH", f"{REGION}/jobs/{first}", {"labels": {"team": "blue"}}, updateMask="labels")
    assert changed["labels"] == {"team": "blue"}
    assert world.call("DELETE", f"{REGION}/jobs/{first}") == {}
    assert not (world.settings.jobs_directory / first).exists()
    with pytest.raises(ApiError) as raised:
        world.job(first)
    assert raised.value.message == f'job "{REGION}/jobs/{first}" not found'


@pytest.mark.parametrize(
    ("job", "text"),
    [
        ({"pysparkJob": {"mainPythonFileUri": "gs://a/b.py"}, "reference": {"jobId": "bad id"}}, "bad id"),
        ({"pysparkJob": {"mainPythonFileUri": "gs://a/b.py"}, "labels": {"9x": "a"}}, "9x"),
        ({}, "exactly one type"),
        ({"pysparkJob": {"mainPythonFileUri": "gs://a/b.py"}, "scheduling": {"maxFailuresPerHour": 11}}, "11"),
    ],
)
def test_jobs_that_break_a_rule_are_refused_by_name(world: Any, job: dict[str, Any], text: str) -> None:
    world.call("POST", f"{REGION}/clusters", {"clusterName": "shared"})
    with pytest.raises(ApiError) as raised:
        world.call("POST", f"{REGION}/jobs:submit", {"job": {"placement": {"clusterName": "shared"}, **job}})
    assert raised.value.code == 400
    assert text in raised.value.message


def test_an_operation_follows_a_job_to_its_end(world: Any) -> None:
    world.cluster()
    uri = world.script("import sys; sys.exit(int(sys.argv[1]))")
    for code in ("0", "1"):
        job = {"placement": {"clusterName": "shared"}, "pysparkJob": {"mainPythonFileUri": uri, "args": [code]}}
        operation = world.finished(world.call("POST", f"{REGION}/jobs:submitAsOperation", {"job": job}))
        assert operation["metadata"]["status"]["state"] == ("DONE" if code == "0" else "ERROR")
        assert ("response" in operation) is (code == "0")
