"""A watcher for tests of the tasks that follow runs: it runs them in this process and keeps what they show."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition

from tests.integration.google import PROJECT, REGION


@dataclass
class Watcher:
    """Runs tasks in this process, and keeps every line they show."""

    lines: list[str] = field(default_factory=list)

    def run(self, definition: TaskDefinition, *, check_mode: bool = False, **params: Any) -> dict[str, Any]:
        """The task's result, with ``failed`` when it failed."""
        defaults = {name: option.get("default") for name, option in definition.argument_spec.items()}
        given = {"project": PROJECT, "region": REGION, "poll": 0.5, **params}
        return definition.execute({**defaults, **given}, Reporter(check_mode=check_mode, progress=self.lines.append))

    def index(self, text: str) -> int:
        """Where the first line with this text is."""
        return next(number for number, line in enumerate(self.lines) if text in line)

    def output(self) -> list[str]:
        """The lines of drivers that were shown."""
        return [line.strip() for line in self.lines if "| " in line]
