# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The action group holds every module that takes the common options, and each of those takes all of them."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import yaml
from ansible_collections.dataplatform.compute.plugins.module_utils.client import COMMON_ARGUMENTS

ROOT = Path(__file__).parents[4]
GROUP = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]["compute"]
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("[!_]*.py"))
WITHOUT_GOOGLE = {"drift_report", "inventory_check", "ipa_keytab", "ipa_service_principals", "pin_file"}


def definition(module):
    plugin = importlib.import_module(f"ansible_collections.dataplatform.compute.plugins.modules.{module}")
    return plugin.DEFINITION


def test_the_group_is_complete_and_sorted():
    assert sorted(set(MODULES) - WITHOUT_GOOGLE) == GROUP


@pytest.mark.parametrize("module", GROUP)
def test_every_member_takes_every_common_option(module):
    assert set(COMMON_ARGUMENTS) <= set(definition(module).argument_spec)


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_an_action_of_its_name(module):
    assert (ROOT / "plugins" / "action" / f"{module}.py").is_file()
