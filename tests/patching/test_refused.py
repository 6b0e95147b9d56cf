"""Candidates that must not pass, and runs that are cut short: why is said, and nothing is left."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.conftest import REPOSITORY, run
from tests.integration.google import wait_for
from tests.patching.environments import (
    BLOCKED,
    CANARY_FAILED,
    NAMES,
    NOTHING,
    PATCHED,
    Environments,
    environment_with,
    kill,
)

# Two or three canaries, each with the time a busy machine takes for a cluster.
pytestmark = [pytest.mark.timeout(1800), pytest.mark.usefixtures("patched")]
BAD = "2.3.92-debian12"
NOWHERE = "https://127.0.0.1:9/simple"
NO_INDEX = {"UV_INDEX_URL": NOWHERE, "UV_DEFAULT_INDEX": NOWHERE, "UV_NO_CACHE": "1"}
# Python's own `sum` of columns is what pandas calls; an image with such a library gives other numbers.
WRONG_SUM = """
import importlib.abc, importlib.machinery, sys

class Patched(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "dask.dataframe":
            return None
        sys.meta_path.remove(self)
        import dask.array.reductions as reductions
        right = reductions.sum
        def wrong(*arguments, **options):
            return right(*arguments, **options) + 1
        import dask.array.core
        dask.array.core.Array.sum = lambda self, *a, **o: wrong(self, *a, **o)
        return None

sys.meta_path.insert(0, Patched())
"""


@pytest.fixture(name="unchanged", autouse=True)
def nothing_else_changes(environments: Environments) -> Iterator[None]:
    """Every test leaves pins, templates and clusters as they were, and no lock."""
    before = [(environments.pin_file(name).read_text(), environments.templates(name)) for name in NAMES]
    yield
    environments.cloud.cli("image", "withdraw", BAD, check=False)
    environments.cloud.cli("fault", "clear")
    assert environments.clusters() == {}
    assert environments.locks() == []
    after = [(environments.pin_file(name).read_text(), environments.templates(name)) for name in NAMES]
    assert after == before


def test_an_image_whose_init_action_fails(environments: Environments, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "python3").write_text("#!/bin/sh\necho this image has no Python >&2\nexit 1\n")
    (programs / "python3").chmod(0o755)
    environments.cloud.cli("image", "add", BAD, "--node-path", str(programs))
    found = environments.patch("dev", expect=CANARY_FAILED)
    assert "Initialization action failed" in found["reasons"][0]
    assert "yarn_queues.py" in found["reasons"][0]


def test_an_image_whose_dask_gives_another_result(environments: Environments, tmp_path: Path) -> None:
    environments.cloud.cli("image", "add", BAD, "--python-path", str(environment_with(tmp_path / "lib", WRONG_SUM)))
    found = environments.patch("dev", expect=CANARY_FAILED)
    assert "array_sum was" in found["reasons"][0]
    assert found["pins"] == environments.pins("dev"), "what did not pass is nobody's pins"


def test_an_image_that_is_slower_than_the_bound(environments: Environments) -> None:
    environments.cloud.cli("image", "add", BAD)
    path = environments.pin_file("dev")
    text = path.read_text()
    (smoke,) = environments.record("dev")["canary"]["jobs"].values()
    path.write_text(text.replace(f"seconds: {smoke['seconds']}", "seconds: 0.01"))
    try:
        found = environments.patch("dev", expect=CANARY_FAILED)
    finally:
        path.write_text(text)
    assert "0.01" in found["reasons"][0]


def test_without_numbers_to_compare_with_nothing_is_promoted(environments: Environments) -> None:
    """Nobody's canary was of these pins, and theirs fails now, so wrong answers of the candidate would not be seen."""
    environments.cloud.cli("image", "add", BAD)
    path = environments.pin_file("dev")
    text = path.read_text()
    path.write_text(text[: text.index("platform_pin_record:")] + "platform_pin_record: null\n")
    environments.cloud.cli(
        *("fault", "add", "--method", "dataproc.projects.regions.clusters.create", "--kind", "operation-error"),
        *("--status", "RESOURCE_EXHAUSTED", "--message", "Insufficient 'CPUS' quota."),
    )
    try:
        found = environments.patch("dev", expect=CANARY_FAILED)
    finally:
        path.write_text(text)
    assert found["reasons"][0].startswith("there is nothing to compare a candidate with")
    assert "Insufficient 'CPUS' quota" in found["reasons"][0]
    assert "-e patching_without_baseline=true" in found["reasons"][0]


def test_a_job_that_hangs(environments: Environments, tmp_path: Path) -> None:
    source = "import sys, time\nif sys.argv[:1] == ['-c'] or not sys.argv: time.sleep(0)\n"
    source += "import os\nif 'DASK_SCHEDULER_ADDRESS' in os.environ: time.sleep(3600)\n"
    environments.cloud.cli("image", "add", BAD, "--python-path", str(environment_with(tmp_path / "lib", source)))
    found = environments.patch(
        "dev",
        expect=CANARY_FAILED,
        patching_canary_timeouts={"create": 300, "job": 60, "scale_in": 60, "delete": 300},
    )
    assert "60 s" in found["reasons"][0]


def test_no_quota(environments: Environments) -> None:
    environments.cloud.cli("image", "add", BAD)
    environments.cloud.cli(
        *("fault", "add", "--method", "dataproc.projects.regions.clusters.create", "--kind", "operation-error"),
        *("--status", "RESOURCE_EXHAUSTED", "--message", "Insufficient 'CPUS' quota. Requested 16.0, available 4.0."),
    )
    found = environments.patch("dev", expect=CANARY_FAILED)
    assert "Insufficient 'CPUS' quota" in found["reasons"][0]


def test_a_run_that_is_killed_in_its_canary_leaves_what_the_next_one_takes_away(environments: Environments) -> None:
    environments.cloud.cli("image", "add", BAD)
    process = environments.start("dev")
    wait_for(lambda: "RUNNING" in environments.clusters().values(), "the canary's cluster", 600)
    kill(process)
    (left,) = environments.clusters()
    # Its image is gone by now, so the next run has nothing to try, and still takes away what is left.
    environments.cloud.cli("image", "withdraw", BAD)
    found = environments.patch("dev", expect=PATCHED)
    assert found["changes"] == []
    assert left not in environments.clusters()


def test_two_runs_at_once(environments: Environments) -> None:
    environments.cloud.cli("image", "add", BAD)
    process = environments.start("dev")
    wait_for(lambda: environments.locks() != [], "the first run's lock", 600)
    found = environments.patch("dev", expect=BLOCKED)
    assert "is at work" in found["reasons"][0]
    kill(process)
    environments.cloud.cli("image", "withdraw", BAD)
    environments.patch("dev", expect=PATCHED)


@pytest.fixture(name="pin_environment")
def pinned_environment(environments: Environments) -> Iterator[Callable[[str], None]]:
    """Have an environment pinned, of a lock with this hash."""
    path = environments.pin_file("dev")
    text = path.read_text()

    def pin(lock: str) -> None:
        hashes = {"lock_sha256": lock, "squashfs_sha256": "0" * 63 + "a", "archive_sha256": "0" * 63 + "b"}
        lines = "".join(f"\n    {name}: {digest!r}" for name, digest in hashes.items())
        path.write_text(text.replace("  environment: null", f"  environment:{lines}", 1))

    yield pin
    path.write_text(text)


def look_for_packages(environments: Environments, expect: int, **options: Any) -> dict[str, Any]:
    """Look whether newer packages may be used, in an environment that does not lead to the local cloud; the summary."""
    summary = environments.directory / "summary.json"
    surroundings = {**environments.cloud.environment_without_proxy(), **options.pop("surroundings", {})}
    extra = {"patching_only": ["environment"], "patching_summary_file": str(summary), **options}
    command = environments.command("dev", "playbooks/patch.yml", "--check", "-e", json.dumps(extra))
    done = run(command, surroundings, check=False)
    assert done.returncode == expect, done.stdout + done.stderr
    return json.loads(summary.read_text())


def test_no_way_to_the_package_index(environments: Environments, pin_environment: Callable[[str], None]) -> None:
    """With an environment pinned, what nobody could be asked about is not called current."""
    pin_environment("0" * 63 + "c")
    found = look_for_packages(environments, BLOCKED, surroundings=NO_INDEX)
    assert found["reasons"][0].startswith("the package index cannot be asked: ")
    assert found["notes"][0].startswith("packages of the Dask environment were not looked up: ")


@pytest.mark.parametrize("reachable", [True, False], ids=["index", "no index"])
def test_composers_packages_are_held_against_the_newest(environments: Environments, reachable: bool) -> None:
    """They are only shown: no reason to patch, and none to wait where the index cannot be asked."""
    composer = yaml.safe_load((REPOSITORY / "inventories/local/group_vars/all/composer.yml").read_text())
    composer = {**composer["platform_composer"], "location": "europe-west1", "pypi_packages": {"pyyaml": "==6.0"}}
    found = look_for_packages(
        environments, NOTHING, surroundings={} if reachable else NO_INDEX, platform_composer=composer
    )
    (row,) = [row for row in found["rows"] if row["what"] == "  package pyyaml"]
    assert row["pinned"] == "==6.0"
    if reachable:
        assert re.fullmatch(r"(6\.0\.[1-9]|6\.[1-9]|[7-9]).*", row["candidate"])
    else:
        assert (row["candidate"], row["note"]) == ("-", "which is the newest is not known")


def test_packages_with_a_known_vulnerability(
    environments: Environments, tmp_path: Path, pin_environment: Callable[[str], None]
) -> None:
    """Newer ones are no candidate, and what is pinned is not called current either."""
    audit = tmp_path / "pip-audit"
    known = [{"id": "CVE-2026-1", "fix_versions": [], "aliases": []}]

    def look(vulnerable: bool, expect: int) -> dict[str, Any]:
        package = {"name": "pillow", "version": "12.0.0", "vulns": known if vulnerable else []}
        answer = json.dumps({"dependencies": [package], "fixes": []})
        audit.write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\nexit {int(vulnerable)}\n")
        audit.chmod(0o755)
        options = {"_environment_image_tools": str(tmp_path), "patching_cache_directory": str(tmp_path / "cache")}
        return look_for_packages(environments, expect, **options)

    pin_environment("0" * 63 + "c")
    newer = look(vulnerable=True, expect=BLOCKED)
    (lock,) = (tmp_path / "cache/locks").glob("*.txt")
    pin_environment(lock.stem)
    pinned = look(vulnerable=True, expect=BLOCKED)
    for found in (newer, pinned):
        assert found["reasons"][0].startswith("the newest packages cannot be used: ")
        assert "known vulnerabilities in pillow: CVE-2026-1" in found["reasons"][0]
    assert look(vulnerable=False, expect=NOTHING)["reasons"] == []
    # Asked once a day where nothing was known.
    assert look(vulnerable=True, expect=NOTHING)["reasons"] == []


def test_nothing_to_do_is_nothing(environments: Environments) -> None:
    assert environments.patch("dev", expect=NOTHING)["outcome"] == "nothing"
