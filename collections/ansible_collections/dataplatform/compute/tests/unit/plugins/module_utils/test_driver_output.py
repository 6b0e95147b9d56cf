# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading a driver's output while it grows."""

from __future__ import annotations

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.driver_output import (
    LONGEST_LINE,
    DriverOutput,
    LineAssembler,
    OutputPart,
    printable,
    split_uri,
)

URI = "gs://staging/meta/uuid/jobs/j/driveroutput"
NAME = "meta/uuid/jobs/j/driveroutput"


class Objects:
    """The two calls, over a dictionary of bytes by object name; notes the ranges asked for."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.ranges: list[tuple[str, int, int]] = []

    def put(self, number: int, data: bytes) -> None:
        self.stored[f"{NAME}.{number:09d}"] = data

    def list_objects(self, bucket, prefix):
        assert bucket == "staging"
        return [OutputPart(name, len(data)) for name, data in self.stored.items() if name.startswith(prefix)]

    def read_range(self, bucket, name, start, end):
        assert bucket == "staging"
        self.ranges.append((name[-1], start, end))
        return self.stored[name][start:end]


def test_lines_come_once_and_only_when_they_are_whole():
    objects = Objects()
    output = DriverOutput(objects, URI, 10)
    assert output.poll() == []
    objects.put(0, b"one\ntw")
    assert output.poll() == ["one"]
    assert output.poll() == []
    objects.put(0, b"one\ntwo\nthree")
    assert output.poll() == ["two"]
    assert output.finish() == ["three"]
    assert list(output.tail) == ["one", "two", "three"]
    assert objects.ranges == [("0", 0, 6), ("0", 6, 13)], "what was read is not read again"


def test_a_line_may_span_two_objects_and_an_empty_object_closes_the_series():
    objects = Objects()
    output = DriverOutput(objects, URI, 10)
    objects.put(1, b"llo\n")
    objects.put(0, b"he")
    assert output.poll() == ["hello"]
    assert not output.closed
    objects.put(2, b"")
    assert output.poll() == []
    assert output.closed


def test_a_character_may_be_cut_anywhere():
    assembler = LineAssembler()
    parts = [bytes([byte]) for byte in "größe 🐍\n".encode()]
    assert [line for part in parts for line in assembler.feed(part)] == ["größe 🐍"]


def test_bytes_that_are_no_text_do_not_stop_the_reader():
    assert LineAssembler().feed(b"\xff\xfe ok\n") == ["\ufffd\ufffd ok"]


def test_a_line_without_end_is_shown_once_it_is_too_long():
    assembler = LineAssembler()
    assert [len(line) for line in assembler.feed(b"x" * (LONGEST_LINE + 1))] == [LONGEST_LINE + 1]
    assert assembler.finish() == []


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("plain", "plain"),
        ("windows\r", "windows"),
        ("10%\r55%\r100%", "100%"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("a\x00b\x07c\tkept", "abc\tkept"),
        ("", ""),
        ("\r", ""),
    ],
)
def test_nothing_that_moves_a_terminal_gets_through(written, shown):
    assert printable(written) == shown


def test_objects_beside_the_series_are_ignored():
    objects = Objects()
    objects.put(0, b"mine\n")
    objects.stored[f"{NAME}.log"] = b"not mine\n"
    objects.stored[f"{NAME}.000000000.tmp"] = b"nor this\n"
    assert DriverOutput(objects, URI, 10).poll() == ["mine"]


def test_only_the_last_lines_are_kept():
    objects = Objects()
    objects.put(0, b"".join(b"%d\n" % number for number in range(100)))
    output = DriverOutput(objects, URI, 3)
    output.poll()
    assert list(output.tail) == ["97", "98", "99"]


def test_reading_the_end_skips_what_is_before_it():
    objects = Objects()
    objects.put(0, b"a" * 1000)
    objects.put(1, b"b" * 10)
    output = DriverOutput(objects, URI, 10)
    output.skip_to_tail(30)
    output.poll()
    assert objects.ranges == [("0", 980, 1000), ("1", 0, 10)]


@pytest.mark.parametrize("uri", ["", "gs://", "gs://bucket", "http://x/y", "/home/x"])
def test_an_address_that_is_none_is_named(uri):
    with pytest.raises(ValueError, match="gs://bucket/name"):
        split_uri(uri)
