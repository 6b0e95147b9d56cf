"""Promises the repository's own files make to each other."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from ansible.parsing.splitter import parse_kv

REPOSITORY = Path(__file__).parents[2]


def test_galaxy_requirements_agree_with_the_installed_package() -> None:
    """People with Galaxy get the same collections as people with PyPI's ``ansible``."""
    installed = Path(importlib.util.find_spec("ansible_collections").submodule_search_locations[0])
    if not (installed / "ansible").is_dir():
        installed = Path(importlib.util.find_spec("ansible").origin).parents[1] / "ansible_collections"
    wanted = yaml.safe_load((REPOSITORY / "requirements.yml").read_text())["collections"]
    assert wanted
    for collection in wanted:
        manifest = installed / collection["name"].replace(".", "/") / "MANIFEST.json"
        assert json.loads(manifest.read_text())["collection_info"]["version"] == collection["version"], collection


@pytest.mark.parametrize("lock", sorted((REPOSITORY / "requirements").glob("*.txt")), ids=lambda path: path.name)
def test_locks_hold_hashes_and_no_addresses(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    requirements = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert requirements
    for requirement in requirements:
        assert "==" in requirement, requirement
        assert "--hash=sha256:" in requirement, requirement


def test_every_stated_requirement_is_locked() -> None:
    for source in (REPOSITORY / "requirements").glob("*.in"):
        locked = source.with_suffix(".txt").read_text()
        for line in source.read_text().splitlines():
            name = re.match(r"[a-z0-9_.-]+", line)
            if name:
                assert re.search(rf"^{re.escape(name.group())}==", locked, re.MULTILINE), f"{source.name}: {line}"


def test_cluster_and_laptop_run_the_same_dask() -> None:
    locks = [(REPOSITORY / f"requirements/{name}.txt").read_text() for name in ("controller", "cluster-environment")]
    versions = [dict(re.findall(r"^(dask|distributed|pandas|pyarrow)==(\S+)", lock, re.MULTILINE)) for lock in locks]
    assert versions[0] == versions[1]
    assert len(versions[0]) == 4


def test_links_of_the_readme_lead_somewhere() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", readme)
    assert links
    assert [link for link in links if not (REPOSITORY / link).exists()] == []


def test_documented_variables_come_through_whole() -> None:
    """Ansible splits ``-e name=value`` at spaces once more, after the shell has taken its quotes off."""
    pages = [page for room in ("docs", "roles", "collections") for page in (REPOSITORY / room).rglob("*.md")]
    texts = {page: page.read_text() for page in (REPOSITORY / "README.md", *pages)}
    for playbook in (REPOSITORY / "playbooks").glob("*.yml"):
        texts[playbook] = "\n".join(re.findall(r"^#.*", playbook.read_text(), re.MULTILINE))
    found = [
        (page.name, word)
        for page, text in texts.items()
        for option in re.findall(r""" -e ((?:"[^"]*"|'[^']*'|[^\s"'`\]])+)""", text)
        for word in shlex.split(option)
        if "=" in word and not word.startswith(("@", "{"))
    ]
    assert len(found) > 20
    assert [(page, word) for page, word in found if "_raw_params" in parse_kv(word)] == []


def test_every_picture_is_shown_on_a_page() -> None:
    shown = set()
    for page in (REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")):
        shown |= {(page.parent / link).resolve() for link in re.findall(r"!\[[^]]+\]\(([^)]+)\)", page.read_text())}
    assert shown == set((REPOSITORY / "docs/images").resolve().rglob("*.png"))
