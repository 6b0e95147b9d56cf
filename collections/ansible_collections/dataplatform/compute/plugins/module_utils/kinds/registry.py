# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The kinds of resources that gcp_resources knows."""

from __future__ import annotations

from ansible_collections.dataplatform.compute.plugins.module_utils.kinds import (
    dataproc_autoscaling_policy,
    dataproc_cluster,
    dataproc_workflow_template,
    iam_service_account,
    secret_manager_secret,
    storage_bucket,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.kinds.base import Kind

_MODULES = (
    dataproc_autoscaling_policy,
    dataproc_cluster,
    dataproc_workflow_template,
    iam_service_account,
    secret_manager_secret,
    storage_bucket,
)

KINDS: dict[str, Kind] = {module.KIND.name: module.KIND for module in _MODULES}
