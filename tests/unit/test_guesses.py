"""Every guess of docs/fidelity.md is asked by the probe, or docs/guesses.yml says why it is not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dataplatform.compute.plugins.module_utils.probe_guesses import problems, unfilled

REPOSITORY = Path(__file__).parents[2]
FIDELITY = (REPOSITORY / "docs" / "fidelity.md").read_text(encoding="utf-8")
QUESTIONS = yaml.safe_load((REPOSITORY / "docs" / "guesses.yml").read_text(encoding="utf-8"))
GUESSES: list[dict[str, Any]] = QUESTIONS["guesses"]
# What playbooks/probe.yml and the module give values to.
VALUES = {
    *("project", "region", "dataproc", "bucket", "job", "name", "long_label", "owner", "priority", "workers"),
    *("last_worker", "node_memory_mb", "node_vcores", "foreign_project"),
}


def sources() -> list[str]:
    """The source of every behaviour in the tables of docs/fidelity.md."""
    rows = [line for line in FIDELITY.splitlines() if line.startswith("| ") and not line.startswith("| ---")]
    return [re.split(r"(?<!\\) \| ", row.removesuffix(" |"))[-1] for row in rows]


def in_fidelity() -> list[str]:
    """The names behind its guesses."""
    return re.findall(r"\bguess \[([a-z0-9-]+)\]", "\n".join(sources()))


def test_every_guess_has_a_name_of_its_own() -> None:
    nameless = [source for source in sources() if re.search(r"\bguess\b(?! \[[a-z0-9-]+\])", source)]
    assert nameless == []
    assert len(in_fidelity()) == len(set(in_fidelity())) > 70


def test_every_guess_is_asked_or_it_is_said_why_not() -> None:
    asked = {guess["id"] for guess in GUESSES}
    left = {entry["id"] for entry in QUESTIONS["not_settled"]}
    assert set(in_fidelity()) - asked - left == set()
    assert left - set(in_fidelity()) == set(), "left alone, and no guess of docs/fidelity.md"
    assert all(entry["reason"] for entry in QUESTIONS["not_settled"])


def test_what_is_no_guess_of_localcloud_names_who_relies_on_it() -> None:
    names = set(in_fidelity())
    assert [guess["id"] for guess in GUESSES if ("assumed_by" in guess) == (guess["id"] in names)] == []
    files = [guess["assumed_by"] for guess in GUESSES if "assumed_by" in guess]
    assert [file for file in files if not (REPOSITORY / file).is_file()] == []


def test_entries_are_of_the_form_that_the_module_takes() -> None:
    assert problems(GUESSES, QUESTIONS["not_settled"]) == []


@pytest.mark.parametrize("guess", GUESSES, ids=lambda guess: guess["id"])
def test_placeholders_are_those_that_the_playbook_fills(guess: dict[str, Any]) -> None:
    assert set(unfilled(guess)) <= VALUES


@pytest.mark.parametrize(
    "guess",
    [guess for guess in GUESSES if guess.get("request", {}).get("method", "GET") != "GET"],
    ids=lambda one: one["id"],
)
def test_requests_touch_nothing_but_what_is_the_probes_own(guess: dict[str, Any]) -> None:
    """A request that is taken against expectation makes, changes or deletes something named after this run only."""
    for step in [*guess.get("before", []), guess["request"], *guess.get("undo", [])]:
        own = "${name}" in str(step) or "${bucket}/o" in step["url"] or "${job}:cancel" in step["url"]
        assert own or step.get("body") in ({}, {"name": "Not A Bucket"}), step
    makes = guess["request"]["url"].endswith(("/clusters", "/autoscalingPolicies", "/workflowTemplates"))
    assert not makes or guess.get("undo") or guess["id"] in {"unknown-field-path", "wrong-enum-type"}
