"""Names in Composer: environments, their buckets, operations; and the shape of Composer's errors."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

from localcloud.errors import ApiError, not_found

_ENVIRONMENT_ID = re.compile(r"[a-z](?:[-0-9a-z]{0,62}[0-9a-z])?")
_LOCATION = re.compile(r"[a-z]+-[a-z]+[0-9]+")
_NAME = re.compile(r"projects/([^/]+)/locations/([^/]+)/environments/([^/]+)")
_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_MOST_LABELS = 64
# As many letters of the environment's name as Composer takes into that of its bucket.
_BUCKET_LETTERS = 13


@dataclass(frozen=True)
class EnvironmentName:
    """Where an environment is."""

    project: str
    location: str
    id: str

    def __str__(self) -> str:
        """Return the full resource name."""
        return f"projects/{self.project}/locations/{self.location}/environments/{self.id}"

    @property
    def directory(self) -> str:
        """A name for its directory; neither part can hold an underscore."""
        return f"{self.location}_{self.id}"


def parse_name(text: str) -> EnvironmentName:
    """Return the parts of a full resource name. Raises ApiError 404 for what can be none."""
    found = _NAME.fullmatch(text)
    if found is None:
        raise no_such_environment(text)
    return EnvironmentName(*found.groups())


def problems(*found: str) -> ApiError:
    """Return Composer's answer to a request with these mistakes: 400 with a numbered list."""
    count = f"Found {len(found)} problem{'' if len(found) == 1 else 's'}:"
    listed = [f"\t{number}) {text}" for number, text in enumerate(found, 1)]
    return ApiError(400, "\n".join([count, *listed]), "INVALID_ARGUMENT")


def wrong_state(message: str) -> ApiError:
    """Return the answer to what the environment's state does not allow."""
    return ApiError(400, message, "FAILED_PRECONDITION")


def no_such_environment(name: str) -> ApiError:
    """Return the 404 of an environment."""
    return not_found(f"No such environment found: {name}")


def name_problems(name: EnvironmentName) -> list[str]:
    """Return what is wrong with the name of a new environment."""
    found = []
    if not _LOCATION.fullmatch(name.location):
        found.append(f"Location '{name.location}' is invalid, expected a region such as 'europe-west1'.")
    if not _ENVIRONMENT_ID.fullmatch(name.id):
        found.append(
            f"Environment id '{name.id}' is invalid. It must start with a lowercase letter followed by up to 63 "
            "lowercase letters, numbers, or hyphens, and cannot end with a hyphen."
        )
    return found


def label_problems(labels: dict[str, str]) -> list[str]:
    """Return what is wrong with labels."""
    found = [
        f"Label '{key}' with value '{value}' is invalid: lowercase letters, digits, '_' and '-', at most 63 each."
        for key, value in labels.items()
        if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value)
    ]
    if len(labels) > _MOST_LABELS:
        found.append(f"An environment has {len(labels)} labels, expected at most {_MOST_LABELS}.")
    return found


def new_bucket_name(name: EnvironmentName) -> str:
    """Return a name for the bucket of a new environment."""
    letters = re.sub("[^a-z0-9]", "", name.id)[:_BUCKET_LETTERS]
    return f"{name.location}-{letters}-{uuid.uuid4().hex[:8]}-bucket"


def new_operation_name(name: EnvironmentName) -> str:
    """Return the resource name of a new operation."""
    return f"projects/{name.project}/locations/{name.location}/operations/{uuid.uuid4()}"
