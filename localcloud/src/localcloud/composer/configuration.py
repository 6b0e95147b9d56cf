"""Airflow's configuration file and the variables of its processes, for one environment."""

from __future__ import annotations

import base64
import configparser
import hashlib
import io
import json
import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from localcloud.composer.images import IMAGE_VERSION
from localcloud.composer.software import split_override
from localcloud.files import write_private

# Composer looks for new DAG files every so many seconds.
_LISTING_SECONDS = 120
_COMPOSER_VERSION = IMAGE_VERSION.split("-")[1]


@dataclass(frozen=True)
class AirflowSpec:
    """What an environment's Airflow is made from."""

    directory: str
    name: str
    location: str
    project: str
    bucket: str
    overrides: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Paths:
    """Where things of an environment are."""

    home: Path

    @property
    def mirror(self) -> Path:
        """What is /home/airflow/gcs on Composer."""
        return self.home / "gcs"

    @property
    def commands(self) -> Path:
        """Output and exit codes of commands, by execution id."""
        return self.home / "commands"

    @property
    def logs(self) -> Path:
        """Logs of Airflow's own processes."""
        return self.home / "logs"

    @property
    def database(self) -> Path:
        """The metadata database."""
        return self.home / "airflow.db"

    @property
    def configuration(self) -> Path:
        """Airflow's configuration file; holds secrets."""
        return self.home / "airflow.cfg"

    @property
    def secrets(self) -> Path:
        """The keys that were made for this environment."""
        return self.home / "secrets.json"

    @property
    def temporary(self) -> Path:
        """Temporary files; a short path, because Airflow's executor puts a socket there: 107 characters at most."""
        digest = hashlib.sha256(str(self.home).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"localcloud-{digest}"

    def make(self) -> None:
        """Make the directories that are missing, for their owner alone. Raises OSError."""
        folders = (self.mirror / name for name in ("dags", "plugins", "data", "logs"))
        for directory in (self.home, self.mirror, *folders, self.commands, self.logs, self.home / "config"):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.temporary.mkdir(mode=0o700, exist_ok=True)
        if self.temporary.is_symlink() or self.temporary.stat().st_uid != os.geteuid():
            raise PermissionError(f"{self.temporary} is somebody else's")


def ensure_secrets(path: Path) -> dict[str, str]:
    """Return the environment's keys, made at the first call: the Fernet key, the web server's, and its password."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        made = {
            "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "secret_key": secrets.token_urlsafe(32),
            "web_password": secrets.token_urlsafe(12),
        }
        write_private(path, json.dumps(made).encode())
        return made


def render_configuration(paths: Paths, keys: Mapping[str, str], overrides: Mapping[str, str], pace: float) -> str:
    """Return airflow.cfg: what an environment needs, and over it the user's overrides.

    `pace` is the factor of the clock.
    """
    sections: dict[str, dict[str, str]] = {
        "core": {
            "dags_folder": str(paths.mirror / "dags"),
            "plugins_folder": str(paths.mirror / "plugins"),
            "executor": "LocalExecutor",
            "parallelism": "4",
            "load_examples": "False",
            "dags_are_paused_at_creation": "False",
            "fernet_key": keys["fernet_key"],
            # A look at the name service may take seconds where there is none.
            "hostname_callable": "socket.gethostname",
        },
        "database": {
            "sql_alchemy_conn": f"sqlite:///{paths.database}",
            "sql_alchemy_connect_args": "localcloud_database.CONNECT_ARGS",
            "load_default_connections": "False",
        },
        "logging": {
            "base_log_folder": str(paths.mirror / "logs"),
            "dag_processor_manager_log_location": str(paths.logs / "dag_processor_manager.log"),
        },
        "scheduler": {
            "child_process_log_directory": str(paths.logs / "dags"),
            "dag_dir_list_interval": str(max(1, round(_LISTING_SECONDS * pace))),
            "parsing_processes": "1",
            "enable_health_check": "False",
            # The end of a task would schedule what follows, beside the scheduler. Only locks on rows keep the two from
            # queueing a task twice, and SQLite has none.
            "schedule_after_task_execution": "False",
        },
        "webserver": {"secret_key": keys["secret_key"], "web_server_host": "127.0.0.1", "workers": "1"},
        # Nothing is told to anybody.
        "usage_data_collection": {"enabled": "False"},
    }
    for key, value in overrides.items():
        section, name = split_override(key)
        sections.setdefault(section, {})[name] = value
    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    # Airflow interpolates with per cent signs.
    parser.read_dict(
        {
            section: {name: value.replace("%", "%%") for name, value in values.items()}
            for section, values in sections.items()
        }
    )
    text = io.StringIO()
    parser.write(text)
    return text.getvalue()


def airflow_environment(
    spec: AirflowSpec, paths: Paths, python: Path, path: str, client: Mapping[str, str]
) -> dict[str, str]:
    """Return the variables of Airflow's processes; `client` leads them to the local cloud."""
    ours = {
        "AIRFLOW_HOME": str(paths.home),
        "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT": "google-cloud-platform://",
        # SQLite takes one writer at a time; the others wait for it (see the template of the database).
        "_AIRFLOW__SKIP_DATABASE_EXECUTOR_COMPATIBILITY_CHECK": "1",
        "COMPOSER_ENVIRONMENT": spec.name,
        "COMPOSER_LOCATION": spec.location,
        "COMPOSER_VERSION": _COMPOSER_VERSION,
        "DAGS_FOLDER": str(paths.mirror / "dags"),
        "GCP_PROJECT": spec.project,
        "GCS_BUCKET": spec.bucket,
        "HOME": str(paths.home),
        "LANG": "C.UTF-8",
        "PATH": f"{python.parent}:{path}",
        "PYTHONUNBUFFERED": "1",
        # Every start would say that this Python's support ends.
        "PYTHONWARNINGS": "ignore::FutureWarning",
        "TMPDIR": str(paths.temporary),
    }
    return {**spec.variables, **client, **ours}
