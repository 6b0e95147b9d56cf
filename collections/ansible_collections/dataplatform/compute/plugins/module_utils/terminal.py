# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The terminal of the person who started the play, for words that must arrive after Ansible stopped listening.

A worker's standard streams lead nowhere, and once ansible-playbook has been interrupted it no longer shows what its
workers send it. A copy of standard error made in the parent process, where action plugins are imported before the
worker is forked, survives both.
"""

from __future__ import annotations

import contextlib
import os

_STANDARD_ERROR_DESCRIPTOR = 2


def _copy_of_standard_error() -> int | None:
    try:
        return os.dup(_STANDARD_ERROR_DESCRIPTOR)
    except OSError:
        return None


_terminal = _copy_of_standard_error()


def write_to_terminal(line: str) -> None:
    """Write one line; safe in a signal handler; says nothing where there is no terminal any more."""
    if _terminal is not None:
        with contextlib.suppress(OSError):
            os.write(_terminal, f"{line}\n".encode(errors="replace"))


def terminal_width(otherwise: int) -> int:
    """How many characters a line of the person's terminal holds; ``otherwise`` where there is no terminal."""
    try:
        return os.get_terminal_size(_STANDARD_ERROR_DESCRIPTOR if _terminal is None else _terminal).columns or otherwise
    except OSError:
        return otherwise
