# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The task ``gcs_objects_info``: which objects of a bucket are not there."""

from __future__ import annotations

from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient, add_common_arguments
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_artifacts import missing_objects
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_names import name_problem


def run(params: dict[str, Any], client: GoogleClient, _reporter: Reporter) -> dict[str, Any]:
    """Return what the task returns (see the module's RETURN)."""
    bucket = params["bucket"]
    problems = [f"objects has {name!r}: it {problem}" for name in params["objects"] if (problem := name_problem(name))]
    if "/" in bucket or not bucket:
        problems.append(f"bucket {bucket!r} is not a bucket name; expected the name alone, without gs://")
    if problems:
        raise ValidationError(problems, "the options of gcs_objects_info")
    wanted = sorted(set(params["objects"]))
    missing = missing_objects(client, bucket, wanted)
    return {"changed": False, "missing": missing, "found": len(wanted) - len(missing)}


DEFINITION = TaskDefinition(
    argument_spec=add_common_arguments(
        {
            "bucket": {"type": "str", "required": True},
            "objects": {"type": "list", "elements": "str", "required": True},
        },
    ),
    run=run,
)
