# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The file of pins: written whole or not at all, and never over something that somebody has to look at."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.pin_file import DEFINITION
from ansible_collections.dataplatform.compute.plugins.module_utils.pin_file_text import pin_file_text
from ansible_collections.dataplatform.compute.plugins.module_utils.pins import pins_id, promote, withdraw
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter

SHA = "ab" * 32
MOMENT = "2026-11-29T05:00:00Z"
PINS: dict[str, Any] = {
    "dataproc_image": "2.3.10-debian12",
    "environment": None,
    "init_actions": {"node-bundle.sh": SHA},
    "node_bundle": SHA,
}
ENVIRONMENT = {"lock_sha256": SHA, "squashfs_sha256": SHA, "archive_sha256": SHA}
# Runs in a process of its own, which is killed when everything is written but the name.
KILLED = """
import os, pathlib, signal, sys
from ansible_collections.dataplatform.compute.plugins.module_utils.atomic_file import replace_file
pathlib.Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
replace_file(pathlib.Path(sys.argv[1]), "half a file")
"""


@pytest.fixture(name="file")
def pins_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sound file of pins, without a record, in the working directory."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "pins.yml"
    file.write_text(pin_file_text(PINS, None))
    return file


def run(path: Path, *, check_mode: bool = False, **params: Any) -> dict[str, Any]:
    """What the task returns."""
    options = {"state": "present", "pins": None, "record": None, "expected_id": None, **params, "path": str(path)}
    return DEFINITION.execute(options, Reporter(check_mode=check_mode, diff=True))


def names_beside(file: Path) -> list[str]:
    """All names in the directory of the file."""
    return [path.name for path in file.parent.iterdir()]


def promoted_record() -> dict[str, Any]:
    """The record of PINS after a promotion."""
    told = {
        "promoted_at": MOMENT,
        "commit": "c" * 40,
        "files": {},
        "canary": {"at": MOMENT, "cluster": "canary", "jobs": {}},
    }
    return promote({**PINS, "node_bundle": None}, None, PINS, told, 3).record


def test_some_pins_are_written_and_the_others_stay(file: Path) -> None:
    file.write_text(pin_file_text(PINS, promoted_record()))
    result = run(file, pins={"environment": ENVIRONMENT})
    pins = {**PINS, "environment": ENVIRONMENT}
    assert result["changed"]
    assert (result["pins"], result["record"]) == (pins, promoted_record())
    assert (result["id"], result["record_matches"]) == (pins_id(pins), False)
    assert file.read_text() == result["diff"]["after"] == pin_file_text(pins, promoted_record())


def test_a_second_run_changes_nothing_and_leaves_comments_alone(file: Path) -> None:
    file.write_text(file.read_text() + "# looked at\n")
    result = run(file, pins=dict(reversed(PINS.items())))
    assert not result["changed"]
    assert result["diff"]["before"] == result["diff"]["after"] == file.read_text()
    assert file.read_text().endswith("# looked at\n")


def test_a_record_is_written_beside_the_pins_that_are_there(file: Path) -> None:
    record = withdraw(None, PINS, MOMENT, "no quota", instead=PINS)
    assert run(file, record=record)["changed"]
    assert run(file, state="read")["record"] == record
    assert not run(file, record=record)["changed"]


def test_pins_with_their_record_match(file: Path) -> None:
    result = run(file, record=promoted_record())
    assert result["record_matches"]


def test_check_mode_shows_the_change_and_makes_none(file: Path) -> None:
    before = file.read_text()
    result = run(file, check_mode=True, pins={"node_bundle": None})
    assert result["changed"]
    assert result["diff"]["before"] == before == file.read_text()
    assert "node_bundle: null" in result["diff"]["after"]
    assert names_beside(file) == ["pins.yml"]


def test_a_new_file_needs_all_pins(tmp_path: Path) -> None:
    new = tmp_path / "new.yml"
    assert run(new, pins={"node_bundle": None})["failed"]
    assert not new.exists()
    assert run(new, pins=PINS)["changed"]
    assert stat.S_IMODE(new.stat().st_mode) == 0o644
    assert run(new, state="read")["pins"] == PINS


def test_the_file_keeps_its_mode_and_a_link_stays_one(file: Path) -> None:
    file.chmod(0o640)
    link = file.parent / "link.yml"
    link.symlink_to(file.name)
    assert run(link, pins={"node_bundle": None})["changed"]
    assert link.is_symlink()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert run(file, state="read")["pins"]["node_bundle"] is None


# (content of the file, the one problem)
NO_PINS = [
    ("platform_pins: [\n", "pins.yml:2: (file): expected YAML: "),
    ("nonsense\n", "pins.yml:1: (file): expected a mapping of variables"),
    ("", "pins.yml:1: (file): expected a mapping of variables"),
    ("---\ngcp_region: europe-west1\n", "pins.yml:2: gcp_region: unknown here; expected platform_pins and "),
    (pin_file_text(PINS, None) + "platform_pin: 1\n",
     "pins.yml:12: platform_pin: unknown here; expected platform_pins and platform_pin_record only; did you mean "
     "'platform_pins'?"),
    (pin_file_text(PINS, None).partition("platform_pin_record")[0],
     "pins.yml:1: platform_pin_record: expected in the file"),
    (pin_file_text(PINS, None).replace("node_bundle: ab", "node_bundle: xy"),
     f"pins.yml:10: platform_pins.node_bundle: 'xy{SHA[2:]}': expected a SHA-256"),
    (pin_file_text(PINS, None).replace("node_bundle", "node_bundel"),
     "pins.yml:10: platform_pins.node_bundel: unknown key; expected one of dataproc_image, environment, init_actions, "
     "node_bundle; did you mean 'node_bundle'?"),
    (pin_file_text(PINS, None) + "platform_pin_record: null\n",
     "pins.yml:12: platform_pin_record: expected once; it is also in line 11"),
    (pin_file_text(PINS, None).replace("_record: null", "_record: !vault x"),
     "pins.yml:11: (file): expected plain values"),
]  # fmt: skip


@pytest.mark.parametrize("state", ["present", "read"])
@pytest.mark.parametrize(("content", "problem"), NO_PINS, ids=[problem[9:50] for _content, problem in NO_PINS])
def test_what_is_no_sound_file_is_neither_read_nor_overwritten(
    file: Path, content: str, problem: str, state: str
) -> None:
    file.write_text(content)
    result = run(file, state=state, pins=PINS if state == "present" else None)
    assert result["failed"]
    assert len(result["error"]["problems"]) == 1, result["msg"]
    assert result["error"]["problems"][0].startswith(problem)
    assert file.read_text() == content


def test_bytes_that_are_no_text_are_refused(file: Path) -> None:
    file.write_bytes(b"\xff\xfe")
    assert "pins.yml:1: (file): expected YAML: " in run(file, pins=PINS)["msg"]


def test_a_file_that_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    message = run(tmp_path / "none.yml", state="read")["msg"]
    assert "none.yml: No such file or directory; expected the pins.yml of an environment" in message


def test_a_directory_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    assert run(tmp_path / "none/pins.yml", check_mode=True, pins=PINS)["failed"]


def test_unsound_content_is_refused_before_anything_is_written(file: Path) -> None:
    before = file.read_text()
    result = run(file, pins={"node_bundel": SHA, "init_actions": {"a/b": SHA}}, record={"id": 1})
    assert result["failed"]
    assert "platform_pins.node_bundel: unknown key" in result["msg"]
    assert "platform_pins.init_actions.a/b: 'a/b': expected the name of a file under init-actions/" in result["msg"]
    assert "platform_pin_record.id: 1: expected the id of pins" in result["msg"]
    assert file.read_text() == before


def test_pins_that_changed_meanwhile_are_not_overwritten(file: Path) -> None:
    looked_at = run(file, state="read")["id"]
    run(file, pins={"node_bundle": None})
    result = run(file, pins={"environment": ENVIRONMENT}, expected_id=looked_at)
    assert f"expected {looked_at}: somebody changed it meanwhile" in result["msg"]
    assert run(file, state="read")["pins"]["environment"] is None
    assert "does not exist" in run(file.parent / "new.yml", pins=PINS, expected_id=looked_at)["msg"]


def test_a_run_that_is_killed_before_the_end_leaves_the_file_as_it_was(file: Path) -> None:
    before = file.read_text()
    search_path = os.pathsep.join(path for path in sys.path if path)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(file)], env={**os.environ, "PYTHONPATH": search_path}, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert file.read_text() == before
    left_over = [name for name in names_beside(file) if name != "pins.yml"]
    assert len(left_over) == 1
    assert left_over[0].startswith("."), "Ansible reads no hidden files"
    assert run(file, pins={"node_bundle": None})["changed"]
    assert names_beside(file) == ["pins.yml"]


def test_a_directory_that_cannot_be_written_is_said(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    result = run(file, pins={"node_bundle": None})
    assert "cannot be written: No space left on device. It is as it was." in result["msg"]
    assert file.read_text() == pin_file_text(PINS, None)
    assert names_beside(file) == ["pins.yml"]
