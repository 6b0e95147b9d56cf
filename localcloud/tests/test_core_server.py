"""The running server as clients meet it: proxy, TLS, tokens, HTTP details, faults, journal."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import ssl
import time
import uuid
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import jwt
import psutil
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

REGION = "https://dataproc.googleapis.com/v1/projects/local-project/regions/europe-west1"
POLICIES = f"{REGION}/autoscalingPolicies"
CREATE = "dataproc.projects.regions.autoscalingPolicies.create"
USERINFO = "https://www.googleapis.com/oauth2/v3/userinfo"
TOKEN = "https://oauth2.googleapis.com/token"  # noqa: S105


def policy(name: str) -> dict:
    return {
        "id": name,
        "workerConfig": {"minInstances": 2, "maxInstances": 10},
        "basicAlgorithm": {
            "yarnConfig": {"gracefulDecommissionTimeout": "3600s", "scaleUpFactor": 0.5, "scaleDownFactor": 1.0}
        },
    }


@pytest.fixture
def name() -> str:
    return f"policy-{uuid.uuid4().hex[:8]}"


def tunnel(server, host: str, port: int = 443) -> tuple[socket.socket, bytes]:
    """Send CONNECT; return the connection and the answer."""
    connection = socket.create_connection(("127.0.0.1", server.process["port"]), timeout=10)
    connection.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    return connection, connection.recv(4096)


def secure(server, host: str = "dataproc.googleapis.com") -> ssl.SSLSocket:
    """Return a TLS connection through the proxy."""
    connection, answer = tunnel(server, host)
    assert b" 200 " in answer
    context = ssl.create_default_context(cafile=str(server.home / "ca.pem"))
    return context.wrap_socket(connection, server_hostname=host)


# The proxy


@pytest.mark.parametrize(
    ("host", "port"),
    [("example.org", 443), ("googleapis.com.evil.org", 443), ("storage.googleapis.com", 80), ("127.0.0.1", 443)],
)
def test_other_hosts_are_refused(server, host, port):
    connection, answer = tunnel(server, host, port)
    connection.close()
    assert answer.startswith(b"HTTP/1.1 403")
    assert b"passes nothing on" in answer


def test_only_the_loopback_listens(server):
    listening = {
        connection.laddr.ip.removeprefix("::ffff:")
        for connection in psutil.Process(server.process["pid"]).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


def test_a_host_header_of_another_site_is_refused(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.process["port"], timeout=10)
    connection.request("GET", "/localcloud/status", headers={"Host": "evil.example.org"})
    assert connection.getresponse().status == 403
    connection.close()


def test_the_control_api_wants_its_secret(server):
    address = f"http://127.0.0.1:{server.process['port']}"
    plain = requests.Session()
    plain.trust_env = False
    assert plain.get(f"{address}/healthz").json() == {"status": "ok"}
    for method, path in (("GET", "status"), ("POST", "reset"), ("POST", "faults"), ("DELETE", "requests")):
        assert plain.request(method, f"{address}/localcloud/{path}").status_code == 401
    assert server.control("GET", "/localcloud/status")["pid"] == server.process["pid"]


@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"CONNECT nonsense\r\n\r\n", b"\r\n" * 50]
)
def test_garbage_harms_nobody(server, session, garbage):
    with socket.create_connection(("127.0.0.1", server.process["port"]), timeout=5) as connection:
        connection.sendall(garbage)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(4096)
    assert session.get(USERINFO).status_code == 200


def test_answers_tell_the_time_of_the_server(server, session):
    before = int(time.time())
    answered = parsedate_to_datetime(session.get(USERINFO).headers["Date"]).timestamp()
    assert before <= answered <= time.time()


def test_the_authority_can_vouch_for_google_only(server):
    certificate = x509.load_pem_x509_certificate((server.home / "ca.pem").read_bytes())
    constraints = certificate.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical
    permitted = {subtree.value for subtree in constraints.value.permitted_subtrees}
    assert permitted == {"googleapis.com", "accounts.google.com"}
    assert {str(subtree.value) for subtree in constraints.value.excluded_subtrees} == {"0.0.0.0/0", "::/0"}
    assert (server.home / "bundle.pem").read_bytes().endswith((server.home / "ca.pem").read_bytes())


def test_regional_and_virtual_hosts_have_a_valid_certificate(server):
    for host in ("europe-west1-dataproc.googleapis.com", "my-bucket.storage.googleapis.com", "accounts.google.com"):
        secure(server, host).close()


# Credentials


def test_who_am_i(server, session):
    assert session.get(USERINFO).json()["email"] == "localcloud@local-project.iam.gserviceaccount.com"
    second = session.get("https://www.googleapis.com/oauth2/v2/userinfo").json()
    assert second["email"] == "localcloud@local-project.iam.gserviceaccount.com"
    assert second["verified_email"] is True
    described = session.get("https://oauth2.googleapis.com/tokeninfo", params={"access_token": server.token()}).json()
    assert described["email"] == "localcloud@local-project.iam.gserviceaccount.com"
    assert 3500 < int(described["expires_in"]) <= 3600


@pytest.mark.parametrize(
    "header", ["Bearer ya29.l.forged", "Bearer", "Basic dXNlcjpwYXNz", "Bearer eyJhbGciOiJub25lIn0.e30."]
)
def test_bad_tokens(server, header):
    answer = server.anonymous_session().get(POLICIES, headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.json()["error"]["status"] == "UNAUTHENTICATED"
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="')


@pytest.mark.parametrize("changes", [{"exp": 1}, {}])
def test_forged_and_expired_access_tokens(server, changes):
    """A token shaped like ours, signed with another secret."""
    email = service_account(server)["client_email"]
    content = {"sub": email, "scope": "x", "use": "access", "exp": time.time() + 600, **changes}
    forged = "ya29.l." + jwt.encode(content, "not the secret of this instance, but long", algorithm="HS256")
    answer = server.anonymous_session().get(POLICIES, headers={"Authorization": f"Bearer {forged}"})
    assert answer.status_code == 401


def test_no_token(server):
    answer = server.anonymous_session().get("https://storage.googleapis.com/storage/v1/b?project=local-project")
    assert answer.status_code == 401
    assert answer.json()["error"]["errors"][0]["reason"] == "required"


def service_account(server) -> dict:
    return json.loads((server.home / "service-account.json").read_text())


def claims(server, **changes) -> dict:
    now = datetime.now(UTC)
    email = service_account(server)["client_email"]
    return {"iss": email, "sub": email, "iat": now, "exp": now + timedelta(minutes=10), "aud": TOKEN, **changes}


@pytest.mark.parametrize(
    ("changes", "accepted"),
    [
        ({"aud": "https://dataproc.googleapis.com/"}, True),
        ({"aud": "https://elsewhere.example.org/"}, False),
        ({"aud": "x", "scope": "https://www.googleapis.com/auth/cloud-platform"}, True),
        ({"aud": "https://dataproc.googleapis.com/", "iss": "other@local-project.iam.gserviceaccount.com"}, False),
        ({"aud": "https://dataproc.googleapis.com/", "exp": datetime(2020, 1, 1, tzinfo=UTC)}, False),
    ],
)
def test_self_signed_tokens(server, changes, accepted):
    token = jwt.encode(claims(server, **changes), service_account(server)["private_key"], algorithm="RS256")
    answer = server.anonymous_session().get(POLICIES, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == (200 if accepted else 401)


def test_an_assertion_by_another_key_is_refused(server):
    foreign = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assertion = jwt.encode(claims(server, scope="x"), foreign, algorithm="RS256")
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
    answer = server.anonymous_session().post(TOKEN, data=form)
    assert answer.status_code == 400
    assert answer.json() == {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}


def test_the_second_identity_is_a_user(server):
    user = json.loads((server.home / "authorized-user.json").read_text())
    session = server.anonymous_session()
    form = {
        "grant_type": "refresh_token",
        **{key: user[key] for key in ("refresh_token", "client_id", "client_secret")},
    }
    token = session.post(TOKEN, data=form).json()["access_token"]
    found = session.get(USERINFO, headers={"Authorization": f"Bearer {token}"}).json()
    assert found["email"] == "developer@example.com"
    form["refresh_token"] += "x"
    assert session.post(TOKEN, data=form).json()["error"] == "invalid_grant"


def test_id_tokens_verify_with_the_published_keys(server):
    account = service_account(server)
    assertion = jwt.encode(claims(server, target_audience="me"), account["private_key"], algorithm="RS256")
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
    session = server.anonymous_session()
    token = session.post(TOKEN, data=form).json()["id_token"]
    keys = jwt.PyJWKSet.from_dict(session.get("https://www.googleapis.com/oauth2/v3/certs").json())
    decoded = jwt.decode(token, keys[jwt.get_unverified_header(token)["kid"]].key, algorithms=["RS256"], audience="me")
    assert decoded["email"] == account["client_email"]
    # An identity is not an access token.
    assert session.get(POLICIES, headers={"Authorization": f"Bearer {token}"}).status_code == 401


# HTTP


def test_answers_have_googles_shape(session, name):
    missing = session.get(f"{POLICIES}/{name}")
    assert missing.status_code == 404
    assert missing.json()["error"]["status"] == "NOT_FOUND"
    assert "errors" not in missing.json()["error"]
    assert missing.headers["Content-Type"] == "application/json; charset=UTF-8"
    refused = session.post(POLICIES, json={**policy(name), "bogus": 1})
    assert refused.status_code == 400
    assert "Unknown name \"bogus\" at 'policy': Cannot find field." in refused.json()["error"]["message"]
    assert session.get(POLICIES, params={"bogus": "1"}).status_code == 400
    assert session.post(POLICIES, data="{not json").status_code == 400


def test_compressed_chunked_and_overridden_requests(session, name):
    body = gzip.compress(json.dumps(policy(name)).encode())
    created = session.post(POLICIES, data=body, headers={"Content-Encoding": "gzip"})
    assert created.status_code == 200, created.text
    chunks = iter(
        [
            b'{"id": "',
            f"{name}-2".encode(),
            b'", ',
            json.dumps(policy(name)).encode()[1:].replace(f'"id": "{name}", '.encode(), b""),
        ]
    )
    assert session.post(POLICIES, data=chunks).json()["id"] == f"{name}-2"
    listed = session.post(POLICIES, headers={"X-HTTP-Method-Override": "GET"})
    assert {name, f"{name}-2"} <= {each["id"] for each in listed.json()["policies"]}
    assert session.post(POLICIES, data=b"\x1f\x8bnot gzip", headers={"Content-Encoding": "gzip"}).status_code == 400


def test_partial_and_numbered_answers(session, name):
    session.post(POLICIES, json=policy(name)).raise_for_status()
    assert session.get(f"{POLICIES}/{name}", params={"fields": "id,workerConfig/minInstances"}).json() == {
        "id": name,
        "workerConfig": {"minInstances": 2},
    }
    services = "https://serviceusage.googleapis.com/v1/projects/local-project/services/dataproc.googleapis.com"
    assert session.get(services).json()["state"] == "ENABLED"
    assert session.get(services, params={"$alt": "json;enum-encoding=int"}).json()["state"] == 2
    assert "\n" in session.get(services, params={"prettyPrint": "true"}).text
    assert "\n" not in session.get(services).text


def test_a_client_that_waits_for_100_continue(server, session, name):
    connection = secure(server)
    body = json.dumps(policy(name)).encode()
    head = (
        "POST /v1/projects/local-project/regions/europe-west1/autoscalingPolicies HTTP/1.1\r\n"
        f"Host: dataproc.googleapis.com\r\nAuthorization: {session.headers['Authorization']}\r\n"
        f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    )
    connection.sendall(head.encode())
    assert connection.recv(4096).startswith(b"HTTP/1.1 100")
    connection.sendall(body)
    assert connection.recv(65536).startswith(b"HTTP/1.1 200")
    connection.close()


def test_one_connection_serves_many_requests(server, session):
    connection = http.client.HTTPConnection("www.googleapis.com")
    connection.sock = secured = secure(server, "www.googleapis.com")
    for _ in range(3):
        connection.request("GET", "/oauth2/v3/userinfo", headers={"Authorization": session.headers["Authorization"]})
        response = connection.getresponse()
        assert response.status == 200
        assert json.loads(response.read())["email_verified"] is True
        assert connection.sock is secured
    connection.close()


# Small services


def test_services_are_enabled_by_an_operation(server, session):
    root = "https://serviceusage.googleapis.com/v1"
    url = f"{root}/projects/local-project/services/run.googleapis.com"
    assert session.get(url).json()["state"] == "DISABLED"
    operation = session.post(f"{url}:enable", json={}).json()
    done = server.operation(f"{root}/{operation['name']}", session)
    assert done["response"]["service"]["state"] == "ENABLED"
    assert session.get(url).json()["state"] == "ENABLED"
    parent = f"{root}/projects/local-project/services"
    names = [
        each["config"]["name"] for each in session.get(parent, params={"filter": "state:ENABLED"}).json()["services"]
    ]
    assert {"run.googleapis.com", "dataproc.googleapis.com"} <= set(names)
    first = session.get(parent, params={"pageSize": 3}).json()
    assert len(first["services"]) == 3
    assert (
        session.get(parent, params={"pageToken": first["nextPageToken"]}).json()["services"][0] not in first["services"]
    )
    batch = session.post(f"{parent}:batchEnable", json={"serviceIds": ["sqladmin.googleapis.com"]}).json()
    assert server.operation(f"{root}/{batch['name']}", session)["response"]["services"][0]["state"] == "ENABLED"
    assert session.post(f"{parent}:batchEnable", json={"serviceIds": ["nonsense"]}).status_code == 403


def test_projects(session):
    root = "https://cloudresourcemanager.googleapis.com"
    assert session.get(f"{root}/v1/projects/local-project").json()["lifecycleState"] == "ACTIVE"
    assert session.get(f"{root}/v3/projects/local-project").json()["state"] == "ACTIVE"
    assert session.get(f"{root}/v1/projects/somebody-elses").status_code == 403
    asked = {"permissions": ["dataproc.clusters.create", "storage.buckets.get"]}
    granted = session.post(f"{root}/v1/projects/local-project:testIamPermissions", json=asked).json()
    assert granted == asked
    policy_ = session.post(f"{root}/v1/projects/local-project:getIamPolicy", json={}).json()
    bindings = [{"role": "roles/viewer", "members": ["user:a@example.com"]}]
    sent = {"policy": {"etag": policy_["etag"], "bindings": bindings}}
    assert session.post(f"{root}/v1/projects/local-project:setIamPolicy", json=sent).json()["bindings"] == bindings
    assert session.post(f"{root}/v1/projects/local-project:setIamPolicy", json=sent).status_code == 409


def test_google_auth_asks_for_allowed_locations(session):
    account = "localcloud@local-project.iam.gserviceaccount.com"
    url = f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{account}/allowedLocations"
    assert session.get(url).json() == {"locations": [], "encodedLocations": "0x0"}


# Unserved routes and the journal


def test_unserved_requests_are_named_and_listed(server, session):
    url = "https://pubsub.googleapis.com/v1/projects/local-project/topics"
    answer = session.get(url)
    assert answer.status_code == 404
    assert "pubsub.projects.topics.list" in answer.json()["error"]["message"]
    assert session.get("https://nosuch.googleapis.com/v1/things").status_code == 404
    unserved = server.command("requests", "--unserved", check=False)
    assert unserved.returncode == 1
    assert "pubsub.projects.topics.list" in unserved.stdout
    assert "nosuch" in unserved.stdout


def test_the_journal_tells_what_happened_without_secrets(server, session, name):
    session.post(POLICIES, json=policy(name), params={"prettyPrint": "false"}).raise_for_status()
    token = session.headers["Authorization"].split()[1]
    session.get("https://www.googleapis.com/oauth2/v3/tokeninfo", params={"access_token": token})
    entries = server.journal()
    created = [entry for entry in entries if entry["method_id"] == CREATE][-1]
    assert created["status"] == 200
    assert created["served"] is True
    assert created["principal"].startswith("localcloud@")
    assert created["path"].endswith("/autoscalingPolicies")
    assert created["duration"] < 5
    journal = (server.home / "requests.jsonl").read_text()
    assert token not in journal
    assert token.rpartition(".")[2] not in journal


# Faults


def test_injected_status(server, session, name):
    with server.fault(method=CREATE, status="503", reason="backendError", message="try later", retry_after=3, count=1):
        refused = session.post(POLICIES, json=policy(name))
        assert refused.status_code == 503
        assert refused.json()["error"] == {"code": 503, "message": "try later", "status": "UNAVAILABLE"}
        assert refused.headers["Retry-After"] == "3"
        assert session.get(f"{POLICIES}/{name}").status_code == 404
        assert session.post(POLICIES, json=policy(name)).status_code == 200


def test_injected_status_of_a_legacy_api(server, session):
    with server.fault(method="storage.buckets.list", status="429", reason="rateLimitExceeded"):
        refused = session.get("https://storage.googleapis.com/storage/v1/b?project=local-project")
    assert refused.status_code == 429
    assert refused.json()["error"]["errors"][0]["reason"] == "rateLimitExceeded"


def test_injected_reset_happens_before_the_effect(server, session, name):
    with server.fault(method=CREATE, kind="reset", count=1), pytest.raises(requests.exceptions.ConnectionError):
        session.post(POLICIES, json=policy(name))
    assert session.get(f"{POLICIES}/{name}").status_code == 404


def test_half_an_answer_comes_after_the_effect(server, session, name):
    with (
        server.fault(method=CREATE, kind="truncate", count=1),
        pytest.raises((requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError)) as caught,
    ):
        session.post(POLICIES, json=policy(name))
    assert "IncompleteRead" in str(caught.value)
    assert session.get(f"{POLICIES}/{name}").status_code == 200


def test_injected_delay(server, session):
    with server.fault(kind="delay", delay=0.3):
        started = time.monotonic()
        session.get(USERINFO)
        assert time.monotonic() - started >= 0.3


def test_a_full_disk_is_an_error_that_is_not_retried_and_keeps_nothing(server, session, name):
    with server.fault(kind="disk-full"):
        refused = session.post(POLICIES, json=policy(name))
        bucket = session.post(
            "https://storage.googleapis.com/storage/v1/b", params={"project": "local-project"}, json={"name": name}
        )
    for answer in (refused, bucket):
        assert answer.status_code == 400
        assert "no space left" in answer.json()["error"]["message"]
    assert bucket.json()["error"]["errors"][0]["reason"] == "diskFull"
    assert session.get(f"{POLICIES}/{name}").status_code == 404
    assert session.get(f"https://storage.googleapis.com/storage/v1/b/{name}").status_code == 404
    assert session.post(POLICIES, json=policy(name)).status_code == 200


@pytest.mark.parametrize(("kind", "status"), [("operation-error", "INTERNAL"), ("operation-hang", "")])
def test_operations_that_go_wrong(server, session, name, kind, status):
    method = "dataproc.projects.regions.clusters.create"
    with server.fault(method=method, kind=kind, status=status, message="no machines left", count=1):
        body = {"clusterName": name, "config": {}}
        operation = session.post(f"{REGION}/clusters", json=body)
        assert operation.status_code == 200, operation.text
    url = f"https://dataproc.googleapis.com/v1/{operation.json()['name']}"
    if kind == "operation-hang":
        time.sleep(1.5)
        assert "done" not in session.get(url).json()
    else:
        assert server.operation(url, session)["error"] == {"code": 13, "message": "no machines left"}


def test_faults_by_the_command(server, session):
    added = server.command("fault", "add", "--method", "oauth2.userinfo.get", "--status", "500", "--count", "1")
    assert "status 500" in added.stdout
    assert "oauth2.userinfo.get" in server.command("fault", "list").stdout
    assert session.get(USERINFO).status_code == 500
    assert session.get(USERINFO).status_code == 200
    server.command("fault", "add", "--delay", "0.01")
    assert server.command("fault", "clear").stdout == "removed 1 fault\n"
    wrong = server.command("fault", "add", "--kind", "rest", check=False)
    assert wrong.returncode == 1
    assert "did you mean 'reset'" in wrong.stderr
    assert server.command("fault", "clear", "99", check=False).returncode == 1
