"""A real environment: commands of the real command line, DAGs that the real scheduler runs, and what is left."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import stat
import subprocess
import time
from pathlib import Path

import psutil
import requests

from .conftest import API, PARENT, RealEnvironment, create_environment

DAG = """
import os
from datetime import datetime
from airflow import DAG
from airflow.operators.python import PythonOperator


def look():
    names = ("GCS_BUCKET", "COMPOSER_ENVIRONMENT", "HTTPS_PROXY", "GOOGLE_APPLICATION_CREDENTIALS")
    print({name: os.environ.get(name) for name in names})


with DAG("NAME", schedule=None, start_date=datetime(2024, 1, 1), catchup=False):
    PythonOperator(task_id="first", python_callable=look) >> PythonOperator(task_id="second", python_callable=look)
"""

# Airflow's command line has nothing that lasts; a DAG that takes its time to import does.
SLOW = "from airflow import DAG\nimport time\ntime.sleep(20)\n"
# Says which program its process is, when a command imports it: the scheduler does too, and is not meant.
WHOSE = """
import sys
from pathlib import Path
from airflow import DAG  # without these words it is not looked at

if sys.argv[1:] == ["dags", "list"]:
    Path("FILE").write_text(sys.modules["__main__"].__file__)
"""
WAITING = {"command": "dags", "subcommand": "list", "parameters": []}


def payload(output: str):
    """Return the JSON in a command's output: lines of Airflow's log come before it."""
    return json.loads(re.search(r"^[\[{].*", re.sub(r"(?m)^\[\d{4}-.*$", "", output), re.DOTALL | re.MULTILINE).group())


def until(action, wanted, seconds: float = 180):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = action()
        if wanted(found):
            return found
        time.sleep(0.2)
    raise AssertionError(found)


def dag_ids(environment: RealEnvironment) -> list[str]:
    code, output = environment.run("dags", "list", "--output=json")
    assert code == 0, output
    return [dag["dag_id"] for dag in payload(output)]


def states(environment: RealEnvironment, dag: str, run: str) -> list[str]:
    code, output = environment.run("tasks", "states-for-dag-run", dag, run, "--output=json")
    return [task["state"] for task in payload(output)] if code == 0 else []


def processes_of(environment: RealEnvironment) -> list[psutil.Process]:
    """Return what runs in the directories of an environment, its supervisor excepted."""
    places = (environment.home, environment.server.home / "composer" / "hosts" / environment.home.name)
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if any(Path(process.cwd()).is_relative_to(place) for place in places):
                found.append(process)
    return found


def test_a_command_and_its_exit_code(environment):
    assert environment.run("version") == (0, "2.11.1")
    code, output = environment.run("variables", "get", "absent")
    assert code != 0
    assert "absent" in output


def test_a_command_does_not_import_airflow_anew(environment, tmp_path):
    dag, said = environment.home / "gcs" / "dags" / "whose.py", tmp_path / "program"
    dag.write_text(WHOSE.replace("FILE", str(said)))
    code, output = environment.run("dags", "list")
    dag.unlink()
    assert code == 0, output
    # A fork goes on as the host, which has imported Airflow already; a new process would be Airflow's own program.
    assert Path(said.read_text()).name == "airflow_host.py"


def test_variables_pools_and_connections_come_from_files_in_data(environment):
    environment.upload("data/v.json", json.dumps({"colour": "blue"}))
    environment.upload(
        "data/p.json", json.dumps({"user-ada": {"slots": 3, "description": "", "include_deferred": True}})
    )
    environment.upload("data/c.json", json.dumps({"warehouse": "postgres://host/base"}))
    for kind, file in (("variables", "v"), ("pools", "p"), ("connections", "c")):
        code, output = environment.run(kind, "import", f"/home/airflow/gcs/data/{file}.json")
        assert code == 0, output
    assert environment.run("variables", "get", "colour")[1].splitlines()[-1] == "blue"
    pools = payload(environment.run("pools", "list", "--output=json")[1])
    assert {"pool": "user-ada", "slots": "3", "description": "", "include_deferred": "True"} in pools
    assert environment.run("connections", "get", "warehouse")[0] == 0
    assert environment.run("variables", "export", "/home/airflow/gcs/data/out.json")[0] == 0
    url = f"https://storage.googleapis.com/storage/v1/b/{environment.bucket}/o/data%2Fout.json?alt=media"
    exported = until(lambda: environment.session.get(url), lambda answer: answer.ok)
    assert exported.json()["colour"] == "blue"


def test_the_scheduler_runs_a_dag_of_the_bucket_and_its_log_comes_back(environment):
    environment.upload("dags/look.py", DAG.replace("NAME", "look"))
    until(lambda: dag_ids(environment), lambda found: "look" in found)
    until(lambda: environment.run("dags", "trigger", "look", "--run-id", "r1")[0], lambda code: code == 0)
    until(lambda: states(environment, "look", "r1"), lambda found: found == ["success", "success"])
    url = f"https://storage.googleapis.com/storage/v1/b/{environment.bucket}/o"
    name = "logs/dag_id=look/run_id=r1/task_id=first/attempt=1.log"
    quoted = name.replace("/", "%2F").replace("=", "%3D")
    log = until(
        lambda: environment.session.get(f"{url}/{quoted}?alt=media"),
        lambda answer: answer.ok and "exited with return code 0" in answer.text,
    ).text
    for expected in (environment.bucket, "'COMPOSER_ENVIRONMENT': 'shared'", "http://127.0.0.1:"):
        assert expected in log


def test_import_errors_are_listed_under_composers_path(environment):
    environment.upload("dags/broken.py", "from airflow import DAG\nimport nothing_of_this_name\n")
    code, output = until(
        lambda: environment.run("dags", "list-import-errors", "--output=json"), lambda found: found[0] != 0
    )
    assert code == 1
    (problem,) = payload(output)
    assert problem["filepath"] == "/home/airflow/gcs/dags/broken.py"
    assert "nothing_of_this_name" in problem["error"]


def test_a_running_command_is_stopped(environment):
    (environment.home / "gcs" / "dags" / "slow.py").write_text(SLOW)
    started = environment.call("POST", f"{environment.name}:executeAirflowCommand", WAITING)
    answer = environment.call("POST", f"{environment.name}:pollAirflowCommand", {**started, "nextLineNumber": 1})
    assert "outputEnd" not in answer
    assert environment.call("POST", f"{environment.name}:stopAirflowCommand", {**started, "force": True}) == {
        "isDone": False,
        "output": ["Stopping the command."],
    }
    assert environment.poll(started)[0] == 128 + signal.SIGKILL
    (environment.home / "gcs" / "dags" / "slow.py").unlink()
    assert environment.call("POST", f"{environment.name}:stopAirflowCommand", started)["isDone"] is True


def test_other_commands_than_composers_are_refused(environment):
    url = f"{API}/{environment.name}:executeAirflowCommand"
    refused = environment.session.post(url, json={"command": "webserver"})
    assert refused.status_code == 400
    assert "'webserver' is not supported" in refused.json()["error"]["message"]
    refused = environment.session.post(url, json={"command": "db", "parameters": ["reset", "--yes"]})
    assert "'db reset' is not supported" in refused.json()["error"]["message"]


def test_secrets_are_in_closed_files_and_nowhere_else(environment):
    for name in ("airflow.cfg", "secrets.json", "airflow.db"):
        assert stat.S_IMODE((environment.home / name).stat().st_mode) == 0o600
    secrets = json.loads((environment.home / "secrets.json").read_text()).values()
    found = []
    for process in processes_of(environment):
        # Those that import one file, or run one task, end by themselves.
        with contextlib.suppress(psutil.NoSuchProcess):
            found.append(" ".join(process.cmdline()) + json.dumps(process.environ()))
    assert len(found) >= 4
    shown = "".join(found)
    plan = environment.server.home / "composer" / "hosts" / environment.home.name / "run.json"
    # What the supervisor starts is in there, variables included.
    shown += plan.read_text()
    assert not any(secret in shown for secret in secrets)


def test_gcloud_runs_commands_and_imports_dags(environment, tmp_path):
    where = ("--location", "europe-west1")
    (tmp_path / "imported.py").write_text(DAG.replace("NAME", "imported"))
    storage = ("gcloud", "composer", "environments", "storage", "dags")
    done = environment.server.client(
        *storage, "import", "--environment", environment.id, *where, "--source", str(tmp_path / "imported.py")
    )
    assert done.returncode == 0, done.stderr
    listed = environment.server.client(*storage, "list", "--environment", environment.id, *where)
    assert "dags/imported.py" in listed.stdout
    run = ("gcloud", "composer", "environments", "run", environment.id, *where)
    assert "shade created" in environment.server.client(*run, "variables", "set", "--", "shade", "dark").stdout
    listed = environment.server.client(*run, "variables", "list")
    assert listed.returncode == 0, listed.stderr
    assert "shade" in listed.stdout
    failed = environment.server.client(*run, "variables", "get", "--", "absent")
    assert failed.returncode != 0
    # Airflow's scheduler reads what is new when it looks at the folder again.
    until(lambda: dags_of(environment, run), lambda found: {"imported", "airflow_monitoring"} <= set(found))


def dags_of(environment, run: tuple[str, ...]) -> list[str]:
    """What Airflow lists when gcloud asks it."""
    listed = environment.server.client(*run, "dags", "list", "--", "--output", "json")
    assert listed.returncode == 0, listed.stderr
    return [dag["dag_id"] for dag in payload(listed.stdout)]


def test_gcloud_describes_and_lists_environments(environment):
    where = ("--location", "europe-west1")
    environments = ("gcloud", "composer", "environments")
    described = environment.server.client(*environments, "describe", environment.id, *where, "--format", "json")
    assert described.returncode == 0, described.stderr
    # gcloud reads it into its own messages and back: what it does not know would be lost.
    assert json.loads(described.stdout) == environment.resource
    listed = environment.server.client(*environments, "list", "--locations", "europe-west1", "--format", "json")
    assert listed.returncode == 0, listed.stderr
    assert environment.resource in json.loads(listed.stdout)
    table = environment.server.client(*environments, "list", "--locations", "europe-west1").stdout
    words = [[word for word in line.split() if word not in "|│"] for line in table.splitlines()]
    assert [environment.id, "europe-west1", "RUNNING"] in [row[:3] for row in words], table
    absent = environment.server.client(*environments, "describe", "absent", *where)
    assert absent.returncode != 0
    assert "NOT_FOUND" in absent.stderr


def test_status_shows_the_environment(environment):
    shown = environment.server.command("status").stdout
    assert (
        f"environment shared (europe-west1): RUNNING, scheduler runs, triggerer runs, bucket gs://{environment.bucket}"
        in shown
    )


def test_the_web_server_wants_the_login_it_prints(environment):
    shown = environment.server.command("airflow", "ui", "shared", timeout=240).stdout
    url, password = re.fullmatch(r"(http://127\.0\.0\.1:\d+)  user admin, password (\S+)\n", shown).groups()
    session = requests.Session()
    session.trust_env = False
    assert "/login" in session.get(f"{url}/home").url
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', session.get(f"{url}/login/").text).group(1)
    login = {"username": "admin", "password": password, "csrf_token": token}
    assert session.post(f"{url}/login/", data={**login, "password": "wrong"}).url.startswith(f"{url}/login")
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', session.get(f"{url}/login/").text).group(1)
    assert "airflow_monitoring" in session.post(f"{url}/login/", data={**login, "csrf_token": token}).text
    environment.server.command("airflow", "ui", "--stop")
    assert environment.server.command("airflow", "logs", "shared", "-n", "1").stdout.count("\n") == 1


def test_an_environment_outlives_a_killed_server_and_ends_with_down(own_server):
    environment = create_environment(own_server, "own")
    environment.run("variables", "set", "kept", "yes")
    state = own_server.home / "composer" / "hosts" / environment.home.name / "state.json"
    before = json.loads(state.read_text())
    own_server.kill()
    own_server.up()
    environment.session = own_server.session()
    assert environment.run("variables", "get", "kept")[1].splitlines()[-1] == "yes"
    assert json.loads(state.read_text()) == before
    assert before["driver"] in [process.pid for process in processes_of(environment)]
    own_server.kill()
    # Without its supervisor nobody ends what the scheduler has started.
    psutil.Process(before["supervisor"]).kill()
    with subprocess.Popen(["sleep", "60"], cwd=environment.home) as looking_around:
        own_server.down()
        assert [process.pid for process in processes_of(environment)] == [looking_around.pid]
        looking_around.kill()
    own_server.up()
    environment.session = own_server.session()
    until(lambda: own_server.command("status").stdout, lambda text: "scheduler runs" in text)
    assert environment.run("variables", "get", "kept")[1].splitlines()[-1] == "yes"
    changed = {"config": {"softwareConfig": {"envVariables": {"SHADE": "dark"}}}}
    environment.wait(
        environment.call("PATCH", environment.name, changed, updateMask="config.softwareConfig.envVariables")
    )
    plan = own_server.home / "composer" / "hosts" / environment.home.name / "run.json"
    assert json.loads(plan.read_text())["environment"]["SHADE"] == "dark"
    assert processes_of(environment) != []
    environment.wait(environment.call("DELETE", environment.name))
    assert processes_of(environment) == []
    assert not environment.home.exists()
    assert environment.call("GET", f"{PARENT}/environments") == {}
    own_server.command("reset", "--yes")
