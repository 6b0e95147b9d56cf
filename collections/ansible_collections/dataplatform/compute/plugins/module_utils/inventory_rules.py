# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The cross-check of a whole inventory: everything that can be known to be wrong without asking Google.

:func:`check_inventory` first holds every fact against its schema, then runs the rules that compare facts with each
other. A rule sees only entries that passed the schema; names are looked up among all, so that one mistake is reported
once and does not hide another.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils import (
    inventory_rules_composer as composer,
)
from ansible_collections.dataplatform.compute.plugins.module_utils import (
    inventory_rules_images as images,
)
from ansible_collections.dataplatform.compute.plugins.module_utils import (
    inventory_rules_patching as patching,
)
from ansible_collections.dataplatform.compute.plugins.module_utils import (
    inventory_rules_principals as principals,
)
from ansible_collections.dataplatform.compute.plugins.module_utils import (
    inventory_rules_queues as queues,
)
from ansible_collections.dataplatform.compute.plugins.module_utils import (
    inventory_rules_references as references,
)
from ansible_collections.dataplatform.compute.plugins.module_utils import (
    inventory_rules_sizes as sizes,
)
from ansible_collections.dataplatform.compute.plugins.module_utils import (
    inventory_rules_topology as topology,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_schema import FACTS, schema_findings
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_source import (
    Finding,
    KeyPath,
    Source,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.pins import check_record
from ansible_collections.dataplatform.compute.plugins.module_utils.shared_directories import check_shared_directories

_OWN_PREFIXES = ("gcp_", "platform_")
_ENVIRONMENTS = frozenset({"local", "dev", "staging", "prod"})

Rule = Callable[..., Iterator[tuple[KeyPath, Finding]]]

# Each rule with the facts it takes, in the order of its parameters. It runs when the schema had no complaint about any.
_RULES: tuple[tuple[Rule, tuple[str, ...]], ...] = (
    (topology.check_subnetworks, ("platform_network",)),
    (topology.check_dataproc_subnetwork, ("platform_network", "platform_sizes")),
    (topology.check_key_location, ("platform_kms_key", "gcp_region")),
    (topology.check_zones, ("platform_cluster_templates", "gcp_region")),
    (topology.check_buckets_differ, ("platform_buckets",)),
    (principals.check_ticket_has_an_owner, ("platform_kerberos", "platform_job_account")),
    (check_record, ("platform_pin_record",)),
    (patching.check_window, ("platform_patching",)),
    (images.check_days, ("platform_dataproc_images",)),
    (composer.check_composer_image, ("platform_composer",)),
    (composer.check_composer_names, ("platform_composer",)),
    (check_shared_directories, ("platform_nfs", "platform_accounts")),
    (sizes.check_nodes, ("platform_sizes",)),
    (sizes.check_worker_fits_nodes, ("platform_sizes",)),
    (sizes.check_user_limit, ("platform_sizes",)),
    (sizes.check_cluster_bounds, ("platform_sizes",)),
    (sizes.check_autoscaling_bounds, ("platform_autoscaling_policies", "platform_sizes")),
    (queues.check_running_applications, ("platform_queues", "platform_sizes")),
    (sizes.check_lifetimes, ("platform_cluster_templates",)),
    (sizes.check_workload_workers, ("platform_workloads", "platform_sizes")),
    (sizes.check_workload_timeouts, ("platform_workloads", "platform_cluster_templates")),
)

# Names that have to exist: (fact whose entries name something, the field that does, fact that has it). These look at
# one field at a time, so they also hold for entries in which the schema found something else.
_REFERENCES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("platform_users", ("team",), "platform_teams"),
    ("platform_queues", ("users",), "platform_users"),
    ("platform_queues", ("teams",), "platform_teams"),
    ("platform_cluster_templates", ("node",), "platform_sizes.nodes"),
    ("platform_cluster_templates", ("autoscaling", "own"), "platform_autoscaling_policies"),
    ("platform_cluster_templates", ("autoscaling", "shared"), "platform_autoscaling_policies"),
    ("platform_workloads", ("template",), "platform_cluster_templates"),
    ("platform_workloads", ("priority",), "platform_queues"),
    ("platform_workloads", ("owner",), "platform_users"),
    ("platform_workloads", ("team",), "platform_teams"),
)


def check_inventory(
    facts: dict[str, Any],
    source: Source,
    jobs_directory: str | Path | None = None,
    unresolved: dict[str, str] | None = None,
    today: date | None = None,
) -> list[Finding]:
    """Return every finding, in the order of the files they point to.

    ``facts``: the values Ansible would use, templates resolved; ``unresolved``: facts that could not be resolved, with
    the reason; ``jobs_directory``: where the workloads' scripts must exist (None: not looked at); ``today``: the day on
    which images have to make clusters (None: the day it is).
    """
    unresolved = unresolved or {}
    located = [
        *_misspelt_facts(source),
        *_environment_matches_directory(facts, source),
        *(((name,), Finding(name, "", f"cannot be resolved: {reason}")) for name, reason in unresolved.items()),
    ]
    schema_problems = [item for item in schema_findings(facts) if item[0][0] not in unresolved]
    located += schema_problems
    usable, names = _usable_facts(facts, schema_problems)
    for rule, needed in _RULES:
        if all(fact in usable for fact in needed):
            located += rule(*(usable[fact] for fact in needed))
    if "platform_patching" in usable:
        located += patching.check_environment_before(usable["platform_patching"], Path(source.directory))
        located += patching.check_owner(usable["platform_patching"], _entries(facts, "platform_users"))
    if "platform_sizes" in usable:
        names["platform_sizes.nodes"] = list(usable["platform_sizes"]["nodes"])
    for fact, field, target in _REFERENCES:
        if target in names:
            located += references.check_names_exist(fact, _entries(facts, fact), field, target, names[target])
    priorities, users = _entries(facts, "platform_queues"), _entries(facts, "platform_users")
    located += queues.check_queues_name_somebody(priorities)
    located += queues.check_users_have_a_queue(users, _entries(facts, "platform_teams"), priorities)
    located += queues.check_workload_rights(_entries(facts, "platform_workloads"), priorities, users)
    located += references.check_workload_teams(
        _entries(facts, "platform_workloads"), users, _entries(facts, "platform_teams")
    )
    located += references.check_placeholders(_entries(facts, "platform_workloads"))
    located += references.check_schedules(_entries(facts, "platform_workloads"))
    if isinstance(facts.get("platform_composer"), dict):
        located += composer.check_composer_holds_no_secret(facts["platform_composer"])
    if images.IMAGES_FACT in usable:
        # A pin that is none has been reported.
        pinned = images.pinned_images({**facts, "platform_pins": usable.get("platform_pins")})
        located += images.check_images_make_clusters(pinned, usable[images.IMAGES_FACT], today or _today())
    if jobs_directory is not None:
        located += references.check_scripts_exist(_entries(facts, "platform_workloads"), Path(jobs_directory))
    return _in_order(source, located, source.duplicates)


def inventory_warnings(facts: dict[str, Any], source: Source, today: date | None = None) -> list[Finding]:
    """Return what is not wrong yet, in the order of the files it points to; parameters as of check_inventory."""
    fact = images.IMAGES_FACT
    if fact not in facts or next(schema_findings({fact: facts[fact]}, {fact: FACTS[fact]}), None):
        return []
    return _in_order(source, images.warn_of_ends(images.pinned_images(facts), facts[fact], today or _today()))


def _today() -> date:
    return datetime.now(UTC).date()


def _in_order(
    source: Source, located: Iterable[tuple[KeyPath, Finding]], others: Iterable[Finding] = ()
) -> list[Finding]:
    """Findings with their places in files, each once, in the order of these."""
    findings = [source.locate(path, finding) for path, finding in located]
    return sorted(dict.fromkeys([*others, *findings]), key=lambda finding: (finding.file, finding.line, finding.key))


def _usable_facts(
    facts: dict[str, Any], problems: list[tuple[KeyPath, Finding]]
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Facts without the entries that broke the schema, and the names of all entries of those that are mappings."""
    spoilt: dict[str, set[str | int]] = {}
    whole: set[str] = set()
    for path, _finding in problems:
        fact = str(path[0])
        is_map = isinstance(FACTS[fact].get("additionalProperties"), dict)
        if is_map and len(path) > 1:
            spoilt.setdefault(fact, set()).add(path[1])
        else:
            whole.add(fact)
    usable: dict[str, Any] = {}
    for fact, value in facts.items():
        if fact in FACTS and fact not in whole:
            usable[fact] = value
            if fact in spoilt:
                usable[fact] = {name: entry for name, entry in value.items() if name not in spoilt[fact]}
    names = {fact: list(value) for fact, value in facts.items() if isinstance(value, dict)}
    return usable, names


def _entries(facts: dict[str, Any], fact: str) -> dict[str, dict[str, Any]]:
    """The entries of a fact that are mappings, whatever else is wrong with them."""
    value = facts.get(fact)
    return {name: entry for name, entry in value.items() if isinstance(entry, dict)} if isinstance(value, dict) else {}


def _misspelt_facts(source: Source) -> Iterator[tuple[KeyPath, Finding]]:
    """Variables that carry one of our prefixes but are no fact, and variables that look much like one."""
    for name in source.variables():
        if name in FACTS:
            continue
        suggestion = next(iter(difflib.get_close_matches(name, FACTS, n=1, cutoff=0.75)), "")
        if name.startswith(_OWN_PREFIXES) or suggestion:
            expected = "unknown fact; expected one of the documented gcp_* and platform_* facts"
            yield (name,), dataclasses.replace(Finding(name, "", expected), suggestion=suggestion)


def _environment_matches_directory(facts: dict[str, Any], source: Source) -> Iterator[tuple[KeyPath, Finding]]:
    """A copied inventory that still names the environment it was copied from would change the wrong one."""
    directory, environment = Path(source.directory).name, facts.get("platform_environment")
    if directory in _ENVIRONMENTS and isinstance(environment, str) and environment != directory:
        key = "platform_environment"
        yield (key,), Finding(key, repr(environment), f"expected {directory!r}, the name of the inventory's directory")
