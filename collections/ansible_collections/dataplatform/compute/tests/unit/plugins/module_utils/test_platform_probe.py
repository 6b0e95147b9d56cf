# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report of a probe: what differs first, why something was not seen, and never a word too much for a stand-in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ForbiddenError, ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.platform_probe import DEFINITION, run
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter

from .dataproc_answers import job

RESULTS = {"results": {"master.machine": "yes", "driver.user": "root"}, "missing": {"departure": "no node left"}}


def seen(name: str, expected: str = "root") -> dict[str, Any]:
    """A guess about an observation."""
    return {"id": name.replace(".", "-"), "question": "q?", "expected": expected, "differs": "do this", "seen": name}


class Google:
    """A project with one ended job, whose results are in a bucket."""

    project, region = "p", "r"

    def __init__(self, results: dict[str, Any]) -> None:
        self._results = results

    def pages(self, url: str, _key: str, **_more: Any) -> Iterator[dict[str, Any]]:
        """Answer a list call."""
        if "/b/" in url:
            yield {"name": "driveroutput.000000000", "size": "262144"}
        elif url.endswith("/jobs"):
            yield job("j", ("DONE", 9.0))

    def request(self, method: str, url: str, **options: Any) -> Any:
        """Answer a call: refuse what makes something, and read objects."""
        if method != "GET":
            raise ForbiddenError(403, "PERMISSION_DENIED", "no", url, method)
        if options.get("raw"):
            return SimpleNamespace(content=json.dumps(self._results).encode(), status_code=206)
        return job("j", ("DONE", 9.0))


def probe(
    guesses: list[dict[str, Any]], *, results: dict[str, Any] | None = None, check_mode: bool = False, **params: Any
):
    """What the task returns."""
    defaults = {name: option.get("default") for name, option in DEFINITION.argument_spec.items()}
    given = {
        "environment": "dev",
        "bucket": "b",
        "results": "gs://b/r.json",
        "config": {},
        "canary": {"cluster_uuid": "", "jobs": {"look-around": {"job_id": "j"}}},
        "guesses": guesses,
        **params,
    }
    return run({**defaults, **given}, Google(RESULTS if results is None else results), Reporter(check_mode=check_mode))


def test_what_differs_comes_first_with_what_to_do() -> None:
    found = probe([seen("driver.user"), seen("master.machine", "no"), seen("departure.freed")])
    assert found["differing"] == ["master-machine"]
    verdicts = {one["id"]: one["verdict"] for one in found["report"]["verdicts"]}
    assert verdicts == {"driver-user": "same", "master-machine": "differs", "departure-freed": "not observed"}
    lines = found["text"].splitlines()
    assert lines[1] == "1 differ | 1 not observed | 1 same | 0 not asked"
    assert lines[3:7] == [
        "DIFFERENT FROM WHAT WAS GUESSED",
        "  GUESS           EXPECTED  FOUND",
        "  master-machine  no        yes",
        "      q? do this",
    ]
    assert "  no node left\n      departure-freed" in found["text"]


def test_of_a_stand_in_nothing_is_said_to_be_the_same() -> None:
    found = probe([seen("driver.user")], stand_in=True)
    assert found["report"]["counts"] == {"differs": 0, "not observed": 0, "same": 0, "own guess": 1}
    assert found["report"]["stand_in"] is True
    for text in (found["text"], found["issue"]):
        assert "a stand-in's, not Google's" in text
        assert "THE SAME AS GUESSED" not in text


@pytest.mark.parametrize(
    ("name", "results", "failure", "reason"),
    [
        ("boot.user", {"results": {"master.machine": "no"}}, "", "the cluster's nodes are no machines of their own"),
        ("yarn.nodes", {"results": {"master.machine": "no"}}, "it broke", "the cluster or its job failed, see below"),
        ("jobs.order", {}, "", "fewer than two jobs are listed"),
        ("application.user", {"missing": {"yarn": "YARN refused"}}, "", "YARN refused"),
    ],
)
def test_what_was_not_seen_has_the_closest_reason(name: str, results: dict, failure: str, reason: str) -> None:
    (verdict,) = probe([seen(name)], results=results, failure=failure)["report"]["verdicts"]
    assert (verdict["verdict"], verdict["reason"]) == ("not observed", reason)


def test_an_issue_has_everything_as_json() -> None:
    found = probe([seen("driver.user", "`x`")], failure="line one\nline two")
    head, _fence, body = found["issue"].partition("```json\n")
    assert "- **driver-user**: q?\n  - expected: `` `x` ``\n  - found: `root`\n  - to do: do this" in head
    assert json.loads(body.partition("\n```")[0]) == found["report"]
    assert "The cluster or its job failed: line one" in found["text"]


def test_a_request_is_asked_and_the_rest_is_left_to_check_mode() -> None:
    request = {"method": "POST", "url": "${dataproc}/clusters", "body": {}}
    guess = {"id": "g", "question": "q?", "expected": "403 PERMISSION_DENIED: no", "differs": "d", "request": request}
    assert probe([guess])["report"]["verdicts"][0]["verdict"] == "same"
    assert probe([guess], check_mode=True)["report"] == {}
    with pytest.raises(ValidationError, match="there are two of this id"):
        probe([guess, guess], check_mode=True)
