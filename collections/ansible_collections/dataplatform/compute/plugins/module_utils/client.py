# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The one way this collection talks to Google: REST over one keep-alive session that threads share.

Proxies and certificate authorities come from the standard environment variables, so the same code reaches Google,
a corporate proxy or a local stand-in.
"""

from __future__ import annotations

import json as jsonlib
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.basic import env_fallback
from ansible_collections.dataplatform.compute.plugins.module_utils.credentials import (
    LoadedCredentials,
    load_credentials,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import (
    ComputeError,
    CredentialsError,
    TransportError,
    api_error,
    innermost_message,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.libraries import (
    HTTPAdapter,
    get_environ_proxies,
    google,
    requests,
    require_libraries,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.retry import (
    RETRIED_STATUS_CODES,
    RetryableFailure,
    RetryPolicy,
    parse_retry_after,
)

USER_AGENT = "dataplatform-compute/0.1.0 (Ansible collection)"
CONNECT_TIMEOUT = 10.0
POOL_SIZE = 64

# Names and variables are those of the google.cloud collection. Every module of the action group takes all of them, also
# a region it has no use for: module_defaults of the group would otherwise be refused as unsupported.
COMMON_ARGUMENTS: dict[str, dict[str, Any]] = {
    "project": {"type": "str", "fallback": (env_fallback, ["GCP_PROJECT"])},
    "region": {"type": "str", "fallback": (env_fallback, ["GCP_REGION"])},
    "auth_kind": {
        "type": "str",
        "choices": ["application", "serviceaccount", "machineaccount", "accesstoken"],
        "default": "application",
        "fallback": (env_fallback, ["GCP_AUTH_KIND"]),
    },
    "service_account_file": {"type": "path", "fallback": (env_fallback, ["GCP_SERVICE_ACCOUNT_FILE"])},
    "service_account_contents": {
        "type": "jsonarg",
        "no_log": True,
        "fallback": (env_fallback, ["GCP_SERVICE_ACCOUNT_CONTENTS"]),
    },
    "service_account_email": {"type": "str", "fallback": (env_fallback, ["GCP_SERVICE_ACCOUNT_EMAIL"])},
    "access_token": {"type": "str", "no_log": True, "fallback": (env_fallback, ["GCP_ACCESS_TOKEN"])},
    "scopes": {"type": "list", "elements": "str", "fallback": (env_fallback, ["GCP_SCOPES"])},
    "request_timeout": {"type": "float", "default": 60.0},
}


def add_common_arguments(arguments: dict[str, dict[str, Any]] | None = None) -> dict[str, dict[str, Any]]:
    """Return an argument specification of the common options and ``arguments``."""
    return {**COMMON_ARGUMENTS, **(arguments or {})}


class _SharedContextAdapter(HTTPAdapter):
    """Use one TLS context for all connections: requests would read the certificate bundle for each of them."""

    def __init__(self, context: ssl.SSLContext, **options: Any) -> None:
        self._context = context
        super().__init__(**options)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **options)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        # urllib3 lets the system collect small writes behind a proxy: every body would wait 40 ms to be sent.
        options.setdefault("socket_options", [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)])
        return super().proxy_manager_for(proxy, ssl_context=self._context, **options)

    def build_connection_pool_key_attributes(self, request: Any, *_verify_and_cert: Any, **_more: Any) -> Any:
        parts = urlsplit(request.url)
        return {"scheme": parts.scheme, "host": parts.hostname, "port": parts.port}, {"ssl_context": self._context}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave the connection as it is: the shared context verifies."""


class GoogleClient:
    """An authorised HTTP client for Google's REST APIs; safe to share between threads.

    Credentials are loaded and the token is fetched at the first request, once for all threads. Every method raises
    the typed errors of ``errors.py``.
    """

    def __init__(
        self,
        params: dict[str, Any],
        *,
        retry: RetryPolicy | None = None,
        loaded: LoadedCredentials | None = None,
    ) -> None:
        require_libraries()
        self._params = params
        self._retry = retry or RetryPolicy()
        self._read_timeout = float(params.get("request_timeout") or 60.0)
        self._loaded = loaded
        self._lock = threading.Lock()
        self._proxies: dict[str, dict[str, str]] = {}
        self._session = self._new_session()
        self._auth_request = google.auth.transport.requests.Request(self._session)

    def _new_session(self) -> Any:
        session = requests.Session()
        # Proxies and authorities are looked up once, below, not for every request.
        session.trust_env = False
        adapter = _SharedContextAdapter(_tls_context(), pool_connections=16, pool_maxsize=POOL_SIZE)
        session.mount("https://", adapter)
        session.headers["User-Agent"] = USER_AGENT
        return session

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    @property
    def loaded_credentials(self) -> LoadedCredentials:
        """What was loaded, and from where; loads it when that has not happened yet."""
        with self._lock:
            return self._load()

    def _load(self) -> LoadedCredentials:
        if self._loaded is None:
            self._loaded = load_credentials(self._params)
        return self._loaded

    @property
    def project(self) -> str:
        """The project id: the option, else the one the credentials name; ComputeError when there is none."""
        project = self._params.get("project") or self.loaded_credentials.project
        if not project:
            raise ComputeError("project is not set and the credentials name none. Set it, or the variable GCP_PROJECT.")
        return str(project)

    @property
    def region(self) -> str:
        """The region option; ComputeError when it is not set."""
        if not self._params.get("region"):
            raise ComputeError("region is not set. Set it (as in region: europe-west1), or the variable GCP_REGION.")
        return str(self._params["region"])

    def request(
        self,
        method: str,
        url: str,
        *,
        params: dict[str, Any] | None = None,
        json: Any = None,
        data: bytes | str | Callable[[], Any] | None = None,
        headers: dict[str, str] | None = None,
        raw: bool = False,
        retry: RetryPolicy | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Make one call and return the decoded answer (``{}`` when it is empty), or with ``raw`` the whole response.

        Repeated on 408, 429, 5xx, connection errors and truncated answers, also for POST: a caller that creates must
        therefore be ready for 409 from its own earlier attempt (``error.attempts`` tells). ``data`` may be a function
        that returns the body anew for each attempt. ``timeout`` is in seconds without an answer.
        """
        body = jsonlib.dumps(json).encode() if json is not None else data
        sent_headers = dict(headers or {})
        if json is not None:
            sent_headers.setdefault("Content-Type", "application/json")

        def attempt(number: int) -> Any:
            options = {"params": params, "headers": sent_headers, "timeout": timeout or self._read_timeout}
            response = self._attempt(method, url, body, options, number)
            return _decode(response, method, url, raw, number)

        return (retry or self._retry).call(attempt)

    def pages(
        self, url: str, items_key: str, *, params: dict[str, Any] | None = None, retry: RetryPolicy | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield the items of a list call, following ``nextPageToken``."""
        query = dict(params or {})
        while True:
            page = self.request("GET", url, params=query, retry=retry)
            yield from page.get(items_key) or []
            if not page.get("nextPageToken"):
                return
            query["pageToken"] = page["nextPageToken"]

    def _attempt(self, method: str, url: str, body: Any, options: dict[str, Any], number: int) -> Any:
        """Make one attempt, with a new token where the first is refused, and return the response."""
        response = None
        for renew in (False, True):
            try:
                response = self._session.request(
                    method,
                    url,
                    params=options["params"],
                    data=body() if callable(body) else body,
                    headers={**options["headers"], **self._authorisation(renew=renew)},
                    timeout=(CONNECT_TIMEOUT, options["timeout"]),
                    proxies=self._proxies_for(url),
                    allow_redirects=False,
                )
            except requests.exceptions.RequestException as error:
                raise _transport_failure(error, method, url, number) from error
            if response.status_code != 401:
                break
        return response

    def _authorisation(self, *, renew: bool) -> dict[str, str]:
        """Return the authorisation headers, fetching or renewing the token at most once for all threads."""
        with self._lock:
            loaded = self._load()
            credentials = loaded.credentials
            can_renew = loaded.auth_kind != "accesstoken"
            if can_renew and (renew or not credentials.valid):
                self._fetch_token(loaded)
            headers: dict[str, str] = {}
            credentials.apply(headers)
            return headers

    def _fetch_token(self, loaded: LoadedCredentials) -> None:
        try:
            loaded.credentials.refresh(self._auth_request_for_environment())
        except google.auth.exceptions.TransportError as error:
            raise RetryableFailure(TransportError(f"No token could be fetched for {loaded.source}: {error}")) from error
        except google.auth.exceptions.GoogleAuthError as error:
            words = error.args[0] if error.args else error
            failure = CredentialsError(
                f"Google refused the credentials of {loaded.source}: {words}. The key may be revoked, the account"
                " disabled or the clock wrong; log in again or create a new key."
            )
            if getattr(error, "retryable", False):
                raise RetryableFailure(failure) from error
            raise failure from error

    def _auth_request_for_environment(self) -> Any:
        """Let google-auth use this session with the proxies of the environment."""

        def call(url: str, method: str = "GET", **options: Any) -> Any:
            return self._auth_request(url, method, proxies=self._proxies_for(url), **options)

        return call

    def _proxies_for(self, url: str) -> dict[str, str]:
        """Return the proxies for a host, looked up in the environment once."""
        host = urlsplit(url).netloc
        if host not in self._proxies:
            self._proxies[host] = get_environ_proxies(url)
        return self._proxies[host]


def client_from_params(params: dict[str, Any], retry: RetryPolicy | None = None) -> GoogleClient:
    """Build a client from a task's options (see COMMON_ARGUMENTS); makes no call."""
    return GoogleClient(params, retry=retry)


def _tls_context() -> ssl.SSLContext:
    """Return a verifying context with the authorities that requests would use."""
    named = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    bundle = named or requests.certs.where()
    try:
        if Path(bundle).is_dir():
            return ssl.create_default_context(capath=bundle)
        return ssl.create_default_context(cafile=bundle)
    except (OSError, ssl.SSLError) as error:
        raise ComputeError(
            f"The bundle of certificate authorities {bundle} (REQUESTS_CA_BUNDLE) cannot be read: {error}."
        ) from error


def _transport_failure(error: Exception, method: str, url: str, attempts: int) -> RetryableFailure | TransportError:
    tries = f" (after {attempts} attempts)" if attempts > 1 else ""
    failure = TransportError(f"{method} {url} got no whole answer{tries}: {innermost_message(error)}")
    if "CERTIFICATE_VERIFY_FAILED" in str(failure):
        return TransportError(f"{failure}. Name the right authorities in REQUESTS_CA_BUNDLE, also behind a proxy.")
    hopeless = (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader, requests.exceptions.MissingSchema)
    return failure if isinstance(error, hopeless) else RetryableFailure(failure)


def _decode(response: Any, method: str, url: str, raw: bool, attempts: int) -> Any:
    """Return the answer, or raise its typed error; RetryableFailure when another attempt may help."""
    status_code = response.status_code
    if status_code >= 400:
        try:
            body = response.json()
        except ValueError:
            body = response.text
        error = api_error(status_code, body, url, method, attempts)
        if status_code in RETRIED_STATUS_CODES:
            raise RetryableFailure(error, parse_retry_after(response.headers.get("Retry-After")))
        raise error
    if raw:
        return response
    if not response.content:
        return {}
    try:
        return jsonlib.loads(response.content)
    except ValueError as error:
        raise _transport_failure(error, method, url, attempts) from error
