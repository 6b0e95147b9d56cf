# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The core of pin_file: reads and writes the file in which an environment's pins stand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.atomic_file import replace_file
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError, ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_source import (
    WHOLE_FILE,
    Finding,
    Source,
    display_path,
    read_file_source,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.near_miss import closest_match
from ansible_collections.dataplatform.compute.plugins.module_utils.pin_file_text import pin_file_text, plain
from ansible_collections.dataplatform.compute.plugins.module_utils.pins import (
    PINS,
    RECORD,
    findings_of,
    pins_id,
    record_matches,
    refuse_unsound,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition

try:
    import yaml
except ImportError:  # always there with Ansible; absent only where a plugin is merely inspected
    yaml = None

PRESENT, READ = "present", "read"
ARGUMENTS: dict[str, dict[str, Any]] = {
    "path": {"type": "path", "required": True},
    "state": {"type": "str", "choices": [PRESENT, READ], "default": PRESENT},
    "pins": {"type": "dict"},
    "record": {"type": "dict"},
    "expected_id": {"type": "str"},
}
CONSTRAINTS = {"required_if": [("state", PRESENT, ("pins", "record"), True)]}


class PinFileError(ComputeError):
    """The file cannot be written, for a reason of the machine; it is as it was."""


@dataclass(frozen=True)
class PinFile:
    """What a file of pins says, which is sound, and its text."""

    pins: dict[str, Any]
    record: dict[str, Any] | None
    text: str


def run(params: dict[str, Any], _client: None, reporter: Reporter) -> dict[str, Any]:
    """Read, or write what differs; returns what the task returns (see the module's RETURN)."""
    path = Path(params["path"])
    if params["state"] == READ:
        if params["pins"] is not None or params["record"] is not None:
            raise ValidationError(["pins and record: expected with state=present only"], "the options")
        return {"changed": False, **_result(path, read_pin_file(path))}
    before = _present(path)
    _refuse_other_pins(path, before, params["expected_id"])
    wanted = _wanted(path, before, params)
    changed = before is None or (wanted.pins, wanted.record) != (before.pins, before.record)
    if changed and not reporter.check_mode:
        try:
            replace_file(path, wanted.text)
        except OSError as error:
            problem = f"{path} cannot be written: {error.strerror or error}. It is as it was."
            raise PinFileError(problem) from error
    result = {"changed": changed, **_result(path, wanted)}
    if reporter.diff:
        old = before.text if before else ""
        result["diff"] = {
            "before_header": str(path),
            "after_header": str(path),
            "before": old,
            "after": wanted.text if changed else old,
        }
    return result


def read_pin_file(path: Path) -> PinFile:
    """What the file says. Raises ValidationError with file, line and what was expected where it is no sound one."""
    try:
        source = read_file_source(path)
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        problem = f"{path}: {error.strerror or error}; expected the pins.yml of an environment"
        raise ValidationError([problem], "the pins") from error
    problems = list(source.duplicates) or list(_foreign(source))
    facts: dict[str, Any] = {}
    if not problems:
        try:
            facts = yaml.safe_load(text)
        except yaml.YAMLError as error:  # a tag such as !vault
            line = error.problem_mark.line + 1
            problems = [Finding(WHOLE_FILE, "", f"expected plain values: {error.problem}", "", source.directory, line)]
    if not problems:
        located = findings_of(facts[PINS], facts[RECORD])
        problems = sorted(
            {source.locate(key, finding) for key, finding in located}, key=lambda one: (one.line, one.key)
        )
    if problems:
        raise ValidationError([str(problem) for problem in problems], display_path(path))
    return PinFile(facts[PINS], facts[RECORD], text)


def _present(path: Path) -> PinFile | None:
    try:
        return read_pin_file(path)
    except ValidationError as error:
        if isinstance(error.__cause__, FileNotFoundError) and path.parent.is_dir():
            return None
        raise


def _foreign(source: Source) -> list[Finding]:
    """Variables that are missing, and those that a file of pins does not have: writing it would lose them."""
    names, known = source.variables(), (PINS, RECORD)
    expected = f"unknown here; expected {PINS} and {RECORD} only"
    strange = [name for name in names if name not in known]
    findings = [source.locate((name,), Finding(name, "", expected, closest_match(name, known))) for name in strange]
    missing = [name for name in known if name not in names]
    return findings or [Finding(name, "", "expected in the file", "", source.directory, 1) for name in missing]


def _refuse_other_pins(path: Path, before: PinFile | None, expected: str | None) -> None:
    present = pins_id(before.pins) if before else None
    if expected is not None and present != expected:
        found = f"has the pins {present}" if present else "does not exist"
        raise ValidationError([f"{path} {found}; expected {expected}: somebody changed it meanwhile"], "the pins")


def _wanted(path: Path, before: PinFile | None, params: dict[str, Any]) -> PinFile:
    """The file's pins with those that are given over them, and the given record or else the file's."""
    try:
        pins = {**(before.pins if before else {}), **plain(params["pins"] or {})}
        record = before.record if before and params["record"] is None else plain(params["record"])
    except (TypeError, ValueError) as error:
        raise ValidationError([f"pins or record: expected values that JSON has: {error}"], "the options") from error
    refuse_unsound(pins, record, f"what is to be written to {path}")
    return PinFile(pins, record, pin_file_text(pins, record))


def _result(path: Path, content: PinFile) -> dict[str, Any]:
    return {
        "path": str(path),
        "pins": content.pins,
        "record": content.record,
        "id": pins_id(content.pins),
        "record_matches": record_matches(content.pins, content.record),
    }


DEFINITION = TaskDefinition(ARGUMENTS, run, CONSTRAINTS, needs_client=False)
