# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The core of ipa_keytab: keytabs of services, by ipa-getkeytab, which alone speaks FreeIPA's keytab protocol."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ansible_collections.dataplatform.compute.plugins.module_utils.errors import (
    ComputeError,
    PartialFailureError,
    ValidationError,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.ipa_client import (
    IPA_ARGUMENTS,
    IPA_CONSTRAINTS,
    IpaClient,
    with_login,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.ipa_names import canonical, principal_problems
from ansible_collections.dataplatform.compute.plugins.module_utils.ipa_ticket import Ticket, ticket
from ansible_collections.dataplatform.compute.plugins.module_utils.keytab import parse_keytab
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition

CURRENT, ROTATED = "current", "rotated"
ARGUMENTS: dict[str, dict[str, Any]] = {
    **IPA_ARGUMENTS,
    "principals": {"type": "list", "elements": "str", "required": True},
    "state": {"type": "str", "choices": [CURRENT, ROTATED], "default": CURRENT},
    "ldap_port": {"type": "int", "default": 389},
}
# The program ends with 9 for whatever the server answers; what it says tells them apart.
_HINTS = {
    "PrincipalName not found": "The service does not exist: create it with ipa_service_principals.",
    "Can't contact LDAP server": "No LDAP server answers.",
    "Connect error": "The certificate is not signed by ca_path, or not the server's.",
    "Failed to bind to server": "The server did not accept the ticket.",
}
_RIGHTS = {
    True: "Allow the account to read the keys: allow_retrieve_keytab of ipa_service_principals. Administrators may not "
    "by themselves.",
    False: "Allow the account to make keys: allow_create_keytab of ipa_service_principals.",
}


# Ends after which the server may have made the keys that were asked for: they could not be added to the file or written
# to it, or no answer came in time.
_MADE = frozenset({11, 12, 124})


class KeytabError(ComputeError):
    """ipa-getkeytab failed; the message has its own words and what they mean. ``made``: there may be a new key."""

    def __init__(self, message: str, *, made: bool = False) -> None:
        self.made = made
        super().__init__(message)


@dataclass(frozen=True)
class Step:
    """What happens for one principal: ``read`` the current keys, ``make`` new ones, or both, in that order."""

    principal: str
    read: bool
    make: bool

    @property
    def action(self) -> str:
        """The word for it in the result."""
        return {(True, False): "none", (False, True): "create", (True, True): "rotate"}[self.read, self.make]


def plan(principal: str, *, has_keytab: bool, state: str) -> Step:
    """A new key ends every older one at once: one is made where there is none, or where it is asked for. Pure."""
    return Step(principal, read=has_keytab, make=not has_keytab or state == ROTATED)


def run(params: dict[str, Any], _client: None, reporter: Reporter) -> dict[str, Any]:
    """Get the keytabs; returns what the task returns (see the module's RETURN)."""
    problems = principal_problems(params["principals"], params["realm"])
    if problems:
        raise ValidationError(problems, "the principals")
    params = with_login(params)
    principals = [canonical(name, params["realm"]) for name in params["principals"]]
    steps = _steps(params, principals, reporter)
    with ticket(params) as login:
        # A new key ends the older ones: none is made before all are read that the account may have to read.
        for step in steps:
            if step.read:
                _get(login, params, step, reads=True)
        results: list[dict[str, Any]] = []
        for step in steps:
            result: dict[str, Any] = {"principal": step.principal, "action": step.action, "keytab_base64": None}
            makes = step.make and not reporter.check_mode
            if makes:
                try:
                    _get(login, params, step, reads=False)
                except KeytabError as error:
                    raise _partial(error, results) from error
            # Where new keys would be made, the current ones are not what a run would return.
            if makes or not step.make:
                result |= _content(_file(login, step))
            results.append(result)
    return {"changed": any(step.make for step in steps), "results": results}


def _partial(error: KeytabError, results: list[dict[str, Any]]) -> ComputeError:
    """The error itself where no key was made, else one that hands out the keytabs: nobody else has them."""
    changed = error.made or any(result["action"] != "none" for result in results)
    return PartialFailureError(str(error), {"changed": True, "results": results}) if changed else error


def _steps(params: dict[str, Any], principals: list[str], reporter: Reporter) -> list[Step]:
    """Ask which services have keys; those that do not exist are refused, and in check mode counted as to be made."""
    problems, steps = [], []
    with IpaClient(params) as client:
        for principal in principals:
            entry = client.show_service(principal)
            if entry is None and not reporter.check_mode:
                match = client.closest_service(principal)
                hint = f"did you mean {match!r}?" if match else "create it with ipa_service_principals"
                problems.append(f"principal {principal!r}: {client.server} has no such service; {hint}")
            steps.append(plan(principal, has_keytab=bool(entry and entry.get("has_keytab")), state=params["state"]))
    if problems:
        raise ValidationError(problems, "the principals")
    return steps


def _file(login: Ticket, step: Step) -> Path:
    """The keytab of one principal in the private directory."""
    return login.directory / f"{quote(step.principal, safe='')}.keytab"


def _get(login: Ticket, params: dict[str, Any], step: Step, *, reads: bool) -> None:
    """Write current or new keys to the principal's file. The program appends: new keys stand after the old ones."""
    command = ["ipa-getkeytab", "-H", f"ldap://{params['server']}:{params['ldap_port']}"]
    command += ["--cacert", params["ca_path"], "-p", step.principal, "-k", str(_file(login, step))]
    result = login.run(*command, *(["-r"] if reads else []))
    if result.code == 0:
        return
    said = " ".join(line.strip() for line in result.errors.splitlines() if "Failed to get keytab" not in line)
    said = said.removeprefix("Failed to parse result: ").strip() or "no reason given"
    hint = next((text for key, text in _HINTS.items() if key in said), "")
    if "Insufficient access" in said:
        hint = _RIGHTS[reads]
    made = not reads and result.code in _MADE
    if made:
        hint = "A new key may have been made, and have ended the older ones: get it with the state current."
    what = "keytab of" if reads else "new key for"
    message = f"no {what} {step.principal}: {said.rstrip('.')} (ipa-getkeytab, code {result.code}). {hint}"
    raise KeytabError(message.strip(), made=made)


def _content(file: Path) -> dict[str, Any]:
    data = file.read_bytes()
    versions = sorted({entry.kvno for entry in parse_keytab(data)})
    return {"key_versions": versions, "keytab_base64": base64.b64encode(data).decode()}


DEFINITION = TaskDefinition(ARGUMENTS, run, IPA_CONSTRAINTS, needs_client=False)
