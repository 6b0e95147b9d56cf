"""Names of secrets and versions: clients write the project's id, Google answers with its number."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from localcloud.errors import ApiError


@dataclass(frozen=True)
class SecretName:
    """`projects/P/secrets/S`, possibly with `/versions/V`; `project` is the number that answers show."""

    project: str
    secret: str
    version: str = ""

    def __str__(self) -> str:
        """Return the name as Google answers it."""
        name = f"projects/{self.project}/secrets/{self.secret}"
        return f"{name}/versions/{self.version}" if self.version else name


def parse_name(name: str, project_number: str) -> SecretName:
    """Return the parts of a resource name that the router has matched."""
    parts = name.split("/")
    return SecretName(project_number, parts[3], parts[5] if len(parts) > 5 else "")


def new_etag() -> str:
    """Return an etag; the quotes are part of it (AIP-154)."""
    return f'"{secrets.token_hex(7)}"'


def require_etag(given: str | None, current: str) -> None:
    """Refuse a change of something that was changed since it was read. Raises ApiError 400."""
    if given and given != current:
        raise ApiError(
            400,
            f"The etag provided in the request [{given}] does not match the resource's [{current}].",
            "FAILED_PRECONDITION",
        )
