# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Composer and Airflow take as names and versions. Pure; each function returns what is wrong, or an empty text.

Sources: the reference of ``SoftwareConfig`` in composer.v1, Composer's page of blocked Airflow options, Airflow 2.11's
``validate_key``, and Composer's release notes of 2026-05-14 for google-api-core.
"""

from __future__ import annotations

import re

try:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
except ImportError:  # always there with Ansible; absent only where a plugin is merely inspected
    InvalidSpecifier = SpecifierSet = None

# In which our modules write down what of Airflow's metadata is theirs.
MARKER_VARIABLE = "dataplatform_managed"
_OVERRIDE = re.compile(r"[a-z][a-z0-9_]*-[a-z][a-z0-9_]*(-[a-z0-9_]+)*")
# As [core] dags_folder, core.dags_folder, core__dags_folder or AIRFLOW__CORE__DAGS_FOLDER are written elsewhere.
_OTHER_OVERRIDE = re.compile(
    r"(?:AIRFLOW__)?\[?([A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)*)(?:\]\s*|__|[./:])([A-Za-z0-9_]+)"
)
_BLOCKED_SECTIONS = ("cli", "kubernetes")
_BLOCKED = frozenset(
    {
        *("celery-broker_url", "celery-celery_app_name", "celery-default_queue", "celery-pool"),
        *("celery-result_backend", "celery-worker_log_server_port", "operators-default_queue"),
        *("core-base_log_folder", "core-dags_folder", "core-executor", "core-fernet_key", "core-load_examples"),
        *("core-plugins_folder", "core-remote_base_log_folder", "core-security", "core-sql_alchemy_conn"),
        *("database-sql_alchemy_conn", "database-alembic_ini_file_path", "smtp-smtp_password"),
    }
)
_ENVIRONMENT_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OVERRIDE_VARIABLE = re.compile(r"AIRFLOW__([A-Z0-9_]+?)__([A-Z0-9_]+)")
_RESERVED = frozenset(
    {
        *("AIRFLOW_HOME", "C_FORCE_ROOT", "CONTAINER_NAME", "DAGS_FOLDER", "GCE_METADATA_TIMEOUT", "GCP_PROJECT"),
        *("GCS_BUCKET", "GKE_CLUSTER_NAME", "SQL_DATABASE", "SQL_INSTANCE", "SQL_PASSWORD", "SQL_PROJECT"),
        *("SQL_REGION", "SQL_USER"),
    }
)
_PACKAGE = re.compile(r"[a-z0-9]+([-_][a-z0-9]+)*")
_SPECIFIER = re.compile(r"(\[[a-z0-9_.,\s-]*\])?(.*)", re.DOTALL)
_IMAGE = re.compile(r"composer-([0-9]+)\.([0-9]+)\.([0-9]+)-airflow-([0-9]+)\.([0-9]+)\.([0-9]+)")
_FIRST_SOUND_IMAGE = (2, 16, 11)
_FIRST_AIRFLOW = (2, 11)
_SLOW_API_CORES = ("2.28.0", "2.28.1", "2.29.0", "2.30.0", "2.30.1", "2.30.2")
_SOUND_API_CORES = ("2.30.3", "2.31.0", "2.37.0", "2.99.0")
_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def override_problem(name: str) -> tuple[str, str]:
    """Return what is wrong with the name of an override, and how it was probably meant."""
    if not _OVERRIDE.fullmatch(name):
        match = _OTHER_OVERRIDE.fullmatch(name)
        near = f"{match[1]}-{match[2]}".lower() if match else ""
        return "expected SECTION-PROPERTY as in core-parallelism: lower case, a hyphen between the two, no '.'", near
    if name in _BLOCKED or name.split("-", 1)[0] in _BLOCKED_SECTIONS:
        return "Composer sets this option itself and takes no override of it", ""
    return "", ""


def environment_variable_problem(name: str) -> tuple[str, str]:
    """Return what is wrong with the name of an environment variable, and what to write instead."""
    override = _OVERRIDE_VARIABLE.fullmatch(name)
    if override:
        key = f"{override[1]}-{override[2]}".lower()
        return f"Composer refuses AIRFLOW__*__* here; expected the override {key} in airflow_config_overrides", ""
    if name in _RESERVED:
        return "Composer keeps this name for itself; expected another one", ""
    if not _ENVIRONMENT_VARIABLE.fullmatch(name):
        return "expected letters, digits and '_', no digit first", re.sub(r"[^A-Za-z0-9_]", "_", name).lstrip(
            "0123456789"
        )
    return "", ""


def package_problem(name: str, specifier: str) -> tuple[str, str]:
    """Return what is wrong with a package of PyPI and its version, and how it was probably meant."""
    if not _PACKAGE.fullmatch(name):
        near = re.sub(r"[-_.]+", "-", name).lower()
        return "expected the name of a package in lower case, with '-' for '.'", near if _PACKAGE.fullmatch(
            near
        ) else ""
    match = _SPECIFIER.fullmatch(specifier)
    versions = (match[2] if match else specifier).strip()
    if SpecifierSet is None:
        return "", ""
    try:
        wanted = SpecifierSet(versions)
    except InvalidSpecifier:
        near = f"=={versions}" if re.fullmatch(r"=?[0-9][0-9a-z.*]*", versions) else ""
        return "expected a version such as ==1.2.3 or [extra]>=1.2,<2, or an empty text for any", near.replace(
            "===", "=="
        )
    slow = [version for version in _SLOW_API_CORES if version in wanted]
    if name == "google-api-core" and slow and not any(version in wanted for version in _SOUND_API_CORES):
        return (
            f"google-api-core {slow[-1]} slows Composer down (2.28.0 to 2.30.2 do); expected 2.30.3 or later",
            ">=2.30.3",
        )
    return "", ""


def image_problem(image: str) -> str:
    """Return why an image version, pinned in full, must not be used."""
    match = _IMAGE.fullmatch(image)
    if not match:
        return ""
    numbers = [int(number) for number in match.groups()]
    if tuple(numbers[:3]) < _FIRST_SOUND_IMAGE:
        return "expected Composer 2.16.11 or later: images before it come with a google-api-core that slows them down"
    if tuple(numbers[3:5]) < _FIRST_AIRFLOW:
        return "expected Airflow 2.11: the Google provider of the platform's DAGs needs it"
    return ""


def key_problem(name: str, longest: int) -> str:
    """Return what is wrong with the name of an Airflow variable (``longest`` 250) or connection (200)."""
    if len(name) > longest or not _KEY.fullmatch(name):
        return f"expected up to {longest} letters, digits, '_', '.' and '-', no '-' or '.' first"
    if name == MARKER_VARIABLE:
        return "the platform notes under this name what it manages; expected another one"
    return ""
