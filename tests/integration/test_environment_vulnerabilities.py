"""What has known vulnerabilities is neither built nor published: build_environment.yml with a lock of one package.

Everything is real but what PyPI answers to pip-audit.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.conftest import REPOSITORY, TOOLS, LocalCloud
from tests.integration.google import PROJECT, STORAGE, Google

PINS = REPOSITORY / "inventories/local/group_vars/all/pins.yml"
LOCK = REPOSITORY / "molecule/environment_image/lock.txt"
BUCKET = f"{PROJECT}-artifacts"
VULNERABILITY = {
    "id": "PYSEC-2026-1",
    "aliases": ["CVE-2026-1"],
    "fixed_in": ["9.9"],
    "summary": "Anybody gets in",
    "withdrawn": None,
}
OTHER = {**VULNERABILITY, "id": "PYSEC-2026-2", "aliases": ["CVE-2026-2"]}


def accepted(until: date) -> dict[str, Any]:
    """The vulnerability, accepted until a day."""
    acceptance = {"id": "CVE-2026-1", "reason": "nobody calls it", "until": until.isoformat()}
    return {"environment_image_accepted_vulnerabilities": [acceptance]}


@dataclass(frozen=True)
class Builder:
    """Somebody who builds environments, and the PyPI they ask."""

    cloud: LocalCloud
    directory: Path

    def __post_init__(self) -> None:
        tools = self.directory / "tools"
        tools.mkdir()
        audit = [sys.executable, str(Path(__file__).with_name("pip_audit_answered.py")), str(self.answers)]
        (tools / "pip-audit").write_text(f'#!/bin/sh\nexec {shlex.join(audit)} "$@"\n')
        (tools / "pip-audit").chmod(0o755)
        (tools / "cyclonedx-py").symlink_to(TOOLS / "cyclonedx-py")
        shutil.copy(PINS, self.pins)

    @property
    def answers(self) -> Path:
        """What PyPI says of packages; PyPI cannot be reached without it."""
        return self.directory / "answers.json"

    @property
    def pins(self) -> Path:
        """The inventory's file of pins."""
        return self.directory / "pins.yml"

    def build(self, known: list[dict[str, Any]] | None, **variables: Any) -> subprocess.CompletedProcess[str]:
        """Run the playbook where PyPI knows this of the lock's package."""
        self.answers.write_text(json.dumps({} if known is None else {"toolz": known}))
        return self.build_as_it_is(**variables)

    def build_as_it_is(self, *arguments: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        """Run the playbook."""
        options = {
            "environment_image_lock": str(LOCK),
            "environment_image_modules": ["toolz"],
            "environment_image_cache": str(self.directory / "cache"),
            "environment_image_pin_file": str(self.pins),
            "_environment_image_tools": str(self.directory / "tools"),
            **variables,
        }
        return subprocess.run(
            [str(TOOLS / "ansible-playbook"), "playbooks/build_environment.yml", "-e", json.dumps(options), *arguments],
            cwd=REPOSITORY,
            env={**self.cloud.environment_without_proxy(), "ANSIBLE_NOCOLOR": "1"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def published(self) -> list[str]:
        """The names of all artefacts."""
        answer = Google(self.cloud.environment).call("GET", f"{STORAGE}/storage/v1/b/{BUCKET}/o").json()
        return [item["name"] for item in answer.get("items", [])]

    def assert_refused(self, done: subprocess.CompletedProcess[str], *said: str) -> None:
        """The run failed, said why, and has left nothing behind: no build, no artefact, no pin."""
        assert done.returncode != 0, done.stdout
        message = " ".join(done.stdout.split())
        for text in (*said, "Nothing was built or published. Next step: "):
            assert text in message
        assert not (self.directory / "cache").exists()
        assert self.published() == []
        assert self.pins.read_bytes() == PINS.read_bytes()

    def assert_published(self, done: subprocess.CompletedProcess[str], *said: str) -> None:
        """The run was successful, said what is known, and image, lock and archive lie where the pin says."""
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        for text in said:
            assert text in " ".join(done.stdout.split())
        pin = yaml.safe_load(self.pins.read_text())["platform_pins"]["environment"]
        image = [f"{pin['squashfs_sha256']}/{name}" for name in ("environment.sqfs", "lock.txt", "sbom.json")]
        assert {*image, f"{pin['archive_sha256']}/environment.tar.zst"} <= set(self.published())


@pytest.fixture
def builder(empty_localcloud: LocalCloud, tmp_path: Path) -> Builder:
    """A builder who has built nothing yet."""
    Google(empty_localcloud.environment).ensure_bucket(BUCKET)
    return Builder(empty_localcloud, tmp_path)


def test_an_environment_without_known_vulnerabilities_is_published_with_its_lock(builder: Builder) -> None:
    builder.assert_published(builder.build([]), "No known vulnerabilities beside 0 accepted ones.")


def test_a_vulnerability_that_nobody_accepted_is_refused(builder: Builder) -> None:
    builder.assert_refused(builder.build([VULNERABILITY]), "has known vulnerabilities in toolz: PYSEC-2026-1.")


def test_nobody_can_allow_a_vulnerability_by_leaving_it_unchecked(builder: Builder) -> None:
    done = builder.build([VULNERABILITY], environment_image_allow_unchecked=True)
    builder.assert_refused(done, "has known vulnerabilities in toolz: PYSEC-2026-1.")


def test_an_accepted_vulnerability_is_published_to_its_last_day(builder: Builder) -> None:
    done = builder.build([VULNERABILITY], **accepted(date.today()))
    builder.assert_published(done, "No known vulnerabilities beside 1 accepted ones.")


def test_after_its_last_day_an_acceptance_is_none(builder: Builder) -> None:
    done = builder.build([VULNERABILITY], **accepted(date.today() - timedelta(days=1)))
    builder.assert_refused(done, "has known vulnerabilities in toolz: PYSEC-2026-1.")


def test_accepting_one_vulnerability_accepts_no_other(builder: Builder) -> None:
    done = builder.build([VULNERABILITY, OTHER], **accepted(date.today()))
    builder.assert_refused(done, "has known vulnerabilities in toolz: PYSEC-2026-2.")


def test_a_package_that_pypi_does_not_know_is_unchecked_and_refused(builder: Builder) -> None:
    done = builder.build(None)
    builder.assert_refused(done, "The known vulnerabilities of 1 packages of", "not found on PyPI")


def test_without_pypi_nothing_is_checked_and_all_is_refused(builder: Builder) -> None:
    done = builder.build_as_it_is()
    builder.assert_refused(done, "The known vulnerabilities of all packages of", "your network may be blocking this")


def test_who_allows_it_may_build_what_is_unchecked_and_it_is_never_called_clean(builder: Builder) -> None:
    done = builder.build_as_it_is("--check", environment_image_allow_unchecked=True)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "NOT CHECKED for known vulnerabilities: all packages." in done.stdout
    assert "No known vulnerabilities" not in done.stdout
    assert "changed=1 " in done.stdout
