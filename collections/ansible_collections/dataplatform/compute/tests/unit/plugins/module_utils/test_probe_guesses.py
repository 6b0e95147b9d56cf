# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What becomes of a guess once it was asked, and what of it Google is asked."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ForbiddenError, NotFoundError
from ansible_collections.dataplatform.compute.plugins.module_utils.probe_guesses import judge, problems
from ansible_collections.dataplatform.compute.plugins.module_utils.probe_requests import Asker

VALUES = {"name": "probe-1", "bucket": "b.c"}


def guess(expected: Any = "x", **more: Any) -> dict[str, Any]:
    """A guess about something that was seen."""
    return {"id": "g", "question": "q?", "expected": expected, "differs": "do this", "seen": "s", **more}


@pytest.mark.parametrize(
    ("expected", "found", "verdict"),
    [
        ("2001:2001", "2001:2001", "same"),
        ("2001:2001", "1001:1001", "differs"),
        ("root.${name}", "root.probe-1", "same"),
        ({"matches": "3\\.11\\..*"}, "3.11.2", "same"),
        ({"matches": "3\\.11\\..*"}, "13.11.2", "differs"),
        # A value is a text in an expression, not an expression.
        ({"matches": "gs://${bucket}/x"}, "gs://b.c/x", "same"),
        ({"matches": "gs://${bucket}/x"}, "gs://bXc/x", "differs"),
        ({"between": [1, 300]}, "1.0", "same"),
        ({"between": [1, 300]}, "300.5", "differs"),
        ({"between": [1, 300]}, "none", "differs"),
    ],
)
def test_what_is_found_is_held_against_what_was_expected(expected: Any, found: str, verdict: str) -> None:
    judged = judge(guess(expected), found, "", VALUES, stand_in=False)
    assert (judged.verdict, judged.found) == (verdict, found)
    assert judged.to_do == ("do this" if verdict == "differs" else "")


def test_a_stand_in_is_never_said_to_be_the_same_as_google() -> None:
    assert judge(guess("x"), "x", "", {}, stand_in=True).verdict == "own guess"
    assert judge(guess("x"), "y", "", {}, stand_in=True).verdict == "differs"


def test_what_was_not_seen_says_why() -> None:
    judged = judge(guess("x"), None, "the job failed", {}, stand_in=False)
    assert (judged.verdict, judged.reason, judged.to_do) == ("not observed", "the job failed", "")


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"question": "q?"}, "entry 0 has no id"),
        (guess(asked="x"), "g: unknown key 'asked'"),
        (guess(request={}), "g: expected one of seen and request"),
        (guess({"like": "x"}), "g: expected is {'like': 'x'}"),
        (guess({"matches": "("}), "g: expected.matches is no regular expression"),
        (guess({"between": [1]}), "g: expected.between is [1]; expected two numbers"),
        (guess(differs=""), "g: differs is missing"),
    ],
)
def test_a_mistake_in_an_entry_is_named(entry: dict[str, Any], problem: str) -> None:
    (found,) = problems([entry], [])
    assert found.startswith(problem)


def test_an_id_is_used_once() -> None:
    assert problems([guess()], [{"id": "g", "reason": "r"}]) == ["g: there are two of this id"]


class Google:
    """Answers by method and address, and remembers what was asked; an exception as the answer is raised."""

    def __init__(self, **answers: Any) -> None:
        self._answers = answers
        self.asked: list[str] = []

    def request(self, method: str, url: str, **_options: Any) -> Any:
        """Answer one call."""
        self.asked.append(f"{method} {url}")
        answer = self._answers.get(method, {})
        if isinstance(answer, Exception):
            raise answer
        return answer


REFUSAL = ForbiddenError(403, "PERMISSION_DENIED", "not  for\nyou", "u", "GET")
GONE = NotFoundError(404, "NOT_FOUND", "gone", "u", "DELETE")


def asking(google: Google, **more: Any) -> tuple[tuple[str | None, str], list[str]]:
    """What is found for a guess with these steps, and what could not be undone."""
    asker = Asker(google, VALUES)
    entry = {"id": "g", "request": {"method": "GET", "url": "u/${name}"}, **more}
    return asker.ask(entry), asker.left


UNDO = [{"method": "DELETE", "url": "u/${name}"}]


def test_a_refusal_is_code_status_and_message_on_one_line() -> None:
    google = Google(GET=REFUSAL)
    assert asking(google, undo=UNDO) == (("403 PERMISSION_DENIED: not for you", ""), [])
    assert google.asked == ["GET u/probe-1"], "nothing was made, so nothing is undone"


def test_what_is_taken_against_expectation_is_undone() -> None:
    google = Google(GET={"name": "operation"}, DELETE=GONE)
    assert asking(google, undo=UNDO) == (("accepted", ""), [])
    assert google.asked == ["GET u/probe-1", "DELETE u/probe-1"]


def test_what_is_made_on_the_way_is_undone_whatever_happens() -> None:
    google = Google(GET=REFUSAL)
    before = [{"method": "POST", "url": "u"}]
    assert asking(google, before=before, undo=UNDO)[0] == ("403 PERMISSION_DENIED: not for you", "")
    assert google.asked == ["POST u", "GET u/probe-1", "DELETE u/probe-1"]


def test_a_step_on_the_way_that_fails_settles_nothing() -> None:
    found, reason = asking(Google(POST=REFUSAL), before=[{"method": "POST", "url": "u"}])[0]
    assert found is None
    assert "not  for\nyou" in reason


def test_what_cannot_be_undone_is_named() -> None:
    _found, left = asking(Google(DELETE=REFUSAL), undo=UNDO)
    assert left[0].startswith("u/probe-1: ")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("items.0.at", ("noon", "")),
        ("items.0.where", ("none", "")),
        ("items.3.at", (None, "the answer has no items.3.at")),
    ],
)
def test_an_answer_is_looked_into(path: str, found: tuple[str | None, str]) -> None:
    assert asking(Google(GET={"items": [{"at": "noon"}]}), answer=path)[0] == found


def test_what_needs_a_job_is_not_asked_without_one() -> None:
    google = Google()
    found, reason = asking(google, request={"method": "POST", "url": "jobs/${job}:cancel"})[0]
    assert found is None
    assert reason.startswith("job is not known")
    assert google.asked == []
