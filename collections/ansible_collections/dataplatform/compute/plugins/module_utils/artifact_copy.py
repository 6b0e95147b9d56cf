# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Copy artefacts from one environment's bucket to another's, inside Cloud Storage: the same hash, the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient, add_common_arguments
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import (
    ComputeError,
    PreconditionFailedError,
    ValidationError,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition

_STORAGE = "https://storage.googleapis.com/storage/v1/b"


class MissingArtifactError(ComputeError):
    """The bucket to copy from does not have what is wanted."""


def run(params: dict[str, Any], client: GoogleClient, reporter: Reporter) -> dict[str, Any]:
    """Copy what is not there yet; raises MissingArtifactError before the first copy when a hash has no object."""
    if not params["digests"]:
        raise ValidationError(["digests is empty; expected at least one hash"], "the options of artifact_copy")
    source, target = params["source_bucket"], params["bucket"]
    wanted = {digest: list(_names(client, source, digest)) for digest in params["digests"]}
    missing = [digest for digest, names in wanted.items() if not names]
    if missing:
        raise MissingArtifactError(
            f"gs://{source} has nothing of {', '.join(digest[:12] for digest in missing)}; nothing was copied."
            " Next step: publish it there, or see whether it was pruned"
        )
    copied = []
    for digest, names in wanted.items():
        there = set(_names(client, target, digest))
        for name in names:
            if name in there:
                continue
            if not reporter.check_mode:
                reporter.progress(f"copying gs://{source}/{name} to gs://{target}")
                _copy(client, source, target, name)
            copied.append(name)
    return {"changed": bool(copied), "copied": copied}


def _names(client: GoogleClient, bucket: str, digest: str) -> Iterator[str]:
    query = {"prefix": f"{digest}/", "fields": "nextPageToken,items(name)"}
    for item in client.pages(f"{_STORAGE}/{quote(bucket, safe='')}/o", "items", params=query):
        yield item["name"]


def _copy(client: GoogleClient, source: str, target: str, name: str) -> None:
    """Rewrite one object, in as many calls as Cloud Storage wants; it appears when the last one has ended."""
    place = quote(name, safe="")
    url = f"{_STORAGE}/{quote(source, safe='')}/o/{place}/rewriteTo/b/{quote(target, safe='')}/o/{place}"
    query = {"ifGenerationMatch": "0"}
    while True:
        try:
            answer = client.request("POST", url, params=query)
        except PreconditionFailedError:
            # Somebody else has copied the same bytes meanwhile.
            return
        if answer["done"]:
            return
        query["rewriteToken"] = answer["rewriteToken"]


DEFINITION = TaskDefinition(
    argument_spec=add_common_arguments(
        {
            "source_bucket": {"type": "str", "required": True},
            "bucket": {"type": "str", "required": True},
            "digests": {"type": "list", "elements": "str", "required": True},
        }
    ),
    run=run,
)
