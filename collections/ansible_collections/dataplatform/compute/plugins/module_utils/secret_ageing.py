# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Decide which older versions of a secret are disabled or destroyed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError

ENABLED, DISABLED, DESTROYED = "ENABLED", "DISABLED", "DESTROYED"


@dataclass(frozen=True)
class Version:
    """One version as Google lists it."""

    number: int
    state: str
    created: datetime
    etag: str = ""

    @classmethod
    def from_answer(cls, answer: dict[str, Any]) -> Version:
        """Read Google's SecretVersion."""
        number = int(answer["name"].rpartition("/")[2])
        return cls(number, answer["state"], datetime.fromisoformat(answer["createTime"]), answer.get("etag", ""))


@dataclass(frozen=True)
class Ageing:
    """After how many seconds of the latest version's life its predecessors go; None: never."""

    disable_after: float | None = None
    destroy_after: float | None = None

    @property
    def wanted(self) -> bool:
        """Return whether older versions are to be looked at."""
        return self.disable_after is not None or self.destroy_after is not None

    def check(self) -> None:
        """Raise ValidationError for times that cannot be meant."""
        named = {"disable_previous_after": self.disable_after, "destroy_previous_after": self.destroy_after}
        problems = [
            f"{name} is {seconds:g}; expected seconds, 0 or more"
            for name, seconds in named.items()
            if seconds is not None and seconds < 0
        ]
        if (
            self.disable_after is not None
            and self.destroy_after is not None
            and self.destroy_after < self.disable_after
        ):
            problems.append(
                f"destroy_previous_after is {self.destroy_after:g}; expected at least disable_previous_after"
                f" ({self.disable_after:g}), because a destroyed version cannot be enabled again"
            )
        if problems:
            raise ValidationError(problems, "the options of secret_versions")

    def due(self, versions: list[Version], latest: int, latest_age: float) -> tuple[list[Version], list[Version]]:
        """Return the versions to disable and those to destroy, oldest first, for a latest version of that age."""
        older = sorted((one for one in versions if one.number < latest), key=lambda one: one.number)
        destroy = [one for one in older if one.state != DESTROYED] if _reached(self.destroy_after, latest_age) else []
        disable = [one for one in older if one.state == ENABLED] if _reached(self.disable_after, latest_age) else []
        return [one for one in disable if one not in destroy], destroy


def _reached(after: float | None, age: float) -> bool:
    return after is not None and age >= after
