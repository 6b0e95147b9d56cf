"""PyPI packages that an environment asks for: the local one has what is installed, and installs nothing."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from localcloud.settings import default_airflow_python


def missing_packages(wanted: Mapping[str, str], site: Path | None = None) -> str:
    """Return what is not as wanted in Airflow's environment, or nothing. `site`: where its packages are."""
    if site is None:
        site = next(default_airflow_python().parents[1].glob("lib/python3*/site-packages"), Path())
    installed = {
        canonicalize_name(distribution.name): distribution.version
        for distribution in importlib.metadata.distributions(path=[str(site)])
        if distribution.name
    }
    problems = []
    for name, specifier in wanted.items():
        try:
            requirement = Requirement(f"{name}{specifier}")
        except InvalidRequirement:
            problems.append(f"{name}{specifier} is no valid requirement")
            continue
        version = installed.get(canonicalize_name(name))
        if version is None:
            problems.append(f"{name} is not in Airflow's environment")
        elif not requirement.specifier.contains(version, prereleases=True):
            problems.append(f"{name} {version} is in Airflow's environment, wanted {specifier}")
    if not problems:
        return ""
    return f"{'; '.join(problems)}. It installs nothing itself; add packages to requirements/airflow.in."
