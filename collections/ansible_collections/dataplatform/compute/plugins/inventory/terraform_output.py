# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: terraform_output
short_description: Facts from the outputs of a Terraform stack
version_added: 0.1.0
description:
  - Reads a file C(terraform-output.json) in an inventory directory, the unchanged answer of C(terraform output -json),
    and sets the facts its outputs stand for on C(localhost). They win over the values written in C(group_vars).
  - An output may stand for one key of a mapping, such as the name of one bucket. The rest of the mapping is taken from
    C(group_vars/all) beside the file.
  - Outputs that stand for no fact are ignored. An output that is missing or of another type stops the run, with all
    such problems in one message. Without the file nothing happens.
notes:
  - "The outputs and their facts: C(project_id) (C(gcp_project)), C(region) (C(gcp_region)),
    C(network_name) (C(platform_network.name)), C(dataproc_subnetwork_name) (C(platform_network.dataproc_subnetwork)),
    C(dns_zone) (C(platform_network.dns_zone)), C(dataproc_service_account_email) (C(platform_service_account)),
    C(dataproc_kms_key_id) (C(platform_kms_key)), C(artifacts_bucket), C(data_bucket), C(staging_bucket) and
    C(temp_bucket) (C(platform_buckets)), and C(subnetworks), a list of objects with name, cidr and purpose
    (C(platform_network.subnetworks)). A stack that makes an Airflow environment, too, has C(composer_environment_name),
    C(composer_location) and C(composer_service_account_email) (C(platform_composer)); these may be missing."
  - Enable it in C(ansible.cfg) before C(ansible.builtin.yaml), and keep C(.json) out of C(yaml_valid_extensions) there.
options: {}
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
# terraform -chdir=../infrastructure output -json > inventories/dev/terraform-output.json
# ansible.cfg:
#   [inventory]
#   enable_plugins = dataplatform.compute.terraform_output, ansible.builtin.yaml
#   [inventory_plugin_yaml]
#   yaml_valid_extensions = .yaml, .yml
# ansible-playbook -i inventories/dev site.yml
"""

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.utils.vars import combine_vars
from ansible_collections.dataplatform.compute.plugins.module_utils.terraform_outputs import (
    TerraformOutputError,
    facts_from_outputs,
    merge_facts,
)

FILE_NAME = "terraform-output.json"


class InventoryModule(BaseInventoryPlugin):
    """Turns Terraform's outputs into host variables of localhost."""

    NAME = "dataplatform.compute.terraform_output"

    def verify_file(self, path: str) -> bool:
        """Only the file of the one name is ours."""
        return super().verify_file(path) and Path(path).name == FILE_NAME

    def parse(self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True) -> None:
        """Set the facts; AnsibleParserError names the file and everything wrong with it."""
        super().parse(inventory, loader, path, cache)
        try:
            facts = facts_from_outputs(Path(path).read_text(encoding="utf-8"))
        except (TerraformOutputError, OSError, UnicodeDecodeError) as error:
            raise AnsibleParserError(f"{path}: {error}") from error
        written: dict[str, Any] = {}
        for file in loader.find_vars_files(str(Path(path).parent / "group_vars"), "all"):
            values = loader.load_from_file(file, trusted_as_template=True)
            if isinstance(values, dict):
                written = combine_vars(written, values, merge=False)
        inventory.add_host("localhost")
        for name, value in merge_facts(facts, written).items():
            inventory.set_variable("localhost", name, value)
