# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Content-addressed artefacts."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.artifacts import artifact, list_artifacts
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError


def names(directories: dict[str, Path], **rendered: str) -> list[str]:
    """The names of all artefacts."""
    return [
        entry["name"] for entry in list_artifacts({key: str(path) for key, path in directories.items()}, "b", rendered)
    ]


def test_the_address_is_the_hash_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "jöb.py").write_bytes("print('ü')\r\n".encode())
    (entry,) = list_artifacts({"jobs": str(tmp_path)}, "bucket", {})
    digest = hashlib.sha256("print('ü')\r\n".encode()).hexdigest()
    assert entry == {
        "name": "jobs/a b/jöb.py",
        "object": f"{digest}/jöb.py",
        "uri": f"gs://bucket/{digest}/jöb.py",
        "content": "print('ü')\r\n",
    }


def test_only_content_decides() -> None:
    assert artifact("jobs/a.py", "x", "b")["uri"] == artifact("elsewhere/a.py", "x", "b")["uri"]
    assert artifact("jobs/a.py", "x", "b")["uri"] != artifact("jobs/a.py", "y", "b")["uri"]


def test_what_runs_leave_behind_and_documentation_stay_out(tmp_path: Path) -> None:
    for name in ("__pycache__/a.pyc", "b.pyc", ".hidden", "README.md", "kept.py", "deep/kept.sh"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert names({"jobs": tmp_path}) == ["jobs/deep/kept.sh", "jobs/kept.py"]


def test_directories_that_do_not_exist_are_empty_and_rendered_texts_join(tmp_path: Path) -> None:
    assert names({"init-actions": tmp_path / "none"}) == []
    assert names({"init-actions": tmp_path / "none"}, table="{}") == ["table"]


def package_in(root: Path) -> Path:
    """A directory with a package of two modules beside a script."""
    for name, text in {
        "tool/__init__.py": "",
        "tool/inner/__init__.py": "",
        "tool/inner/deep.py": "answer = 42\n",
        "run.py": "import tool\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_package_is_one_archive_that_python_imports_from(tmp_path: Path) -> None:
    entries = {
        entry["name"]: entry for entry in list_artifacts({"jobs": str(package_in(tmp_path / "jobs"))}, "bucket", {})
    }
    assert list(entries) == ["jobs/run.py", "jobs/tool.zip"]
    archive = tmp_path / "tool.zip"
    archive.write_bytes(base64.b64decode(entries["jobs/tool.zip"]["content_base64"]))
    assert entries["jobs/tool.zip"]["object"] == f"{hashlib.sha256(archive.read_bytes()).hexdigest()}/tool.zip"
    command = [sys.executable, "-c", "from tool.inner.deep import answer; print(answer)"]
    environment = {**os.environ, "PYTHONPATH": str(archive)}
    assert subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout == "42\n"


def test_when_a_package_was_checked_out_does_not_change_its_address(tmp_path: Path) -> None:
    first, second = (package_in(tmp_path / name) for name in ("first", "second"))
    os.utime(second / "tool" / "__init__.py", (0, 0))
    (second / "tool" / "__init__.py").chmod(0o755)
    assert list_artifacts({"jobs": str(first)}, "b", {}) == list_artifacts({"jobs": str(second)}, "b", {})


def test_every_file_that_is_not_text_is_reported(tmp_path: Path) -> None:
    for name in ("a.bin", "b.bin"):
        (tmp_path / name).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValidationError) as caught:
        names({"jobs": tmp_path})
    assert [problem.split(" ", 1)[0].rpartition("/")[2] for problem in caught.value.problems] == ["a.bin", "b.bin"]


def test_a_file_that_cannot_be_read_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.py").touch()

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ValidationError, match=r"a\.py cannot be read: Permission denied"):
        names({"jobs": tmp_path})
