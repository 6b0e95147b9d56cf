# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pins through their life: promoted, left, withdrawn, written down."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.pin_file_text import pin_file_text
from ansible_collections.dataplatform.compute.plugins.module_utils.pins import (
    PinsChange,
    canonical_json,
    findings_of,
    pins_id,
    promote,
    record_matches,
    rollback,
    same_but_bundle,
    same_in_common,
    withdraw,
    withdrawal,
)

SHA = "ab" * 32
MOMENT = "2026-11-29T05:00:00Z"
LATER = "2026-12-06T05:00:00Z"


def pins_of(number: int) -> dict[str, Any]:
    """Pins that differ from those of any other number."""
    environment = {"lock_sha256": SHA, "squashfs_sha256": SHA, "archive_sha256": f"{number:064d}"}
    return {
        "dataproc_image": f"2.3.{number}-debian12",
        "environment": environment,
        "init_actions": {"yarn_queues.py": SHA, "node-bundle.sh": SHA},
        "node_bundle": f"{number:064x}",
    }


def told(number: int) -> dict[str, Any]:
    """What a canary run tells of these pins."""
    job = {"results": {"rows": number, "share": 0.25}, "seconds": 41.5, "memory_mb": 900}
    return {
        "promoted_at": MOMENT,
        "commit": "c" * 40,
        "files": {"init-actions/node-bundle.sh": SHA},
        "canary": {"at": MOMENT, "cluster": f"canary-{number}", "jobs": {"groups": job}, "checked": "by hand"},
    }


def promoted(*numbers: int, keep: int = 3) -> PinsChange:
    """The state after these pins were promoted one after the other, the first of them in the place of pins 0."""
    state = PinsChange(pins_of(0), {}, False, "")
    record = None
    for number in numbers:
        state = promote(state.pins, record, pins_of(number), told(number), keep)
        record = state.record
    return state


def kept(state: PinsChange) -> list[str]:
    """Ids of the previous pins, the newest first."""
    return [pins_id(entry["pins"]) for entry in state.record["previous"]]


def back(state: PinsChange, to: str | None = None) -> PinsChange:
    """The state after a rollback."""
    return rollback(state.pins, state.record, to, at=LATER, reason="a wrong sum")


def problem_of(error: pytest.ExceptionInfo[ValidationError]) -> str:
    """The one problem an error tells."""
    assert len(error.value.problems) == 1, error.value.problems
    return error.value.problems[0]


def test_the_id_is_that_of_the_content_however_it_is_written() -> None:
    pins = pins_of(1)
    turned = {key: pins[key] for key in reversed(pins)}
    turned["init_actions"] = dict(reversed(pins["init_actions"].items()))
    assert pins_id(turned) == pins_id(pins)
    assert pins_id(pins_of(2)) != pins_id(pins)
    assert canonical_json({"b": None, "a": 1}) == '{"a":1,"b":null}'


def test_a_promotion_keeps_the_pins_before_with_their_record() -> None:
    state = promoted(1, 2)
    assert state.pins == pins_of(2)
    assert state.record["id"] == pins_id(pins_of(2))
    assert record_matches(state.pins, state.record)
    newest, oldest = state.record["previous"]
    assert newest["pins"] == pins_of(1)
    assert newest["record"] == {**told(1), "id": pins_id(pins_of(1)), "rolled_back_from": None}
    assert oldest == {"pins": pins_of(0), "record": None}
    assert list(findings_of(state.pins, state.record)) == []


def test_no_more_pins_are_kept_than_asked_for() -> None:
    assert kept(promoted(1, 2, 3, 4, keep=2)) == [pins_id(pins_of(3)), pins_id(pins_of(2))]


def test_the_same_pins_again_only_get_another_record() -> None:
    first = promoted(1)
    again = promote(first.pins, first.record, pins_of(1), {**told(1), "promoted_at": LATER}, 3)
    assert again.record["promoted_at"] == LATER
    assert kept(again) == kept(first)


def test_pins_that_come_again_are_kept_once() -> None:
    assert kept(promoted(1, 2, 1)) == [pins_id(pins_of(2)), pins_id(pins_of(0))]


def test_pins_changed_by_hand_have_no_record_when_they_are_kept() -> None:
    state = promoted(1)
    by_hand = {**state.pins, "environment": None}
    assert not record_matches(by_hand, state.record)
    after = promote(by_hand, state.record, pins_of(2), told(2), 3)
    assert after.record["previous"][0] == {"pins": by_hand, "record": None}


def test_nothing_unsound_is_promoted() -> None:
    with pytest.raises(ValidationError) as error:
        promote(pins_of(0), None, {**pins_of(1), "node_bundle": "x"}, told(1), 3)
    assert (
        problem_of(error)
        == "platform_pins.node_bundle: 'x': expected a SHA-256: 64 of 0-9 and a-f, in quotes where it has digits only"
    )


def test_no_result_of_a_job_is_run_by_ansible() -> None:
    record = told(1)
    record["canary"]["jobs"]["groups"]["results"] = {"name": ["{{ lookup('pipe', 'id') }}"]}
    with pytest.raises(ValidationError) as error:
        promote(pins_of(0), None, pins_of(1), record, 3)
    assert "platform_pin_record.canary.jobs.groups.results.name[0]" in problem_of(error)


def test_withdrawn_pins_are_never_promoted() -> None:
    state = promoted(1)
    record = withdraw(state.record, pins_of(2), MOMENT, "gave other sums", instead=pins_of(1))
    with pytest.raises(ValidationError) as error:
        promote(state.pins, record, pins_of(2), told(2), 3)
    assert f"were withdrawn at {MOMENT}: gave other sums" in problem_of(error)


def test_a_rollback_returns_to_the_very_pins_and_their_record() -> None:
    before, state = promoted(1), back(promoted(1, 2))
    assert state.changed
    assert canonical_json(state.pins) == canonical_json(before.pins)
    ours = ("id", "promoted_at", "commit", "files", "canary", "previous")
    assert [state.record[key] for key in ours] == [before.record[key] for key in ours]
    assert state.record["rolled_back_from"] == pins_id(pins_of(2))
    left = pins_of(2)
    entry = {"id": pins_id(left), "pins": left, "instead": pins_of(1), "at": LATER, "reason": "a wrong sum"}
    assert state.record["withdrawn"] == [entry]
    assert record_matches(state.pins, state.record)
    assert list(findings_of(state.pins, state.record)) == []


def test_a_rollback_writes_the_very_text_of_the_pins() -> None:
    def pins_text(state: PinsChange) -> str:
        return pin_file_text(state.pins, state.record).partition("platform_pin_record:")[0]

    assert pins_text(back(promoted(1, 2))) == pins_text(promoted(1))


def test_a_second_rollback_changes_nothing_and_says_so() -> None:
    once = back(promoted(1, 2))
    twice = back(once)
    assert not twice.changed
    assert (twice.pins, twice.record) == (once.pins, once.record)
    assert f"from {pins_id(pins_of(2))} to {pins_id(pins_of(1))} already" in twice.message


def test_a_rollback_of_the_first_promotion_returns_to_pins_without_a_record() -> None:
    state = back(promoted(1))
    assert state.pins == pins_of(0)
    assert state.record["id"] is None
    assert not record_matches(state.pins, state.record)
    assert list(findings_of(state.pins, state.record)) == []
    assert not back(state).changed


def test_an_id_goes_further_back_and_leaves_the_pins_between() -> None:
    state = back(promoted(1, 2, 3), to=pins_id(pins_of(1)))
    assert state.pins == pins_of(1)
    assert kept(state) == [pins_id(pins_of(2)), pins_id(pins_of(0))]
    assert not back(state, to=pins_id(pins_of(1))).changed


def test_a_rollback_passes_over_withdrawn_pins() -> None:
    state = promoted(1, 2)
    record = withdraw(state.record, pins_of(1), LATER, "the image was taken back", instead=pins_of(0))
    assert rollback(state.pins, record, at=LATER).pins == pins_of(0)
    assert rollback(state.pins, record, pins_id(pins_of(1)), at=LATER).pins == pins_of(1), (
        "whoever names them wants them"
    )


def test_pins_changed_by_hand_are_left_for_the_kept_ones_and_the_message_says_what_is_lost() -> None:
    state = promoted(1, 2)
    by_hand = {**state.pins, "environment": None}
    after = rollback(by_hand, state.record, at=LATER)
    assert after.pins == pins_of(1)
    assert withdrawal(after.record, pins_id(by_hand)) is not None
    assert f"a change by hand of {pins_id(pins_of(2))}" in after.message


def test_a_promotion_after_a_rollback_can_be_rolled_back_again() -> None:
    state = back(promoted(1, 2))
    state = promote(state.pins, state.record, pins_of(3), told(3), 3)
    assert state.record["rolled_back_from"] is None
    state = back(state)
    assert state.pins == pins_of(1)
    assert [entry["id"] for entry in state.record["withdrawn"]] == [pins_id(pins_of(2)), pins_id(pins_of(3))]


def test_an_unknown_id_is_refused_with_the_near_miss() -> None:
    known = pins_id(pins_of(1))
    with pytest.raises(ValidationError) as error:
        back(promoted(1, 2), to=f"{known[:-1]}x")
    assert problem_of(error).endswith(f"expected the id of previous pins; did you mean {known!r}?")


@pytest.mark.parametrize("record", [None, withdraw(None, pins_of(9), MOMENT, "no quota", instead=pins_of(0))])
def test_nothing_to_go_back_to_is_said(record: dict[str, Any] | None) -> None:
    with pytest.raises(ValidationError) as error:
        rollback(pins_of(0), record, at=LATER)
    assert problem_of(error) == "platform_pin_record has no previous pins; expected some to go back to"


def test_a_candidate_is_withdrawn_once_and_for_the_first_reason() -> None:
    record = withdraw(None, pins_of(9), MOMENT, "init action failed:\n  exit {{ 5 }}", instead=pins_of(0))
    assert withdraw(record, pins_of(9), LATER, "again", instead=pins_of(0)) == record
    (entry,) = record["withdrawn"]
    assert entry["reason"] == "init action failed: exit { { 5 }}"
    assert (entry["id"], entry["at"]) == (pins_id(pins_of(9)), MOMENT)
    assert list(findings_of(pins_of(0), record)) == []
    assert not record_matches(pins_of(0), record)


def test_a_bundle_and_a_build_make_no_difference_and_another_lock_does() -> None:
    pins = pins_of(1)
    built = {**pins, "node_bundle": "c" * 64, "environment": {**pins["environment"], "squashfs_sha256": "d" * 64}}
    assert same_but_bundle(built, pins)
    assert same_but_bundle(pins, {**pins, "environment": {"lock_sha256": SHA}})
    assert not same_but_bundle(pins, {**pins, "environment": None})
    assert not same_but_bundle(pins, pins_of(2))


def test_between_environments_only_actions_of_both_count() -> None:
    pins = pins_of(1)
    more = {**pins, "init_actions": {**pins["init_actions"], "service-principal.sh": SHA}}
    assert same_in_common(pins, more)
    assert not same_but_bundle(pins, more)
    assert not same_in_common(pins, {**pins, "init_actions": {"node-bundle.sh": "0" * 64}})
    assert not same_in_common(pins, {**pins, "init_actions": None})
    assert not same_in_common(pins, {**more, "dataproc_image": "2.3.2-debian12"})


@pytest.mark.parametrize("numbers", [(), (1,), (1, 2, 3)])
def test_the_text_of_a_file_reads_back_as_it_was(numbers: tuple[int, ...]) -> None:
    state = promoted(*numbers)
    record = (
        withdraw(state.record or None, pins_of(9), MOMENT, 'said: "yes" # no', instead=pins_of(0)) if numbers else None
    )
    text = pin_file_text(state.pins, record)
    assert yaml.safe_load(text) == {"platform_pins": state.pins, "platform_pin_record": record}
    turned = {key: state.pins[key] for key in reversed(state.pins)}
    assert pin_file_text(turned, record) == text


def test_what_a_reader_could_take_for_a_number_is_in_quotes() -> None:
    record = withdraw(None, pins_of(9), MOMENT, "no quota", instead=pins_of(0))
    record["withdrawn"][0]["id"] = "12345e678901"
    text = pin_file_text(pins_of(1), record)
    assert f'archive_sha256: "{1:064d}"' in text
    assert '- id: "12345e678901"' in text
    assert f'at: "{MOMENT}"' in text
