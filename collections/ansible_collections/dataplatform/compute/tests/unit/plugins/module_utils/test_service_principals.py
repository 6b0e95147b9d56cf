# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Names of principals and secrets, and what nodes are told: the same for the same facts, nothing without a realm."""

from __future__ import annotations

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.service_principals import service_principals

REALM = {
    "realm": "CORP.INTERNAL",
    "domain": "corp.internal",
    "kdcs": ["kdc-1.corp.internal", "kdc-2.corp.internal:8888"],
    "ipa_server": "ipa.corp.internal",
}


def rendered(*templates, **changed):
    options = {
        "realm": REALM,
        "templates": templates,
        "environment": "dev",
        "project": "example-project",
        "account": "yarn",
    }
    return service_principals(**{**options, **changed})


def test_every_template_has_its_own_principal_and_secret():
    result = rendered("etl", "ml")
    principal, secret_name = (
        "dask/etl-dev.corp.internal@CORP.INTERNAL",
        "projects/example-project/secrets/keytab-etl-dev",
    )
    assert result["principals"]["etl"] == {
        "template": "etl",
        "principal": principal,
        "secret": "keytab-etl-dev",
        "secret_name": secret_name,
        "service": {"name": principal},
        "resource": {"name": "keytab-etl-dev", "annotations": {"service-principal": principal}},
        "grant": {"resource": secret_name},
    }
    assert result["metadata"]["ml"] == {
        "service-principal": "dask/ml-dev.corp.internal@CORP.INTERNAL",
        "service-principal-secret": "projects/example-project/secrets/keytab-ml-dev",
    }


def test_nodes_trust_no_dns_and_find_the_ticket_without_a_setting():
    files = rendered("etl")["bundle_files"]
    assert files["kerberos/service-principal.conf"] == "account=yarn\nrealm=CORP.INTERNAL\n"
    lines = [line.strip() for line in files["kerberos/krb5.conf"].splitlines()]
    for line in (
        "default_realm = CORP.INTERNAL",
        "default_ccache_name = FILE:/run/service-principal/ticket",
        "dns_lookup_kdc = false",
        "dns_canonicalize_hostname = false",
        "rdns = false",
        "udp_preference_limit = 1",
        "kdc = kdc-1.corp.internal",
        "kdc = kdc-2.corp.internal:8888",
        ".corp.internal = CORP.INTERNAL",
    ):
        assert line in lines, line


def test_without_a_realm_there_is_nothing():
    assert rendered("etl", realm=None, account=None) == {"principals": {}, "metadata": {}, "bundle_files": {}}


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"templates": ["etl_x"]}, "principal 'dask/etl_x-dev.corp.internal@CORP.INTERNAL': expected SERVICE/HOST"),
        ({"account": None}, "platform_job_account: None, expected the account that owns the ticket"),
    ],
)
def test_what_can_be_no_principal_is_refused(options, problem):
    with pytest.raises(ValidationError) as caught:
        rendered(*options.pop("templates", ["etl"]), **options)
    assert problem in str(caught.value)
