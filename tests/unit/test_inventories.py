"""The inventories as Ansible reads them: sound, alike in everything but facts, and Terraform's outputs win."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_schema import FACTS
from ansible_collections.dataplatform.compute.plugins.module_utils.terraform_outputs import OUTPUTS

REPOSITORY = Path(__file__).parents[2]
TOOLS = Path(sys.executable).parent
ENVIRONMENTS = ("local", "dev", "staging", "prod")
CHECK = """
- hosts: localhost
  gather_facts: false
  tasks:
    - dataplatform.compute.inventory_check:
        inventory_directory: "{{ inventory_dir }}"
        jobs_directory: jobs
    - ansible.builtin.copy:
        content: "{{ {'project': gcp_project, 'buckets': platform_buckets, 'network': platform_network,
          'environment': platform_process_environment, 'composer': platform_composer,
          'ready': gcp_connection_ready | default(true)} }}"
        dest: "{{ result }}"
        mode: "0600"
"""
TERRAFORM: dict[str, Any] = {
    "project_id": "acme-terraform",
    "region": "europe-west4",
    "network_name": "vpc-terraform",
    "dataproc_subnetwork_name": "nodes",
    "dns_zone": "corp.example",
    "subnetworks": [{"name": "nodes", "cidr": "10.20.0.0/24", "purpose": "Nodes"}],
    "dataproc_service_account_email": "dataproc-node@acme-terraform.iam.gserviceaccount.com",
    "dataproc_kms_key_id": "projects/acme-terraform/locations/europe-west4/keyRings/r/cryptoKeys/k",
    "artifacts_bucket": "terraform-artifacts",
    "data_bucket": "terraform-data",
    "staging_bucket": "terraform-staging",
    "temp_bucket": "terraform-temp",
    "composer_environment_name": "airflow-terraform",
    "composer_location": "europe-west4",
    "composer_service_account_email": "composer@acme-terraform.iam.gserviceaccount.com",
}


def ansible(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run one of Ansible's tools from the root, with the project's own configuration."""
    environment = {**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1", **variables}
    return subprocess.run(
        [str(TOOLS / command[0]), *command[1:]],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def facts_of(inventory: Path, tmp_path: Path, **variables: str) -> dict[str, Any]:
    """Cross-check an inventory and return some of its facts, resolved."""
    playbook, result = tmp_path / "check.yml", tmp_path / "facts.json"
    playbook.write_text(CHECK)
    run = ansible("ansible-playbook", "-i", str(inventory), "-e", f"result={result}", str(playbook), **variables)
    assert run.returncode == 0, run.stdout + run.stderr
    return json.loads(result.read_text())


def written_facts(environment: str) -> dict[str, Any]:
    """The facts of an environment as written, templates unresolved."""
    run = ansible("ansible-inventory", "-i", f"inventories/{environment}", "--host", "localhost")
    assert run.returncode == 0, run.stderr
    return {name: value for name, value in json.loads(run.stdout).items() if name in FACTS}


@pytest.fixture(name="inventory")
def copied_inventory(tmp_path: Path) -> Path:
    """A copy of the dev inventory that a test may change."""
    for name in ("common", "dev"):
        shutil.copytree(REPOSITORY / "inventories" / name, tmp_path / name, symlinks=True)
    return tmp_path / "dev"


def drop_terraform(inventory: Path, outputs: dict[str, Any]) -> None:
    """Write outputs as ``terraform output -json`` prints them."""
    entries = {name: {"sensitive": False, "type": "string", "value": value} for name, value in outputs.items()}
    (inventory / "terraform-output.json").write_text(json.dumps(entries))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_inventory_is_sound(environment: str, tmp_path: Path) -> None:
    facts_of(REPOSITORY / "inventories" / environment, tmp_path)


def test_environments_state_the_same_facts_and_share_the_platform() -> None:
    facts = {environment: written_facts(environment) for environment in ENVIRONMENTS}
    ours = {"gcp_connection_ready", "gcp_stand_in"}
    for environment in ENVIRONMENTS:
        assert set(facts[environment]) - ours == set(facts["prod"]), environment
        for shared in ("platform_cluster_templates", "platform_workloads", "platform_sizes", "platform_queues"):
            assert facts[environment][shared] == facts["prod"][shared]
    for own in ("gcp_project", "gcp_expected_principal", "platform_kms_key", "platform_buckets"):
        assert len({json.dumps(facts[environment][own]) for environment in ENVIRONMENTS}) == len(ENVIRONMENTS)


def test_dags_are_checked_with_the_airflow_that_environments_run() -> None:
    locked = re.search(r"^apache-airflow==(\S+)", (REPOSITORY / "requirements/airflow.in").read_text(), re.MULTILINE)
    assert locked is not None
    for environment in ENVIRONMENTS:
        image = written_facts(environment)["platform_composer"]["image_version"]
        assert image.partition("-airflow-")[2] == locked[1], environment


def test_only_the_local_inventory_knows_the_local_cloud() -> None:
    product = [
        *(
            "ansible.cfg",
            "site.yml",
            "playbooks",
            "roles",
            "collections/ansible_collections/dataplatform/compute/plugins",
        ),
        *(f"inventories/{name}" for name in ("common", "dev", "staging", "prod")),
    ]
    found = [file for name in product for file in [REPOSITORY / name, *(REPOSITORY / name).rglob("*")]]
    files = [file for file in found if file.is_file() and file.suffix != ".pyc"]
    assert len(files) > 20
    assert [file for file in files if "localcloud" in file.read_text(errors="ignore").lower()] == []


def test_local_inventory_reads_the_local_clouds_environment(tmp_path: Path) -> None:
    (tmp_path / "environment.json").write_text('{"HTTPS_PROXY": "http://127.0.0.1:1"}')
    facts = facts_of(REPOSITORY / "inventories/local", tmp_path, LOCALCLOUD_HOME=str(tmp_path))
    assert facts["environment"] == {"HTTPS_PROXY": "http://127.0.0.1:1"}
    assert facts["ready"] is True


def test_local_inventory_without_a_local_cloud_is_not_ready(tmp_path: Path) -> None:
    facts = facts_of(REPOSITORY / "inventories/local", tmp_path, LOCALCLOUD_HOME=str(tmp_path / "none"))
    assert facts["environment"] == {}
    assert facts["ready"] is False


def test_terraform_outputs_win_over_written_values(inventory: Path, tmp_path: Path) -> None:
    drop_terraform(inventory, {**TERRAFORM, "bastion_address": "10.0.0.2"})
    facts = facts_of(inventory, tmp_path)
    assert set(TERRAFORM) == set(OUTPUTS)
    assert facts["project"] == "acme-terraform"
    assert facts["buckets"]["data"] == "terraform-data"
    assert facts["network"]["subnetworks"] == TERRAFORM["subnetworks"]
    assert facts["composer"]["environment"] == "airflow-terraform"
    assert facts["composer"]["managed_by"] == "terraform"
    assert facts["network"]["tags"] == ["dataproc-node"], "keys without an output keep what is written"


@pytest.mark.parametrize(
    ("creatable_until", "returncode", "expected"),
    [
        ("2020-12-31", 2, "'2.3.11-debian12': expected an image of which clusters can be made"),
        ("2099-12-31", 0, "'2.3.11-debian12': Google's support of image track 2.3 ended on 2020-03-31"),
    ],
)
def test_an_image_without_support_warns_and_an_expired_one_stops_the_run(
    inventory: Path, tmp_path: Path, creatable_until: str, returncode: int, expected: str
) -> None:
    pins = inventory / "group_vars/all/pins.yml"
    pins.write_text(re.sub(r"(dataproc_image: ).*", r"\g<1>2.3.11-debian12", pins.read_text()))
    data = inventory.parent / "common/dataproc_images.yml"
    ends = f'"2.3": {{supported_until: "2020-03-31", creatable_until: "{creatable_until}"}}'
    data.write_text(re.sub(r'"2\.3": \{.*\}', ends, data.read_text()))
    playbook = tmp_path / "check.yml"
    playbook.write_text(CHECK)
    run = ansible("ansible-playbook", "-i", str(inventory), "-e", f"result={tmp_path / 'facts.json'}", str(playbook))
    assert run.returncode == returncode, run.stdout + run.stderr
    assert expected in " ".join((run.stdout + run.stderr).split())


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ({"region": 1}, ["output 'region' is 1; expected a string for gcp_region"]),
        ({"region": None, "data_bucket": 2}, ["output 'region' is null", "output 'data_bucket' is 2"]),
    ],
)
def test_wrong_terraform_output_stops_the_run(inventory: Path, outputs: dict[str, Any], expected: list[str]) -> None:
    drop_terraform(inventory, {**TERRAFORM, **outputs})
    run = ansible("ansible-inventory", "-i", str(inventory), "--host", "localhost")
    assert run.returncode != 0
    message = " ".join(run.stderr.split())
    assert "terraform-output.json" in message
    for text in expected:
        assert text in message


def test_terraform_file_that_is_not_json_stops_the_run(inventory: Path) -> None:
    (inventory / "terraform-output.json").write_text("Warning: No outputs found")
    run = ansible("ansible-inventory", "-i", str(inventory), "--host", "localhost")
    assert run.returncode != 0
    assert "expected the JSON that `terraform output -json` prints" in " ".join(run.stderr.split())


# (pins.yml, what the one message says behind the file's name)
NO_PINS = [
    ("---\nplatform_pins:\n<<<<<<< HEAD\n  node_bundle: null\n=======\n", ":4: (file): expected YAML: "),
    (
        "platform_pins:\n  dataproc_image: 2.3.10-debian12\n  environment: null\n"
        "  init_actions: {node-bundle.sh: abc}\n  node_bundle: null\nplatform_pin_record: null\n",
        ":4: platform_pins.init_actions.node-bundle.sh: 'abc': expected a SHA-256: ",
    ),
    ("platform_pins: nonsense\nplatform_pin_record: null\n", ":1: platform_pins: 'nonsense': expected a mapping"),
]


@pytest.mark.parametrize(("content", "expected"), NO_PINS, ids=[expected for _content, expected in NO_PINS])
def test_nonsense_in_the_file_of_pins_is_one_error_with_file_and_line(
    inventory: Path, tmp_path: Path, content: str, expected: str
) -> None:
    pins, playbook = inventory / "group_vars/all/pins.yml", tmp_path / "check.yml"
    pins.write_text(content)
    playbook.write_text(CHECK)
    run = ansible("ansible-playbook", "-i", str(inventory), str(playbook))
    assert run.returncode != 0
    told = set(re.findall(rf"{re.escape(str(pins))}(.*)", run.stdout + run.stderr))
    assert len(told) == 1, run.stdout + run.stderr
    assert told.pop().startswith(expected)
