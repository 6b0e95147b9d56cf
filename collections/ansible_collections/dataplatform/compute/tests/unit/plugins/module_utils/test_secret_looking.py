# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What looks like a secret by its value or its name, and what only resembles one."""

from __future__ import annotations

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.secret_looking import (
    HIDDEN,
    HIDDEN_CHANGE,
    looks_like,
    may_name_a_secret,
    named_like_a_secret,
    secrets_in,
    sides_without_secrets,
    without_secrets,
)

# Put together here, so that no file of the repository holds anything that looks like a secret.
VALUES = [
    ("-----BEGIN " + "PRIVATE KEY-----\nx", "a private key"),
    ("AIza" + "x" * 35, "an API key of Google"),
    ("ya29." + "x" * 30, "an access token of Google"),
    ("AKIA" + "X" * 16, "an access key of AWS"),
    ("ghp_" + "x" * 36, "a token of GitHub"),
    ("glpat-" + "x" * 20, "a token of GitLab"),
    ("xoxb-" + "1" * 12, "a token of Slack"),
    ("https://hooks.slack.com" + "/services/T0/B0/x", "a webhook of Slack"),
    ("eyJ" + "x" * 10 + ".eyJ" + "x" * 10 + ".sig", "a signed token (JWT)"),
    ("postgres://etl:" + "pw@db/flights", "an address with a password in it"),
]


@pytest.mark.parametrize(("value", "kind"), VALUES, ids=[kind for _value, kind in VALUES])
def test_values(value: str, kind: str) -> None:
    assert looks_like(value) == kind
    assert list(secrets_in({"a": [f"before {value}"]})) == [(("a", 0), kind)]


@pytest.mark.parametrize(
    "value", ["gs://bucket/a:b@c", "https://host:8443/x@y", "user@host", "projects/p/secrets/s", "eyJ", "AKIA", ""]
)
def test_values_that_only_resemble_one(value: str) -> None:
    assert looks_like(value) == ""


@pytest.mark.parametrize(
    "name", ["password", "db_password", "API_TOKEN", "clientSecret", "private-key", "keyfile_dict"]
)
def test_names(name: str) -> None:
    assert named_like_a_secret(name)
    assert may_name_a_secret(f"first = 1\n{name} = 2\n")


@pytest.mark.parametrize(
    "name", ["password_file", "token_url", "tokens", "key", "secretary", "partition_key", "monkey"]
)
def test_names_that_only_resemble_one(name: str) -> None:
    assert not named_like_a_secret(name)


def test_secrets_are_hidden_wherever_they_are_and_nothing_else_is() -> None:
    value = {"user": "ada", "password": "x", "hosts": [{"url": VALUES[-1][0]}, "plain"], "token": "", "secret": True}
    hidden = {"user": "ada", "password": HIDDEN, "hosts": [{"url": HIDDEN}, "plain"], "token": "", "secret": True}
    assert without_secrets(value) == hidden
    assert without_secrets(["a", None], "api_token") == [HIDDEN, None]
    assert without_secrets("a", "table") == "a"
    assert without_secrets({"service-principal-secret": "projects/p/secrets/keytab-etl-dev"}) == {
        "service-principal-secret": "projects/p/secrets/keytab-etl-dev"
    }


def test_hidden_values_that_differ_are_told_apart() -> None:
    before = {"same_password": "x", "password": "x", "list": [{"token": "x"}, 1], "gone_token": "x", "a": 1}
    after = {"same_password": "x", "password": "y", "list": [{"token": "y"}, 2], "new": VALUES[0][0], "a": 2}
    assert sides_without_secrets(before, after) == (
        {"same_password": HIDDEN, "password": HIDDEN, "list": [{"token": HIDDEN}, 1], "gone_token": HIDDEN, "a": 1},
        {
            "same_password": HIDDEN,
            "password": HIDDEN_CHANGE,
            "list": [{"token": HIDDEN_CHANGE}, 2],
            "new": HIDDEN,
            "a": 2,
        },
    )
    assert sides_without_secrets(None, "x", "password") == (None, HIDDEN)
    assert sides_without_secrets(["x"], ["y", "z"], "password") == ([HIDDEN], [HIDDEN, HIDDEN])
