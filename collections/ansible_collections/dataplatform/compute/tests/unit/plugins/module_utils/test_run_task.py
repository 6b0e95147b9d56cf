# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Numbers that would make a follower hammer Google, wait for ever or stop at once."""

from __future__ import annotations

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils import run_lookup
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.run_task import FOLLOW_ARGUMENTS, follow_task
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter

DEFAULTS = {name: argument["default"] for name, argument in FOLLOW_ARGUMENTS.items()}


def test_all_numbers_are_refused_together_before_any_call() -> None:
    wrong = {**DEFAULTS, "timeout": -1.0, "cancel_timeout": 0.0, "poll": 0.0, "output_lines": -1}
    with pytest.raises(ValidationError) as caught:
        follow_task(wrong, None, Reporter(), lambda _tools: {})
    assert [problem.split(" is ")[0] for problem in caught.value.problems] == [
        "cancel_timeout",
        "poll",
        "timeout",
        "output_lines",
    ]


def test_a_negative_number_of_lines_is_refused_when_a_run_is_looked_up() -> None:
    with pytest.raises(ValidationError, match="output_lines is -5"):
        run_lookup.run({"run": "x", "output_lines": -5}, None, Reporter())
