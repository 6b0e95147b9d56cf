# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Positions of keys in the files of an inventory, and keys written twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_rules import check_inventory
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_source import (
    Finding,
    format_key,
    read_source,
)
from ansible_collections.dataplatform.compute.tests.unit.plugins.module_utils.inventory_facts import sound_facts


@pytest.fixture(name="inventory")
def inventory_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An inventory with a shared directory behind a symbolic link, as the environments have it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "common").mkdir()
    variables = tmp_path / "test" / "group_vars" / "all"
    variables.mkdir(parents=True)
    (variables / "00-common").symlink_to(tmp_path / "common")
    return tmp_path / "test"


def write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def test_lines_of_nested_keys_and_list_items(inventory: Path) -> None:
    write(inventory / "group_vars/all/a.yml", "---\na:\n  b:\n    - c: 1\n    - c: 2\n")
    positions = read_source(inventory).positions
    file = "test/group_vars/all/a.yml"
    assert positions[("a",)] == (file, 2)
    assert positions[("a", "b", 1)] == (file, 5)
    assert positions[("a", "b", 1, "c")] == (file, 5)


def test_shared_files_are_shown_where_they_really_are(inventory: Path) -> None:
    write(inventory.parent / "common/sizes.yml", "x: 1\n")
    assert read_source(inventory).positions[("x",)] == ("common/sizes.yml", 1)


def test_an_environment_overrides_a_shared_variable_as_a_whole(inventory: Path) -> None:
    write(inventory.parent / "common/a.yml", "x:\n  old: 1\n")
    write(inventory / "group_vars/all/b.yml", "x:\n  new: 1\n")
    source = read_source(inventory)
    assert source.duplicates == []
    assert ("x", "old") not in source.positions
    assert source.positions[("x", "new")] == ("test/group_vars/all/b.yml", 2)


def test_the_same_variable_in_two_files_side_by_side(inventory: Path) -> None:
    write(inventory / "group_vars/all/a.yml", "x: 1\n")
    write(inventory / "group_vars/all/b.yml", "\nx: 2\n")
    assert [str(finding) for finding in read_source(inventory).duplicates] == [
        "test/group_vars/all/b.yml:2: x: expected once; it is also in test/group_vars/all/a.yml:1"
    ]


def test_the_same_key_twice_in_one_file(inventory: Path) -> None:
    write(inventory / "group_vars/all/a.yml", "jobs:\n  one: {owner: a}\n  two: 2\n  one: {owner: b, owner: c}\n")
    assert [(finding.key, finding.line) for finding in read_source(inventory).duplicates] == [
        ("jobs.one", 4),
        ("jobs.one.owner", 4),
    ]


def test_a_file_that_is_not_yaml_is_a_finding(inventory: Path) -> None:
    write(inventory / "group_vars/all/a.yml", "a: 1\nb: [\n")
    (finding,) = read_source(inventory).duplicates
    assert finding.file == "test/group_vars/all/a.yml"
    assert finding.expected.startswith("expected YAML")


def test_vault_and_unsafe_tags_and_empty_files_are_fine(inventory: Path) -> None:
    write(
        inventory / "group_vars/all/a.yml", "secret: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  00\nraw: !unsafe '{{ x'\n"
    )
    write(inventory / "group_vars/all/b.yml", "---\n")
    assert read_source(inventory).variables() == ["secret", "raw"]


def test_hidden_and_backup_files_are_not_read(inventory: Path) -> None:
    write(inventory / "group_vars/all/.a.yml", "x: 1\n")
    write(inventory / "group_vars/all/a.yml~", "x: 1\n")
    assert read_source(inventory).positions == {}


def test_findings_point_to_the_key_or_its_closest_parent(inventory: Path) -> None:
    write(inventory / "group_vars/all/a.yml", "platform_sizes:\n  worker:\n    memory_mb: 1\n")
    source = read_source(inventory)
    finding = Finding("platform_sizes.worker.vcores", "", "expected more")
    assert source.locate(("platform_sizes", "worker", "vcores"), finding).line == 2
    assert source.locate(("elsewhere",), finding).file == "test"


def test_a_finding_reads_file_line_key_value_expectation_near_miss(inventory: Path) -> None:
    write(inventory / "group_vars/all/w.yml", "platform_workloads:\n  flights:\n    template: elt\n")
    facts = sound_facts()
    facts["platform_workloads"]["flights"]["template"] = "elt"
    assert [str(finding) for finding in check_inventory(facts, read_source(inventory))] == [
        "test/group_vars/all/w.yml:3: platform_workloads.flights.template: 'elt': "
        "expected one of platform_cluster_templates: etl; did you mean 'etl'?"
    ]


def test_format_key() -> None:
    assert format_key(("a", "b", 1, "c")) == "a.b[1].c"
