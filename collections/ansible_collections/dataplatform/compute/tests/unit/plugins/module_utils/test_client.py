# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the client makes of answers, and what it says before any call."""

from __future__ import annotations

import pytest
import requests
from ansible_collections.dataplatform.compute.plugins.module_utils import client as client_module
from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient, add_common_arguments
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import (
    ComputeError,
    ForbiddenError,
    TransportError,
    UnavailableError,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.retry import RetryableFailure

URL = "https://storage.googleapis.com/storage/v1/b"


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


def answer(status_code, content=b"", **headers):
    response = requests.Response()
    response.status_code = status_code
    response._content = content
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return response


def decode(response, raw=False, attempts=1):
    return client_module._decode(response, "GET", URL, raw, attempts)


def test_json_nothing_and_raw():
    assert decode(answer(200, b'{"a": 1}')) == {"a": 1}
    assert decode(answer(204)) == {}
    response = answer(200, b"bytes")
    assert decode(response, raw=True) is response


def test_half_an_answer_is_tried_again():
    with pytest.raises(RetryableFailure) as caught:
        decode(answer(200, b'{"items": [{"na'), attempts=2)
    assert isinstance(caught.value.error, TransportError)
    assert "got no whole answer (after 2 attempts)" in str(caught.value.error)


@pytest.mark.parametrize("status_code", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(status_code):
    with pytest.raises(RetryableFailure) as caught:
        decode(answer(status_code, b"{}", Retry_After="3"))
    assert caught.value.retry_after == 3.0


def test_an_error_page_that_is_no_json():
    with pytest.raises(RetryableFailure) as caught:
        decode(answer(502, b"<html>bad\ngateway</html>"))
    assert isinstance(caught.value.error, UnavailableError)
    assert "<html>bad gateway</html>" in str(caught.value.error)


def test_what_does_not_pass_is_not_tried_again():
    with pytest.raises(ForbiddenError):
        decode(answer(403, b'{"error": {"message": "no", "status": "PERMISSION_DENIED"}}'))


def test_project_and_region_come_from_the_options_or_are_asked_for(monkeypatch, tmp_path):
    client = GoogleClient({"project": "p", "region": "r"})
    assert (client.project, client.region) == ("p", "r")
    client = GoogleClient({"auth_kind": "accesstoken", "access_token": "t"})
    with pytest.raises(ComputeError, match="project is not set and the credentials name none"):
        _project = client.project
    with pytest.raises(ComputeError, match="region is not set"):
        _region = client.region


def test_a_bundle_of_authorities_that_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    with pytest.raises(ComputeError, match=r"none\.pem \(REQUESTS_CA_BUNDLE\) cannot be read"):
        GoogleClient({})


def test_an_untrusted_certificate_is_not_tried_again():
    error = requests.exceptions.SSLError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate")
    failure = client_module._transport_failure(error, "GET", URL, 1)
    assert isinstance(failure, TransportError)
    assert "Name the right authorities in REQUESTS_CA_BUNDLE" in str(failure)


def test_a_reset_connection_is_tried_again():
    error = requests.exceptions.ConnectionError(ConnectionResetError(104, "Connection reset by peer"))
    assert isinstance(client_module._transport_failure(error, "GET", URL, 1), RetryableFailure)


def test_own_options_join_the_common_ones():
    assert {"project", "region", "auth_kind", "kind"} <= set(add_common_arguments({"kind": {"type": "str"}}))
