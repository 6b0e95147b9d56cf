# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_names import (
    MANIFEST_NAME,
    PatternList,
    folders_of,
    name_problem,
    normalised_prefix,
)


@pytest.mark.parametrize(
    ("prefix", "expected"), [("", ""), ("dags", "dags/"), ("dags/", "dags/"), ("a b/ü#?", "a b/ü#?/")]
)
def test_prefix_ends_in_one_slash(prefix: str, expected: str) -> None:
    assert normalised_prefix(prefix) == expected


@pytest.mark.parametrize("prefix", ["/dags", "dags//lib", "dags/../x", "./dags", "dags//", "a\nb", "/"])
def test_bad_prefix_is_refused_with_its_value(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix") as caught:
        normalised_prefix(prefix)
    assert repr(prefix) in str(caught.value)


def test_leading_slash_names_the_near_miss() -> None:
    with pytest.raises(ValueError, match="did you mean 'dags/team'"):
        normalised_prefix("/dags/team")


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "a/b.py",
        "with space",
        "quote'\"",
        "ünïcödé/日本.txt",
        "hash#question?percent%41",
        ".hidden",
        "a..b",
        "...",
        "x" * 1024,
    ],
)
def test_odd_but_legal_names_pass(name: str) -> None:
    assert name_problem(name) is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "empty"),
        (".", "segment"),
        ("a/./b", "segment"),
        ("a/..", "segment"),
        ("folder/", "slash"),
        ("/top", "empty segment"),
        ("a//b", "empty segment"),
        ("line\nbreak", "U+000A"),
        ("delete\x7f", "U+007F"),
        ("next\x85line", "U+0085"),
        ("x" * 1025, "1025 bytes"),
        ("ü" * 513, "1026 bytes"),
        ("bad\udcff", "UTF-8"),
        (MANIFEST_NAME, "reserved"),
        (f"sub/{MANIFEST_NAME}", "reserved"),
        (".well-known/acme-challenge/x", "acme"),
    ],
)
def test_names_that_stop_a_bucket_are_refused(name: str, words: str) -> None:
    assert words in str(name_problem(name))


def test_prefix_counts_towards_the_length() -> None:
    assert name_problem("x" * 1000, "p" * 23 + "/") is None
    assert "1025 bytes" in str(name_problem("x" * 1000, "p" * 24 + "/"))


def test_folders_of() -> None:
    assert list(folders_of("a/b/c")) == ["a", "a/b"]
    assert list(folders_of("a/b/")) == ["a", "a/b"]
    assert list(folders_of("a")) == []


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("*.py", ["a.py", "x/y/a.py"], ["a.pyc", "a.py/x"]),
        ("/*.py", ["a.py"], ["x/a.py"]),
        ("lib/**", ["lib/a", "lib/x/a", "top/lib/a"], ["lib", "mylib/a"]),
        ("/lib/**", ["lib/a"], ["top/lib/a"]),
        ("/lib/", ["lib/a", "lib/x/a"], ["lib"]),
        ("**", ["a", "a/b"], []),
        ("/a/**/z", ["a/z", "a/b/z", "a/b/c/z"], ["a/bz", "b/a/z"]),
        ("data?.csv", ["data1.csv"], ["data.csv", "data/.csv", "data12.csv"]),
        ("airflow_monitoring.py", ["airflow_monitoring.py", "x/airflow_monitoring.py"], ["airflow_monitoringxpy"]),
        ("[a].txt", ["[a].txt"], ["a.txt"]),
        ("with\nbreak*", ["with\nbreak me"], []),
    ],
)
def test_patterns(pattern: str, matching: list[str], others: list[str]) -> None:
    patterns = PatternList([pattern])
    assert [name for name in matching if not patterns.matches(name)] == []
    assert [name for name in others if patterns.matches(name)] == []


def test_whole_folders_are_recognised() -> None:
    patterns = PatternList(["__pycache__/**", "*.pyc"])
    assert patterns.matches_everything_below("a/__pycache__")
    assert not patterns.matches_everything_below("a")


def test_no_pattern_matches_nothing() -> None:
    assert not PatternList([]).matches("a")
