# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one machine knows of a process that said who it is."""

from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.process_identity import (
    is_dead_process_of_this_machine,
    is_live_process_of_this_machine,
    process_identity,
)


def test_a_process_that_runs_here_is_alive_until_it_has_ended() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        identity = process_identity(process.pid)
        assert (is_live_process_of_this_machine(identity), is_dead_process_of_this_machine(identity)) == (True, False)
    assert (is_live_process_of_this_machine(identity), is_dead_process_of_this_machine(identity)) == (False, True)


def test_another_process_with_its_number_is_not_it() -> None:
    identity = process_identity(os.getpid()).rpartition(" ")[0] + " 1"
    assert (is_live_process_of_this_machine(identity), is_dead_process_of_this_machine(identity)) == (False, True)


@pytest.mark.parametrize("identity", ["elsewhere:1 boot/pid:[1] 1", "elsewhere:1  1", "", "nonsense"])
def test_of_other_machines_nothing_is_known(identity: str) -> None:
    assert (is_live_process_of_this_machine(identity), is_dead_process_of_this_machine(identity)) == (False, False)
