"""What one localcloud instance is configured with, and where it keeps its files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

DEFAULT_PORT = 18443
PACES = ("real", "fast")
ENGINES = ("auto", "yarn", "podman", "process")


def default_home() -> Path:
    """Return LOCALCLOUD_HOME, by default `localcloud` in the user's state directory (XDG base directories)."""
    configured = os.environ.get("LOCALCLOUD_HOME")
    if configured:
        return Path(configured).expanduser().absolute()
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser().absolute() / "localcloud"


def default_cluster_python() -> Path:
    """Return the Python that runs job drivers: LOCALCLOUD_CLUSTER_PYTHON or the prepared cluster environment."""
    configured = os.environ.get("LOCALCLOUD_CLUSTER_PYTHON")
    if configured:
        return Path(configured).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser().absolute() / "dataplatform-compute" / "cluster-environment" / "bin" / "python"


def default_airflow_python() -> Path:
    """Return the Python that runs Composer's Airflow: LOCALCLOUD_AIRFLOW_PYTHON or the prepared environment's."""
    configured = os.environ.get("LOCALCLOUD_AIRFLOW_PYTHON")
    if configured:
        return Path(configured).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser().absolute() / "dataplatform-compute" / "airflow" / "bin" / "python"


@dataclass(frozen=True)
class Settings:
    """Configuration of one instance; every path is derived from `home`."""

    home: Path
    port: int = DEFAULT_PORT
    pace: str = "fast"
    project: str = "local-project"
    project_number: str = "100000000001"
    region: str = "europe-west1"
    engine: str = "auto"

    def __post_init__(self) -> None:
        """Refuse a pace or an engine that does not exist, instead of running at a wrong speed or on the wrong thing."""
        if self.pace not in PACES:
            raise ValueError(f"pace is {self.pace!r}, expected one of: {', '.join(PACES)}")
        if self.engine not in ENGINES:
            raise ValueError(f"engine is {self.engine!r}, expected one of: {', '.join(ENGINES)}")

    @property
    def service_account_email(self) -> str:
        """The principal of the service-account file that clients use."""
        return f"localcloud@{self.project}.iam.gserviceaccount.com"

    @property
    def objects_directory(self) -> Path:
        """Contents of stored objects."""
        return self.home / "objects"

    @property
    def jobs_directory(self) -> Path:
        """Working directories, output and exit codes of job drivers."""
        return self.home / "jobs"

    @property
    def clusters_directory(self) -> Path:
        """Configuration, logs and working directories of clusters that really run, by their UUID."""
        return self.home / "clusters"

    @property
    def composer_directory(self) -> Path:
        """Homes of Composer's Airflow environments, and the supervisors of their processes."""
        return self.home / "composer"

    @property
    def filestore_directory(self) -> Path:
        """Exports of file servers, SERVER/PATH, for nodes that are containers."""
        return self.home / "filestore"

    @property
    def secrets_directory(self) -> Path:
        """Payloads of secret versions, one file each."""
        return self.home / "secrets"

    @property
    def database_file(self) -> Path:
        """The SQLite database that holds every resource."""
        return self.home / "state.sqlite"

    @property
    def environment_file(self) -> Path:
        """JSON map of the variables a client process needs; exists only while the server is meant to be up."""
        return self.home / "environment.json"

    @property
    def service_account_file(self) -> Path:
        """Key file for google-auth and gcloud."""
        return self.home / "service-account.json"

    @property
    def authority_certificate_file(self) -> Path:
        """Certificate of the local certificate authority, alone."""
        return self.home / "ca.pem"

    @property
    def authority_key_file(self) -> Path:
        """Private key of the local certificate authority."""
        return self.home / "ca.key"

    @property
    def bundle_file(self) -> Path:
        """The system's certificate authorities plus the local one."""
        return self.home / "bundle.pem"

    @property
    def journal_file(self) -> Path:
        """One JSON line per request."""
        return self.home / "requests.jsonl"

    @property
    def log_file(self) -> Path:
        """The server's standard output and error."""
        return self.home / "server.log"

    @property
    def process_file(self) -> Path:
        """JSON with pid, port and start time of the running server."""
        return self.home / "server.pid"

    @property
    def lock_file(self) -> Path:
        """Held by the running server for its whole life."""
        return self.home / "server.lock"

    @property
    def gcloud_directory(self) -> Path:
        """Private configuration directory of gcloud (CLOUDSDK_CONFIG)."""
        return self.home / "gcloud"
