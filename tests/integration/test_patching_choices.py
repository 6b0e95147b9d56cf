"""What a patching run decides before it asks anybody: which canary a candidate is held against, forward or back."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import REPOSITORY, TOOLS, LocalCloud, run

SHOW = f"""
- hosts: localhost
  gather_facts: false
  vars_files:
    - {REPOSITORY}/roles/patching/vars/main.yml
  tasks:
    - ansible.builtin.debug:
        msg: "held against {{{{ (_patching_last_good or {{'cluster': 'nothing'}}).cluster }}}}."
"""


def canary(name: str) -> dict[str, Any]:
    """A canary with three workers on a cluster of the one template."""
    return {"cluster": name, "jobs": {"etl": {"workers": {"first": 3}, "machine_type": "n2-standard-4"}}}


@pytest.mark.parametrize(
    ("own", "upstream", "good"),
    [(canary("own"), canary("dev"), "own"), (None, canary("dev"), "dev"), (None, None, "nothing")],
)
def test_the_last_good_canary_is_the_own_one_or_that_of_the_environment_before(
    tmp_path: Path, own: dict[str, Any] | None, upstream: dict[str, Any] | None, good: str
) -> None:
    play, facts = tmp_path / "play.yml", tmp_path / "facts.json"
    play.write_text(SHOW)
    config = {"workerConfig": {"machineTypeUri": "n2-standard-4", "numInstances": 2}}
    known = {
        "_patching_own_canary": own,
        "_patching_upstream_canary": upstream,
        "cluster_templates_rendered": {"etl": {"own": config}},
        # As -e gives it.
        "patching_canary_workers": "3",
    }
    facts.write_text(json.dumps(known))
    command = [str(TOOLS / "ansible-playbook"), str(play), "-i", "localhost,", "-c", "local", "-e", f"@{facts}"]
    assert f"held against {good}." in run(command, dict(os.environ)).stdout


def test_pins_to_go_back_to_are_for_going_back() -> None:
    refused = patch("patching_rollback_to=0a3a9d0a44d6", dict(os.environ))
    assert "patching_rollback_to is 0a3a9d0a44d6, which is for going back; expected -e rollback=true" in refused


@pytest.mark.parametrize("workers", [2, 4])
def test_a_canary_that_could_not_end_well_is_refused(localcloud: LocalCloud, workers: int) -> None:
    refused = patch(f"patching_canary_workers={workers}", localcloud.client_environment())
    assert (
        f"patching_canary_workers is {workers}, by default platform_sizes.user.workers (3); expected from 3" in refused
    )


def patch(option: str, environment: dict[str, str]) -> str:
    """What a patching run says that refuses an option."""
    command = [str(TOOLS / "ansible-playbook"), "playbooks/patch.yml", "--check", "-e", option]
    done = run(command, environment, check=False)
    assert done.returncode == 2, done.stdout
    return " ".join(done.stdout.split())
