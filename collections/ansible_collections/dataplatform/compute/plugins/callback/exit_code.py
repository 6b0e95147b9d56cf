# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Let a playbook that went well say how ansible-playbook ends."""

from __future__ import annotations

DOCUMENTATION = r"""
name: exit_code
type: aggregate
short_description: Let a playbook that went well say how ansible-playbook ends
version_added: 0.1.0
description:
  - Where no host failed and none was unreachable, C(ansible-playbook) ends with the code that a task said with
    M(ansible.builtin.set_stats), in the key C(exit_code) of its O(ansible.builtin.set_stats#module:data). So whoever
    runs a playbook unattended can tell that there was something to see from that something went wrong.
  - When several tasks say a code, the last one counts.
  - V(0) and no code at all change nothing. Where a host failed or was unreachable, Ansible's own code stays.
  - A code that is no whole number from 0 to 255, or that Ansible uses for its own errors (1, 2, 4, 5, 6, 99 and 250),
    is an error, and C(ansible-playbook) ends with 1.
notes:
  - Where one call of C(ansible-playbook) names several playbooks, those after the one that ends with a code are not
    run, as after one that failed.
  - The run ends in this plugin, so those that are listed behind it in C(callbacks_enabled) learn of no end. List it
    last.
requirements:
  - C(dataplatform.compute.exit_code) in C(callbacks_enabled) of C(ansible.cfg).
author:
  - Data Platform Compute contributors (@dataplatform)
"""

from typing import Any

from ansible.errors import ExitCode
from ansible.plugins.callback import CallbackBase

KEY = "exit_code"


class CallbackModule(CallbackBase):
    """Remembers the last code that a task said, and ends the process with it after everything else."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "dataplatform.compute.exit_code"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._said: Any = 0

    # The statistics themselves hold the sum of what every host of every task said.
    def v2_runner_on_ok(self, result: Any) -> None:
        """Note what a task said."""
        self._said = result.result.get("ansible_stats", {}).get("data", {}).get(KEY, self._said)

    v2_runner_item_on_ok = v2_runner_on_ok

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """End the process with the code; nothing but clean-up follows in Ansible (see decision 10 of the project)."""
        if any(stats.failures.values()) or stats.dark:
            return
        if not _is_code(self._said):
            own = ", ".join(str(code) for code in sorted({int(code) for code in ExitCode} - {0}))
            self._display.error(
                f"set_stats said {KEY} {self._said!r}; expected a whole number from 0 to 255 that Ansible does not"
                f" use for its own errors ({own})"
            )
            raise SystemExit(int(ExitCode.GENERIC_ERROR))
        if self._said:
            raise SystemExit(int(self._said))


def _is_code(value: Any) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return whole and 0 <= value <= 255 and (value == 0 or value not in set(ExitCode))
