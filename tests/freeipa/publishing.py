"""What tests of the role service_principals share: a realm, a cloud, plays between the two, and a look into both."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.freeipa.stand_in import HOST, PASSWORD, REALM, StandIn
from tests.integration.conftest import REPOSITORY, TOOLS, LocalCloud
from tests.integration.google import PROJECT, Google

SITE = REPOSITORY / "site.yml"
ROTATE = REPOSITORY / "playbooks" / "rotate_keytabs.yml"
TEARDOWN = REPOSITORY / "playbooks" / "teardown.yml"
SECRETS = f"https://secretmanager.googleapis.com/v1/projects/{PROJECT}/secrets"
TEMPLATES = ("analytics", "etl", "ml")
NODE = f"dataproc-node@{PROJECT}.iam.gserviceaccount.com"
PLAY = [
    {
        "hosts": "localhost",
        "gather_facts": False,
        "environment": "{{ platform_process_environment }}",
        "tasks": [{"ansible.builtin.include_role": {"name": "service_principals", "tasks_from": "publish"}}],
    }
]


def principal(template: str) -> str:
    """The principal of a template in the local environment."""
    return f"dask/{template}-local.corp.internal@{REALM}"


@dataclass
class Publishing:
    """A realm and a cloud, with the plays that bring keytabs from the one to the other."""

    ipa: StandIn
    cloud: LocalCloud
    directory: Path
    published: str = ""
    """What the first run that published said, with ``-vvv``."""

    @property
    def google(self) -> Google:
        """The cloud, past the role."""
        return Google(self.cloud.environment)

    def facts(self) -> Path:
        """What a laptop's inventory leaves out, as a file for ``-e``."""
        file = self.directory / "facts.json"
        facts = {
            "platform_composer": None,
            "platform_kerberos": {
                "realm": REALM,
                "domain": "corp.internal",
                "kdcs": [f"{HOST}:{self.ipa.kdc_port}"],
                "ipa_server": HOST,
            },
            "platform_job_account": "yarn",
            "service_principals_ipa_ca_path": str(self.ipa.authority),
            "service_principals_ipa_https_port": self.ipa.https_port,
            "service_principals_ipa_ldap_port": self.ipa.ldap_port,
        }
        file.write_text(json.dumps(facts))
        return file

    def start(self, playbook: Path | None = None, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start a play; without a playbook the one that publishes. IPA_PASS is the administrator's; empty: not set."""
        if playbook is None:
            playbook = self.directory / "publish.yml"
            playbook.write_text(json.dumps(PLAY))
        here = {**self.cloud.environment_without_proxy(), **self.ipa.client_environment}
        environment = {**here, "ANSIBLE_NOCOLOR": "1", "IPA_PASS": PASSWORD, **variables}
        return subprocess.Popen(
            [str(TOOLS / "ansible-playbook"), str(playbook), "-e", f"@{self.facts()}", *arguments],
            env={name: value for name, value in environment.items() if value},
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def play(self, playbook: Path | None = None, *arguments: str, fails: bool = False, **variables: str) -> str:
        """Run a play to its end; what it said."""
        process = self.start(playbook, *arguments, **variables)
        said, _errors = process.communicate(timeout=300)
        assert bool(process.returncode) is fails, said
        return said

    def key(self, template: str) -> int:
        """The number of the current key in the KDC."""
        return self.ipa.version(principal(template))

    def states(self, template: str) -> dict[str, str]:
        """The states of the secret's versions by number; empty when there is no secret."""
        answer = self.google.call("GET", f"{SECRETS}/keytab-{template}-local/versions", allow=(404,)).json()
        return {one["name"].rpartition("/")[2]: one["state"] for one in reversed(answer.get("versions", []))}

    def keytab(self, template: str) -> Path:
        """The latest version of a secret as a file."""
        answer = self.google.call("GET", f"{SECRETS}/keytab-{template}-local/versions/latest:access").json()
        file = self.directory / f"{template}.keytab"
        file.write_bytes(base64.b64decode(answer["payload"]["data"]))
        return file

    def login(self, template: str) -> str:
        """Why a node could not log in with the published keytab; empty when it could."""
        return self.run("kinit", "-k", "-t", str(self.keytab(template)), "-c", "MEMORY:", principal(template))

    def key_numbers(self, template: str) -> list[int]:
        """The numbers of the keys in the published keytab."""
        listing = self.run("klist", "-k", str(self.keytab(template)))
        return sorted({int(number) for number in re.findall(rf"^ *(\d+) {principal(template)}", listing, re.MULTILINE)})

    def run(self, *command: str, **options: Any) -> str:
        """Run a Kerberos tool; what it says."""
        environment = {**self.cloud.environment_without_proxy(), **self.ipa.client_environment, "LC_ALL": "C"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, **options)
        return f"{done.stdout}{done.stderr}"


def changed(said: str) -> int:
    """The number behind ``changed=`` in the recap."""
    found = re.search(r"changed=(\d+)", said)
    assert found, said
    return int(found[1])
