# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime, timedelta

from ansible_collections.dataplatform.compute.plugins.module_utils.artifact_prune import (
    StoredObject,
    hashes_in,
    hashes_in_archive,
    prunable,
)

NOW = datetime(2026, 11, 29, tzinfo=UTC)
A, B = "a" * 64, "b" * 64


def stored(name: str, days: float = 30) -> StoredObject:
    return StoredObject(name, 1000, "1", NOW - timedelta(days=days))


def old(*objects: StoredObject) -> list[str]:
    return sorted(prunable(objects, NOW - timedelta(days=7)))


def test_environments_and_bundles_can_go() -> None:
    assert old(stored(f"{A}/environment.sqfs"), stored(f"{A}/lock.txt"), stored(f"{B}/node-bundle.tar")) == [A, B]


def test_jobs_and_everything_else_stay() -> None:
    assert old(stored(f"{A}/run_dask.py"), stored("live/dev/fair-scheduler.xml"), stored("abc/node-bundle.tar")) == []


def test_what_has_one_new_object_stays_whole() -> None:
    assert old(stored(f"{A}/environment.sqfs"), stored(f"{A}/sbom.json", days=1)) == []


def test_hashes_are_found_in_texts_and_archives() -> None:
    assert hashes_in(f"gs://bucket/{A}/x and {B[:-1]}".encode()) == {A}
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("workloads.json", f'"gs://bucket/{B}/node-bundle.tar"')
    assert hashes_in_archive(data.getvalue()) == {B}
