"""What the jobs need from whatever runs their drivers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol


class EngineError(Exception):
    """The driver cannot be started; the message is meant for the user and becomes the job's status details."""


@dataclass(frozen=True)
class DriverStatus:
    """How a driver is doing.

    `absent`: never started; `running`: started, not ended; `exited`: ended with `exit_code` (negative: killed by that
    signal); `lost`: it ended without leaving an exit code, because its supervisor was killed.
    """

    state: Literal["absent", "running", "exited", "lost"]
    exit_code: int | None = None


class Engine(Protocol):
    """Runs job drivers. A driver is known by the name of its directory, and outlives the server that started it."""

    def refusal(self, job: dict[str, Any]) -> str | None:
        """Return why this engine can never run `job`, or None when it can."""

    def start(self, name: str, job: dict[str, Any], in_front: dict[str, str]) -> None:
        """Start the driver of `job`; starting one that runs already changes nothing. Raises EngineError.

        `in_front` are directories that stand in front of its search paths, by variable.
        """

    def status(self, name: str) -> DriverStatus:
        """Return how the driver is doing."""

    def output_size(self, name: str) -> int:
        """Return how many bytes the driver has written to its output."""

    def read_output(self, name: str, start: int, end: int) -> bytes:
        """Return bytes [start, end) of the output, fewer when it is shorter."""

    def terminate(self, name: str, grace: float) -> None:
        """Ask the driver and everything it started to end; what is left after `grace` seconds is killed."""

    def reap(self, patience: float) -> None:
        """Wait up to `patience` seconds until nothing is left that watched a driver."""

    def remove(self, name: str) -> None:
        """Forget a driver that has ended, with its files."""
