"""The user's script as a process: real processes, no cluster."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dask_on_yarn.exit_codes import BAD_OPTIONS, RunEnded
from dask_on_yarn.script_process import Account, ScriptProcess, find_account, script_environment
from dask_on_yarn.script_source import ScriptSource
from dask_on_yarn.security import RunSecurity

SYSTEM_PYTHON = "/usr/bin/python3"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="changing accounts needs root")
JOBS = Path(__file__).parents[3] / "jobs"


def alive(marker):
    """Processes whose command line is ``sleep <marker>``."""
    return [
        entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit() and _command(entry) == f"sleep {marker}"
    ]


def _command(entry):
    try:
        return (entry / "cmdline").read_bytes().decode().rstrip("\0").replace("\0", " ")
    except OSError:
        return ""


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def start(code, directory, python=sys.executable, account=None):
    return ScriptProcess(
        [python, "-u", "-c", code],
        directory=directory,
        run_directory=directory.parent,
        environment=os.environ,
        account=account,
    )


@pytest.mark.parametrize(("code", "expected"), [("pass", 0), ("raise SystemExit(7)", 7), ("1/0", 1)])
def test_the_exit_code_is_passed_on(code, expected, tmp_path):
    assert start(code, tmp_path).wait(60) == expected


def test_a_signal_becomes_128_and_its_number(tmp_path):
    assert start("import os; os.kill(os.getpid(), 9)", tmp_path).wait(60) == 137


def test_what_a_script_writes_its_group_may_change_whatever_the_mask_of_the_image(tmp_path):
    before = os.umask(0o077)
    try:
        assert start("import os; os.mkdir('d'); open('f', 'w')", tmp_path).wait(60) == 0
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in "df"] == [0o775, 0o664]


def test_what_the_script_leaves_behind_ends_with_it(tmp_path):
    code = "import subprocess; subprocess.Popen(['setsid', 'sleep', '41.25']); subprocess.Popen(['sleep', '41.25'])"
    assert start(code, tmp_path).wait(60) == 0
    assert alive("41.25") == []


def test_stopping_ends_a_script_that_ignores_sigterm_and_its_children(tmp_path, monkeypatch):
    monkeypatch.setattr("dask_on_yarn.script_process.SCRIPT_GRACE_SECONDS", 0.3)
    code = (
        "import signal, subprocess, time; signal.signal(15, signal.SIG_IGN);"
        "subprocess.Popen(['setsid', 'sleep', '42.25']); open('ready', 'w'); time.sleep(60)"
    )
    script = start(code, tmp_path)
    wait_until((tmp_path / "ready").exists)
    script.stop()
    assert script.exit_code == 137
    assert alive("42.25") == []


def test_nothing_survives_a_killed_launcher(tmp_path):
    for part in ("script", "run"):
        (tmp_path / part).mkdir()
    launcher = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import os, pathlib, time\n"
            "from dask_on_yarn.script_process import ScriptProcess\n"
            "ScriptProcess(['sh', '-c', 'setsid sleep 43.25 & sleep 43.25'], directory=pathlib.Path('script'),"
            " run_directory=pathlib.Path.cwd() / 'run', environment=os.environ)\ntime.sleep(60)",
        ],
        env={**os.environ, "PYTHONPATH": str(JOBS)},
        cwd=tmp_path,
    )
    wait_until(lambda: len(alive("43.25")) == 2)
    launcher.kill()
    launcher.wait()
    wait_until(lambda: not alive("43.25"))
    wait_until(lambda: not (tmp_path / "run").exists())
    assert (tmp_path / "script").exists()


@as_root
def test_a_script_under_another_account_has_its_rights_only(tmp_path):
    account = find_account("nobody")
    for part in [tmp_path, *list(tmp_path.parents)[:-2]]:
        part.chmod(part.stat().st_mode | 0o011)
    scratch = tmp_path / "scratch"
    scratch.mkdir(mode=0o700)
    os.chown(scratch, account.uid, account.gid)
    RunSecurity("CERTIFICATE\n", "KEY\n").write(scratch, account.uid, account.gid)
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(0o600)
    code = (
        "import os; assert os.getresuid() == os.getresgid() == (65534,) * 3, os.getresuid();"
        "assert os.getgroups() == [65534]; assert open('dask.key').read() == 'KEY\\n';"
        f"assert not os.access({str(secret)!r}, os.R_OK); open('out', 'w').write('x');"
        "assert 'NoNewPrivs:\\t1' in open('/proc/self/status').read()"
    )
    assert start(code, scratch, SYSTEM_PYTHON, account).wait(60) == 0
    assert (scratch / "out").stat().st_uid == 65534
    assert (scratch / "dask.key").stat().st_mode & 0o777 == 0o600


@as_root
def test_root_without_an_account_loses_its_powers(tmp_path):
    foreign = tmp_path / "foreign"
    foreign.write_text("x")
    os.chown(foreign, 65534, 65534)
    foreign.chmod(0o600)
    code = (
        "status = open('/proc/self/status').read(); assert 'CapEff:\\t0000000000000000' in status, status;"
        "assert 'CapBnd:\\t0000000000000000' in status; assert 'NoNewPrivs:\\t1' in status\n"
        f"try: open({str(foreign)!r})\nexcept PermissionError: raise SystemExit(9)"
    )
    assert start(code, tmp_path).wait(60) == 9


def test_an_unknown_account_is_named():
    with pytest.raises(RunEnded) as caught:
        find_account("yarnn")
    assert caught.value.exit_code == BAD_OPTIONS
    assert "'yarnn'" in caught.value.reason


def test_a_uid_needs_no_entry_in_the_password_database():
    assert find_account("4242424") == Account(4242424, 4242424, "/")


def test_the_way_into_the_jvm_is_hidden_from_the_script():
    seen = script_environment({"PYSPARK_GATEWAY_SECRET": "s", "PATH": "/bin", "_PYSPARK_DRIVER_CONN_INFO_PATH": "p"})
    assert seen == {"PATH": "/bin"}


def test_a_script_is_copied_and_a_missing_one_is_named(tmp_path):
    (tmp_path / "a.py").write_text("print(1)")
    target = tmp_path / "target"
    target.mkdir()
    assert ScriptSource(f"file://{tmp_path}/a.py", target, None).wait().read_text() == "print(1)"
    with pytest.raises(RunEnded) as caught:
        ScriptSource(str(tmp_path / "b.py"), target, None).wait()
    assert caught.value.exit_code == BAD_OPTIONS
    assert "b.py" in caught.value.reason
