# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Every way credentials can be wrong has a message with the file or option and the next step."""

from __future__ import annotations

import json

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.credentials import load_credentials
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import CredentialsError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

SECRET = "not-to-be-shown"  # noqa: S105 - the tests look for it in messages


@pytest.fixture(autouse=True)
def no_login(monkeypatch, tmp_path):
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")


@pytest.fixture(scope="session")
def key():
    pem = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "type": "service_account",
        "project_id": "example-project",
        "private_key": pem.decode(),
        "client_email": "deployer@example-project.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    }


def message(**params):
    with pytest.raises(CredentialsError) as caught:
        load_credentials(params)
    return str(caught.value)


def test_a_service_account_key(tmp_path, key):
    path = tmp_path / "key.json"
    path.write_text(json.dumps(key))
    loaded = load_credentials({"auth_kind": "serviceaccount", "service_account_file": str(path)})
    assert (loaded.source, loaded.credential_type) == (str(path), "service_account")
    assert (loaded.email, loaded.project) == (key["client_email"], "example-project")


def test_application_default_prefers_the_named_file(tmp_path, key, monkeypatch):
    path = tmp_path / "key.json"
    path.write_text(json.dumps(key))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    loaded = load_credentials({})
    assert (loaded.auth_kind, loaded.source) == ("application", str(path))


def test_the_gcloud_login_is_found(tmp_path):
    login = tmp_path / "gcloud" / "application_default_credentials.json"
    login.parent.mkdir()
    user = {"type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "c"}
    login.write_text(json.dumps(user))
    assert load_credentials({}).credential_type == "authorized_user"


def test_contents(key):
    loaded = load_credentials({"auth_kind": "serviceaccount", "service_account_contents": json.dumps(key)})
    assert loaded.source == "service_account_contents"


def test_an_access_token():
    loaded = load_credentials({"auth_kind": "accesstoken", "access_token": SECRET})
    assert loaded.credentials.token == SECRET


def test_nothing_at_all(tmp_path):
    text = message()
    assert "No Google credentials found" in text
    assert "gcloud auth application-default login" in text
    assert str(tmp_path / "gcloud") in text


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"auth_kind": "serviceaccount"}, "neither service_account_file nor service_account_contents is set"),
        ({"auth_kind": "accesstoken"}, "access_token is empty"),
        ({"auth_kind": "magic"}, "auth_kind is 'magic'; expected application"),
        ({"auth_kind": "serviceaccount", "service_account_contents": "{"}, "service_account_contents is not JSON"),
    ],
)
def test_options_that_do_not_suffice(params, expected):
    assert expected in message(**params)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "is not JSON"),
        ('{"private_key": "' + SECRET, "is not JSON (line 1"),
        ("[]", "holds a JSON list; expected an object"),
        ("{}", "has type None"),
        ('{"type": "robot"}', "has type 'robot'; expected"),
        ('{"type": "service_account", "client_email": "x"}', "lacks private_key, token_uri"),
        (
            json.dumps({"type": "service_account", "client_email": "x", "token_uri": "x", "private_key": SECRET}),
            "cannot be used",
        ),
    ],
)
def test_a_file_with_the_wrong_content(tmp_path, monkeypatch, content, expected):
    path = tmp_path / "key.json"
    path.write_text(content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    text = message()
    assert expected in text
    assert str(path) in text
    assert SECRET not in text


def test_a_file_that_is_not_there(tmp_path):
    text = message(auth_kind="serviceaccount", service_account_file=str(tmp_path / "none.json"))
    assert f"{tmp_path / 'none.json'} (service_account_file) does not exist" in text


def test_a_directory(tmp_path):
    assert "is a directory" in message(auth_kind="serviceaccount", service_account_file=str(tmp_path))


def test_the_wrong_kind_of_key(tmp_path):
    path = tmp_path / "key.json"
    path.write_text('{"type": "authorized_user"}')
    text = message(auth_kind="serviceaccount", service_account_file=str(path))
    assert "holds credentials of type 'authorized_user'" in text
