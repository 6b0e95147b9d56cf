# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Every failure the collection reports, as a typed exception with one clear message.

Only the thin shells (a module's ``main`` and the action plugins) turn them into a failed task, with ``to_result()``.
"""

from __future__ import annotations

from typing import Any


class ComputeError(Exception):
    """Base of all errors of this collection; ``str(error)`` is what the user reads."""

    def to_result(self) -> dict[str, Any]:
        """Return what a failed task shows: ``msg`` and a structured ``error``."""
        return {"msg": str(self), "error": {"type": type(self).__name__, **self.details()}}

    def details(self) -> dict[str, Any]:
        """Return machine-readable facts about this error."""
        return {}


class MissingLibraryError(ComputeError):
    """A Python library the collection needs is not installed."""


class CredentialsError(ComputeError):
    """The credentials cannot be loaded, or Google does not accept them; the message says what to do next."""


class TransportError(ComputeError):
    """Google did not answer (no connection, no TLS, connection reset, half an answer), after all retries."""


class ValidationError(ComputeError):
    """What the user wrote is wrong; found before any call was made.

    ``problems`` holds every finding (one line each), so that they are mended in one go.
    """

    def __init__(self, problems: list[str], subject: str = "the input") -> None:
        self.problems = list(problems)
        count = f"{len(self.problems)} problem{'' if len(self.problems) == 1 else 's'}"
        lines = "".join(f"\n- {problem}" for problem in self.problems)
        super().__init__(f"{count} in {subject}; nothing was changed:{lines}")

    def details(self) -> dict[str, Any]:
        """Return the findings as a list."""
        return {"problems": self.problems}


class GoogleApiError(ComputeError):
    """Google answered a call with an error.

    ``status_code`` is the HTTP status, ``status`` Google's canonical code (``PERMISSION_DENIED``; for the older
    APIs their ``reason``, such as ``notFound``), ``message`` Google's own words, ``attempts`` how often it was tried.
    """

    def __init__(
        self,
        status_code: int,
        status: str,
        message: str,
        url: str,
        method: str,
        *,
        reason: str = "",
        error_details: list[Any] | None = None,
        attempts: int = 1,
    ) -> None:
        self.status_code = status_code
        self.status = status
        self.message = message
        self.url = url
        self.method = method
        self.reason = reason
        self.error_details = error_details or []
        self.attempts = attempts
        super().__init__(self._compose())

    def _compose(self) -> str:
        code = f"{self.status_code} {self.status}".strip()
        tries = f" (after {self.attempts} attempts)" if self.attempts > 1 else ""
        text = f"{self.method} {self.url} answered {code}{tries}: {self.message}"
        hint = self.next_step()
        return f"{text.rstrip('.')}. {hint}" if hint else text

    def next_step(self) -> str:
        """Return what the user can do about it, empty when the error speaks for itself."""
        return ""

    def details(self) -> dict[str, Any]:
        """Return code, status, reason, message, method and address of the failed call."""
        return {
            "status_code": self.status_code,
            "status": self.status,
            "reason": self.reason,
            "message": self.message,
            "method": self.method,
            "url": self.url,
            "details": self.error_details,
            "attempts": self.attempts,
        }


class UnauthenticatedError(GoogleApiError):
    """401: the token was refused, also after it was renewed."""

    def next_step(self) -> str:
        """Name the usual causes."""
        return "The credentials were refused: the key may be revoked or the account disabled. Log in again."


class ForbiddenError(GoogleApiError):
    """403: the caller is known but may not do this, or the API is not enabled."""

    def next_step(self) -> str:
        """Tell a disabled API from a missing permission."""
        if self.reason in ("SERVICE_DISABLED", "accessNotConfigured"):
            return "Enable the API for this project (gcloud services enable) and run again."
        return "Grant the account the missing permission, or use another account."


class NotFoundError(GoogleApiError):
    """404: what the call names does not exist (or the caller may not know that it does)."""


class ConflictError(GoogleApiError):
    """409: it exists already, or somebody else is changing it at this moment (``status`` tells)."""


class PreconditionFailedError(GoogleApiError):
    """412: it is no longer in the state the caller had read, somebody else changed it in between."""

    def next_step(self) -> str:
        """Tell the user what to do after losing the race."""
        return "Somebody else changed it in the meantime. Run again to compare with what is there now."


class RateLimitedError(GoogleApiError):
    """429: a quota is used up, also after all retries."""

    def next_step(self) -> str:
        """Name the two ways out."""
        return "Run again later, with a lower concurrency, or ask for more quota."


class UnavailableError(GoogleApiError):
    """500, 502, 503 or 504: Google could not do it, also after all retries."""

    def next_step(self) -> str:
        """Say that a repeated run is safe."""
        return "This is on Google's side; a repeated run continues where this one stopped."


class OperationFailedError(ComputeError):
    """A long-running operation ended with an error; ``last_state`` is the operation as last seen."""

    def __init__(self, message: str, last_state: dict[str, Any] | None = None) -> None:
        self.last_state = last_state or {}
        super().__init__(message)

    def details(self) -> dict[str, Any]:
        """Return the operation as last seen."""
        return {"last_state": self.last_state}


class OperationTimeoutError(OperationFailedError):
    """A long-running operation did not end within the time given; it goes on at Google."""


class PartialFailureError(ComputeError):
    """Some items of a bulk task failed; the others were finished. ``result`` says what was and what was not done."""

    def __init__(self, message: str, result: dict[str, Any]) -> None:
        self.result = result
        super().__init__(message)

    def to_result(self) -> dict[str, Any]:
        """Return the whole result beside the message, so that nothing done is hidden."""
        return {**self.result, **super().to_result()}


_BY_STATUS_CODE: dict[int, type[GoogleApiError]] = {
    401: UnauthenticatedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    412: PreconditionFailedError,
    429: RateLimitedError,
    500: UnavailableError,
    502: UnavailableError,
    503: UnavailableError,
    504: UnavailableError,
}


def innermost_message(error: BaseException) -> str:
    """Return the words of the error at the bottom of a library's error: the wrappers around it repeat the address."""
    inner = getattr(error, "reason", None) or (error.args[0] if error.args else None)
    return innermost_message(inner) if isinstance(inner, BaseException) else str(error)


def api_error(status_code: int, body: Any, url: str, method: str, attempts: int = 1) -> GoogleApiError:
    """Build the typed error for an answer with an HTTP error status.

    ``body`` is the decoded JSON body, or text where it was none. Understood are today's
    shape (``error.status`` and ``error.details``), the older one (``error.errors[].reason``) and OAuth's (a text).
    """
    error = body.get("error") if isinstance(body, dict) else None
    details: list[Any] = []
    if isinstance(error, dict):
        message = str(error.get("message") or "no message")
        details = [item for item in error.get("details") or [] if isinstance(item, dict)]
        older = [item for item in error.get("errors") or [] if isinstance(item, dict)]
        reasons = [str(item["reason"]) for item in [*details, *older] if item.get("reason")]
        reason = reasons[0] if reasons else ""
        status = str(error.get("status") or reason)
    elif isinstance(error, str):
        reason = status = error
        message = str(body.get("error_description") or error)
    else:
        reason = status = ""
        message = " ".join(str(body or "an empty answer").split())[:300]
    kind = _BY_STATUS_CODE.get(status_code, GoogleApiError)
    return kind(status_code, status, message, url, method, reason=reason, error_details=details, attempts=attempts)
