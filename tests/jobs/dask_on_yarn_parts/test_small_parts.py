"""Cost estimate, storage warnings and progress lines."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from dask_on_yarn import cost, storage_warnings
from dask_on_yarn.progress import Progress, Status, format_bytes

MOUNTINFO = r"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:45 / /shared rw,relatime shared:9 - nfs 10.0.0.2:/vol rw,vers=3
31 22 0:46 / /shared/local\040disk rw - ext4 /dev/nvme0n1 rw
32 22 0:47 / /home4 rw - nfs4 filer:/home rw
garbage
"""


def test_directories_on_nfs_are_warned_about() -> None:
    warnings = storage_warnings.check({"spill": "/shared/dask-tmp", "shuffle": "/mnt/1/dask"}, MOUNTINFO)
    assert len(warnings) == 1
    assert warnings[0].startswith("spill directory /shared/dask-tmp is on nfs (10.0.0.2:/vol at /shared)")
    assert "nfs4" in storage_warnings.check(["/home4/ada"], MOUNTINFO)[0]


def test_the_longest_mount_point_counts() -> None:
    assert storage_warnings.check(["/shared/local disk/tmp", "/sharedness", "/"], MOUNTINFO) == []


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "spill").symlink_to("/shared/dask-tmp")
    assert storage_warnings.check([str(tmp_path / "spill")], MOUNTINFO)


def test_this_machines_own_table_can_be_read() -> None:
    root = storage_warnings.mount_of("/", storage_warnings.mounts())
    assert root.point == "/"
    assert root.device == Path("/").stat().st_dev
    assert storage_warnings.mounts(MOUNTINFO)[1].device == os.makedev(0, 45)


def test_cost_is_an_estimate_with_its_prices() -> None:
    found = cost.estimate(4 * 1024 * 3600, 2 * 3600, price_vcore_hour=0.03, price_gib_hour=0.004)
    assert (found.vcore_hours, found.gib_hours, found.label) == (2.0, 4.0, "estimate")
    assert found.amount == pytest.approx(0.076)
    assert str(found) == (
        "estimated cost 0.0760: 2.00 vcore-hours and 4.00 GiB-hours at 0.03 per vcore-hour, 0.004 per GiB-hour"
    )


def test_without_prices_there_is_no_amount() -> None:
    found = cost.estimate(1024 * 3600, 3600)
    assert found.amount is None
    assert str(found) == "1.00 vcore-hours and 1.00 GiB-hours (no prices given)"
    assert cost.estimate(0, 3600, price_vcore_hour=0.5).amount == 0.5


def test_every_line_has_the_prefix() -> None:
    stream = io.StringIO()
    Progress(stream).say("first\nsecond")
    assert stream.getvalue() == "dask: first\ndask: second\n"


def test_status_lines_come_on_change_and_not_too_often() -> None:
    now = [0.0]
    stream = io.StringIO()
    progress = Progress(stream, interval=10, clock=lambda: now[0])
    assert progress.update(Status(1, 100, 2))
    now[0] = 9.9
    assert not progress.update(Status(2, 100, 2))
    now[0] = 10.0
    assert progress.update(Status(50, 100, 2, memory=3 * 2**30, memory_limit=20 * 2**30, spilled=2**20, tasks_erred=1))
    now[0] = 60.0
    assert not progress.update(
        Status(50, 100, 2, memory=3 * 2**30, memory_limit=20 * 2**30, spilled=2**20, tasks_erred=1)
    )
    assert progress.update(Status(51, 100, 1))
    assert stream.getvalue().splitlines() == [
        "dask: 1 of 100 tasks done, 2 workers, memory 0 B",
        "dask: 50 of 100 tasks done, 1 failed, 2 workers, memory 3.0 GiB of 20.0 GiB, 1.0 MiB spilled to disk",
        "dask: 51 of 100 tasks done, 1 worker, memory 0 B",
    ]


def test_a_stream_that_is_gone_does_not_fail_the_job() -> None:
    stream = io.StringIO()
    stream.close()
    Progress(stream).say("nobody reads this")


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (2**50, "1024.0 TiB")])
def test_bytes_for_people(count: int, text: str) -> None:
    assert format_bytes(count) == text
