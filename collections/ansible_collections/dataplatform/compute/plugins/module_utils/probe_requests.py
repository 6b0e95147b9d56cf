# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks Google what a guess is about: a request that is refused, or one whose answer has the wanted field.

What is made on the way, or was made by a request that should have been refused, is undone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import (
    ComputeError,
    GoogleApiError,
    NotFoundError,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.probe_guesses import ACCEPTED, filled, unfilled


class Asker:
    """Asks one guess after another; ``left`` names what could not be undone, with the reason."""

    def __init__(self, client: GoogleClient, values: Mapping[str, str]) -> None:
        self._client = client
        self._values = values
        self.left: list[str] = []

    def ask(self, guess: Mapping[str, Any]) -> tuple[str | None, str]:
        """What was found, and why nothing was."""
        steps = filled({key: guess[key] for key in ("before", "request", "undo") if key in guess}, self._values)
        if missing := unfilled(steps):
            return None, f"{' and '.join(sorted(set(missing)))} is not known, because the cluster or its job failed"
        made = False
        try:
            for step in steps.get("before", []):
                self._call(step)
                made = True
            answer = self._call(steps["request"])
            made = True
            return _field(answer, guess["answer"]) if "answer" in guess else (ACCEPTED, "")
        except GoogleApiError as error:
            if "answer" in guess or (steps.get("before") and not made):
                return None, str(error)
            return f"{error.status_code} {error.status}: {' '.join(error.message.split())}", ""
        except ComputeError as error:
            return None, str(error)
        finally:
            if made:
                self._undo(steps.get("undo", []))

    def _undo(self, steps: list[Mapping[str, Any]]) -> None:
        for step in steps:
            try:
                self._call(step)
            except NotFoundError:
                continue
            except ComputeError as error:
                self.left.append(f"{step['url']}: {error}")

    def _call(self, step: Mapping[str, Any]) -> Any:
        text = step.get("text")
        data = text.encode() if text is not None else None
        return self._client.request(step["method"], step["url"], json=step.get("body"), data=data)


def _field(answer: Any, path: str) -> tuple[str | None, str]:
    """The value at a path such as ``items.0.name``; ``none`` where the answer lacks its last part."""
    parts = path.split(".")
    for number, part in enumerate(parts, start=1):
        if isinstance(answer, list) and part.isdigit() and int(part) < len(answer):
            answer = answer[int(part)]
        elif isinstance(answer, Mapping) and part in answer:
            answer = answer[part]
        elif isinstance(answer, Mapping) and number == len(parts):
            return "none", ""
        else:
            return None, f"the answer has no {path}"
    return str(answer), ""
