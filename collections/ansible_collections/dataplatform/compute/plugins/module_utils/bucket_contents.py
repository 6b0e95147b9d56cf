# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The core of gcs_empty: delete everything in buckets that are ours."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient, add_common_arguments
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import (
    ComputeError,
    NotFoundError,
    ValidationError,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition

ROOT = "https://storage.googleapis.com/storage/v1/b"
_FIELDS = "nextPageToken,items(name,generation)"


def run(params: dict[str, Any], client: GoogleClient, reporter: Reporter) -> dict[str, Any]:
    """Delete all versions of all objects; every bucket is looked at before the first deletion.

    Raises ValidationError naming each bucket that lacks an ownership label; a bucket that does not exist is empty.
    """
    labels = params["ownership_labels"]
    if not labels:
        raise ValidationError(["ownership_labels is empty; expected the labels that mark a bucket as ours"])
    if params["concurrency"] < 1:
        raise ValidationError([f"concurrency is {params['concurrency']}; expected at least 1"])
    problems = []
    present = []
    for bucket in params["buckets"]:
        live = _labels(client, bucket)
        if live is None:
            continue
        present.append(bucket)
        wrong = [f"{key}={value}" for key, value in labels.items() if live.get(key) != value]
        if wrong:
            problems.append(f"bucket {bucket} does not carry {', '.join(wrong)}; it is somebody else's")
    if problems:
        raise ValidationError(problems, "the buckets to empty")
    deleted: dict[str, int] = {}
    with ThreadPoolExecutor(max_workers=params["concurrency"]) as pool:
        for bucket in present:
            objects = _objects(client, bucket)
            deleted[bucket] = len(objects)
            if not reporter.check_mode:
                list(pool.map(lambda item, bucket=bucket: _delete(client, bucket, item), objects))
    before = "".join(f"gs://{bucket}: {count} objects\n" for bucket, count in deleted.items() if count)
    return {"changed": bool(before), "deleted": deleted, "diff": {"before": before, "after": ""}}


def _labels(client: GoogleClient, bucket: str) -> dict[str, str] | None:
    try:
        return client.request("GET", f"{ROOT}/{quote(bucket, safe='')}", params={"fields": "labels"}).get("labels", {})
    except NotFoundError:
        return None


def _objects(client: GoogleClient, bucket: str) -> list[dict[str, Any]]:
    url = f"{ROOT}/{quote(bucket, safe='')}/o"
    return list(client.pages(url, "items", params={"versions": "true", "fields": _FIELDS}))


def _delete(client: GoogleClient, bucket: str, item: dict[str, Any]) -> None:
    url = f"{ROOT}/{quote(bucket, safe='')}/o/{quote(item['name'], safe='')}"
    try:
        client.request("DELETE", url, params={"generation": item["generation"]})
    except NotFoundError:
        return
    except ComputeError as error:
        raise ComputeError(f"gs://{bucket}/{item['name']} could not be deleted; run again: {error}") from error


DEFINITION = TaskDefinition(
    argument_spec=add_common_arguments(
        {
            "buckets": {"type": "list", "elements": "str", "required": True},
            "ownership_labels": {"type": "dict", "required": True},
            "concurrency": {"type": "int", "default": 16},
        }
    ),
    run=run,
)
