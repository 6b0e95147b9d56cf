# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The calls to Secret Manager for one secret: read the latest version, add one, let older ones go."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import (
    ComputeError,
    ForbiddenError,
    GoogleApiError,
    NotFoundError,
    RateLimitedError,
    TransportError,
    UnavailableError,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.near_miss import near_miss
from ansible_collections.dataplatform.compute.plugins.module_utils.retry import RetryableFailure, RetryPolicy
from ansible_collections.dataplatform.compute.plugins.module_utils.secret_ageing import ENABLED, Version

try:
    import google_crc32c
except ImportError:
    google_crc32c = None

ROOT = "https://secretmanager.googleapis.com/v1"
PAGE_SIZE = 1000
# A version is added by one attempt at a time: whether a lost one arrived is looked up before the next.
_ONCE = RetryPolicy(attempts=1)


class MissingSecretError(ComputeError):
    """A secret that shall hold something does not exist; the message names it and the one that was probably meant."""


@dataclass(frozen=True)
class Latest:
    """What ``latest`` stands for: Google's newest version, whatever its state.

    ``data`` is None unless it is enabled; ``number`` is 0 where there is no version. ``asked_at`` is Google's clock.
    """

    number: int = 0
    state: str = ""
    data: bytes | None = field(default=None, repr=False)
    asked_at: datetime = field(default_factory=lambda: datetime.now(UTC))


class SecretStore:
    """One secret of a project."""

    def __init__(self, client: GoogleClient, project: str, secret: str) -> None:
        self._client = client
        self._project = f"{ROOT}/projects/{quote(project, safe=':')}"
        self._url = f"{self._project}/secrets/{quote(secret, safe='')}"
        self.secret = secret

    def latest(self) -> Latest:
        """Return the newest version with its payload. Raises MissingSecretError, GoogleApiError, TransportError."""
        try:
            response = self._client.request("GET", f"{self._url}/versions/latest:access", raw=True)
        except NotFoundError as error:
            self._require_secret(error)
            return Latest()
        except ForbiddenError as error:
            raise ComputeError(
                f"secret {self.secret} cannot be compared: the account lacks secretmanager.versions.access on it, or "
                f"there is no such secret. ({error})"
            ) from error
        except GoogleApiError as error:
            if error.status != "FAILED_PRECONDITION":
                raise
            answer = self._client.request("GET", f"{self._url}/versions/latest")
            return Latest(Version.from_answer(answer).number, answer["state"])
        answer = response.json()
        data = base64.b64decode(answer["payload"]["data"])
        self._verify(data, answer["payload"].get("dataCrc32c"))
        date = response.headers.get("Date")
        asked_at = parsedate_to_datetime(date) if date else datetime.now(UTC)
        return Latest(int(answer["name"].rpartition("/")[2]), ENABLED, data, asked_at)

    def versions(self) -> list[Version]:
        """Return the versions that are not destroyed."""
        params = {"pageSize": PAGE_SIZE}
        answers = self._client.pages(f"{self._url}/versions", "versions", params=params)
        return [Version.from_answer(answer) for answer in answers if answer["state"] != "DESTROYED"]

    def add(self, data: bytes, seen: int, equals: Callable[[bytes], bool]) -> int:
        """Add a version and return its number.

        ``seen`` is the newest version at the time of the decision. Adding knows no precondition, and an attempt whose
        answer was lost may have arrived; so each further attempt first looks whether a newer version ``equals`` it.
        """
        payload: dict[str, Any] = {"data": base64.b64encode(data).decode()}
        if google_crc32c is not None:
            payload["dataCrc32c"] = str(google_crc32c.value(data))

        def attempt(number: int) -> int:
            if number > 1:
                latest = self.latest()
                if latest.number > seen and latest.data is not None and equals(latest.data):
                    return latest.number
            try:
                answer = self._client.request("POST", f"{self._url}:addVersion", json={"payload": payload}, retry=_ONCE)
            except (UnavailableError, RateLimitedError, TransportError) as error:
                raise RetryableFailure(error) from error
            return Version.from_answer(answer).number

        return RetryPolicy().call(attempt)

    def disable(self, version: Version) -> None:
        """Disable a version, unless it was changed since it was listed."""
        self._change(version, "disable")

    def destroy(self, version: Version) -> None:
        """Destroy a version for good, unless it was changed since it was listed."""
        self._change(version, "destroy")

    def _change(self, version: Version, verb: str) -> None:
        url = f"{self._url}/versions/{version.number}"
        try:
            self._client.request("POST", f"{url}:{verb}", json={"etag": version.etag} if version.etag else {})
        except GoogleApiError as error:
            if error.status != "FAILED_PRECONDITION":
                raise
            # Our own lost answer, or somebody else was faster: what counts is the state that it has now.
            state = self._client.request("GET", url)["state"]
            if state == ENABLED or (verb == "destroy" and state != "DESTROYED"):
                raise ComputeError(
                    f"secret {self.secret}: somebody else changed version {version.number} at the same time, it is "
                    f"{state}. Run again to look at it anew. ({error})"
                ) from error

    def _require_secret(self, error: NotFoundError) -> None:
        """Tell a secret without versions from one that does not exist. Raises MissingSecretError."""
        try:
            self._client.request("GET", self._url)
        except NotFoundError:
            raise MissingSecretError(
                f"secret {self.secret} does not exist in {self._project.rpartition('/')[2]}; {self._known()}. Create "
                "it first: gcp_resources with the kind secret_manager_secret"
            ) from error
        except ForbiddenError:
            # Who may only access and add versions may not look. If it does not exist, adding one says so.
            return

    def _known(self) -> str:
        try:
            answers = self._client.pages(f"{self._project}/secrets", "secrets", params={"pageSize": PAGE_SIZE})
            return near_miss(self.secret, [answer["name"].rpartition("/")[2] for answer in answers])
        except GoogleApiError:
            return "the account may not list secrets, so that no near miss can be named"

    def _verify(self, data: bytes, checksum: str | None) -> None:
        if google_crc32c is not None and checksum is not None and google_crc32c.value(data) != int(checksum):
            raise ComputeError(
                f"secret {self.secret}: the payload does not have the checksum that Google sent with it; it was "
                "damaged on its way. Run again"
            )
