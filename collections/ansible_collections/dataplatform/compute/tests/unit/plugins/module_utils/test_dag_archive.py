# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A team's DAGs as one archive: the same bytes everywhere, its guard first, its id the hash of all else."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_archive import (
    RELEASE_FILE,
    WORKLOADS_FILE,
    build_archive,
    read_archive,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_loose_files import (
    merge_documents,
    merge_sources,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_sources import read_sources
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError

FILES = {"release_guard_growth.py": b"guard", "a.py": b"a", "dataplatform_dask/__init__.py": b"", "z/data.bin": b"\xff"}


def test_the_same_files_are_the_same_bytes_in_whatever_order() -> None:
    one = build_archive("growth", "test", FILES, "{}")
    other = build_archive("growth", "test", dict(reversed(FILES.items())), "{}")
    assert one.data == other.data
    assert one.release == other.release
    # A machine that builds other bytes would replace what is live by the same thing.
    assert one.sha256 == "8eeb1d2743a83d4c7c773fbf60a19475bde2f8005baf8706719b78b232404f10"


@pytest.mark.parametrize(
    ("team", "environment", "changes", "workloads"),
    [
        ("platform", "test", {}, "{}"),
        ("growth", "prod", {}, "{}"),
        ("growth", "test", {"a.py": b"b"}, "{}"),
        ("growth", "test", {"b.py": b""}, "{}"),
        ("growth", "test", {}, '{"a": 1}'),
    ],
)
def test_whatever_differs_is_another_release(
    team: str, environment: str, changes: dict[str, bytes], workloads: str
) -> None:
    assert (
        build_archive(team, environment, {**FILES, **changes}, workloads).release
        != build_archive("growth", "test", FILES, "{}").release
    )


def test_the_guard_is_first_and_the_release_says_what_it_is() -> None:
    archive = build_archive("growth", "test", FILES, '{"workloads": {}}')
    with zipfile.ZipFile(io.BytesIO(archive.data)) as package:
        assert package.namelist()[0] == "release_guard_growth.py"
        assert {entry.compress_type for entry in package.infolist()} == {zipfile.ZIP_STORED}
    files = read_archive(archive.data)
    assert json.loads(files[RELEASE_FILE]) == {"release": archive.release, "team": "growth", "environment": "test"}
    assert files[WORKLOADS_FILE] == b'{"workloads": {}}'
    assert {name: files[name] for name in FILES} == FILES


def test_what_is_no_archive_is_said() -> None:
    with pytest.raises(ValueError, match="not a zip archive"):
        read_archive(b"something else")


@pytest.fixture(name="dags")
def sources_of_two_teams(tmp_path: Path) -> Path:
    """A tree of sources."""
    for name in (
        "dataplatform_dask/__init__.py",
        "dataplatform_dask/__pycache__/x.pyc",
        "entry/00_release_guard.py",
        "entry/workloads.py",
        "teams/growth/flights.py",
        "teams/growth/README.md",
        "teams/growth/growth_lib/tables.json",
        "teams/platform/reaper.py",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def test_a_team_gets_the_library_the_entry_files_and_its_own(dags: Path) -> None:
    sources = read_sources(str(dags), ["growth", "platform", "no-dags"])
    assert sorted(sources["growth"].files) == [
        "dataplatform_dask/__init__.py",
        "flights.py",
        "growth_lib/tables.json",
        "release_guard_growth.py",
        "workloads_growth.py",
    ]
    assert sources["growth"].origins["workloads_growth.py"] == str(dags / "entry/workloads.py")
    assert sorted(sources["no-dags"].files) == [
        "dataplatform_dask/__init__.py",
        "release_guard_no_dags.py",
        "workloads_no_dags.py",
    ]


def test_everything_wrong_with_the_sources_is_said_at_once(dags: Path) -> None:
    (dags / "entry/workloads.py").unlink()
    (dags / "teams/platform/flights.py").write_text("")
    (dags / "teams/growth/release_guard_growth.py").write_text("")
    (dags / "teams/grwth").mkdir()
    (dags / "teams/growth/link.py").symlink_to("/etc/hostname")
    with pytest.raises(ValidationError) as caught:
        read_sources(str(dags), ["growth", "platform"])
    told = "\n".join(caught.value.problems)
    assert f"{dags}/entry/workloads.py is missing" in told
    assert "are both the module flights; expected another name, such as platform_flights" in told
    assert "would be release_guard_growth.py in the archive of growth" in told
    assert f"{dags}/teams/grwth is of no team; expected one of: growth, platform" in told
    assert "link.py is a link out of" in told
    assert len(caught.value.problems) == 5


def test_a_directory_without_sources_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="dataplatform_dask is no directory"):
        read_sources(str(tmp_path), ["growth"])


def test_loose_files_are_one_tree_with_one_factory(dags: Path) -> None:
    merged = merge_sources(read_sources(str(dags), ["growth", "platform"]))
    assert sorted(merged.files) == [
        ".airflowignore",
        "dataplatform_dask/__init__.py",
        "flights.py",
        "growth_lib/tables.json",
        "reaper.py",
        "workloads_files.py",
    ]
    # Of the folders those with modules, which Airflow would read as DAG files.
    assert merged.files[".airflowignore"] == b"dataplatform_dask/\n"
    document = merge_documents(
        {
            "growth": '{"users": {"ada": 1}, "workloads": {"a": 1}}',
            "platform": '{"users": {"ada": 1}, "workloads": {"b": 2}}',
        }
    )
    assert json.loads(document) == {"users": {"ada": 1}, "workloads": {"a": 1, "b": 2}}
