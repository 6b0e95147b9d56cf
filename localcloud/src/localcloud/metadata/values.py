"""What a machine's metadata server knows: the machine's values as a tree, and the one that changes."""

from __future__ import annotations

import hashlib
import json
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

SCOPE = "https://www.googleapis.com/auth/cloud-platform"


@dataclass
class Machine:
    """One machine. `issue_token` returns a new access token of its service account, as OAuth's token answer."""

    name: str
    project: str
    project_number: str
    zone: str
    machine_type: str
    email: str
    attributes: dict[str, str] = field(default_factory=dict)
    issue_token: Callable[[], dict[str, Any]] = dict

    def __post_init__(self) -> None:
        """Begin as a machine that is not preempted."""
        self._preempted = False
        self._changed = threading.Condition()

    def preempt(self) -> None:
        """Give notice: `instance/preempted` turns TRUE, and whoever waits for that is told."""
        with self._changed:
            self._preempted = True
            self._changed.notify_all()

    def tree(self) -> dict[str, Any]:
        """Return all values below /computeMetadata/v1/; callables make theirs when asked."""
        account = {
            "aliases": "default",
            "email": self.email,
            "scopes": SCOPE,
            "token": lambda: json.dumps(self.issue_token()),
        }
        where = f"projects/{self.project_number}"
        return {
            "instance": {
                "attributes": dict(self.attributes),
                "hostname": f"{self.name}.{self.zone}.c.{self.project}.internal",
                "id": str(zlib.crc32(f"{self.project}/{self.name}".encode())),
                "machine-type": f"{where}/machineTypes/{self.machine_type}",
                "name": self.name,
                "preempted": "TRUE" if self._preempted else "FALSE",
                "service-accounts": {"default": account, self.email: account},
                "zone": f"{where}/zones/{self.zone}",
            },
            "project": {
                "attributes": {},
                "numeric-project-id": self.project_number,
                "project-id": self.project,
            },
        }

    def find(self, path: str) -> Any:
        """Return the value or the directory at `path` below /computeMetadata/v1/. Raises KeyError."""
        found: Any = self.tree()
        for step in path.split("/"):
            if step:
                if not isinstance(found, dict):
                    raise KeyError(path)
                found = found[step]
        return found() if callable(found) else found

    def wait_for_change(self, path: str, last_etag: str | None, seconds: float) -> Any:
        """Return what is at `path` once it differs from what it is now, or from `last_etag`, or after `seconds`.

        Raises KeyError.
        """
        with self._changed:
            before = last_etag or etag(self.find(path))
            self._changed.wait_for(lambda: etag(self.find(path)) != before, seconds)
            return self.find(path)


def etag(value: Any) -> str:
    """Return a tag that changes with a value; what is made anew on every look does not count."""
    text = json.dumps(value, sort_keys=True, default=lambda _made: "")
    return hashlib.sha256(text.encode()).hexdigest()[:16]
