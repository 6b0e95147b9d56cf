"""Three environments that are one local cloud, in inventories of their own, for tests of patching runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.integration.conftest import REPOSITORY, TOOLS, LocalCloud
from tests.integration.google import PROJECT, STORAGE, Google
from tests.integration.processes import kill_family

NOTHING, PATCHED, CANARY_FAILED, BLOCKED = 0, 10, 20, 30
NAMES = ("dev", "staging", "prod")
# On Google every environment has a project; the local cloud has one, so here each has a region.
REGIONS = {"dev": "europe-west1", "staging": "europe-west4", "prod": "europe-west3"}
# The pace of a laptop: the answers are the same with any number of rows.
ROWS = 24_000
# Other tests run at the same time, so time says nothing here. What is too slow is tested without a cluster.
BOUNDS = {"seconds": 50, "memory": 5}


def facts(cloud: LocalCloud, name: str) -> dict[str, Any]:
    """What makes the local cloud the environment ``name``."""
    settings = REPOSITORY / "inventories" / name / "group_vars" / "all" / "patching.yml"
    patching = yaml.safe_load(settings.read_text())["platform_patching"]
    key = f"projects/{PROJECT}/locations/{REGIONS[name]}/keyRings/data-platform/cryptoKeys/dataproc"
    return {
        "gcp_project": PROJECT,
        "gcp_region": REGIONS[name],
        "gcp_expected_principal": f"localcloud@{PROJECT}.iam.gserviceaccount.com",
        "platform_process_environment": cloud.environment,
        "platform_buckets": {part: f"{PROJECT}-{name}-{part}" for part in ("artifacts", "data", "staging", "temp")},
        "platform_service_account": f"dataproc-node@{PROJECT}.iam.gserviceaccount.com",
        "platform_kms_key": key,
        "platform_kerberos": None,
        "platform_nfs": None,
        "platform_job_account": None,
        "platform_composer": None,
        "platform_patching": {**patching, "bounds": BOUNDS},
        "patching_smoke_rows": ROWS,
    }


@dataclass
class Environments:
    """Copies of the inventories, and the plays that are run with them."""

    cloud: LocalCloud
    directory: Path
    google: Google = field(init=False)

    def __post_init__(self) -> None:
        """Copy the inventories, whose pins are written."""
        shutil.copytree(REPOSITORY / "inventories", self.directory / "inventories", symlinks=True)
        for name in NAMES:
            path = self.directory / f"{name}.json"
            path.write_text(json.dumps(facts(self.cloud, name)))
        self.google = Google(self.cloud.environment)

    def command(self, name: str, playbook: str, *arguments: str) -> list[str]:
        """The command line of a play in an environment."""
        inventory = self.directory / "inventories" / name
        options = ["-i", str(inventory), "-e", f"@{self.directory / f'{name}.json'}"]
        return [str(TOOLS / "ansible-playbook"), playbook, *options, *arguments]

    def play(self, name: str, playbook: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a play, whatever its exit code."""
        return self.cloud.run(*self.command(name, playbook, *arguments), check=False, timeout=1200)

    def converge(self, name: str) -> None:
        """Run ``site.yml``."""
        done = self.play(name, "site.yml")
        assert done.returncode == 0, done.stdout + done.stderr

    def patch(self, name: str, *arguments: str, expect: int, **extra: Any) -> dict[str, Any]:
        """Run ``patch.yml``, which has to end with a code; its summary."""
        return self.patch_and_listen(name, *arguments, expect=expect, **extra)[0]

    def patch_and_listen(self, name: str, *arguments: str, expect: int, **extra: Any) -> tuple[dict[str, Any], str]:
        """Run ``patch.yml``, which has to end with a code; its summary, and all that it said."""
        summary = self.directory / "summary.json"
        summary.unlink(missing_ok=True)
        # As seen from where it is run.
        options = json.dumps({"patching_summary_file": os.path.relpath(summary, REPOSITORY), **extra})
        done = self.play(name, "playbooks/patch.yml", "-e", options, *arguments)
        assert done.returncode == expect, f"ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return json.loads(summary.read_text()), done.stdout

    def start(self, name: str, **extra: Any) -> subprocess.Popen[str]:
        """Start ``patch.yml`` in a process group of its own."""
        return subprocess.Popen(
            self.command(name, "playbooks/patch.yml", "-e", json.dumps(extra)),
            cwd=REPOSITORY,
            env=self.cloud.client_environment(),
            stdout=(self.directory / "started.log").open("w"),
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def pin_file(self, name: str) -> Path:
        """The file with the pins of an environment."""
        return self.directory / "inventories" / name / "group_vars" / "all" / "pins.yml"

    def pins(self, name: str) -> dict[str, Any]:
        """The pins of an environment."""
        return yaml.safe_load(self.pin_file(name).read_text())["platform_pins"]

    def record(self, name: str) -> dict[str, Any]:
        """How the pins of an environment came there."""
        return yaml.safe_load(self.pin_file(name).read_text())["platform_pin_record"]

    def templates(self, name: str) -> str:
        """All workflow templates of an environment as text, without what Google says of each version of them."""
        found = self.dataproc(name, "workflowTemplates").get("templates", [])
        stable = [{key: value for key, value in one.items() if key not in ("version", "updateTime")} for one in found]
        return json.dumps(sorted(stable, key=lambda one: one["id"]), sort_keys=True)

    def images(self, name: str) -> set[str]:
        """The images that the workflow templates of an environment name."""
        managed = [one["placement"]["managedCluster"]["config"] for one in json.loads(self.templates(name))]
        return {config["softwareConfig"]["imageVersion"] for config in managed}

    def clusters(self) -> dict[str, str]:
        """The state of every cluster there is, in any environment, by name."""
        found = [one for name in NAMES for one in self.dataproc(name, "clusters").get("clusters", [])]
        return {one["clusterName"]: one["status"]["state"] for one in found}

    def dataproc(self, name: str, path: str) -> dict[str, Any]:
        """What Dataproc answers of an environment's resource or collection."""
        url = f"https://dataproc.googleapis.com/v1/projects/{PROJECT}/regions/{REGIONS[name]}/{path}"
        return self.google.call("GET", url).json()

    def locks(self) -> list[str]:
        """The locks of patching runs that there are, in any environment."""
        return [lock for name in NAMES for lock in self.artifacts(name, "patching/")]

    def artifacts(self, name: str, prefix: str) -> list[str]:
        """The objects in an environment's bucket for artefacts whose names begin so."""
        url = f"{STORAGE}/storage/v1/b/{PROJECT}-{name}-artifacts/o?prefix={prefix}"
        return [item["name"] for item in self.google.call("GET", url).json().get("items", [])]

    def writes(self) -> list[str]:
        """The methods that changed something since the journal was cleared."""
        return [
            entry["method_id"]
            for entry in self.cloud.requests()
            if entry["method"] != "GET" and entry["method_id"] != "oauth2.token"
        ]


def environment_with(directory: Path, source: str) -> Path:
    """A directory that makes Python run a piece of code wherever it is in front of the path."""
    directory.mkdir()
    (directory / "sitecustomize.py").write_text(source)
    return directory


def kill(process: subprocess.Popen[str]) -> None:
    """End a play and all its workers at once, as a machine that loses power does."""
    kill_family(process.pid)
    process.wait()
