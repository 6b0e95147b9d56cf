# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Turn (desired, live) into a list of planned items. Pure: check mode shows this list, apply executes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.compare import (
    FieldChange,
    compare,
    without_nulls,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.kinds.base import Kind
from ansible_collections.dataplatform.compute.plugins.module_utils.ownership import (
    foreign_owner,
    is_owned,
    with_labels,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.schema import show_path
from ansible_collections.dataplatform.compute.plugins.module_utils.secret_looking import sides_without_secrets

# States a live resource may be in, for kinds that have states.
DELETING, ERROR = "DELETING", "ERROR"
# The cluster still runs jobs, but Dataproc takes no more updates of it.
ERROR_DUE_TO_UPDATE = "ERROR_DUE_TO_UPDATE"
CREATE, UPDATE, REPLACE, DELETE, ADOPT, NONE = "create", "update", "replace", "delete", "adopt", "none"


@dataclass(frozen=True)
class PlanOptions:
    """What the user allows. ``adopt``: ``unlabelled`` (what nobody claims), ``always`` or ``never``."""

    ownership: dict[str, str] = field(default_factory=dict)
    adopt: str = "unlabelled"
    allow_replace: bool = False


@dataclass(frozen=True)
class PlannedItem:
    """What happens to one resource; ``desired`` is the whole target, ``live`` Google's answer as it came."""

    kind: Kind
    id: str
    action: str
    desired: dict[str, Any] | None
    live: dict[str, Any] | None
    changes: list[FieldChange]
    before: dict[str, Any]
    after: dict[str, Any]
    message: str

    @property
    def changed(self) -> bool:
        """Return whether anything is to be done."""
        return self.action != NONE

    def diff(self) -> dict[str, Any]:
        """Return the two sides of this item for ``--diff``, without what looks like a secret."""
        header = f"{self.kind.name} {self.id}"
        before, after = sides_without_secrets(self.before, self.after)
        return {
            "before_header": f"{header} ({'absent' if self.live is None else 'live'})",
            "after_header": f"{header} ({self.action})",
            "before": before,
            "after": after,
        }


def plan_present(
    kind: Kind,
    desired: dict[str, dict[str, Any]],
    live: dict[str, dict[str, Any]],
    options: PlanOptions,
    *,
    purge: bool = False,
) -> list[PlannedItem]:
    """Return one item for each desired resource, and one for each that ``purge`` deletes.

    Raises ValidationError with everything that may not be done (a fixed field, somebody else's resource).
    """
    problems: list[str] = []
    items = []
    for identifier, wanted in desired.items():
        item, found = plan_one(kind, identifier, wanted, live.get(identifier), options)
        items.append(item)
        problems += found
    if purge:
        for identifier in sorted(set(live) - set(desired)):
            found = live[identifier]
            if options.ownership and is_owned(found, options.ownership) and kind.state(found) != DELETING:
                items.append(_deletion(kind, identifier, live[identifier], "not listed any more"))
    if problems:
        raise ValidationError(problems, f"the plan for {kind.name}")
    return items


def plan_absent(
    kind: Kind, identifiers: list[str], live: dict[str, dict[str, Any]], options: PlanOptions
) -> list[PlannedItem]:
    """Return one item for each id; raises ValidationError for those that do not carry the ownership labels."""
    problems, items = [], []
    for identifier in identifiers:
        found = live.get(identifier)
        if found is None:
            items.append(PlannedItem(kind, identifier, NONE, None, None, [], {}, {}, "absent already"))
        elif kind.state(found) == DELETING:
            items.append(PlannedItem(kind, identifier, NONE, None, found, [], {}, {}, "is being deleted already"))
        elif is_owned(found, options.ownership) or options.adopt == "always":
            items.append(_deletion(kind, identifier, found, "listed as absent"))
        else:
            problems.append(
                f"{identifier} exists, but does not carry the labels {_labels(options.ownership)}; it is not deleted."
                " Set adopt: always to delete it nevertheless"
            )
    if problems:
        raise ValidationError(problems, f"the plan for {kind.name}")
    return items


def plan_one(
    kind: Kind,
    identifier: str,
    desired: dict[str, Any],
    live: dict[str, Any] | None,
    options: PlanOptions,
) -> tuple[PlannedItem, list[str]]:
    """Return what happens to one resource, and what of it may not be done."""
    problems: list[str] = []
    state = kind.state(live) if live is not None else ""
    if live is None or state == DELETING:
        message = "does not exist" if live is None else "is being deleted; created anew when it is gone"
        target = without_nulls(with_labels(desired, None, options.ownership))
        return PlannedItem(kind, identifier, CREATE, target, live, [], {}, target, message), problems
    normalised = kind.schema.normalise(live)
    normalised[kind.id_field] = identifier
    target = with_labels(desired, normalised, options.ownership)
    comparison = compare(kind, target, normalised)
    changes = comparison.changes
    owned = is_owned(normalised, options.ownership)
    action, message = UPDATE, _summary(changes)
    if not changes:
        action, message = NONE, "in the desired state"
    elif not owned:
        problem = _may_not_adopt(identifier, normalised, options)
        if problem:
            problems.append(problem)
        action = ADOPT
        message = f"exists already without the labels {_labels(options.ownership)}; adopted. {message}"
    if state == ERROR or (state == ERROR_DUE_TO_UPDATE and changes):
        detail = kind.state_detail(live) or "no detail given"
        if kind.replaceable and options.allow_replace:
            action, message = REPLACE, f"deleted and created anew, its state is {state}: {detail}"
        else:
            way_out = "Delete it with state: absent, or set allow_replace: true"
            problems.append(f"{identifier} is in the state {state} ({detail}). {way_out}")
    fixed = [change for change in changes if not kind.can_update(change.path)]
    if fixed:
        if kind.replaceable and options.allow_replace:
            action, message = REPLACE, f"deleted and created anew, cannot be changed in place: {_summary(fixed)}"
        else:
            problems.append(_cannot_change(kind, identifier, fixed))
    item = PlannedItem(kind, identifier, action, target, live, changes, comparison.before, comparison.after, message)
    return item, problems


def _deletion(kind: Kind, identifier: str, live: dict[str, Any], message: str) -> PlannedItem:
    return PlannedItem(kind, identifier, DELETE, None, live, [], kind.schema.normalise(live), {}, message)


def _may_not_adopt(identifier: str, live: dict[str, Any], options: PlanOptions) -> str:
    owner = foreign_owner(live, options.ownership)
    if options.adopt == "always":
        return ""
    if owner:
        return f"{identifier} belongs to somebody else ({owner}). Set adopt: always to take it over"
    if options.adopt == "never":
        return f"{identifier} exists already without the labels {_labels(options.ownership)}, and adopt is never"
    return ""


def _cannot_change(kind: Kind, identifier: str, fixed: list[FieldChange]) -> str:
    way_out = (
        "Set allow_replace: true to delete it and create it anew"
        if kind.replaceable
        else "Create it under another name and move what it holds"
    )
    fields = ", ".join(show_path(change.path) for change in fixed)
    return f"{identifier}: {fields} cannot be changed in place ({_summary(fixed)}). {way_out}"


def _summary(changes: list[FieldChange]) -> str:
    shown = "; ".join(str(change) for change in changes[:5])
    return f"{shown}; and {len(changes) - 5} more" if len(changes) > 5 else shown


def _labels(ownership: dict[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(ownership.items())) or "(none)"
