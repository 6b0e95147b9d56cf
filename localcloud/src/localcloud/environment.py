"""environment.json: the variables that lead a client process to this instance and nowhere else."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from localcloud.files import ensure_private_directory, write_private, write_public
from localcloud.settings import Settings

# What a user's shell or a CI machine may preset and that would lead a client past this instance, or to other
# credentials: `localcloud exec` removes it.
MISLEADING = (
    "ALL_PROXY",
    "all_proxy",
    "CLOUDSDK_ACTIVE_CONFIG_NAME",
    "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE",
    "CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT",
    "CLOUDSDK_CORE_ACCOUNT",
    "CLOUDSDK_PROXY_ADDRESS",
    "CLOUDSDK_PROXY_PORT",
    "CLOUDSDK_PROXY_TYPE",
    "CLOUDSDK_BILLING_QUOTA_PROJECT",
    "GOOGLE_API_USE_CLIENT_CERTIFICATE",
    "GOOGLE_API_USE_MTLS_ENDPOINT",
    "GOOGLE_CLOUD_QUOTA_PROJECT",
    "GOOGLE_CLOUD_UNIVERSE_DOMAIN",
    "STORAGE_EMULATOR_HOST",
)
_MISLEADING_PREFIX = "CLOUDSDK_API_ENDPOINT_OVERRIDES_"
_CA_VARIABLES = (
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "HTTPLIB2_CA_CERTS",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
)


def client_environment(settings: Settings) -> dict[str, str]:
    """Return every variable that a client of the instance at `settings.port` needs."""
    proxy = f"http://127.0.0.1:{settings.port}"
    bundle = str(settings.bundle_file)
    key_file = str(settings.service_account_file)
    direct = "127.0.0.1,localhost"
    return {
        # gRPC reads the lower-case names only, most others the upper-case ones.
        **dict.fromkeys(("HTTPS_PROXY", "https_proxy", "grpc_proxy"), proxy),
        **dict.fromkeys(("NO_PROXY", "no_proxy", "no_grpc_proxy"), direct),
        **dict.fromkeys(_CA_VARIABLES, bundle),
        "GOOGLE_APPLICATION_CREDENTIALS": key_file,
        "GOOGLE_CLOUD_PROJECT": settings.project,
        "NO_GCE_CHECK": "true",
        "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE": key_file,
        "CLOUDSDK_CONFIG": str(settings.gcloud_directory),
        "CLOUDSDK_CORE_PROJECT": settings.project,
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
        "CLOUDSDK_CORE_PASS_CREDENTIALS_TO_GSUTIL": "0",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
        "CLOUDSDK_DATAPROC_REGION": settings.region,
        "BOTO_CONFIG": str(settings.home / "gsutil.boto"),
        # aiohttp, under gcsfs, ignores proxy variables unless told; gcsfs's hierarchical buckets ask over gRPC only.
        "FSSPEC_GS": '{"session_kwargs": {"trust_env": true}}',
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
    }


def write_environment(settings: Settings) -> None:
    """Write environment.json (0600) and what it refers to: gcloud's private directory and gsutil's configuration."""
    ensure_private_directory(settings.gcloud_directory)
    boto = (
        "[Credentials]\n"
        f"gs_service_key_file = {settings.service_account_file}\n"
        "[Boto]\n"
        f"ca_certificates_file = {settings.bundle_file}\n"
        "proxy = 127.0.0.1\n"
        f"proxy_port = {settings.port}\n"
        "[GSUtil]\n"
        f"state_dir = {settings.home / 'gsutil'}\n"
        f"default_project_id = {settings.project}\n"
        "software_update_check_period = 0\n"
    )
    write_public(settings.home / "gsutil.boto", boto.encode())
    content = json.dumps(client_environment(settings), indent=2, sort_keys=True)
    write_private(settings.environment_file, content.encode() + b"\n")


def read_environment(settings: Settings) -> dict[str, str] | None:
    """Return what environment.json holds, or None when the instance is down."""
    try:
        return json.loads(settings.environment_file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def merged_environment(variables: Mapping[str, str], base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return `base` (default: this process's environment) led to the instance: ours wins over every preset value."""
    base = os.environ if base is None else base
    kept = {
        name: value
        for name, value in base.items()
        if name not in MISLEADING and not name.startswith(_MISLEADING_PREFIX)
    }
    return {**kept, **variables}
