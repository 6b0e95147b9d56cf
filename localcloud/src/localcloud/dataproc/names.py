"""Identifiers, labels, durations and resource paths as Dataproc's reference documents them."""

from __future__ import annotations

import re
import secrets
import string
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from localcloud.errors import invalid_argument

POLICY_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{1,48})[A-Za-z0-9]")
JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
CLUSTER_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,49}[a-z0-9])?")
CLUSTER_NAME_PREFIX = re.compile(r"[a-z][a-z0-9-]{0,33}[a-z0-9]")
PARAMETER_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,39}")
# Lower-case letters of any script are accepted by Google; a key starts with a letter, a value may be empty.
LABEL_KEY = re.compile(r"[^\W\d_A-Z][^\WA-Z]*(?:[^\WA-Z]|-)*")
LABEL_VALUE = re.compile(r"(?:[^\WA-Z]|-)*")
MAXIMUM_LABELS = 32
# The fields of a job of which it has exactly one.
JOB_TYPES = (
    "hadoopJob",
    "sparkJob",
    "pysparkJob",
    "hiveJob",
    "pigJob",
    "sparkRJob",
    "sparkSqlJob",
    "prestoJob",
    "trinoJob",
    "flinkJob",
)
_DURATION = re.compile(r"(\d+)(?:\.(\d{1,9}))?s")
COMPUTE_URL = "https://www.googleapis.com/compute/v1/"
_SUFFIX_ALPHABET = string.ascii_lowercase + string.digits


@dataclass(frozen=True)
class Location:
    """One project and region; `kind` is how the caller spelt it (`regions` or `locations`, the same resources)."""

    project: str
    region: str
    kind: str = "regions"

    @property
    def path(self) -> str:
        """The location as resource names hold it, in the caller's spelling."""
        return f"projects/{self.project}/{self.kind}/{self.region}"

    @property
    def key(self) -> str:
        """The location as keys of stored resources hold it, whatever the caller's spelling."""
        return f"dataproc/projects/{self.project}/regions/{self.region}"


def expanded_url(value: str, parent: str) -> str:
    """Return the full Compute Engine URL of a short name, partial path or full URL."""
    for prefix in (COMPUTE_URL, "https://compute.googleapis.com/compute/v1/"):
        value = value.removeprefix(prefix)
    if value.startswith("projects/"):
        return COMPUTE_URL + value
    return f"{COMPUTE_URL}{parent}{value.rpartition('/')[2]}"


def parse_resource_name(name: str) -> tuple[Location, str]:
    """Split `projects/P/regions/R/collection/ID` (or its `locations` twin) into location and ID (may be empty)."""
    parts = name.split("/")
    if len(parts) < 4 or parts[0] != "projects" or parts[2] not in ("regions", "locations"):
        raise invalid_argument(f"Invalid resource name '{name}', expected projects/PROJECT/regions/REGION/...")
    return Location(parts[1], parts[3], parts[2]), "/".join(parts[5:])


def require_match(pattern: re.Pattern[str], value: Any, what: str, rule: str) -> str:
    """Return `value` when it matches `pattern` entirely. Raises ApiError 400 naming what, its value and the rule."""
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise invalid_argument(f"Invalid {what} '{value if value is not None else ''}'. {rule}")
    return value


def require_identifier(value: Any, what: str) -> str:
    """Check ids of policies, templates and steps. Raises ApiError 400."""
    rule = (
        f"The {what} must contain only letters (a-z, A-Z), numbers (0-9), underscores (_), and hyphens (-), cannot "
        "begin or end with underscore or hyphen, and must consist of between 3 and 50 characters."
    )
    return require_match(POLICY_ID, value, what, rule)


def require_labels(labels: dict[str, str] | None, what: str) -> None:
    """Check label keys, values and their number. Raises ApiError 400 naming the first label that is wrong."""
    if not labels:
        return
    if len(labels) > MAXIMUM_LABELS:
        raise invalid_argument(f"Invalid labels of {what}: {len(labels)} labels, at most {MAXIMUM_LABELS} are allowed.")
    for key, value in labels.items():
        if len(key) > 63 or not LABEL_KEY.fullmatch(key):
            raise invalid_argument(
                f"Invalid label key '{key}' of {what}: keys hold 1 to 63 lower-case letters, digits, underscores and "
                "hyphens, and start with a letter."
            )
        if len(value) > 63 or not LABEL_VALUE.fullmatch(value):
            raise invalid_argument(
                f"Invalid value '{value}' of label '{key}' of {what}: values hold at most 63 lower-case letters, "
                "digits, underscores and hyphens."
            )


def require_request_id(request_id: str | None) -> None:
    """Check a requestId where one is given. Raises ApiError 400."""
    if request_id:
        rule = "It must contain only letters, numbers, underscores and hyphens, at most 40 characters."
        require_match(REQUEST_ID, request_id, "request id", rule)


def parse_duration(text: str) -> timedelta:
    """Parse a protobuf JSON duration such as `120s` or `1.5s`. Raises ApiError 400."""
    found = _DURATION.fullmatch(text)
    if not found:
        raise invalid_argument(f"Invalid duration '{text}', expected seconds followed by 's', for example '3600s'.")
    fraction = float(f"0.{found.group(2)}") if found.group(2) else 0.0
    return timedelta(seconds=int(found.group(1)) + fraction)


def require_duration(text: str | None, what: str, minimum: timedelta, maximum: timedelta) -> None:
    """Check that a duration, where given, is within its bounds (both included). Raises ApiError 400."""
    if text is None:
        return
    value = parse_duration(text)
    if not minimum <= value <= maximum:
        raise invalid_argument(
            f"Invalid value for {what}: '{text}' is not between {minimum.total_seconds():.0f}s and "
            f"{maximum.total_seconds():.0f}s."
        )


def random_suffix(length: int) -> str:
    """Return random lower-case letters and digits, as Google appends to names it makes up."""
    return "".join(secrets.choice(_SUFFIX_ALPHABET) for _ in range(length))
