# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shared file systems: what nodes read, and what is refused before they could."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.nfs_mounts import bundle_files

ACCOUNTS = {"yarn": {"uid": 2001, "gid": 2002}}
DATA = {"mountpoint": "/shared/data", "export": "/vol/data"}


def test_mounts_and_accounts_are_lines_of_tab_separated_fields() -> None:
    deep = {"mountpoint": "/shared/data/deep", "export": "/d", "version": "4.1", "options": ["nconnect=4", "nosuid"]}
    assert bundle_files("filer", [deep, DATA], ACCOUNTS) == {
        # The outer mount first.
        "nfs/mounts.tsv": "/shared/data\tfiler:/vol/data\t3\t\n/shared/data/deep\tfiler:/d\t4.1\tnconnect=4,nosuid\n",
        "nfs/accounts.tsv": "yarn\t2001\t2002\n",
    }


# (changes to the mount, part of the message)
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"mountpoint": "/data"}, "mountpoint: '/data', expected a path below /shared"),
    ({"mountpoint": "/shared/../etc"}, "expected a path below /shared"),
    ({"options": ["soft"]}, "'soft', expected none that loses writes"),
    ({"options": ["vers=4.1"]}, "'vers=4.1', is set for every mount already"),
    ({"options": ["nconect=4"]}, "did you mean 'nconnect'?"),
    ({"options": ["nolock"], "version": "4.1"}, "expected only with version 3"),
    ({"options": ["sec=krb5"]}, "expected sys"),
]


@pytest.mark.parametrize(("changes", "expected"), REFUSED, ids=[str(case[0]) for case in REFUSED])
def test_a_mount_that_nodes_could_not_have_is_refused(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError) as problem:
        bundle_files("filer", [DATA | changes], ACCOUNTS)
    assert "platform_nfs.mounts[0]." in str(problem.value)
    assert expected in str(problem.value)


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(ValidationError) as problem:
        bundle_files("filer", [DATA, DATA | {"options": ["soft", "zzz"]}], ACCOUNTS)
    assert [part in str(problem.value) for part in ("another mount's", "'soft'", "'zzz'")] == [True, True, True]
