"""gcp_resources and gcp_principal_info as users run them: ansible-playbook, with all that a play can set."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.resources_support import POLICIES, Resources, fresh_resources, policy

Play = Callable[..., subprocess.CompletedProcess[str]]
DEFAULTS = {"group/dataplatform.compute.compute": {"project": "local-project", "region": "europe-west1"}}


@pytest.fixture
def resources(empty_localcloud: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Resources]:
    yield from fresh_resources(empty_localcloud, monkeypatch)


@pytest.fixture
def play(resources: Resources, tmp_path: Path) -> Play:
    """Run a play of some tasks; only its ``environment`` leads it to the cloud, not the process's own."""

    def run(tasks: list[dict[str, Any]], *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        playbook = tmp_path / "play.yml"
        one = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "environment": resources.cloud.environment,
            "module_defaults": DEFAULTS,
            "tasks": tasks,
        }
        playbook.write_text(yaml.safe_dump([one], sort_keys=False))
        variables = {
            **dict.fromkeys(resources.cloud.environment, ""),
            "ANSIBLE_COLLECTIONS_PATH": "collections",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
            "ANSIBLE_NOCOLOR": "1",
        }
        interpreter = ["-e", f"ansible_python_interpreter={sys.executable}"]
        command = ["ansible-playbook", "-i", "localhost,", str(playbook), *interpreter, *arguments]
        return resources.cloud.run(*command, check=check, **variables)

    return run


def apply_task(*resources: Any, **more: Any) -> dict[str, Any]:
    task = {"dataplatform.compute.gcp_resources": {"kind": POLICIES, "resources": list(resources)}}
    return {**task, "register": "result", **more}


def show(expression: str) -> dict[str, Any]:
    return {"ansible.builtin.debug": {"msg": "{{ '@@' ~ (" + expression + ") | to_json ~ '@@' }}"}}


def shown(completed: subprocess.CompletedProcess[str]) -> list[Any]:
    """Return what the ``show`` tasks printed: JSON inside a JSON string."""
    return [json.loads(json.loads(f'"{part}"')) for part in completed.stdout.split("@@")[1::2]]


def test_check_diff_shows_every_change_and_makes_none(resources: Resources, play: Play) -> None:
    completed = play([apply_task(policy("first-one"), policy("second-one"))], "--check", "--diff")
    assert "+++ after: dataproc_autoscaling_policy first-one (create)" in completed.stdout
    assert "+++ after: dataproc_autoscaling_policy second-one (create)" in completed.stdout
    assert "changed=1" in completed.stdout
    assert resources.live(POLICIES) == {}


def test_a_second_run_changes_nothing(resources: Resources, play: Play) -> None:
    assert "changed=1" in play([apply_task(policy())]).stdout
    assert list(resources.live(POLICIES)) == ["standard"]
    assert "changed=0" in play([apply_task(policy())]).stdout


def test_inside_the_process_and_as_a_module_are_the_same(play: Play) -> None:
    """With ``async`` the module itself runs, in a process of its own."""
    keys = ["changed", "results", "diff", "summary"]
    picked = f"result | dict2items | selectattr('key', 'in', {keys}) | items2dict"
    there = {"async": 60, "poll": 1}
    tasks = [
        apply_task(policy("first-one"), check_mode=True),
        show(picked),
        apply_task(policy("first-one"), **there),
        show(picked),
        apply_task(policy("first-one"), **there),
        show("result.results | map(attribute='action')"),
    ]
    inside, module, again = shown(play(tasks))
    assert inside["changed"] is True
    assert inside["diff"] == module["diff"]
    assert [one["action"] for one in module["results"]] == ["create"]
    assert again == ["none"]


def test_wrong_input_fails_the_task_with_every_problem(resources: Resources, play: Play) -> None:
    wrong = {**policy(), "workerConfig": {"maxInstnces": 4}}
    completed = play([apply_task(wrong, ignore_errors=True), show("result.error.problems")])
    [problems] = shown(completed)
    assert problems == [
        "resources[0] (standard): workerConfig.maxInstnces is not a field of InstanceGroupAutoscalingPolicyConfig;"
        " did you mean 'maxInstances'?",
        "resources[0] (standard): workerConfig.maxInstances is missing;"
        " InstanceGroupAutoscalingPolicyConfig requires it",
    ]


def test_an_unknown_option_is_refused(play: Play) -> None:
    task = {"dataplatform.compute.gcp_resources": {"kind": POLICIES, "resources": [], "stat": "present"}}
    completed = play([task], check=False)
    assert completed.returncode == 2
    assert "Unsupported parameters" in completed.stdout + completed.stderr


def test_templated_values_are_accepted(resources: Resources, play: Play) -> None:
    task = apply_task({**policy("{{ name }}"), "workerConfig": {"maxInstances": "{{ workers }}"}})
    play([task], "-e", "name=from-a-variable", "-e", "workers=7")
    assert resources.live(POLICIES)["from-a-variable"]["workerConfig"]["maxInstances"] == 7


def test_loop_items_each_get_their_environment(resources: Resources, play: Play) -> None:
    play([apply_task("{{ item }}", loop=[policy("first-one"), policy("second-one")])])
    assert sorted(resources.live(POLICIES)) == ["first-one", "second-one"]


def test_who_am_i(resources: Resources, play: Play) -> None:
    ask = {"dataplatform.compute.gcp_principal_info": None, "register": "result"}
    [answer] = shown(play([ask, show("[result.principal, result.project, result.auth_kind, result.changed]")]))
    assert answer == ["localcloud@local-project.iam.gserviceaccount.com", "local-project", "application", False]


def test_a_task_says_where_its_credentials_should_be(play: Play, tmp_path: Path) -> None:
    ask = {
        "dataplatform.compute.gcp_principal_info": None,
        "environment": {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "none.json")},
    }
    completed = play([ask], check=False)
    assert completed.returncode == 2
    output = completed.stdout + completed.stderr
    assert f"The credentials file {tmp_path}/none.json (GOOGLE_APPLICATION_CREDENTIALS) does not exist" in output


@pytest.mark.parametrize("module", ["gcp_resources", "gcp_principal_info"])
def test_the_examples_of_the_documentation_run(play: Play, module: str) -> None:
    plugin = importlib.import_module(f"ansible_collections.dataplatform.compute.plugins.modules.{module}")
    tasks = yaml.safe_load(plugin.EXAMPLES.replace("example-project", "local-project"))
    expected = "gcp_expected_principal=localcloud@local-project.iam.gserviceaccount.com"
    assert "failed=0" in play(tasks, "-e", expected).stdout
    if module == "gcp_resources":
        assert "changed=0" in play(tasks, "-e", expected).stdout


def test_a_secret_option_is_never_shown(play: Play) -> None:
    """Not even where it comes back inside an answer: here the project has the same name, and the error quotes it."""
    secret = "ya29.not-to-be-shown"  # noqa: S105 - the test looks for it in the output
    options = {"auth_kind": "accesstoken", "access_token": secret, "project": secret}
    task = {"dataplatform.compute.gcp_resources": {"kind": POLICIES, "resources": [policy()], **options}}
    completed = play([task], "-vvv", check=False)
    output = completed.stdout + completed.stderr
    assert completed.returncode == 2
    assert "answered 401" in output
    assert secret not in output
