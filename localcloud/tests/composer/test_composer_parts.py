"""Airflow's configuration, packages, and commands, each without Airflow."""

from __future__ import annotations

import configparser
import json
import stat
import types
from pathlib import Path

import pytest

from localcloud.composer.commands import COMPOSER_MIRROR, Commands, require_allowed
from localcloud.composer.configuration import (
    AirflowSpec,
    Paths,
    airflow_environment,
    ensure_secrets,
    render_configuration,
)
from localcloud.composer.packages import missing_packages
from localcloud.composer.processes import AirflowError, end_environments
from localcloud.errors import ApiError

KEYS = {"fernet_key": "f", "secret_key": "s%s"}
SPEC = AirflowSpec("r_env", "env", "r", "project", "bucket", variables={"COLOUR": "blue", "HTTPS_PROXY": "elsewhere"})


def configuration(overrides: dict[str, str], pace: float = 0.01) -> configparser.ConfigParser:
    """Return the configuration as Airflow reads it, with interpolation."""
    parser = configparser.ConfigParser()
    parser.read_string(render_configuration(Paths(Path("/home/of/it")), KEYS, overrides, pace))
    return parser


def test_overrides_win_and_per_cent_signs_survive():
    read = configuration({"core-parallelism": "9", "logging-log_format": "%(asctime)s", "mine-x": "y"})
    assert read["core"]["parallelism"] == "9"
    assert read["logging"]["log_format"] == "%(asctime)s"
    assert read["mine"]["x"] == "y"
    assert read["webserver"]["secret_key"] == KEYS["secret_key"]
    assert read["core"]["dags_folder"] == "/home/of/it/gcs/dags"
    assert read["core"]["load_examples"] == "False"


@pytest.mark.parametrize(("pace", "seconds"), [(0.01, "1"), (1.0, "120")])
def test_new_dags_are_looked_for_by_the_pace(pace, seconds):
    assert configuration({}, pace)["scheduler"]["dag_dir_list_interval"] == seconds


def test_what_leads_to_the_local_cloud_wins_over_variables_of_the_user():
    made = airflow_environment(SPEC, Paths(Path("/h")), Path("/a/bin/python"), "/usr/bin", {"HTTPS_PROXY": "here"})
    assert (made["COLOUR"], made["HTTPS_PROXY"]) == ("blue", "here")
    assert (made["GCS_BUCKET"], made["COMPOSER_ENVIRONMENT"]) == ("bucket", "env")
    assert made["PATH"] == "/a/bin:/usr/bin"


def test_keys_are_made_once_and_for_the_owner_alone(tmp_path):
    first = ensure_secrets(tmp_path / "secrets.json")
    assert ensure_secrets(tmp_path / "secrets.json") == first
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    assert ensure_secrets(tmp_path / "others.json") != first


def test_every_directory_of_an_environment_is_the_owners_alone(tmp_path):
    paths = Paths(tmp_path / "environments" / "europe-west1_etl")
    paths.make()
    open_to_others = [path for path in (paths.home, *paths.home.rglob("*")) if path.stat().st_mode & 0o077]
    paths.temporary.rmdir()
    assert open_to_others == []


def test_temporary_files_have_short_paths_and_are_the_owners(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    paths = Paths(tmp_path / ("x" * 200))
    assert len(paths.temporary.name) < 30
    assert paths.temporary != Paths(tmp_path / "other").temporary
    (tmp_path / "real").mkdir()
    paths.temporary.symlink_to(tmp_path / "real")
    with pytest.raises(OSError, match="somebody else's"):
        paths.make()


# packages


def site(tmp_path: Path) -> Path:
    metadata = tmp_path / "some_package-1.5.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: some_package\nVersion: 1.5\n")
    return tmp_path


@pytest.mark.parametrize("specifier", ["", "==1.5", ">=1,<2", "[extra]>=1"])
def test_a_package_that_is_there_as_wanted_is_accepted(tmp_path, specifier):
    assert missing_packages({"some-package": specifier}, site(tmp_path)) == ""


@pytest.mark.parametrize(
    ("name", "specifier", "text"),
    [
        ("absent", "", "absent is not in Airflow's environment"),
        ("some-package", ">=2", "some-package 1.5 is in Airflow's environment, wanted >=2"),
        ("some-package", "=1", "some-package=1 is no valid requirement"),
    ],
)
def test_a_package_that_is_not_is_named(tmp_path, name, specifier, text):
    assert text in missing_packages({name: specifier}, site(tmp_path))


# commands


class Host:
    """Stands for an environment's host."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.asked: list[dict] = []
        self.up = True
        Paths(home).commands.mkdir(parents=True)

    def paths(self, _directory: str) -> Paths:
        return Paths(self.home)

    def wait_until_ready(self, _directory: str, _seconds: float) -> None:
        if not self.up:
            raise AirflowError("it does not answer")

    def call(self, _directory: str, request: dict) -> dict:
        self.asked.append(request)
        return {"process": 1, "running": True}

    def is_running(self, _directory: str) -> bool:
        return self.up


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "home")


def start(host: Host, *words: str) -> dict:
    return Commands(host).execute("d", "12345678-0", {"command": words[0], "parameters": list(words[1:])})


def write(host: Host, started: dict, output: str, code: int | None = None) -> None:
    directory = Paths(host.home).commands / started["executionId"]
    (directory / "output").write_text(output)
    if code is not None:
        (directory / "exit.json").write_text(json.dumps({"exit_code": code}))


def poll(host: Host, started: dict, line: int = 1) -> dict:
    return Commands(host).poll("d", {**started, "nextLineNumber": line})


@pytest.mark.parametrize(
    ("command", "sub"), [("webserver", ""), ("", ""), ("db", "reset"), ("db", ""), ("config", "list")]
)
def test_commands_that_composer_does_not_run_are_refused(command, sub):
    with pytest.raises(ApiError, match="is not supported, expected one of"):
        require_allowed(command, sub)


def test_composers_path_in_arguments_is_the_mirror_and_back_in_output(host):
    started = start(host, "variables", "import", f"--x={COMPOSER_MIRROR}/data/v.json")
    assert host.asked[0]["arguments"] == ["variables", "import", f"--x={host.home}/gcs/data/v.json"]
    write(host, started, f"in {host.home}/gcs/dags/d.py\n", 0)
    assert poll(host, started)["output"] == [{"lineNumber": 1, "content": f"in {COMPOSER_MIRROR}/dags/d.py"}]


def test_lines_are_read_once_they_are_complete_and_the_code_comes_last(host):
    started = start(host, "version")
    write(host, started, "one\n\nthr")
    assert poll(host, started) == {"output": [{"lineNumber": 1, "content": "one"}, {"lineNumber": 2, "content": ""}]}
    write(host, started, "one\n\nthree", 3)
    assert poll(host, started, 3) == {
        "output": [{"lineNumber": 3, "content": "three"}],
        "outputEnd": True,
        "exitInfo": {"exitCode": 3},
    }


def test_a_long_output_takes_several_answers(host):
    started = start(host, "version")
    write(host, started, "x\n" * 1001, 0)
    first = poll(host, started)
    assert (len(first["output"]), "outputEnd" in first) == (1000, False)
    assert poll(host, started, 1001)["outputEnd"] is True


def test_a_command_whose_airflow_was_restarted_ends(host):
    started = start(host, "version")
    host.up = False
    answer = poll(host, started)
    assert answer["outputEnd"] is True
    assert answer["exitInfo"]["exitCode"] == 255
    assert "restarted" in answer["exitInfo"]["error"]


@pytest.mark.parametrize("execution", ["", "../../secrets.json", "00000000-0000-0000-0000-000000000000"])
def test_an_execution_that_there_is_not_is_a_404(host, execution):
    with pytest.raises(ApiError, match="was not found") as caught:
        Commands(host).poll("d", {"executionId": execution})
    assert caught.value.code == 404


def test_an_airflow_that_does_not_answer_is_said(host):
    host.up = False
    with pytest.raises(ApiError, match="it does not answer") as caught:
        start(host, "version")
    assert caught.value.status == "FAILED_PRECONDITION"


def test_what_a_doomed_process_starts_meanwhile_is_killed_too(tmp_path, monkeypatch):
    directory = tmp_path / "hosts" / "r_env"
    directory.mkdir(parents=True)
    alive, killed = ["scheduler"], []

    def kill(name):
        killed.append(name)
        alive.remove(name)
        if name == "scheduler":
            alive.append("task")

    def process_iter():
        for name in list(alive):
            parts = {"cwd": lambda: str(directory), "exe": lambda: "/usr/bin/python3.11"}
            yield types.SimpleNamespace(**parts, kill=lambda name=name: kill(name))

    monkeypatch.setattr("localcloud.composer.processes.psutil.process_iter", process_iter)
    end_environments(tmp_path)
    assert (killed, alive) == (["scheduler", "task"], [])
