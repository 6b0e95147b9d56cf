"""Image versions: the one image that is mirrored here, and the aliases that stand for it."""

from __future__ import annotations

import re
from typing import Any

from localcloud.composer.names import problems

IMAGE_VERSION = "composer-2.17.9-airflow-2.11.1"
_RELEASED = {"year": 2026, "month": 8, "day": 5}
_COMPOSER, _AIRFLOW = re.findall(r"\d+\.\d+\.\d+", IMAGE_VERSION)
_PATTERN = re.compile(
    r"composer-(?P<composer>\d+(?:\.\d+\.\d+(?:-preview\.\d+)?)?|latest)-airflow-(?P<airflow>\d+(?:\.\d+){0,2})"
)


def resolve(version: str | None) -> str:
    """Return the image that `version`, perhaps an alias, stands for. Raises ApiError 400 for any other image."""
    if not version:
        return IMAGE_VERSION
    found = _PATTERN.fullmatch(version)
    if found and _covers(found["composer"], _COMPOSER, "latest") and _covers(found["airflow"], _AIRFLOW):
        return IMAGE_VERSION
    raise problems(
        f"Unsupported image version for new environment: '{version}'. Currently suggested new environment image "
        f"versions are: [{IMAGE_VERSION}]."
    )


def listed() -> dict[str, Any]:
    """Return ListImageVersionsResponse."""
    version = {
        "imageVersionId": IMAGE_VERSION,
        "isDefault": True,
        "supportedPythonVersions": ["3"],
        "releaseDate": _RELEASED,
    }
    return {"imageVersions": [version]}


def _covers(given: str, version: str, *aliases: str) -> bool:
    return given in aliases or version == given or version.startswith(f"{given}.")
