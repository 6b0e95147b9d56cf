# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs ``inventory_check`` inside Ansible's process, where the play's variables are at hand."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_rules import (
    check_inventory,
    inventory_warnings,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_schema import FACTS
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_source import read_source

display = Display()


class ActionModule(ActionBase):
    """Collects the facts, each templated on its own so that one that cannot be resolved does not hide the others."""

    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the findings; failed when there is any."""
        result = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(
            argument_spec={
                "inventory_directory": {"type": "path", "required": True},
                "jobs_directory": {"type": "path"},
                "facts": {"type": "dict"},
            },
        )
        facts, unresolved = options["facts"], {}
        if facts is None:
            facts, unresolved = self._resolve_facts(task_vars or {})
        try:
            source = read_source(options["inventory_directory"])
            findings = check_inventory(facts, source, options["jobs_directory"], unresolved)
            for warning in inventory_warnings(facts, source):
                display.warning(str(warning))
        except ComputeError as error:
            return {**result, "failed": True, **error.to_result()}
        result.update(changed=False)
        if findings:
            count = f"{len(findings)} finding{'s' if len(findings) > 1 else ''}"
            lines = "\n".join(f"- {finding}" for finding in findings)
            result.update(failed=True, msg=f"{count} in the inventory {source.directory}; nothing was sent.\n{lines}")
        return result

    def _resolve_facts(self, task_vars: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        facts: dict[str, Any] = {}
        unresolved: dict[str, str] = {}
        for name in FACTS:
            if name not in task_vars:
                continue
            try:
                facts[name] = _plain(self._templar.template(task_vars[name]))
            except AnsibleError as error:
                unresolved[name] = str(error).splitlines()[0]
        return facts, unresolved


def _plain(value: Any) -> Any:
    """Values without Ansible's tags, so that messages show what was written."""
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value
