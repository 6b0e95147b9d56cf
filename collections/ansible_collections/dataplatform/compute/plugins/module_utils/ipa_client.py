# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""FreeIPA's API: JSON-RPC over HTTPS, in a session that is renewed when it expires."""

from __future__ import annotations

import os
from http.cookiejar import LoadError, MozillaCookieJar
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import env_fallback
from ansible.module_utils.common.validation import check_type_path
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import (
    ComputeError,
    TransportError,
    ValidationError,
    innermost_message,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.ipa_ticket import ticket
from ansible_collections.dataplatform.compute.plugins.module_utils.libraries import requests, require_libraries
from ansible_collections.dataplatform.compute.plugins.module_utils.near_miss import closest_match
from ansible_collections.dataplatform.compute.plugins.module_utils.retry import RetryableFailure, RetryPolicy

# Of the API that is asked for. A server refuses another major number only, and knows all older minor ones.
API_VERSION = "2.251"
NOT_FOUND, DUPLICATE, ACI = 4001, 4002, 2100
_RETRIED = frozenset({502, 503, 504})
_HINTS = {
    901: "This server speaks another major version of FreeIPA's API.",
    911: "`server` must be the very name under which FreeIPA was installed.",
    ACI: "Give the account the role or privilege, such as 'Service Administrators'.",
}
_REJECTIONS = {
    "password-expired": "the password has expired; FreeIPA makes one that an administrator sets expire at once",
    "invalid-password": "the password is wrong",
    "krbprincipal-expired": "the account has expired",
    "denied": "the account may not log in",
    "user-locked": "the account is locked",
}

_WAYS_TO_LOG_IN = ["password", "keytab", "ticket_cache"]
# Names of options and variables are those of community.general's modules for FreeIPA, where those have them.
IPA_ARGUMENTS: dict[str, dict[str, Any]] = {
    "server": {"type": "str", "required": True, "fallback": (env_fallback, ["IPA_HOST"])},
    "realm": {"type": "str", "required": True},
    "user": {"type": "str", "default": "admin", "fallback": (env_fallback, ["IPA_USER"])},
    "password": {"type": "str", "no_log": True},
    "keytab": {"type": "path"},
    "ticket_cache": {"type": "str"},
    "ca_path": {"type": "path", "default": "/etc/ipa/ca.crt"},
    "kdcs": {"type": "list", "elements": "str", "default": []},
    "https_port": {"type": "int", "default": 443},
    "timeout": {"type": "float", "default": 30.0},
}
IPA_CONSTRAINTS: dict[str, Any] = {
    "mutually_exclusive": [_WAYS_TO_LOG_IN],
}
# No fallbacks of the options: those would count against an option that is given.
_VARIABLES = {"password": "IPA_PASS", "keytab": "IPA_KEYTAB"}


def with_login(params: dict[str, Any]) -> dict[str, Any]:
    """The options, with the password or the keytab of the variables where no option says how to log in."""
    if any(params[option] is not None for option in _WAYS_TO_LOG_IN):
        return params
    found = {option: os.environ[name] for option, name in _VARIABLES.items() if os.environ.get(name)}
    if len(found) > 1:
        problem = f"the variables {' and '.join(_VARIABLES.values())} are both set, expected one"
        raise ValidationError([problem], f"the options for {params['server']}")
    if "keytab" in found:
        found["keytab"] = check_type_path(found["keytab"])
    return {**params, **found}


class IpaError(ComputeError):
    """FreeIPA refused a command; ``code`` is that of its errors (4001: not found)."""

    def __init__(self, server: str, method: str, subject: str, error: dict[str, Any]) -> None:
        self.code = int(error.get("code") or 0)
        self.name = str(error.get("name") or "")
        said = str(error.get("message") or "no message").rstrip(".")
        hint = _HINTS.get(self.code, "")
        super().__init__(f"{server} refused {method} {subject}: {said} ({self.name} {self.code}). {hint}".strip())

    def details(self) -> dict[str, Any]:
        """Return code and name."""
        return {"code": self.code, "name": self.name}


class IpaLoginError(ComputeError):
    """FreeIPA did not accept the account."""


class IpaClient:
    """A client of one server, in the name of one account; not to be shared between threads.

    It logs in at the first call. Calls are made again after connection errors and 502 to 504: what creates has to be
    ready for 4002 from its own earlier attempt. Proxies of the environment are never used: FreeIPA is inside.
    """

    def __init__(self, params: dict[str, Any], retry: RetryPolicy | None = None) -> None:
        require_libraries()
        problems = (
            []
            if any(params[option] for option in _WAYS_TO_LOG_IN)
            else [f"{', '.join([*_WAYS_TO_LOG_IN, *_VARIABLES.values()])} are all empty, expected one"]
        )
        for option in ("ca_path", "keytab"):
            if params[option] and not Path(params[option]).is_file():
                problems.append(f"{option}: {params[option]!r} is no file on this machine")
        if problems:
            raise ValidationError(problems, f"the options for {params['server']}")
        self._params = params
        self.server = str(params["server"])
        self._base = f"https://{self.server}:{params['https_port']}/ipa"
        self._retry = retry or RetryPolicy(attempts=4, give_up_after=60)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = params["ca_path"]
        self._session.headers["Referer"] = f"https://{self.server}/ipa"
        self._logged_in = False

    def close(self) -> None:
        """Close the connection; the session on the server expires by itself."""
        self._session.close()

    def __enter__(self) -> IpaClient:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def call(self, method: str, subject: str | list[str], **options: Any) -> dict[str, Any]:
        """Run a command on an entry (or, where the command takes many, on a list); its ``result``, or IpaError."""
        body = {"id": 0, "method": f"{method}/1", "params": [[subject], {"version": API_VERSION, **options}]}
        for is_second in (False, True):
            if not self._logged_in:
                self._log_in()
            response = self._request("POST", "/session/json", json=body)
            if response.status_code != 401 or is_second:
                break
            # The session has expired.
            self._logged_in = False
        if response.status_code != 200:
            raise IpaLoginError(f"{self.server} answered HTTP {response.status_code} to {method}, expected 200")
        answer = response.json()
        if answer.get("error"):
            raise IpaError(
                self.server, method, subject if isinstance(subject, str) else ", ".join(subject), answer["error"]
            )
        return answer["result"]

    def show_service(self, principal: str) -> dict[str, Any] | None:
        """The entry of a service with all its attributes; None when there is none."""
        try:
            return self.call("service_show", principal, all=True)["result"]
        except IpaError as error:
            if error.code != NOT_FOUND:
                raise
            return None

    def closest_service(self, principal: str) -> str:
        """A service that is there and whose name is most like this one; empty when none is."""
        service = principal.partition("/")[0]
        found = self.call("service_find", f"{service}/", pkey_only=True, sizelimit=500)["result"]
        return closest_match(principal, [entry["krbprincipalname"][0] for entry in found])

    def _log_in(self) -> None:
        if self._params["password"]:
            self._log_in_with_password()
        else:
            self._log_in_with_ticket()
        self._logged_in = True

    def _log_in_with_password(self) -> None:
        form = {"user": self._params["user"], "password": self._params["password"]}
        response = self._request("POST", "/session/login_password", data=form, headers={"Accept": "text/plain"})
        if response.status_code == 401:
            reason = response.headers.get("X-IPA-Rejection-Reason", "no reason given")
            raise IpaLoginError(
                f"{self.server} does not accept the account {self._params['user']}: {_REJECTIONS.get(reason, reason)}"
            )
        if response.status_code != 200:
            user = self._params["user"]
            raise IpaLoginError(
                f"{self.server} answered HTTP {response.status_code} to the login of {user}, expected 200"
            )

    def _log_in_with_ticket(self) -> None:
        """Let curl do it: it speaks SPNEGO wherever it is installed; Python's libraries for that need a compiler."""
        with ticket(self._params) as login:
            cookies = MozillaCookieJar(str(login.directory / "cookies"))
            result = login.run(
                *("curl", "--silent", "--show-error", "--negotiate", "--user", ":", "--noproxy", "*"),
                *("--cacert", self._params["ca_path"], "--cookie-jar", cookies.filename, "--output", "/dev/null"),
                *("--header", f"Referer: https://{self.server}/ipa", "--write-out", "%{http_code}"),
                f"{self._base}/session/login_kerberos",
                seconds=self._params["timeout"],
            )
            if result.code or result.output != "200":
                said = " ".join(result.errors.split()) or f"HTTP {result.output}"
                account = f"{self._params['user']}@{self._params['realm']}"
                raise IpaLoginError(f"{self.server} does not accept the ticket of {account}: {said}")
            try:
                cookies.load(ignore_discard=True, ignore_expires=True)
            except (LoadError, OSError) as error:
                raise IpaLoginError(f"{self.server} gave no session: {error}") from error
            # Not the jar itself: in curl's format the cookie of a session is one that has expired.
            for cookie in cookies:
                self._session.cookies.set(cookie.name, cookie.value, domain=cookie.domain, path=cookie.path)

    def _request(self, method: str, path: str, **options: Any) -> Any:
        url = f"{self._base}{path}"

        def attempt(number: int) -> Any:
            try:
                response = self._session.request(method, url, timeout=self._params["timeout"], **options)
            except requests.exceptions.SSLError as error:
                said = f"the certificate is not the server's, by {self._params['ca_path']}: {innermost_message(error)}"
                raise TransportError(f"{url}: {said}") from error
            except requests.exceptions.RequestException as error:
                said = innermost_message(error)
                raise RetryableFailure(TransportError(f"{url} did not answer in {number} attempts: {said}")) from error
            if response.status_code in _RETRIED:
                said = f"{url} answered HTTP {response.status_code} in {number} attempts"
                raise RetryableFailure(TransportError(said))
            return response

        return self._retry.call(attempt)
