# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The core of secret_versions: check everything, then for each secret compare, add, and let older versions go."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient, add_common_arguments
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError, PartialFailureError
from ansible_collections.dataplatform.compute.plugins.module_utils.schema import plain
from ansible_collections.dataplatform.compute.plugins.module_utils.secret_ageing import Ageing, Version
from ansible_collections.dataplatform.compute.plugins.module_utils.secret_payloads import (
    BYTES,
    KEYTAB,
    WantedPayload,
    check_payloads,
    shown,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.secret_store import (
    Latest,
    MissingSecretError,
    SecretStore,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition

ADD, NONE = "add", "none"
_CONCURRENCY = 8


@dataclass
class Outcome:
    """What became of one secret; lists hold numbers of versions."""

    secret: str
    action: str = NONE
    version: int = 0
    disabled: list[int] = field(default_factory=list)
    destroyed: list[int] = field(default_factory=list)
    message: str = ""
    diff: dict[str, Any] = field(default_factory=dict)
    error: ComputeError | None = None

    @property
    def changed(self) -> bool:
        """Return whether anything became different at Google, also before an error."""
        return bool(self.disabled or self.destroyed or (self.action == ADD and (self.version or self.error is None)))

    def to_result(self) -> dict[str, Any]:
        """Return the entry of ``results``; it holds no payload."""
        result = {
            "secret": self.secret,
            "action": self.action,
            "version": str(self.version) if self.version else "",
            "disabled": [str(number) for number in self.disabled],
            "destroyed": [str(number) for number in self.destroyed],
            "changed": self.changed,
            "message": self.message,
        }
        if self.error is not None:
            result |= {"failed": True, "message": str(self.error), "error": self.error.to_result()["error"]}
        return result


class Converger:
    """Brings secrets, one at a time, into the wanted state; safe to share between threads."""

    def __init__(self, client: GoogleClient, ageing: Ageing, compare: str, reporter: Reporter) -> None:
        self._client = client
        self._project = client.project
        self._ageing = ageing
        self._compare = compare
        self._reporter = reporter

    def converge(self, wanted: WantedPayload) -> Outcome:
        """Return what was done, or in check mode what would be; an error is part of it and stops only its secret."""
        outcome = Outcome(wanted.secret)
        try:
            self._converge(wanted, outcome)
        except ComputeError as error:
            outcome.error = error
        return outcome

    def _converge(self, wanted: WantedPayload, outcome: Outcome) -> None:
        store = SecretStore(self._client, self._project, wanted.secret)
        latest = self._latest(store)
        outcome.message = _difference(wanted, latest)
        added = bool(outcome.message)
        if added:
            outcome.action = ADD
            if not self._reporter.check_mode:
                outcome.version = store.add(wanted.data, latest.number, wanted.equals)
        else:
            outcome.message = "the latest version holds this already"
            outcome.version = latest.number
        outcome.diff = self._diff(wanted, latest, outcome)
        if self._ageing.wanted and latest.number:
            self._age(store, latest, outcome, added=added)

    def _latest(self, store: SecretStore) -> Latest:
        try:
            return store.latest()
        except MissingSecretError:
            if not self._reporter.check_mode:
                raise
            self._reporter.warn(f"The secret {store.secret} does not exist yet; shown is what a run adds once it does.")
            return Latest()

    def _age(self, store: SecretStore, latest: Latest, outcome: Outcome, *, added: bool) -> None:
        """Let older versions go; a version that was added just now has existed for no time at all."""
        versions = store.versions()
        newest = latest.number + 1 if added and self._reporter.check_mode else outcome.version
        age = 0.0 if added else _age_of(versions, latest)
        disable, destroy = self._ageing.due(versions, newest, age)
        for version in disable:
            if not self._reporter.check_mode:
                store.disable(version)
            outcome.disabled.append(version.number)
        for version in destroy:
            if not self._reporter.check_mode:
                store.destroy(version)
            outcome.destroyed.append(version.number)

    def _diff(self, wanted: WantedPayload, latest: Latest, outcome: Outcome) -> dict[str, Any]:
        before: dict[str, Any] = {}
        if latest.number:
            before = {"version": latest.number, "state": latest.state, "payload": shown(latest.data, self._compare)}
        if outcome.action == NONE:
            return {"before": before, "after": before}
        number = outcome.version or latest.number + 1
        after = {"version": number, "state": "ENABLED", "payload": shown(wanted.data, self._compare)}
        return {"before": before, "after": after}


def _difference(wanted: WantedPayload, latest: Latest) -> str:
    """Return why a version is added, empty when none is."""
    if not latest.number:
        return "there was no version"
    if latest.data is None:
        return f"the latest version, {latest.number}, is {latest.state}, so that nobody could read it"
    return "" if wanted.equals(latest.data) else f"version {latest.number} holds something else"


def _age_of(versions: list[Version], latest: Latest) -> float:
    """Return for how many seconds the latest version has existed, by Google's clock."""
    created = next((version.created for version in versions if version.number == latest.number), latest.asked_at)
    return max(0.0, (latest.asked_at - created).total_seconds())


def run(params: dict[str, Any], client: GoogleClient, reporter: Reporter) -> dict[str, Any]:
    """Give every secret a version with its payload, unless the latest one has it already."""
    ageing = Ageing(params["disable_previous_after"], params["destroy_previous_after"])
    ageing.check()
    wanted = check_payloads(plain(params["versions"]), params["compare"], may_be_unknown=reporter.check_mode)
    converger = Converger(client, ageing, params["compare"], reporter)
    with ThreadPoolExecutor(max_workers=_CONCURRENCY) as pool:
        outcomes = list(pool.map(converger.converge, wanted))
    result = _result(outcomes)
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if failed:
        lines = "".join(f"\n- {outcome.secret}: {outcome.error}" for outcome in failed)
        done = ", ".join(outcome.secret for outcome in outcomes if outcome.changed) or "nothing"
        raise PartialFailureError(
            f"{len(failed)} of {len(outcomes)} secrets failed. Changed: {done}. A repeated run continues from here."
            f" Failed:{lines}",
            result,
        )
    return result


def _result(outcomes: list[Outcome]) -> dict[str, Any]:
    return {
        "changed": any(outcome.changed for outcome in outcomes),
        "results": [outcome.to_result() for outcome in outcomes],
        "diff": [_shown_diff(outcome) for outcome in outcomes if outcome.changed],
    }


def _shown_diff(outcome: Outcome) -> dict[str, Any]:
    """Return the two sides of one secret for ``--diff``; neither holds a payload."""
    older = {str(number): "DISABLED" for number in outcome.disabled}
    older |= {str(number): "DESTROYED" for number in outcome.destroyed}
    after = {**outcome.diff.get("after", {}), **({"older_versions": older} if older else {})}
    header = f"secret {outcome.secret}"
    return {
        "before_header": header,
        "after_header": header,
        "before": outcome.diff.get("before", {}),
        "after": after,
    }


DEFINITION = TaskDefinition(
    argument_spec=add_common_arguments(
        {
            "versions": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "secret": {"type": "str", "required": True, "no_log": False},
                    "payload_base64": {"type": "str", "no_log": True},
                },
            },
            "compare": {"type": "str", "choices": [BYTES, KEYTAB], "default": BYTES},
            "disable_previous_after": {"type": "float"},
            "destroy_previous_after": {"type": "float"},
        }
    ),
    run=run,
)
