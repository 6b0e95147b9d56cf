"""What the gate found wrong, and what it was asked about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Finding:
    """One thing that has to be mended. ``file`` is the name in the archive; empty fields do not apply."""

    team: str
    file: str
    kind: str
    message: str
    expected: str
    line: int = 0
    dag: str = ""
    task: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it for the report."""
        return asdict(self)


@dataclass(frozen=True)
class Archive:
    """An archive to be imported: where it is, whose it is, and its release id."""

    team: str
    release: str
    path: str


@dataclass(frozen=True)
class Policies:
    """What every DAG has to keep to: ``owners`` are {user: team}, ``import_seconds`` is how long a file may take."""

    owners: Mapping[str, str]
    min_retries: int = 1
    import_seconds: float = 30.0


@dataclass(frozen=True)
class Request:
    """What the gate is asked to look at."""

    archives: tuple[Archive, ...]
    policies: Policies

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Request:
        """Read a request."""
        return cls(tuple(Archive(**archive) for archive in document["archives"]), Policies(**document["policies"]))


@dataclass
class Imported:
    """What came out of importing one archive: DAG objects by id, seconds by file, and what was wrong."""

    dags: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
