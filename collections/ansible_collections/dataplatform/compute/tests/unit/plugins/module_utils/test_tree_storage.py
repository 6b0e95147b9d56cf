# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A run that may not write any more sends nothing: the question is asked before every attempt of every write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_errors import ConcurrentWriterError
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_storage import TreeStorage, listed_object

MD5 = "XUFAKrxLKna5cZ2REBfFkg=="


class Client:
    """Asks for the body twice, as a client does that has to try again, and notes what it would send."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def request(self, method: str, _url: str, *, data: Any = None, **_options: Any) -> dict[str, str]:
        for _attempt in range(2):
            if callable(data):
                data()
            self.sent.append(method)
        return {"generation": "5"}


def allow(times: int) -> Callable[[], None]:
    left = [times]

    def may_write() -> None:
        if not left[0]:
            raise ConcurrentWriterError("lost")
        left[0] -= 1

    return may_write


def storage(client: Client, writes: int) -> TreeStorage:
    tree = TreeStorage(client, "b", "p/")
    tree.may_write = allow(writes)
    return tree


@pytest.mark.parametrize("writes", [0, 1])
@pytest.mark.parametrize(
    "write",
    [
        lambda tree: tree.upload("a", {"md5Hash": MD5}, lambda: b"hello", "0"),
        lambda tree: tree.delete("a", "3"),
    ],
    ids=["upload", "delete"],
)
def test_every_attempt_asks_first(write: Callable[[TreeStorage], object], writes: int) -> None:
    client = Client()
    with pytest.raises(ConcurrentWriterError):
        write(storage(client, writes))
    assert len(client.sent) == writes


def test_a_large_upload_asks_before_it_begins() -> None:
    client = Client()
    with pytest.raises(ConcurrentWriterError):
        storage(client, 0).upload_in_chunks("a", {"md5Hash": MD5}, 9, lambda _offset, _length: b"", "0")
    assert client.sent == []


def test_a_part_is_bounded_and_stops_when_the_lock_is_lost() -> None:
    seen: dict[str, Any] = {}
    recorder = type("Recorder", (), {"request": lambda _self, *_args, **options: seen.update(options)})()
    tree = TreeStorage(recorder, "b", "p/")
    tree._put("session", "bytes 0-4/5", b"hello", None)
    assert seen["timeout"] == 30.0
    body = seen["data"]()
    assert body.read(2) == b"he"
    tree.may_write = allow(0)
    body = seen["data"]()
    with pytest.raises(ConcurrentWriterError):
        body.read(2)


def test_the_checksum_of_an_encrypted_object_is_in_its_metadata() -> None:
    item = {"name": "a", "size": "5", "generation": "7", "metadata": {"gcs-tree-md5": MD5}}
    assert listed_object(item).md5 == MD5
    assert listed_object({**item, "md5Hash": "other"}).md5 == "other"
    assert listed_object({**item, "metadata": {}}).md5 is None


def test_addresses_escape_everything() -> None:
    tree = TreeStorage(Client(), "b", "p/")
    assert tree._object_url("ä b/#?%").endswith("/b/b/o/p%2F%C3%A4%20b%2F%23%3F%25")
    assert tree.uri_of("x y") == "gs://b/p/x y"
