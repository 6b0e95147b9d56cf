"""Promises every role makes: its argument specification is its defaults, and its README names every input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dataplatform.compute.plugins.module_utils.placeholders import PLACEHOLDERS

REPOSITORY = Path(__file__).parents[2]
ROLES = sorted(path for path in (REPOSITORY / "roles").iterdir() if path.is_dir())


def load(path: Path) -> Any:
    """The content of a YAML file; an empty mapping when it does not exist."""
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}


def options_of(role: Path) -> dict[str, dict[str, Any]]:
    """The options of a role's main entry point."""
    return load(role / "meta/argument_specs.yml")["argument_specs"]["main"].get("options") or {}


@pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)
def test_specified_options_are_the_defaults(role: Path) -> None:
    options, defaults = options_of(role), load(role / "defaults/main.yml") or {}
    required = {name for name, option in options.items() if option.get("required")}
    assert set(options) - required == set(defaults)
    stated = {name: option["default"] for name, option in options.items() if "default" in option}
    assert stated == {name: value for name, value in defaults.items() if name in stated}


@pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)
def test_every_input_carries_the_name_of_its_role(role: Path) -> None:
    assert [name for name in options_of(role) if not name.startswith(f"{role.name}_")] == []


@pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)
def test_readme_names_every_input(role: Path) -> None:
    readme = (role / "README.md").read_text(encoding="utf-8")
    assert [name for name in options_of(role) if f"`{name}`" not in readme] == []


@pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)
def test_every_role_has_a_scenario(role: Path) -> None:
    assert (REPOSITORY / "molecule" / role.name / "molecule.yml").is_file()


def test_placeholders_of_the_role_are_those_preflight_knows() -> None:
    """What preflight accepts in arguments of workloads is what the role replaces, with the fact it is said to be."""
    defaults = load(REPOSITORY / "roles/cluster_templates/defaults/main.yml")["cluster_templates_placeholders"]
    assert defaults == {name: "{{ " + ".".join(path) + " }}" for name, path in PLACEHOLDERS.items()}


def test_the_script_that_gives_nodes_the_environment_has_one_name() -> None:
    """The role dask_environment asks whether this very script is pinned."""
    actions = load(REPOSITORY / "roles/cluster_templates/defaults/main.yml")["cluster_templates_init_actions"]
    named = load(REPOSITORY / "roles/dask_environment/vars/main.yml")["_dask_environment_script"]
    assert named in [action["script"] for action in actions]
