# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every call of a run that is followed repeats the way the run wants it: a Ctrl-C ends its pauses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.dataproc_api import DataprocApi, StorageObjects
from ansible_collections.dataplatform.compute.plugins.module_utils.retry import RetryPolicy


class Client:
    """Answers nothing and remembers how each call would be repeated."""

    def __init__(self) -> None:
        self.policies: list[RetryPolicy | None] = []

    def request(self, _method: str, _url: str, **options: Any) -> dict[str, Any]:
        """Answer one call."""
        self.policies.append(options.get("retry"))
        return {}

    def pages(self, _url: str, _key: str, **options: Any) -> Iterator[dict[str, Any]]:
        """Answer a list call."""
        self.policies.append(options.get("retry"))
        yield from ()


def test_lists_are_repeated_like_everything_else() -> None:
    client, policy = Client(), RetryPolicy(attempts=1)
    DataprocApi(client, "p", "r", policy).get_job("j")
    DataprocApi(client, "p", "r", policy).list_template_ids()
    list(StorageObjects(client, policy).list_objects("b", "x"))
    assert client.policies == [policy, policy, policy]
