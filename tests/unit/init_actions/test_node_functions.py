"""``init-actions/lib/node.sh``: the functions that init actions share."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.init_actions.conftest import ShellNode
from tests.unit.init_actions.fake_google import TOKEN


def test_a_setting_is_taken_as_it_is_and_never_run(shell_node: ShellNode) -> None:
    file = shell_node.directory / "a.conf"
    file.write_text('# b=comment\nb=old\nb=$(touch /opt/run) `id` "x" = y\nempty=\nlast=no newline')
    settings = "setting $f b; echo; setting $f empty; setting $f c given; echo; setting $f last"
    answer = shell_node.shell(f"f={file}; {settings}")
    assert answer.stdout == '$(touch /opt/run) `id` "x" = y\ngiven\nno newline'
    assert list(shell_node.opt.iterdir()) == []
    missing = shell_node.shell(f"x=$(setting {file} c)")
    assert (missing.returncode, "has no line c=VALUE" in missing.stderr) == (5, True)
    assert shell_node.shell("x=$(setting /opt/none.conf c)").returncode == 5


def test_metadata_tells_absence_emptiness_and_a_default_apart(shell_node: ShellNode) -> None:
    shell_node.google.attributes |= {"here": "a b\nc", "empty": ""}
    answer = shell_node.shell("metadata here; echo; echo [$(metadata empty default)]; metadata absent default")
    assert answer.stdout == "a b\nc\n[]\ndefault"
    absent = shell_node.shell("x=$(metadata absent); echo not reached")
    assert (absent.returncode, absent.stdout) == (3, "")
    assert "metadata has no absent" in absent.stderr


def test_a_node_without_a_metadata_server_ends_with_its_own_code(shell_node: ShellNode) -> None:
    shell_node.environment["GCE_METADATA_HOST"] = "127.0.0.1:1"
    assert shell_node.shell("x=$(metadata absent default)").returncode == 3


@pytest.mark.parametrize(("role", "code"), [("Master", 0), ("Worker", 0), ("worker", 3), ("", 3)])
def test_a_role_is_one_of_googles_two(shell_node: ShellNode, role: str, code: int) -> None:
    shell_node.google.attributes["dataproc-role"] = role
    answer = shell_node.shell("role=$(node_role); echo $role")
    assert (answer.returncode, answer.stdout.strip()) == (code, "" if code else role)


def test_install_file_says_changed_once_and_heals_mode_and_links(shell_node: ShellNode) -> None:
    install = "printf 'a\\0b' | install_file 0640 root:root /opt/deep/file"
    assert shell_node.shell(install).stdout == "changed\n"
    file = shell_node.opt / "deep" / "file"
    assert (file.read_bytes(), file.stat().st_mode & 0o7777) == (b"a\0b", 0o640)
    before = file.stat().st_ino
    assert shell_node.shell(install).stdout == "unchanged\n"
    assert file.stat().st_ino == before
    file.chmod(0o644)
    assert shell_node.shell(install).stdout == "changed\n"
    assert file.stat().st_mode & 0o7777 == 0o640
    file.unlink()
    file.symlink_to("elsewhere")
    assert shell_node.shell(install).stdout == "changed\n"
    assert not file.is_symlink()
    assert [path.name for path in file.parent.iterdir()] == ["file"]


def test_install_file_on_a_full_disk_keeps_the_old_file_and_leaves_nothing(shell_node: ShellNode) -> None:
    # The file system lives as long as the namespace: what is left on it has to be said by the same shell.
    shell_node.preparation.append("mkdir /opt/small; mount -t tmpfs -o size=64k none /opt/small")
    answer = shell_node.shell(
        "echo old >/opt/small/file\n"
        "(answer=$(head -c 200000 /dev/zero | install_file 0644 root:root /opt/small/file)) || echo code $?\n"
        "ls -A /opt/small; cat /opt/small/file"
    )
    assert answer.stdout == "code 11\nfile\nold\n", answer.stderr
    assert "failed, DISK_FULL" in answer.stderr


def test_a_retry_gives_up_with_the_last_code_and_stops_at_success(shell_node: ShellNode) -> None:
    answer = shell_node.shell(
        "n=0; f() { n=$((n + 1)); ((n == 3)) || return $((40 + n)); }\n"
        "retry 2 0.01 -- f || echo $? $n; n=0; retry 5 0.01 -- f; echo $? $n"
    )
    assert answer.stdout == "42 2\n0 3\n"


def test_a_download_is_retried_and_the_token_stays_out_of_arguments(shell_node: ShellNode, tmp_path: Path) -> None:
    shell_node.google.objects["bucket/dir/ä b%.txt"] = (1, b"content")
    shell_node.google.faults = [503, 429, "cut"]
    # Stands before curl and writes down what other processes could see of it.
    tools = tmp_path / "tools"
    tools.mkdir()
    spy = tools / "curl"
    seen = tmp_path / "seen"
    spy.write_text(f'#!/bin/sh\ntr "\\0" " " </proc/$$/cmdline >>{seen}\nenv >>{seen}\nexec /usr/bin/curl "$@"\n')
    spy.chmod(0o755)
    shell_node.environment["PATH"] = f"{tools}:{shell_node.environment['PATH']}"
    answer = shell_node.shell("fetch_object 'gs://bucket/dir/ä b%.txt' /opt/new/file")
    assert answer.returncode == 0, answer.stderr
    assert (shell_node.opt / "new" / "file").read_bytes() == b"content"
    assert shell_node.google.answers.count(200) >= 2
    seen = (tmp_path / "seen").read_text()
    assert "alt=media" in seen
    assert TOKEN not in seen + answer.stdout + answer.stderr


def test_one_line_says_when_who_what_and_how_long(shell_node: ShellNode) -> None:
    answer = shell_node.shell("sleep 0.2; log_step 'a %s step'")
    assert answer.stdout == ""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ shell: a %s step \(0\.[2-9]\d s\)\n", answer.stderr)
