#!/usr/bin/python
# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: patch_lock
short_description: Let one patching run at a time into an environment
version_added: 0.1.0
description:
  - A lock for a whole play, in an environment's artefact bucket. It belongs to the process of the play.
  - A lock whose process ran on this machine and is gone, or whose lease is over, is taken over; the result says that a
    run was cut short then, so that the next one finishes it.
extends_documentation_fragment:
  - dataplatform.compute.common
  - dataplatform.compute.common.attributes
attributes:
  check_mode:
    details: Looks, and changes nothing.
  diff_mode:
    support: none
options:
  bucket:
    description: The bucket for artefacts.
    type: str
    required: true
  environment:
    description: The environment, such as V(dev).
    type: str
    required: true
  state:
    description:
      - V(held) takes the lock; the task fails where another run has it. With O(run) it lets that holding's lease begin
        anew, and fails where another run has taken the lock over.
      - V(free) gives it back, if it still is that of O(run).
      - V(unfinished) leaves it without an owner, so that the next run, on whatever machine, takes it over at once.
      - V(read) only looks.
    type: str
    choices: [held, free, unfinished, read]
    default: held
  purpose:
    description: What the run is for, for those who find the lock.
    type: str
    default: patching
  run:
    description: What RV(run) said when the lock was taken.
    type: str
  lease:
    description: Seconds after which the lock of another machine counts as left behind.
    type: float
    default: 14400
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
- name: Take the lock
  dataplatform.compute.patch_lock:
    project: example-project
    bucket: example-artifacts
    environment: dev
  register: lock

- name: Keep it for longer
  dataplatform.compute.patch_lock:
    project: example-project
    bucket: example-artifacts
    environment: dev
    run: "{{ lock.run }}"

- name: Give it back
  dataplatform.compute.patch_lock:
    project: example-project
    bucket: example-artifacts
    environment: dev
    state: free
    run: "{{ lock.run }}"
"""

RETURN = r"""
run:
  description: The name of this holding of the lock.
  returned: success
  type: str
  sample: 3f9c01aa27de
interrupted:
  description: Whether the lock was left behind by a run that was cut short.
  returned: when O(state=held)
  type: bool
  sample: false
held:
  description: Whether there is a lock.
  returned: when O(state=read)
  type: bool
  sample: true
alive:
  description: Whether the run that has it may be alive.
  returned: when O(state=read)
  type: bool
  sample: true
held_by:
  description: Machine and process of the run that has it, or left it behind.
  returned: success
  type: str
  sample: build-7:4711
purpose:
  description: What that run is for.
  returned: when O(state=read)
  type: str
  sample: patching
seconds_left:
  description: How long its lease still lasts.
  returned: when O(state=read)
  type: int
  sample: 14000
"""

from ansible_collections.dataplatform.compute.plugins.module_utils.patch_lock import DEFINITION
from ansible_collections.dataplatform.compute.plugins.module_utils.task import run_as_module


def main() -> None:
    """Run as a module."""
    run_as_module(DEFINITION)


if __name__ == "__main__":
    main()
