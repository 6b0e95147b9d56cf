# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Keytabs: what is in them, which of them hold the same keys, and what is no keytab."""

from __future__ import annotations

import contextlib
import struct

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.keytab import (
    KeytabError,
    describe_keys,
    parse_keytab,
    serves_as,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from .keytab_bytes import AES128, AES256, entry, hole, keytab

KEY, OTHER_KEY = b"k" * 32, b"o" * 32


def test_an_entry_with_all_its_parts():
    [found] = parse_keytab(keytab(entry(KEY, kvno=7, timestamp=5)))
    assert (found.principal, found.realm) == ("dask/etl.example.test@EXAMPLE.TEST", "EXAMPLE.TEST")
    assert (found.kvno, found.enctype, found.key, found.timestamp) == (7, AES256, KEY, 5)
    assert found.enctype_name == "aes256-cts-hmac-sha1-96"


@pytest.mark.parametrize(("whole_kvno", "expected"), [(True, 300), (False, 300 & 0xFF)])
def test_a_kvno_beyond_one_byte_is_read_where_it_is_whole(whole_kvno, expected):
    [found] = parse_keytab(keytab(entry(KEY, kvno=300, whole_kvno=whole_kvno)))
    assert found.kvno == expected


def test_a_whole_kvno_of_zero_means_the_byte_counts():
    record = entry(KEY, kvno=9)[:-4] + struct.pack(">I", 0)
    assert parse_keytab(keytab(record))[0].kvno == 9


def test_holes_are_skipped_and_zeros_at_the_end_are_filling():
    data = keytab(hole(12), entry(KEY), hole(3), entry(OTHER_KEY, kvno=2)) + b"\0" * 8
    assert [one.kvno for one in parse_keytab(data)] == [1, 2]


def test_a_file_without_entries():
    assert parse_keytab(keytab()) == []


def test_separators_in_names_are_quoted():
    [found] = parse_keytab(keytab(entry(KEY, principal="a@b", realm="R/S")))
    assert found.principal == r"a\@b@R\/S"


def test_same_keys_in_another_order_at_another_time():
    one = parse_keytab(keytab(entry(KEY), entry(b"s" * 16, enctype=AES128)))
    other = parse_keytab(keytab(entry(b"s" * 16, enctype=AES128, timestamp=9), hole(5), entry(KEY, timestamp=8)))
    assert serves_as(one, other)


@pytest.mark.parametrize(
    "changed",
    [
        entry(OTHER_KEY),
        entry(KEY, kvno=2),
        entry(KEY, enctype=20),
        entry(KEY, principal="dask/ml.example.test"),
        entry(KEY, realm="OTHER.TEST"),
    ],
    ids=["key", "kvno", "enctype", "principal", "realm"],
)
def test_every_part_of_an_entry_counts(changed):
    assert not serves_as(parse_keytab(keytab(entry(KEY))), parse_keytab(keytab(changed)))


def test_one_entry_more_counts():
    assert not serves_as(parse_keytab(keytab(entry(KEY))), parse_keytab(keytab(entry(KEY), entry(OTHER_KEY, kvno=2))))


def test_no_key_is_shown():
    found = parse_keytab(keytab(entry(KEY), entry(KEY[:16], enctype=AES128)))
    assert "k" * 8 not in f"{found!r} {found[0]!s}"
    assert describe_keys(found) == [
        "dask/etl.example.test@EXAMPLE.TEST kvno 1 aes128-cts-hmac-sha1-96",
        "dask/etl.example.test@EXAMPLE.TEST kvno 1 aes256-cts-hmac-sha1-96",
    ]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "does not begin with the bytes 05 02"),
        (b"-----BEGIN CERTIFICATE-----", "does not begin with the bytes 05 02"),
        (b"\x05\x01\x00\x00", "format version 1"),
        (b"\x05\x02\x00", "ends within the length of an entry: 4 bytes expected at byte 2, 1 are left"),
        (b"\x05\x02\x00\x00\x01\x00abc", "ends within the entry at byte 2: 256 bytes expected at byte 6, 3 are left"),
        (keytab(hole(8))[:-2], "ends within the hole at byte 2"),
        (keytab(entry(b"short")), "has a key of 5 bytes; expected 32 for encryption type 18"),
        (keytab(entry(b"", enctype=999)), "has a key of 0 bytes; expected at least 1 for encryption type 999"),
        (keytab(entry(KEY, realm="")), "names no principal"),
        (keytab(struct.pack(">iHH", 4, 1, 90)), "ends within the realm: 90 bytes expected"),
        (keytab(struct.pack(">iHH2s", 6, 1, 2, b"\xff\xfe")), "has the realm that is not UTF-8"),
    ],
)
def test_what_is_no_keytab_is_named(data, words):
    with pytest.raises(KeytabError) as raised:
        parse_keytab(data)
    assert words in str(raised.value)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(data=st.binary(max_size=80))
def test_any_bytes_are_either_a_keytab_or_refused(data):
    for content in (data, b"\x05\x02" + data):
        with contextlib.suppress(KeytabError):
            parse_keytab(content)
