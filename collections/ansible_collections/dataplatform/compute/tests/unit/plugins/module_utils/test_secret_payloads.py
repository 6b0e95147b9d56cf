# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What secrets may hold, what counts as the same, and which older versions go."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.secret_ageing import Ageing, Version
from ansible_collections.dataplatform.compute.plugins.module_utils.secret_payloads import check_payloads, shown

from .keytab_bytes import entry, hole, keytab

KEY = b"k" * 32
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def wanted(data: bytes, compare: str = "bytes"):
    [found] = check_payloads([{"secret": "keytab-etl", "payload_base64": base64.b64encode(data).decode()}], compare)
    return found


def problems(*versions: tuple[str, str], compare: str = "bytes") -> list[str]:
    with pytest.raises(ValidationError) as raised:
        check_payloads([{"secret": secret, "payload_base64": payload} for secret, payload in versions], compare)
    return raised.value.problems


def test_bytes_are_compared_as_bytes():
    assert wanted(b"one").equals(b"one")
    assert not wanted(b"one").equals(b"one\n")


def test_keytabs_are_compared_by_their_keys():
    found = wanted(keytab(entry(KEY, timestamp=1)), "keytab")
    assert found.equals(keytab(hole(4), entry(KEY, timestamp=2)))
    assert not found.equals(keytab(entry(KEY, kvno=2)))
    assert not found.equals(b"garbage somebody put there")


def test_a_keytab_of_a_rotation_serves_as_the_one_of_the_newest_key_only():
    older, newer = entry(KEY, kvno=1), entry(b"n" * 32, kvno=2)
    assert wanted(keytab(newer), "keytab").equals(keytab(older, newer))
    assert not wanted(keytab(older), "keytab").equals(keytab(older, newer)), "the secret has a newer key"
    assert not wanted(keytab(older, newer), "keytab").equals(keytab(newer)), "a wanted key is missing"
    stranger = entry(KEY, kvno=1, principal="dask/ml.example.test")
    assert not wanted(keytab(newer), "keytab").equals(keytab(newer, stranger)), "another principal's key"


def test_line_ends_in_base64_mean_nothing():
    [found] = check_payloads([{"secret": "s", "payload_base64": "b25l\ndHdv\n"}], "bytes")
    assert found.data == b"onetwo"


def test_every_problem_is_named_at_once_and_no_bytes_are_shown():
    garbage = base64.b64encode(b"very secret garbage").decode()
    found = problems(
        ("keytab-etl", garbage),
        ("projects/p/secrets/keytab-ml", base64.b64encode(keytab(entry(KEY))).decode()),
        ("keytab-etl", base64.b64encode(keytab()).decode()),
        ("broken", "not base64!"),
        ("empty", ""),
        ("large", base64.b64encode(b"x" * 65537).decode()),
        compare="keytab",
    )
    assert found == [
        "versions[0] (keytab-etl): payload_base64 is not a keytab: it does not begin with the bytes 05 02; expected an "
        "MIT keytab of format version 2",
        "versions[1] (projects/p/secrets/keytab-ml): secret is 'projects/p/secrets/keytab-ml'; expected 1 to 255 "
        "letters, digits, '_' and '-'; did you mean 'keytab-ml'?",
        "versions[2] (keytab-etl): secret 'keytab-etl' is listed already by versions[0]",
        "versions[2] (keytab-etl): payload_base64 is a keytab without entries; expected at least one key",
        "versions[3] (broken): payload_base64 is not base64; expected the payload's bytes in base64",
        "versions[4] (empty): payload_base64 is empty; expected at least one byte",
        "versions[5] (large): payload_base64 holds 65537 bytes; expected at most 65536, the limit of Secret Manager",
    ]
    assert "very secret" not in " ".join(found)


def test_a_diff_shows_who_has_keys_and_none_of_them():
    assert shown(keytab(entry(KEY)), "keytab") == ["dask/etl.example.test@EXAMPLE.TEST kvno 1 aes256-cts-hmac-sha1-96"]
    assert "does not begin" in shown(b"very secret", "keytab")
    assert shown(b"very secret", "bytes") == "(not shown)"
    assert b"very secret" not in repr(wanted(b"very secret")).encode()


def versions(*states: str) -> list[Version]:
    """Versions 1, 2, ... in the order Google lists them."""
    return [Version(number, state, NOW) for number, state in enumerate(states, 1)][::-1]


@pytest.mark.parametrize(
    ("ageing", "age", "disabled", "destroyed"),
    [
        (Ageing(), 10**9, [], []),
        (Ageing(disable_after=60), 59.9, [], []),
        (Ageing(disable_after=60), 60, [1, 3], []),
        (Ageing(destroy_after=60), 60, [], [1, 2, 3]),
        (Ageing(disable_after=60, destroy_after=90), 60, [1, 3], []),
        (Ageing(disable_after=60, destroy_after=90), 90, [], [1, 2, 3]),
        (Ageing(disable_after=0), 0, [1, 3], []),
    ],
)
def test_older_versions_go_once_the_latest_is_old_enough(ageing, age, disabled, destroyed):
    listed = versions("ENABLED", "DISABLED", "ENABLED", "ENABLED")
    to_disable, to_destroy = ageing.due(listed, 4, age)
    assert [one.number for one in to_disable] == disabled
    assert [one.number for one in to_destroy] == destroyed


def test_a_version_newer_than_the_one_that_was_looked_at_stays():
    assert Ageing(disable_after=0).due(versions("ENABLED", "ENABLED", "ENABLED"), 2, 5) == (
        [Version(1, "ENABLED", NOW)],
        [],
    )


@pytest.mark.parametrize(
    ("ageing", "words"),
    [
        (Ageing(disable_after=-1), "disable_previous_after is -1; expected seconds, 0 or more"),
        (Ageing(disable_after=60, destroy_after=30), "destroy_previous_after is 30; expected at least"),
    ],
)
def test_times_that_cannot_be_meant(ageing, words):
    with pytest.raises(ValidationError, match=words):
        ageing.check()


def test_googles_times_may_have_nine_digits():
    answer = {
        "name": "projects/1/secrets/s/versions/12",
        "state": "ENABLED",
        "createTime": "2026-01-01T00:00:00.123456789Z",
    }
    found = Version.from_answer(answer)
    assert (found.number, found.created) == (12, NOW.replace(microsecond=123456))
