"""The callback plugin ``exit_code``: how ``ansible-playbook`` ends with the project's ansible.cfg."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.conftest import REPOSITORY, TOOLS

FAIL = {"name": "Fail", "ansible.builtin.fail": {"msg": "on purpose"}}


def say(code: Any) -> dict[str, Any]:
    """A task that says how the run shall end."""
    return {"name": "Say how it ends", "ansible.builtin.set_stats": {"data": {"exit_code": code}}}


def run(directory: Path, *tasks: dict[str, Any], hosts: str = "one", more: tuple[str, ...] = ()) -> Any:
    """Run the tasks with ansible-playbook on ``one`` or ``all`` of two hosts, both this machine."""
    play = {"name": "Play", "hosts": hosts, "gather_facts": False, "connection": "local", "tasks": list(tasks)}
    (directory / "play.yml").write_text(yaml.safe_dump([play]))
    temporary = directory / "temporary"
    command = [str(TOOLS / "ansible-playbook"), "-i", "one,two", str(directory / "play.yml"), *more]
    environment = {**os.environ, "ANSIBLE_LOCAL_TEMP": str(temporary)}
    completed = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert list(temporary.iterdir()) == [], "temporary files are left"
    assert "PLAY RECAP" in completed.stdout
    return completed


@pytest.mark.parametrize("code", [10, 255])
def test_a_run_ends_with_the_code_that_was_said(tmp_path: Path, code: int) -> None:
    assert run(tmp_path, say(code)).returncode == code


def test_check_mode_ends_the_same(tmp_path: Path) -> None:
    assert run(tmp_path, say(10), more=("--check",)).returncode == 10


def test_zero_and_no_code_are_success(tmp_path: Path) -> None:
    assert run(tmp_path, say(0)).returncode == 0
    assert run(tmp_path, {"name": "Do nothing", "ansible.builtin.debug": {"msg": "x"}}).returncode == 0


def test_the_last_code_counts_and_is_not_the_sum_over_tasks_items_and_hosts(tmp_path: Path) -> None:
    items = {**say("{{ item }}"), "loop": [30, 10]}
    assert run(tmp_path, say(20), items, hosts="all").returncode == 10


def test_a_failed_host_keeps_the_code_of_ansible(tmp_path: Path) -> None:
    assert run(tmp_path, say(10), FAIL).returncode == 2
    # The other host went on and said its code after the first one had failed.
    assert run(tmp_path, {**FAIL, "when": "inventory_hostname == 'one'"}, say(10), hosts="all").returncode == 2


def test_an_unreachable_host_keeps_the_code_of_ansible(tmp_path: Path) -> None:
    unreachable = {
        "name": "Reach nobody",
        "ansible.builtin.ping": {},
        "vars": {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1},
        "when": "inventory_hostname == 'one'",
    }
    assert run(tmp_path, say(10), unreachable, hosts="all").returncode == 4


def test_a_failure_that_was_rescued_or_ignored_is_none(tmp_path: Path) -> None:
    rescued = {"name": "Try", "block": [FAIL], "rescue": [{"name": "Go on", "ansible.builtin.meta": "noop"}]}
    assert run(tmp_path, rescued, {**FAIL, "ignore_errors": True}, say(10)).returncode == 10


@pytest.mark.parametrize("code", ["10", True, 256, 2, None])
def test_a_code_that_cannot_be_is_an_error_and_not_success(tmp_path: Path, code: Any) -> None:
    completed = run(tmp_path, say(code))
    assert completed.returncode == 1
    assert "expected a whole number from 0 to 255" in " ".join(completed.stderr.split())


def test_the_next_playbook_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "next.yml").write_text(yaml.safe_dump([{"name": "Next", "hosts": "one", "tasks": []}]))
    completed = run(tmp_path, say(10), more=(str(tmp_path / "next.yml"),))
    assert completed.returncode == 10
    assert "Next" not in completed.stdout
