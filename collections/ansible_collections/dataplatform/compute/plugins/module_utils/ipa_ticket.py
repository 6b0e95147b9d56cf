# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A ticket of the account that a controller uses in FreeIPA: from kinit, in a private directory, removed afterwards."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError
from ansible_collections.dataplatform.compute.plugins.module_utils.ipa_names import krb5_conf

TOOL_SECONDS = 60.0
# Debian's packages; where a controller's system has others, the program's name says enough.
_PACKAGES = {"kinit": "krb5-user", "klist": "krb5-user", "ipa-getkeytab": "freeipa-client", "curl": "curl"}
# What kinit says, and what it means for the reader.
_HINTS = {
    "Cannot contact any KDC": "No KDC answers: is it up, and does the network let this machine reach its port 88?",
    "Cannot find KDC": "State the realm's KDCs in kdcs, or in this machine's krb5.conf.",
    "not found in Kerberos database": "There is no such account in this realm.",
    "Password incorrect": "The password is wrong.",
    "Preauthentication failed": "The password is wrong, or the keytab is older than the account's key.",
    "Password expired": "Change the account's password; one that an administrator sets expires at once.",
    "Clock skew too great": "This machine's clock and the KDC's differ by more than five minutes.",
    "credentials have been revoked": "The account is locked or disabled.",
    "no suitable keys": "The keytab holds no key of this account.",
}
_OWNER = re.compile(r"^Default principal: (.+)$", re.MULTILINE)


class KerberosError(ComputeError):
    """A Kerberos tool failed; the message has its own words and what they mean."""


@dataclass(frozen=True)
class ToolResult:
    """What a program answered."""

    code: int
    output: str
    errors: str


@dataclass(frozen=True)
class Ticket:
    """A ticket: the private directory (mode 0700) it lies in, and what programs need to use it."""

    directory: Path
    environment: dict[str, str]

    def run(self, *command: str, seconds: float = TOOL_SECONDS) -> ToolResult:
        """Run a program with this ticket."""
        return run_tool(command, self.environment, seconds=seconds)


def find_tool(name: str) -> str:
    """The path of a program; administrators' directories count, too. KerberosError names the package to install."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if not found:
        raise KerberosError(f"the program {name} is not installed on this machine: apt-get install {_PACKAGES[name]}")
    return found


def run_tool(
    command: Sequence[str], environment: dict[str, str], *, text: str = "", seconds: float = TOOL_SECONDS
) -> ToolResult:
    """Run a program in English with ``text`` as its standard input; code 124 when it did not end in time."""
    words = [find_tool(command[0]), *command[1:]]
    try:
        # This also runs in action plugins, where there is no module whose run_command could be called.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            words, env=environment, input=text, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return ToolResult(124, "", f"{command[0]} did not end in {seconds:g} seconds")
    return ToolResult(done.returncode, done.stdout, done.stderr)


@contextmanager
def ticket(params: dict[str, Any]) -> Iterator[Ticket]:
    """Log in as ``user`` of ``realm``, with the ``password`` or the ``keytab`` of the task's options.

    A ``ticket_cache`` has a ticket already, which is used and left. The password reaches kinit by its standard input
    only. Nothing is left of what was written, also after an error.
    """
    directory = Path(tempfile.mkdtemp(prefix="ipa-"))
    try:
        environment = {name: value for name, value in os.environ.items() if name != "IPA_PASS"}
        environment |= {"LC_ALL": "C", "KRB5CCNAME": params["ticket_cache"] or f"FILE:{directory}/ticket"}
        if params["kdcs"]:
            (directory / "krb5.conf").write_text(krb5_conf(params["realm"], params["kdcs"]))
            environment["KRB5_CONFIG"] = str(directory / "krb5.conf")
        if params["ticket_cache"]:
            _require_ticket(params, environment)
        else:
            _kinit(params, environment)
        yield Ticket(directory, environment)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _require_ticket(params: dict[str, Any], environment: dict[str, str]) -> None:
    account, cache = f"{params['user']}@{params['realm']}", params["ticket_cache"]
    # It says nothing: there is a ticket that has not expired, or there is none.
    if run_tool(["klist", "-s"], environment).code:
        raise KerberosError(f"no valid ticket in ticket_cache {cache!r}. Get one: kinit {account}")
    # FreeIPA would know the caller by the ticket, while rights are given to the account that is named.
    found = _OWNER.search(run_tool(["klist"], environment).output)
    owner = found[1] if found else "nobody"
    if owner != account:
        raise KerberosError(
            f"the ticket in ticket_cache {cache!r} is of {owner}, but user and realm say {account}. State the user"
            f" whose ticket it is, or get another one: kinit {account}"
        )


def _kinit(params: dict[str, Any], environment: dict[str, str]) -> None:
    account = f"{params['user']}@{params['realm']}"
    if params["keytab"]:
        result = run_tool(["kinit", "-k", "-t", params["keytab"], account], environment)
    else:
        result = run_tool(["kinit", account], environment, text=f"{params['password']}\n")
    if result.code:
        words = " ".join(result.errors.split()) or "no reason given"
        # That a password has expired is said where it asks for a new one.
        hint = next((text for key, text in _HINTS.items() if key in f"{words} {result.output}"), "")
        raise KerberosError(f"no ticket for {account}: {words.rstrip('.')}. {hint}".strip())
