# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A module that is in nobody's way: absent for a while, and importable again."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.optional_imports import without_module

ABSENT_MODULE = "this"


def test_a_module_is_absent_only_inside() -> None:
    sys.modules.pop(ABSENT_MODULE, None)
    with without_module(ABSENT_MODULE), pytest.raises(ImportError):
        importlib.import_module(ABSENT_MODULE)
    assert importlib.import_module(ABSENT_MODULE)


def test_a_module_that_is_imported_stays() -> None:
    with without_module("json"):
        assert importlib.import_module("json") is sys.modules["json"]


def test_the_schemas_of_the_inventory_do_not_pay_for_a_grammar() -> None:
    code = (
        "import sys;"
        "import ansible_collections.dataplatform.compute.plugins.module_utils.inventory_schema as schema;"
        "assert schema.Draft202012Validator is not None;"
        "assert 'rfc3987_syntax' not in sys.modules"
    )
    collections = next(path for path in sys.path if path.endswith("collections"))
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": collections}, check=True)
