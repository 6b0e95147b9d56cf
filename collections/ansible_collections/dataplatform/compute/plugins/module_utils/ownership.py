# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Who owns a resource: it is ours when it carries every ownership label. Pure."""

from __future__ import annotations

from typing import Any

SERVER_LABEL_PREFIX = "goog-"
MAXIMUM_LABELS = 64


def labels_of(resource: dict[str, Any]) -> dict[str, str]:
    """Return the labels of a resource, empty when it has none."""
    labels = resource.get("labels")
    return dict(labels) if isinstance(labels, dict) else {}


def is_owned(live: dict[str, Any], ownership: dict[str, str]) -> bool:
    """Return whether a live resource carries every ownership label; without such labels everything listed is ours."""
    labels = labels_of(live)
    return all(labels.get(key) == value for key, value in ownership.items())


def foreign_owner(live: dict[str, Any], ownership: dict[str, str]) -> str:
    """Return how a live resource says that somebody else owns it (``environment=prod``), empty when it does not."""
    labels = labels_of(live)
    other = [f"{key}={labels[key]}" for key, value in sorted(ownership.items()) if labels.get(key, value) != value]
    return ", ".join(other)


def with_labels(desired: dict[str, Any], live: dict[str, Any] | None, ownership: dict[str, str]) -> dict[str, Any]:
    """Return ``desired`` with the labels the resource shall have.

    Labels that are stated are the whole truth: other keys go, except those that Google adds. Where none are stated, the
    live ones stay and only the ownership labels are added.
    """
    live_labels = labels_of(live or {})
    if "labels" in desired:
        kept = {key: value for key, value in live_labels.items() if key.startswith(SERVER_LABEL_PREFIX)}
        stated = desired["labels"] or {}
    else:
        kept, stated = live_labels, {}
    labels = {**kept, **stated, **ownership}
    if not labels and "labels" not in desired:
        return desired
    return {**desired, "labels": labels}


def label_problems(labels: Any, where: str = "labels") -> list[str]:
    """Return what Google would refuse about labels: their number, characters and length."""
    if not isinstance(labels, dict):
        return []
    problems = []
    if len(labels) > MAXIMUM_LABELS:
        problems.append(f"{where} has {len(labels)} entries; at most {MAXIMUM_LABELS} are allowed")
    rule = "lower-case letters, digits, '_' and '-', at most 63 characters"
    for key, value in labels.items():
        if not (isinstance(key, str) and _well_formed(key) and key and not (key[0].isdigit() or key[0] in "_-")):
            problems.append(f"{where} has the key '{key}'; expected {rule}, beginning with a letter")
        if isinstance(value, str) and not _well_formed(value):
            problems.append(f"{where}.{key} is '{value}'; expected {rule}")
    return problems


def _well_formed(text: str) -> bool:
    return len(text) <= 63 and all(
        character in "_-" or character.isdigit() or (character.isalpha() and not character.isupper())
        for character in text
    )
