"""Errors in the shapes of Google's APIs: One-Platform (code, message, status) and legacy (with errors[])."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response

# google.rpc.Code names by HTTP status, as One-Platform APIs answer them.
STATUS_BY_CODE = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    409: "ALREADY_EXISTS",
    411: "INVALID_ARGUMENT",
    412: "FAILED_PRECONDITION",
    413: "INVALID_ARGUMENT",
    416: "OUT_OF_RANGE",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
# Reasons of legacy APIs (storage, compute, dns) by HTTP status.
REASON_BY_CODE = {
    400: "invalid",
    401: "authError",
    403: "forbidden",
    404: "notFound",
    405: "methodNotAllowed",
    409: "conflict",
    411: "required",
    412: "conditionNotMet",
    413: "uploadTooLarge",
    416: "requestedRangeNotSatisfiable",
    429: "rateLimitExceeded",
    500: "backendError",
    503: "backendError",
}
# google.rpc.Code numbers, for errors inside operations.
RPC_CODES = {
    "OK": 0,
    "CANCELLED": 1,
    "UNKNOWN": 2,
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "ABORTED": 10,
    "OUT_OF_RANGE": 11,
    "UNIMPLEMENTED": 12,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
    "DATA_LOSS": 15,
    "UNAUTHENTICATED": 16,
}
# Marks answers that say more about localcloud than about Google: a route it lacks, a failure of its own.
UNSERVED_HEADER = "x-localcloud-unserved"
JSON_TYPE = "application/json; charset=UTF-8"


class ApiError(Exception):
    """An answer other than success; raised by a service and rendered once, by the application."""

    def __init__(
        self,
        code: int,
        message: str,
        status: str | None = None,
        reason: str | None = None,
        details: list[dict[str, Any]] | None = None,
        *,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Describe the answer.

        `code` is the HTTP status; `status` (google.rpc.Code name) and `reason` (legacy APIs) follow from it, unless
        given.
        """
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status or STATUS_BY_CODE.get(code, "UNKNOWN")
        self.reason = reason or REASON_BY_CODE.get(code, "unknown")
        self.details = details or []
        self.headers = headers or {}

    def body(self, legacy: bool) -> dict[str, Any]:
        """Return the JSON body: `legacy` adds errors[], which only storage, compute and dns send."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if legacy:
            error["errors"] = [{"message": self.message, "domain": "global", "reason": self.reason}]
            if self.reason == "required":
                error["errors"][0]["locationType"] = "header"
                error["errors"][0]["location"] = "Authorization"
        else:
            error["status"] = self.status
            if self.details:
                error["details"] = self.details
        return {"error": error}

    def rpc_status(self) -> dict[str, Any]:
        """Return the google.rpc.Status that a failed operation carries."""
        rendered: dict[str, Any] = {"code": RPC_CODES.get(self.status, 2), "message": self.message}
        if self.details:
            rendered["details"] = self.details
        return rendered


class NotServedError(ApiError):
    """A route or method that Google has and localcloud lacks: a 404, because clients retry 501 for minutes."""

    def __init__(self, method_id: str) -> None:
        """Name the method in the message and, by its type, in the journal."""
        super().__init__(
            404,
            f"localcloud does not serve {method_id}. Every such request is listed by `localcloud requests --unserved`.",
        )
        self.method_id = method_id


def not_found(message: str) -> ApiError:
    """Return a 404."""
    return ApiError(404, message)


def already_exists(message: str) -> ApiError:
    """Return a 409 for something that is already there."""
    return ApiError(409, message, "ALREADY_EXISTS")


def invalid_argument(message: str, details: list[dict[str, Any]] | None = None) -> ApiError:
    """Return a 400."""
    return ApiError(400, message, "INVALID_ARGUMENT", details=details)


def error_response(error: ApiError, legacy: bool) -> Response:
    """Render an error as an HTTP response; `legacy` chooses the shape with errors[]."""
    content = json.dumps(error.body(legacy), indent=2, ensure_ascii=False).encode()
    headers = {"Content-Type": JSON_TYPE, "Vary": "Origin", **error.headers}
    return Response(content, status_code=error.code, headers=headers)
