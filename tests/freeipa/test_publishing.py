"""The role service_principals between a real KDC and a local cloud: published once, rotated on purpose, never lost."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.ipa_service_principals import DEFINITION

from tests.freeipa.conftest import execute, options
from tests.freeipa.publishing import NODE, ROTATE, SECRETS, SITE, TEARDOWN, TEMPLATES, Publishing, changed, principal
from tests.freeipa.stand_in import HOST, PASSWORD, REALM, USER, StandIn
from tests.integration.conftest import LocalCloud
from tests.integration.google import PROJECT, wait_for
from tests.integration.processes import kill_family

# Principals, secrets, first keys, their publication, and who may read them.
CHANGES = 5


@pytest.fixture(scope="module")
def world(server: StandIn, localcloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Publishing]:
    """A realm and a cloud in which nothing was published yet, once for all tests of this file, which build on it."""
    world = Publishing(server, localcloud, tmp_path_factory.mktemp("publishing"))
    accounts = f"https://iam.googleapis.com/v1/projects/{PROJECT}/serviceAccounts"
    world.google.call("POST", accounts, json={"accountId": NODE.partition("@")[0]})
    foretold = world.play(None, "--check", "--diff")
    assert [world.states(template) for template in TEMPLATES] == [{}, {}, {}], "check mode made something"
    world.published = world.play(None, "--diff", "-vvv")
    assert changed(foretold) == changed(world.published) == CHANGES
    yield world


def test_every_template_gets_a_keytab_that_logs_in(world: Publishing) -> None:
    for template in TEMPLATES:
        assert world.key(template) == 1
        assert world.states(template)["1"] == "ENABLED"
        assert world.login(template) == ""


def test_the_nodes_account_and_nobody_else_may_read_it(world: Publishing) -> None:
    world.google.call(
        "POST",
        f"{SECRETS}/keytab-ml-local:setIamPolicy",
        json={
            "policy": {
                "bindings": [
                    {"role": "roles/secretmanager.secretAccessor", "members": ["user:eve@example.com"]},
                    {"role": "roles/secretmanager.viewer", "members": ["user:ada@example.com"]},
                ]
            }
        },
    )
    assert changed(world.play()) == 1
    policy = world.google.call("GET", f"{SECRETS}/keytab-ml-local:getIamPolicy").json()
    assert {binding["role"]: binding["members"] for binding in policy["bindings"]} == {
        "roles/secretmanager.secretAccessor": [f"serviceAccount:{NODE}"],
        "roles/secretmanager.viewer": ["user:ada@example.com"],
    }


def test_the_controllers_account_and_nobody_else_may_have_the_keys(world: Publishing, ipa: StandIn) -> None:
    others: dict[str, list[str]] = {"groups": ["admins"], "hosts": [HOST]}
    service = {"name": principal("ml"), "allow_retrieve_keytab": others, "allow_create_keytab": others}
    assert execute(DEFINITION, options(ipa, principals=[service]))["changed"]
    assert changed(world.play()) == 1
    alone = {"users": [USER], "groups": [], "hosts": [], "hostgroups": []}
    wanted = {**service, "allow_retrieve_keytab": alone, "allow_create_keytab": alone}
    assert execute(DEFINITION, options(ipa, principals=[wanted]), check=True)["diff"] == []


def test_nothing_secret_was_said(world: Publishing) -> None:
    said = world.published.replace("\n", "")
    payload = world.google.call("GET", f"{SECRETS}/keytab-etl-local/versions/1:access").json()["payload"]["data"]
    assert payload[24:] not in said
    assert PASSWORD not in said
    assert "BQIAAA" not in said, "a keytab in base64 begins so"


def test_a_rotation_is_published_with_the_older_key_and_ages(world: Publishing) -> None:
    looked = world.play(ROTATE, "-e", "template=etl", "--check")
    assert (changed(looked), world.key("etl")) == (2, 1)
    said = world.play(ROTATE, "-e", "template=etl")
    assert f"{principal('etl')}: has the new key 2, published as version 2 in keytab-etl-local" in said
    assert (world.key("etl"), world.key_numbers("etl"), world.login("etl")) == (2, [1, 2], "")
    assert world.states("etl") == {"1": "ENABLED", "2": "ENABLED"}
    assert (world.key("ml"), world.states("ml")) == (1, {"1": "ENABLED"}), "another template's key was rotated, too"
    before = [(world.key(template), world.states(template)) for template in TEMPLATES]
    assert changed(world.play()) == 0
    assert [(world.key(template), world.states(template)) for template in TEMPLATES] == before
    # Tickets that were made with key 1 may be in use for as long as a ticket lives.
    assert changed(world.play(None, "-e", "service_principals_ticket_seconds=0")) == 1
    assert world.states("etl") == {"1": "DISABLED", "2": "ENABLED"}


def test_a_rotation_killed_before_it_published_is_finished_by_the_next(world: Publishing) -> None:
    key = world.key("analytics")
    world.cloud.cli("fault", "add", "--method=secretmanager.projects.secrets.addVersion", "--kind=delay", "--delay=60")
    process = world.start(ROTATE, "-e", "template=analytics")
    try:
        wait_for(lambda: world.key("analytics") == key + 1, "the new key", 240)
        kill_family(process.pid)
        process.communicate()
    finally:
        world.cloud.cli("fault", "clear")
    assert world.key_numbers("analytics") == [key], "the new key was published before the run was killed"
    assert world.login("analytics") != "", "the old key still logs in, so nothing is to be mended"
    said = world.play(ROTATE, "-e", "template=analytics")
    assert "keytab-analytics-local: did not hold the current keys" in said
    assert (world.key("analytics"), world.key_numbers("analytics")) == (key + 1, [key + 1]), "it was rotated once more"
    assert world.login("analytics") == ""


def test_site_publishes_too_and_templates_name_principal_and_secret(world: Publishing) -> None:
    keys = [world.key(template) for template in TEMPLATES]
    world.play(SITE)
    assert [world.key(template) for template in TEMPLATES] == keys
    config = world.google.get("workflowTemplates/flights-etl")["placement"]["managedCluster"]["config"]
    metadata = config["gceClusterConfig"]["metadata"]
    assert metadata["service-principal"] == principal("etl")
    assert metadata["service-principal-secret"] == f"projects/{PROJECT}/secrets/keytab-etl-local"
    assert "node-bundle-uri" in metadata, "what all templates have is still there"
    scripts = [action["executableFile"].rpartition("/")[2] for action in config["initializationActions"]]
    assert scripts == ["node-bundle.sh", "service-principal.sh", "yarn_queues.py", "node-metrics.sh"]


def test_a_ticket_of_ones_own_will_do(world: Publishing) -> None:
    cache = f"FILE:{world.directory}/ticket"
    assert "Password for" in world.run("kinit", "-c", cache, USER, input=f"{PASSWORD}\n")
    ticket = ("-e", f"service_principals_ipa_ticket_cache={cache}")
    assert changed(world.play(None, *ticket, IPA_KEYTAB="/nowhere")) == 0, "an option wins over a variable"
    assert "Default principal: admin@" in world.run("klist", cache), "the ticket was taken away"
    world.run("kdestroy", "-c", cache)
    said = world.play(None, *ticket, IPA_PASS="", fails=True)
    assert f"no valid ticket in ticket_cache '{cache}'. Get one: kinit admin@CORP.INTERNAL" in said


def test_what_is_wrong_is_said_although_keytabs_are_not_shown(world: Publishing) -> None:
    keys = [world.key(template) for template in TEMPLATES]
    said = world.play(None, "-e", "service_principals_ipa_ldap_port=1", fails=True)
    assert "No LDAP server answers" in said
    said = world.play(SITE, IPA_PASS="", fails=True)
    assert "service_principals_ipa_ticket_cache are all empty; expected one of them" in said
    assert "TASK [storage_buckets" not in said, "something was done before"
    said = world.play(ROTATE, "-e", "template=elt", fails=True)
    assert "template is 'elt', which platform_cluster_templates does not have; did you mean 'etl'?" in said
    assert [world.key(template) for template in TEMPLATES] == keys


def test_a_teardown_leaves_no_keytab_and_names_the_principals_that_stay(world: Publishing) -> None:
    world.google.call("POST", SECRETS, params={"secretId": "of-somebody"}, json={"replication": {"automatic": {}}})
    said = world.play(TEARDOWN, "-e", "confirm=local")
    left = [secret["name"].rpartition("/")[2] for secret in world.google.call("GET", SECRETS).json()["secrets"]]
    assert left == ["of-somebody"]
    told = re.findall(rf"\S+@{REALM}", said.partition("ipa service-del")[2])
    assert sorted(told) == [principal(template) for template in TEMPLATES], said
    assert all(world.key(template) for template in TEMPLATES)
