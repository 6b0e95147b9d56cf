# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Find and load Google credentials, saying exactly what is wrong when that fails.

google-auth does the work; this file looks before it leaps, because google-auth's own errors name neither the option
nor the next step, and because ``google.auth.default()`` starts ``gcloud`` only to learn a project id.
"""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.errors import CredentialsError
from ansible_collections.dataplatform.compute.plugins.module_utils.libraries import google, require_libraries

DEFAULT_SCOPES = ("https://www.googleapis.com/auth/cloud-platform", "https://www.googleapis.com/auth/userinfo.email")

_LOGIN = "Log in with 'gcloud auth application-default login', or name a key file in GOOGLE_APPLICATION_CREDENTIALS."
_NEW_KEY = "Create a new key with 'gcloud iam service-accounts keys create'."

_FIELDS_BY_TYPE: dict[str, tuple[str, ...]] = {
    "service_account": ("client_email", "private_key", "token_uri"),
    "authorized_user": ("client_id", "client_secret", "refresh_token"),
    "external_account": ("audience", "subject_token_type", "token_url", "credential_source"),
    "external_account_authorized_user": ("audience", "refresh_token", "token_url"),
    "impersonated_service_account": ("service_account_impersonation_url", "source_credentials"),
}


@dataclass(frozen=True)
class LoadedCredentials:
    """Credentials and what is known about them without a call: where they came from, for whom, for which project."""

    credentials: Any
    auth_kind: str
    source: str
    credential_type: str
    project: str | None = None
    email: str | None = None


def load_credentials(params: dict[str, Any]) -> LoadedCredentials:
    """Load the credentials the common options ask for; no network call is made except for a metadata server lookup.

    Raises CredentialsError with the option or file at fault and the next step.
    """
    require_libraries()
    auth_kind = params.get("auth_kind") or "application"
    scopes = list(params.get("scopes") or DEFAULT_SCOPES)
    if auth_kind == "serviceaccount":
        return _service_account(params, scopes)
    if auth_kind == "accesstoken":
        token = params.get("access_token")
        if not token:
            raise CredentialsError(
                "auth_kind is 'accesstoken', but access_token is empty. Set it, or the variable GCP_ACCESS_TOKEN, to"
                " the output of 'gcloud auth print-access-token'."
            )
        credentials = google.oauth2.credentials.Credentials(token)
        return LoadedCredentials(credentials, auth_kind, "access_token", "access_token")
    if auth_kind == "machineaccount":
        email = params.get("service_account_email") or "default"
        credentials = google.auth.compute_engine.Credentials(service_account_email=email, scopes=scopes)
        return LoadedCredentials(credentials, auth_kind, "the metadata server", "compute_engine", email=email)
    if auth_kind == "application":
        return _application_default(scopes)
    raise CredentialsError(
        f"auth_kind is '{auth_kind}'; expected application, serviceaccount, machineaccount or accesstoken."
    )


def _service_account(params: dict[str, Any], scopes: list[str]) -> LoadedCredentials:
    file_name = params.get("service_account_file")
    contents = params.get("service_account_contents")
    if contents:
        source = "service_account_contents"
        info = _decode(contents, source) if isinstance(contents, (str, bytes)) else dict(contents)
    elif file_name:
        source = str(Path(file_name).expanduser())
        info = _read(source, "service_account_file")
    else:
        raise CredentialsError(
            "auth_kind is 'serviceaccount', but neither service_account_file nor service_account_contents is set."
            " Set one of them, or the variable GCP_SERVICE_ACCOUNT_FILE."
        )
    if info.get("type") != "service_account":
        raise CredentialsError(
            f"{source} holds credentials of type {info.get('type')!r}; auth_kind 'serviceaccount' expects the key of a"
            " service account (type 'service_account'). For other types use auth_kind 'application'."
        )
    return _from_info(info, scopes, "serviceaccount", source)


def _application_default(scopes: list[str]) -> LoadedCredentials:
    named = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    if named:
        return _from_info(_read(named, "GOOGLE_APPLICATION_CREDENTIALS"), scopes, "application", named)
    config = os.environ.get("CLOUDSDK_CONFIG")
    directory = Path(config) if config else Path("~/.config/gcloud").expanduser()
    login = directory / "application_default_credentials.json"
    if login.is_file():
        return _from_info(_read(str(login), "the gcloud login"), scopes, "application", str(login))
    try:
        credentials, project = google.auth.default(scopes=scopes)
    except google.auth.exceptions.DefaultCredentialsError as error:
        raise CredentialsError(
            "No Google credentials found: GOOGLE_APPLICATION_CREDENTIALS is not set,"
            f" {login} does not exist, and this machine is not on Google Cloud. {_LOGIN}"
        ) from error
    return LoadedCredentials(credentials, "application", "the metadata server", "compute_engine", project)


def _read(file_name: str, named_by: str) -> dict[str, Any]:
    """Read a credentials file named by an option or variable."""
    try:
        content = Path(file_name).read_bytes()
    except FileNotFoundError as error:
        raise CredentialsError(f"The credentials file {file_name} ({named_by}) does not exist. {_LOGIN}") from error
    except IsADirectoryError as error:
        raise CredentialsError(f"{file_name} ({named_by}) is a directory; expected a JSON file.") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise CredentialsError(
            f"The credentials file {file_name} ({named_by}) cannot be read: {reason}. Check its owner and mode."
        ) from error
    return _decode(content, f"The credentials file {file_name} ({named_by})")


def _decode(content: str | bytes, source: str) -> dict[str, Any]:
    """Decode JSON credentials; nothing of the content is quoted, it is secret."""
    try:
        info = json.loads(content)
    except ValueError as error:
        position = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise CredentialsError(f"{source} is not JSON{position}. {_NEW_KEY}") from error
    if not isinstance(info, dict):
        raise CredentialsError(f"{source} holds a JSON {type(info).__name__}; expected an object. {_NEW_KEY}")
    return info


def _from_info(info: dict[str, Any], scopes: list[str], auth_kind: str, source: str) -> LoadedCredentials:
    """Turn decoded credentials into google-auth's object."""
    credential_type = info.get("type")
    if not isinstance(credential_type, str) or credential_type not in _FIELDS_BY_TYPE:
        known = ", ".join(sorted(_FIELDS_BY_TYPE))
        raise CredentialsError(
            f"{source} has type {credential_type!r}; expected a credentials file of Google, of type {known}. {_LOGIN}"
        )
    missing = [name for name in _FIELDS_BY_TYPE[credential_type] if not info.get(name)]
    if missing:
        raise CredentialsError(f"{source} (type {credential_type}) lacks {', '.join(missing)}. {_NEW_KEY}")
    try:
        if credential_type == "service_account":
            credentials = google.oauth2.service_account.Credentials.from_service_account_info(info, scopes=scopes)
        else:
            with warnings.catch_warnings():
                # google-auth warns callers that load what a stranger wrote; here the operator names the file.
                warnings.simplefilter("ignore")
                credentials, _project = google.auth.load_credentials_from_dict(info, scopes=scopes)
    except (ValueError, google.auth.exceptions.GoogleAuthError) as error:
        raise CredentialsError(f"{source} (type {credential_type}) cannot be used: {error}. {_NEW_KEY}") from error
    return LoadedCredentials(
        credentials,
        auth_kind,
        source,
        credential_type,
        project=info.get("project_id") or info.get("quota_project_id"),
        email=info.get("client_email"),
    )
