# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Google's error bodies become typed errors with a clear message."""

from __future__ import annotations

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils import errors

URL = "https://dataproc.googleapis.com/v1/x"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, errors.GoogleApiError),
        (401, errors.UnauthenticatedError),
        (403, errors.ForbiddenError),
        (404, errors.NotFoundError),
        (409, errors.ConflictError),
        (412, errors.PreconditionFailedError),
        (429, errors.RateLimitedError),
        (500, errors.UnavailableError),
        (503, errors.UnavailableError),
    ],
)
def test_type_by_status_code(code, kind):
    error = errors.api_error(code, {"error": {"code": code, "message": "words", "status": "S"}}, URL, "GET")
    assert error.__class__ is kind
    assert (error.status_code, error.status, error.message) == (code, "S", "words")
    assert str(error).startswith(f"GET {URL} answered {code} S: words")


def test_todays_shape_with_details():
    body = {
        "error": {
            "code": 403,
            "message": "API off",
            "status": "PERMISSION_DENIED",
            "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED"}],
        }
    }
    error = errors.api_error(403, body, URL, "POST", attempts=3)
    assert error.reason == "SERVICE_DISABLED"
    assert "Enable the API" in str(error)
    assert "(after 3 attempts)" in str(error)


def test_older_shape():
    body = {"error": {"code": 404, "message": "gone", "errors": [{"reason": "notFound", "domain": "global"}]}}
    error = errors.api_error(404, body, URL, "GET")
    assert (error.status, error.reason) == ("notFound", "notFound")


def test_oauth_shape():
    error = errors.api_error(400, {"error": "invalid_grant", "error_description": "key gone"}, URL, "POST")
    assert (error.status, error.message) == ("invalid_grant", "key gone")


@pytest.mark.parametrize("body", ["<html>Bad\n gateway</html>", "", None, [], {"error": None}])
def test_no_error_body_at_all(body):
    assert "502" in str(errors.api_error(502, body, URL, "GET"))


def test_result_of_a_failed_task():
    result = errors.api_error(404, {"error": {"message": "gone", "status": "NOT_FOUND"}}, URL, "GET").to_result()
    assert result["error"]["type"] == "NotFoundError"
    assert result["error"]["status_code"] == 404
    assert result["msg"].endswith("gone")


def test_partial_failure_hides_nothing():
    result = errors.PartialFailureError("1 of 2 failed", {"changed": True, "results": [1, 2]}).to_result()
    assert (result["changed"], result["results"], result["msg"]) == (True, [1, 2], "1 of 2 failed")
