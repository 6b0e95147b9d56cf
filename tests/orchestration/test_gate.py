"""The gate in the real Airflow: one process imports a broken DAG of each kind, and names every one of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_gate import (
    GateError,
    GateSettings,
    ask_gate,
    describe,
)

from tests.orchestration.gate_support import AIRFLOW_PYTHON, GATE, HEAD, archive, ask, settings, sound_dag

pytestmark = pytest.mark.skipif(not AIRFLOW_PYTHON.exists(), reason="Airflow is not installed: make setup")

CLUSTER = """
from airflow.providers.google.cloud.operators.dataproc import (
    DataprocCreateClusterOperator,
    DataprocDeleteClusterOperator,
)

PLACE = {"project_id": "p", "region": "r", "cluster_name": "c"}


def create(**options):
    return DataprocCreateClusterOperator(task_id="create", cluster_config={}, **PLACE, **SOUND, **options)


def delete():
    return DataprocDeleteClusterOperator(task_id="delete", **PLACE, **SOUND)
"""
PRIVATE_KEY = "-----BEGIN " + "PRIVATE KEY-----"


def dag(dag_id: str, body: str, options: str = "") -> str:
    """A file whose DAG has this body."""
    return f"{HEAD}\nwith platform_dag({dag_id!r}, start_date=datetime(2026, 1, 1){options}):\n    {body}\n"


BROKEN = {
    "syntax.py": "# airflow dag\ndef broken(:\n",
    "missing_import.py": "# airflow dag\nimport pandaz\n",
    "missing_provider.py": "# airflow dag\nfrom airflow.providers.amazonas import hooks\n",
    "raises.py": f"{HEAD}\nraise ValueError('no such table')\n",
    "exits.py": "# airflow dag\nimport sys\nsys.exit(3)\n",
    "forever.py": "# airflow dag\nimport time\ntime.sleep(60)\n",
    "cycle.py": dag("cycle", "a, b = task('a'), task('b')\n    a >> b >> a"),
    "twice_a.py": sound_dag("twice"),
    "twice_b.py": sound_dag("twice"),
    "variable.py": f"{HEAD}\nfrom airflow.models import Variable\n\nTABLE = Variable.get('table')\n",
    "variable_default.py": f"{HEAD}\nfrom airflow.models import Variable\n\nV = Variable.get('x', default_var=None)\n",
    "connection.py": f"{HEAD}\nfrom airflow.hooks.base import BaseHook\n\nC = BaseHook.get_connection('db')\n",
    "database.py": f"{HEAD}\nfrom airflow.models import Variable\n\nVariable.set('x', 'y')\n",
    "network.py": f"{HEAD}\nimport urllib.request\n\nurllib.request.urlopen('http://192.0.2.1/')\n",
    "process.py": f"{HEAD}\nimport subprocess\n\nsubprocess.run(['true'])\n",
    "fork.py": f"{HEAD}\nimport os\n\nif not os.fork():\n    os._exit(0)\n",
    "no_timeout.py": dag("no_timeout", "task(execution_timeout=None)"),
    "dagrun_timeout.py": dag("dagrun_timeout", "task()", ", dagrun_timeout=timedelta(hours=1)"),
    "no_retries.py": dag("no_retries", "task(retries=0)"),
    "owner.py": dag("owner", "task(owner='adda')"),
    "foreign_owner.py": dag("foreign_owner", "task(owner='grace')"),
    "untagged.py": f"{HEAD}\nwith DAG('untagged', schedule=None, start_date=datetime(2026, 1, 1)):\n    task()\n",
    "leak.py": CLUSTER.join((HEAD, "\nwith platform_dag('leak'):\n    create(start_date=datetime(2026, 1, 1))\n")),
    "secret.py": dag("secret", "task()") + "PASSWORD = 'hunter2'\n",
    "secret_key.py": dag("secret_key", "task()") + f"KEY = '''{PRIVATE_KEY}\n'''\n",
    "secret_argument.py": dag("secret_argument", "task()", ", default_args={'pass' + 'word': 'hunter' + '2'}"),
    "sound.py": sound_dag("sound"),
    "cluster.py": CLUSTER.join(
        (
            HEAD,
            "\nwith platform_dag('cluster', start_date=datetime(2026, 1, 1)):\n"
            "    made = create()\n    made >> task() >> delete().as_teardown(setups=made)\n",
        )
    ),
    "allowed.py": dag("allowed", "task()") + "token = 'x'  # gate: not a secret\nsecret = '{{ conn.db.password }}'\n",
}
LEADS_TO_CREDENTIALS = (
    "GOOGLE_APPLICATION_CREDENTIALS",
    "CLOUDSDK_CONFIG",
    "CLOUDSDK_AUTH_ACCESS_TOKEN",
    "SSH_AUTH_SOCK",
    "HTTPS_PROXY",
    "https_proxy",
    "AIRFLOW_CONN_DB",
)
LOOKS_AROUND = f"""{HEAD}
import os

found = [name for name in {LEADS_TO_CREDENTIALS} if name in os.environ]
if found or os.path.realpath(os.environ["HOME"]) == {str(Path.home().resolve())!r}:
    raise ValueError(f"found {{found}}, home {{os.environ['HOME']}}")
"""
WORKLOADS = '{"workloads": {"w": {"job": {"args": ["https://ada:hunter2@host/"]}}}}\n'


@pytest.fixture(name="report", scope="module")
def report_of_everything() -> dict[str, Any]:
    """One report on an archive with everything broken, and on two that use the same id."""
    others = {
        "other.py": sound_dag("sound", "grace"),
        "mine.py": sound_dag("mine", "grace"),
        "looks_around.py": LOOKS_AROUND,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name in LEADS_TO_CREDENTIALS:
            patch.setenv(name, "/somewhere")
        return ask([archive("growth", BROKEN, WORKLOADS), archive("platform", others)], import_seconds=3.0)


def found(report: dict[str, Any], file: str) -> list[dict[str, Any]]:
    """The findings on one file."""
    return [finding for finding in report["findings"] if finding["file"] == file]


def line_of(file: str, text: str) -> int:
    """The line of a broken file that holds a text."""
    return next(number for number, line in enumerate(BROKEN[file].splitlines(), 1) if text in line)


@pytest.mark.parametrize(
    ("file", "kind", "words", "at"),
    [
        ("syntax.py", "import_error", "SyntaxError", "broken(:"),
        ("missing_import.py", "import_error", "No module named 'pandaz'", "import pandaz"),
        ("missing_provider.py", "import_error", "No module named 'airflow.providers.amazonas'", "from airflow"),
        ("raises.py", "import_error", "ValueError: no such table", "raise ValueError"),
        ("exits.py", "import_error", "SystemExit: 3", "sys.exit"),
        ("forever.py", "import_error", "longer than 3 s", "time.sleep"),
        ("variable.py", "at_import", "reads the variable 'table'", "Variable.get"),
        ("variable_default.py", "at_import", "reads the variable 'x'", "Variable.get"),
        ("connection.py", "at_import", "reads the connection 'db'", "get_connection"),
        ("database.py", "at_import", "uses Airflow's database", "Variable.set"),
        ("network.py", "at_import", "network", "urlopen"),
        ("process.py", "at_import", "starts a process", "subprocess.run"),
        ("fork.py", "at_import", "starts a process", "os.fork"),
        ("secret.py", "secret", "a text for PASSWORD", "hunter2"),
        ("secret_key.py", "secret", "a private key", "BEGIN"),
    ],
)
def test_a_broken_file_is_named_once_with_its_line(
    report: dict[str, Any], file: str, kind: str, words: str, at: str
) -> None:
    (finding,) = found(report, file)
    assert finding["kind"] == kind
    assert words in finding["message"]
    assert finding["line"] == line_of(file, at)
    assert finding["expected"]
    assert "hunter2" not in str(finding)


@pytest.mark.parametrize(
    ("file", "policy", "words", "expected"),
    [
        ("cycle.py", ("cycle", ""), "ycle", "without a cycle"),
        ("no_timeout.py", ("execution_timeout", "work"), "no execution_timeout", "timedelta"),
        ("dagrun_timeout.py", ("dagrun_timeout", ""), "1:00:00", "clusters stay"),
        ("no_retries.py", ("retries", "work"), "retries is 0", "at least 1"),
        ("owner.py", ("owner", "work"), "'adda'", "did you mean 'ada'?"),
        ("foreign_owner.py", ("owner", "work"), "'grace'", "grace is of the team platform, which would pay"),
        ("untagged.py", ("release_tag", ""), "tags are []", "release:"),
        ("leak.py", ("teardown", "create"), "no teardown", "as_teardown"),
        ("secret_argument.py", ("secret", ""), "default_args.password", "no secret in a release"),
    ],
)
def test_a_dag_against_a_policy_is_named_with_its_task(
    report: dict[str, Any], file: str, policy: tuple[str, str], words: str, expected: str
) -> None:
    (finding,) = found(report, file)
    assert (finding["kind"], finding["task"]) == policy
    assert words in finding["message"]
    assert expected in finding["expected"]


def test_an_id_is_taken_once_in_an_archive_and_across_archives(report: dict[str, Any]) -> None:
    twice = [finding for finding in report["findings"] if finding["kind"] == "duplicate_id"]
    files = sorted(finding["file"] for finding in twice)
    assert files[0] == "other.py"
    assert files[1] in ("twice_a.py", "twice_b.py")
    assert len(files) == 2
    (across,) = found(report, "other.py")
    assert (across["dag"], across["message"]) == ("sound", "the DAG id is taken by sound.py of growth")


def test_a_secret_in_a_workload_is_named_by_its_fact(report: dict[str, Any]) -> None:
    messages = [finding["message"] for finding in found(report, "dataplatform_dask/release/workloads.json")]
    assert "platform_workloads.w.job.args.0 holds an address with a password in it" in messages


@pytest.mark.parametrize("file", ["sound.py", "cluster.py", "allowed.py", "release_guard_growth.py", "mine.py"])
def test_what_keeps_to_everything_is_not_named(report: dict[str, Any], file: str) -> None:
    assert found(report, file) == []


def test_the_environment_leads_to_no_credentials(report: dict[str, Any]) -> None:
    assert found(report, "looks_around.py") == []
    assert "looks_around.py" in report["archives"]["platform"]["seconds"]


def test_every_dag_is_reported_with_its_file_and_the_seconds_it_took(report: dict[str, Any]) -> None:
    growth = report["archives"]["growth"]
    assert growth["dags"]["cluster"] == "cluster.py"
    assert growth["seconds"]["forever.py"] >= 3
    assert 0 < growth["seconds"]["sound.py"] < 3
    assert report["archives"]["platform"]["dags"] == {"mine": "mine.py", "sound": "other.py"}
    assert report["airflow"] == "2.11.1"


def test_findings_are_lines_with_the_source_file(report: dict[str, Any]) -> None:
    lines = describe(report["findings"], {"growth": {"owner.py": "dags/teams/growth/owner.py"}})
    assert (
        "dags/teams/growth/owner.py: DAG owner, task work: owner is 'adda'; expected a user of the team growth;"
        in str(lines)
    )
    assert len(lines) == len(set(lines)) >= 24


def test_a_verdict_is_remembered_for_the_same_content_only(tmp_path: Path) -> None:
    sound = archive("growth", {"sound.py": sound_dag("sound")})
    cache = tmp_path / "verdicts"
    first, second = (ask_gate([sound], settings(str(cache))) for _time in range(2))
    assert (first.pop("remembered"), second.pop("remembered")) == (False, True)
    assert first == second
    (verdict,) = cache.iterdir()
    # A python that is there but cannot answer shows whether the gate was asked.
    other = archive("growth", {"sound.py": sound_dag("other")})
    lame = tmp_path / "bin" / "python"
    lame.parent.mkdir()
    lame.write_text("#!/bin/sh\necho no airflow here\nexit 3\n")
    lame.chmod(0o755)
    with pytest.raises(GateError, match=r"ended with 3 and without a report.*no airflow here"):
        ask_gate([sound], GateSettings(str(lame), str(GATE), {"owners": {"ada": "growth"}}, cache=str(cache)))
    verdict.chmod(0o666)
    assert ask_gate([sound], settings(str(cache)))["remembered"] is False
    assert ask_gate([other], settings(str(cache)))["remembered"] is False


def test_without_airflow_the_fix_is_said() -> None:
    with pytest.raises(GateError, match=r"make setup.*dag_release_airflow_python"):
        ask_gate([], GateSettings("/nowhere/python", str(GATE), {"owners": {}}))
