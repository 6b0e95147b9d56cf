"""Loose files in a real bucket: in order, and beside what somebody else has put there."""

from __future__ import annotations

from itertools import pairwise

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_archive import DagArchive, build_archive
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_loose_files import (
    LOOSE,
    LooseReleases,
    merge_sources,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_records import new_record
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_sources import TeamSources
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_store import NEW
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_errors import OwnershipError
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_storage import TreeStorage

from tests.orchestration.release_support import COMPOSER, create_buckets, objects

FILES = {
    "dataplatform_dask/__init__.py": b"",
    "dataplatform_dask/dag.py": b"",
    "growth_lib/tables.json": b"{}",
    "a.py": b"a",
    "z.py": b"z",
}


@pytest.fixture(name="store")
def store_in_a_bucket(client: GoogleClient) -> LooseReleases:
    """The loose files of an environment that has none yet."""
    create_buckets(client)
    return LooseReleases(client, COMPOSER, "dags")


def loose(**more: bytes) -> DagArchive:
    """What the loose files of all teams are built from."""
    files = {**FILES, **{name.replace("_py", ".py"): content for name, content in more.items()}}
    merged = merge_sources({"growth": TeamSources("growth", files, dict.fromkeys(files, "dags"))})
    return build_archive(LOOSE, "test", merged.files, '{"workloads": {}}')


def write(store: LooseReleases, archive: DagArchive) -> None:
    """Make them live."""
    record = new_record(archive, {}, released_by="ada", released_at="2026-01-01", previous="")
    store.write(record, archive.data, released={}, generation=NEW)


def test_what_airflow_reads_comes_after_what_it_needs(store: LooseReleases, client: GoogleClient) -> None:
    archive = loose()
    write(store, archive)
    written = {name: int(item["generation"]) for name, item in objects(client, COMPOSER, "dags/").items()}
    groups = [[".airflowignore"], *([] for _group in range(4))]
    for name in archive.files:
        if name.startswith("dataplatform_dask/"):
            groups[1].append(name)
        elif name.startswith("growth_lib/"):
            groups[2].append(name)
        elif name.endswith(".py"):
            groups[3].append(name)
    groups[4] = ["dataplatform-files.json"]
    assert sorted(name for group in groups for name in group) == sorted([*archive.files, "dataplatform-files.json"])
    for earlier, later in pairwise(groups):
        assert max(written[name] for name in earlier) < min(written[name] for name in later), (earlier, later)


@pytest.mark.parametrize("name", [".airflowignore", "airflow_monitoring.py"])
def test_what_airflow_reads_of_somebody_else_is_never_replaced(
    store: LooseReleases, client: GoogleClient, name: str
) -> None:
    TreeStorage(client, COMPOSER, "dags/").upload(name, {}, lambda: b"theirs", NEW)
    before = objects(client, COMPOSER)
    archive = loose(airflow_monitoring_py=b"ours")
    with pytest.raises(OwnershipError, match=f"{name} is protected .*Nothing was changed"):
        store.require_free(archive.data)
    with pytest.raises(OwnershipError, match=f"{name} is protected"):
        write(store, archive)
    assert objects(client, COMPOSER) == before
