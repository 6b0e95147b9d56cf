"""Buckets that Dataproc uses: staging and temporary ones made on demand, and files that clusters refer to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from localcloud.dataproc.names import Location
from localcloud.errors import invalid_argument


class Buckets:
    """What clusters need from Cloud Storage."""

    def __init__(self, storage: Any, project_number: str) -> None:
        """Use `storage`; `project_number` becomes a part of the names that are made up."""
        self._storage = storage
        self._project_number = project_number

    def default_names(self, location: Location) -> tuple[str, str]:
        """Return (staging bucket, temporary bucket) of a project and region: always the same ones."""
        seed = hashlib.sha256(f"{location.project}/{location.region}".encode()).hexdigest()[:8]
        tail = f"{location.region}-{self._project_number}-{seed}"
        return f"dataproc-staging-{tail}", f"dataproc-temp-{tail}"

    def ensure(self, location: Location, *names: str) -> None:
        """Make those of the default buckets that are missing; buckets named by the user are the user's."""
        for name in names:
            if name in self.default_names(location):
                self._storage.ensure_bucket(name, location.project, location.region)

    def require_objects(self, uris: Iterable[str | None]) -> None:
        """Check that files which nodes will fetch exist. Raises ApiError 400 naming the one that does not."""
        for uri in uris:
            bucket, _, name = (uri or "").removeprefix("gs://").partition("/")
            if not uri or not uri.startswith("gs://") or not name:
                raise invalid_argument(f"Invalid Google Cloud Storage URI '{uri or ''}', expected gs://BUCKET/OBJECT.")
            if not self._storage.object_exists(bucket, name):
                raise invalid_argument(f"Google Cloud Storage object does not exist '{uri}'.")
