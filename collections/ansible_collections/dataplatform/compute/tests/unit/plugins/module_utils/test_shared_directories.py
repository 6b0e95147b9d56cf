# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The directories of a share: numbers, modes and order, and what is refused before anything is made."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.shared_directories import shared_directories

ACCOUNTS = {"yarn": {"uid": 2001, "gid": 2002}, "ingest": {"uid": 2011, "gid": 2002}}


def mount(name: str, **more: Any) -> dict[str, Any]:
    """A mount of a directory in the share."""
    return {"mountpoint": f"/shared/{name}", "export": f"/vol/{name}", **more}


def server(*mounts: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A file server with one share."""
    return {"server": "filer", "share": "/vol", "mounts": list(mounts), **more}


@pytest.mark.parametrize("share", ["/vol", "/vol/"])
def test_directories_have_numbers_and_modes(share: str) -> None:
    mounts = [mount("data"), mount("ingested", owner="ingest"), mount("tmp", mode="3775")]
    assert shared_directories(server(*mounts, share=share), ACCOUNTS) == {
        "source": f"filer:{share}",
        "options": "vers=3,soft,timeo=100,retrans=2,retry=0,proto=tcp,nolock",
        "directories": [
            {"path": "data", "uid": 2001, "gid": 2002, "mode": "2775"},
            {"path": "ingested", "uid": 2011, "gid": 2002, "mode": "2775"},
            {"path": "tmp", "uid": 2001, "gid": 2002, "mode": "3775"},
        ],
    }


@pytest.mark.parametrize(
    ("versions", "expected"), [(["4.1", "4.1"], "4.1"), (["3", "4.1"], "3"), (["3", "3"], "3")], ids=str
)
def test_the_share_is_mounted_by_the_version_that_all_have(versions: list[str], expected: str) -> None:
    mounts = [mount(f"d{number}", version=version) for number, version in enumerate(versions)]
    options = shared_directories(server(*mounts), ACCOUNTS, read_only=True)["options"].split(",")
    assert options[0] == f"vers={expected}"
    assert ("nolock" in options) is (expected == "3")
    assert options[-1] == "ro"


def test_two_mountpoints_of_one_directory_are_one_directory() -> None:
    twice = [mount("data"), mount("data") | {"mountpoint": "/shared/again"}]
    assert len(shared_directories(server(*twice), ACCOUNTS)["directories"]) == 1


REFUSED = [
    (server(mount("data") | {"export": "/other/data"}), "mounts[0].export: '/other/data': expected a directory in the"),
    (server(mount("data") | {"export": "/volume/data"}), "in the share, such as /vol/data"),
    (server(mount("data") | {"export": "/vol/../etc"}), "in the share, such as /vol/data"),
    (server(mount("data") | {"export": "/vol"}), "in the share, such as /vol/data"),
    (
        server(mount("tmp"), mount("tmp/deep")),
        "mounts[1].export: '/vol/tmp/deep': expected no directory between the share",
    ),
    (server(mount("a/b")), "and the export; did you mean '/vol/b'?"),
    (
        server(mount("data", owner="yarm")),
        "mounts[0].owner: 'yarm': expected one of platform_accounts: ingest, yarn; did",
    ),
    (server(mount("data", mode="0777")), "mounts[0].mode: '0777': expected the sticky bit"),
    (server(mount("a"), mount("a", mode="3775")), "mounts[1].export: '/vol/a': expected owner and mode of mounts[0]"),
    (server(mount("data"), share=None), "platform_nfs.share: not set"),
]


@pytest.mark.parametrize(("file_server", "expected"), REFUSED, ids=[case[1] for case in REFUSED])
def test_what_could_not_be_prepared_is_refused(file_server: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError) as problem:
        shared_directories(file_server, ACCOUNTS)
    assert expected in str(problem.value)
    assert "nothing was changed" in str(problem.value)


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(ValidationError) as problem:
        shared_directories(server(mount("a", owner="x", mode="0777"), mount("b", owner="x")), ACCOUNTS)
    assert len(problem.value.problems) == 3
