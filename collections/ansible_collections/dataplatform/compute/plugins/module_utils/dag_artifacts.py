# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether everything that workloads name by its hash is in the artefact bucket: DAGs refer to it, others upload it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_storage import TreeStorage

_CONCURRENCY = 16


def named_objects(bucket: str, documents: Iterable[Any]) -> list[str]:
    """The names of the objects of a bucket that documents refer to. Pure."""
    pattern = re.compile(rf'gs://{re.escape(bucket)}/([0-9a-f]{{64}}/[^"\s,]+)')
    return sorted({name for document in documents for name in pattern.findall(str(document))})


def missing_objects(client: GoogleClient, bucket: str, names: Iterable[str]) -> list[str]:
    """The addresses of the objects that are not there."""
    storage = TreeStorage(client, bucket, "")
    with ThreadPoolExecutor(_CONCURRENCY) as pool:
        wanted = list(names)
        there = pool.map(storage.state, wanted)
        return [storage.uri_of(name) for name, state in zip(wanted, there, strict=True) if state is None]
