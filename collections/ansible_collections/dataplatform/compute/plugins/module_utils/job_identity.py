# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a Dataproc job gets its name, and when two jobs with that name are the same job. Pure."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError

JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
"""What Dataproc accepts as a job id."""

REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
"""What Dataproc accepts as the request id of a submission or an instantiation."""

_REQUEST_NAMESPACE = uuid.UUID("5d0a5f3e-6a0c-5d0e-9f0b-6f7c8e0f3a11")
"""Fixed, so that the same job id always gives the same request id."""


@dataclass(frozen=True)
class JobIdentity:
    """The two names a submission carries.

    ``repeatable`` tells whether the caller chose the name: then a second run finds the job of the first run.
    """

    job_id: str
    request_id: str
    repeatable: bool


def choose_identity(
    job: Mapping[str, Any] | None, job_id: str | None, request_id: str | None, project: str, region: str
) -> JobIdentity:
    """Decide job id and request id of a submission from what the caller gave.

    A job id given as option or inside the body is kept. A request id alone becomes the job id too, so that a later
    run can look the job up instead of submitting again. With neither, both are new and random: the request id
    then only protects against a repeated HTTP request.

    Raises ValidationError naming the option, its value and what was expected.
    """
    job_id, request_id = job_id or None, request_id or None
    in_body = ((job or {}).get("reference") or {}).get("jobId") or None
    chosen = job_id or in_body
    source = "job_id" if job_id else "job.reference.jobId"
    problems = request_id_problems(request_id)
    if job_id and in_body and job_id != in_body:
        problems.append(f"job_id is {job_id!r} but job.reference.jobId is {in_body!r}: give one of them, or the same")
    if chosen is not None and not JOB_ID.fullmatch(chosen):
        problems.append(f"{source} is {chosen!r}: expected 1 to 100 letters, digits, hyphens and underscores")
    if problems:
        raise ValidationError(problems, "the job")
    repeatable = bool(chosen or request_id)
    if chosen is None:
        chosen = request_id or str(uuid.uuid4())
    if request_id is None:
        request_id = str(uuid.uuid5(_REQUEST_NAMESPACE, f"{project}/{region}/{chosen}"))
    return JobIdentity(job_id=chosen, request_id=request_id, repeatable=repeatable)


def request_id_problems(request_id: str | None) -> list[str]:
    """What is wrong with a request id; nothing when it is absent or fits."""
    if request_id is None or REQUEST_ID.fullmatch(request_id):
        return []
    return [f"request_id is {request_id!r}: expected 1 to 40 letters, digits, hyphens and underscores (a UUID fits)"]


def first_difference(wanted: Any, live: Any, path: str = "") -> str | None:
    """Say where a live job is not the wanted job; None when everything wanted is there.

    Only what the caller wrote is compared: the service adds labels, states and addresses of its own.
    The answer reads like ``pysparkJob.args[1] is 'a', wanted 'b'``.
    """
    return next(_differences(wanted, live, path), None)


def _differences(wanted: Any, live: Any, path: str) -> Iterator[str]:
    if _is_unset(wanted) and live is None:
        return
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        for key, value in wanted.items():
            yield from _differences(value, live.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(wanted, list) and isinstance(live, list) and len(wanted) == len(live):
        for index, pair in enumerate(zip(wanted, live, strict=True)):
            yield from _differences(*pair, f"{path}[{index}]")
    elif wanted != live and _as_text(wanted) != _as_text(live):
        yield f"{path} is {live!r}, wanted {wanted!r}"


def _is_unset(value: Any) -> bool:
    """Whether Google's JSON leaves this value out: nothing, false, zero, empty, or a mapping of only such."""
    return all(map(_is_unset, value.values())) if isinstance(value, Mapping) else not value


def _as_text(value: Any) -> str:
    """The value as Google's JSON may write it: 64-bit numbers are strings there."""
    return str(value).lower() if isinstance(value, bool) else str(value)
