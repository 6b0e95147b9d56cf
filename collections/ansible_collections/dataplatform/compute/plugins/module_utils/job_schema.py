# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The type of a job as a user writes it. Pure.

It is the type of a workflow's step, which is generated from Google's discovery document, without what makes it a step
and with where and as what it runs. Source of the rest: ``Job``, ``JobPlacement``, ``JobReference`` and
``DriverSchedulingConfig`` of dataproc.v1; the document calls ``clusterName`` required although labels do as well.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils._schemas import dataproc
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.schema import Schema, plain

_STEP_ONLY = ("stepId", "prerequisiteStepIds")
_WRITTEN_BY_GOOGLE = (
    "done",
    "driverControlFilesUri",
    "driverOutputResourceUri",
    "jobUuid",
    "status",
    "statusHistory",
    "yarnApplications",
)
_TEXT = {"type": "string"}
_WHOLE_NUMBER = {"type": "integer", "format": "int32", "required": True}

TYPES: dict[str, dict[str, dict[str, Any]]] = {
    **dataproc.TYPES,
    "Job": {
        **{name: field for name, field in dataproc.TYPES["OrderedJob"].items() if name not in _STEP_ONLY},
        **{name: {"type": "any", "output_only": True} for name in _WRITTEN_BY_GOOGLE},
        "placement": {"type": "object", "ref": "JobPlacement", "required": True},
        "reference": {"type": "object", "ref": "JobReference"},
        "driverSchedulingConfig": {"type": "object", "ref": "DriverSchedulingConfig"},
    },
    "JobPlacement": {
        "clusterName": _TEXT,
        "clusterLabels": {"type": "map", "values": _TEXT},
        "clusterUuid": {**_TEXT, "output_only": True},
    },
    "JobReference": {"jobId": _TEXT, "projectId": _TEXT},
    "DriverSchedulingConfig": {"memoryMb": _WHOLE_NUMBER, "vcores": _WHOLE_NUMBER},
}

KINDS = sorted(name for name in TYPES["Job"] if name.endswith("Job"))


def checked_job(job: Any) -> dict[str, Any]:
    """The job in Google's form. Raises ValidationError with every field that is unknown, missing or of a wrong type."""
    body, problems = Schema(TYPES, "Job").check(plain(job))
    given = [kind for kind in KINDS if body.get(kind) is not None]
    if len(given) != 1 and not problems:
        what = f"has {' and '.join(given)}" if given else "says not what to run"
        problems.append(f"the job {what}; expected exactly one of {', '.join(KINDS)}")
    placement = body.get("placement") or {}
    if body.get("placement") is not None and not placement.get("clusterName") and not placement.get("clusterLabels"):
        problems.append("placement names no cluster; expected clusterName or clusterLabels")
    if problems:
        raise ValidationError(problems, "job")
    return body
