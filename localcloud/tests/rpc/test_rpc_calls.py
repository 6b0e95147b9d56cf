"""gRPC calls of Google's own clients: requests, answers, operations, errors and faults, as REST has them."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import grpc
import psutil
import pytest
from google.api_core import exceptions
from google.cloud import dataproc_v1
from google.protobuf import duration_pb2, field_mask_pb2
from google.rpc import error_details_pb2

WHERE = {"project_id": "local-project", "region": "europe-west1"}
REGION = "projects/local-project/regions/europe-west1"
CREATE = "dataproc.projects.regions.clusters.create"
GET = "dataproc.projects.regions.clusters.get"


@pytest.fixture
def name() -> str:
    return f"rpc-{uuid.uuid4().hex[:8]}"


def test_an_operation_carries_its_metadata_and_its_result(client, name):
    clusters = client("ClusterController")
    lifecycle = {"idle_delete_ttl": duration_pb2.Duration(seconds=1800)}
    cluster = {"cluster_name": name, "labels": {"team": "growth"}, "config": {"lifecycle_config": lifecycle}}
    operation = clusters.create_cluster(**WHERE, cluster=cluster)
    assert operation.metadata.cluster_name == name
    assert operation.metadata.operation_type == "CREATE"
    result = operation.result(timeout=60)
    assert isinstance(result, dataproc_v1.Cluster)
    assert result.cluster_name == name
    assert operation.metadata.status.state == dataproc_v1.ClusterOperationStatus.State.DONE
    found = clusters.get_cluster(**WHERE, cluster_name=name)
    assert found.status.state == dataproc_v1.ClusterStatus.State.RUNNING
    assert found.config.lifecycle_config.idle_delete_ttl.total_seconds() == 1800
    assert found.config.worker_config.num_instances == 2
    listed = clusters.list_clusters({**WHERE, "filter": "labels.team = growth", "page_size": 1})
    assert [each.cluster_name for each in listed] == [name]

    mask = field_mask_pb2.FieldMask(paths=["labels"])
    change = {"cluster_name": name, "cluster": {"labels": {"team": "ops"}}, "update_mask": mask}
    clusters.update_cluster({**WHERE, **change}).result(timeout=60)
    assert clusters.get_cluster(**WHERE, cluster_name=name).labels["team"] == "ops"
    assert clusters.delete_cluster(**WHERE, cluster_name=name).result(timeout=60) is not None
    with pytest.raises(exceptions.NotFound) as caught:
        clusters.get_cluster(**WHERE, cluster_name=name)
    assert caught.value.grpc_status_code is grpc.StatusCode.NOT_FOUND
    assert caught.value.message == f"Not found: Cluster {REGION}/clusters/{name}"


def test_a_name_that_is_taken(client, name):
    policies = client("AutoscalingPolicyService")
    policy = {
        "id": name,
        "worker_config": {"min_instances": 2, "max_instances": 5},
        "basic_algorithm": {
            "yarn_config": {
                "graceful_decommission_timeout": duration_pb2.Duration(seconds=60),
                "scale_up_factor": 0.5,
                "scale_down_factor": 1.0,
            }
        },
    }
    created = policies.create_autoscaling_policy(parent=REGION, policy=policy)
    assert created.name == f"{REGION}/autoscalingPolicies/{name}"
    assert created.basic_algorithm.yarn_config.scale_up_factor == 0.5
    with pytest.raises(exceptions.AlreadyExists):
        policies.create_autoscaling_policy(parent=REGION, policy=policy)
    policies.delete_autoscaling_policy(name=created.name)
    with pytest.raises(exceptions.NotFound):
        policies.get_autoscaling_policy(name=created.name)


def test_an_operation_that_fails(server, client, name):
    clusters = client("ClusterController")
    fault = {"method": CREATE, "kind": "operation-error", "status": "429", "message": "Insufficient 'CPUS' quota."}
    with server.fault(**fault):
        operation = clusters.create_cluster(**WHERE, cluster={"cluster_name": name})
        with pytest.raises(exceptions.ResourceExhausted, match="Insufficient 'CPUS' quota"):
            operation.result(timeout=60)
    found = clusters.get_cluster(**WHERE, cluster_name=name)
    assert found.status.state == dataproc_v1.ClusterStatus.State.ERROR
    diagnosis = clusters.diagnose_cluster(**WHERE, cluster_name=name).result(timeout=60)
    assert isinstance(diagnosis, dataproc_v1.DiagnoseClusterResults)
    assert diagnosis.output_uri.startswith(f"gs://{found.config.config_bucket}/")
    clusters.delete_cluster(**WHERE, cluster_name=name).result(timeout=60)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"status": "429"}, grpc.StatusCode.RESOURCE_EXHAUSTED),
        ({"status": "503"}, grpc.StatusCode.UNAVAILABLE),
        ({"status": "403", "message": "no"}, grpc.StatusCode.PERMISSION_DENIED),
        ({"kind": "reset"}, grpc.StatusCode.UNAVAILABLE),
        ({"kind": "truncate"}, grpc.StatusCode.UNAVAILABLE),
    ],
)
def test_faults_hit_calls(server, client, fault, code):
    clusters = client("ClusterController")
    with server.fault(method=GET, **fault):
        with pytest.raises(exceptions.GoogleAPICallError) as caught:
            clusters.get_cluster(**WHERE, cluster_name="any", retry=None)
        assert caught.value.grpc_status_code is code
    with pytest.raises(exceptions.NotFound):
        clusters.get_cluster(**WHERE, cluster_name="any")


def test_a_delay_longer_than_the_deadline(server, client):
    with server.fault(method=GET, kind="delay", delay=1.5), pytest.raises(exceptions.DeadlineExceeded):
        client("ClusterController").get_cluster(**WHERE, cluster_name="any", retry=None, timeout=0.5)


def test_details_of_an_error(client):
    clusters = client("ClusterController")
    cluster = {"cluster_name": "detailed", "config": {"master_config": {"preemptibility": 99}}}
    with pytest.raises(exceptions.InvalidArgument) as caught:
        clusters.create_cluster(**WHERE, cluster=cluster)
    (detail,) = caught.value.details
    assert isinstance(detail, error_details_pb2.BadRequest)
    assert "preemptibility" in detail.field_violations[0].description


def test_fields_that_make_no_address(server, client):
    with pytest.raises(exceptions.InvalidArgument, match=r"name is 'nonsense', expected projects/\*/"):
        client("AutoscalingPolicyService").get_autoscaling_policy(name="nonsense")
    noted = [entry for entry in server.journal() if entry.get("rpc", "").endswith("/GetAutoscalingPolicy")]
    assert noted[-1]["status"] == 400
    assert noted[-1]["served"]


def test_a_field_that_only_a_newer_client_knows(channel):
    # Field 1000 of the request, a string of three letters.
    newer = dataproc_v1.GetClusterRequest.serialize(dataproc_v1.GetClusterRequest(**WHERE, cluster_name="any"))
    call = channel.unary_unary("/google.cloud.dataproc.v1.ClusterController/GetCluster")
    with pytest.raises(grpc.RpcError) as caught:
        call(newer + b"\xc2\x3e\x03new")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "google.cloud.dataproc.v1.GetClusterRequest field 1000" in caught.value.details()


@pytest.mark.parametrize("sent", [None, "ya29.l.nonsense"])
def test_without_a_valid_token(server, connect, sent):
    with connect(server, sent) as channel:
        kind = dataproc_v1.ClusterControllerClient
        clusters = kind(transport=kind.get_transport_class("grpc")(channel=channel))
        for cluster_name in ("any", ""):
            with pytest.raises(exceptions.Unauthenticated, match="authentication credential"):
                clusters.get_cluster(**WHERE, cluster_name=cluster_name)
    noted = [entry for entry in server.journal() if entry["status"] == 401 and entry.get("rpc")]
    assert noted


def test_a_method_that_is_not_served(server, client):
    with pytest.raises(exceptions.MethodNotImplemented, match=r"does not serve dataproc\.projects\.locations\.batches"):
        client("BatchController").list_batches(parent="projects/local-project/locations/europe-west1")
    noted = [entry for entry in server.journal() if entry.get("rpc", "").endswith("BatchController/ListBatches")]
    assert not noted[-1]["served"]


@pytest.mark.parametrize("kind", ["unary_unary", "stream_stream"])
def test_a_method_that_nobody_knows(server, channel, kind):
    path = f"/google.pubsub.v1.Publisher/{kind}"
    call = getattr(channel, kind)(path)
    with pytest.raises(grpc.RpcError) as caught:
        call(b"") if kind == "unary_unary" else list(call(iter(())))
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert path in caught.value.details()
    assert [entry["served"] for entry in server.journal() if entry.get("rpc") == path] == [False]


def test_large_messages_both_ways(client, name):
    templates = client("WorkflowTemplateService")
    job = {"pyspark_job": {"main_python_file_uri": "gs://any/script.py", "args": ["x" * 10_000]}}
    template = {
        "id": name,
        "placement": {"managed_cluster": {"cluster_name": name, "config": {"master_config": {"num_instances": 1}}}},
        "jobs": [{"step_id": f"step-{number}", **job} for number in range(90)],
    }
    created = templates.create_workflow_template(parent=REGION, template=template)
    assert len(created.jobs[89].pyspark_job.args[0]) == 10_000
    templates.delete_workflow_template(name=created.name)


def test_every_new_connection_is_answered(server, connect, token):
    for _ in range(40):
        with connect(server, token) as channel:
            kind = dataproc_v1.ClusterControllerClient
            clusters = kind(transport=kind.get_transport_class("grpc")(channel=channel))
            with pytest.raises(exceptions.NotFound):
                clusters.get_cluster(**WHERE, cluster_name="any", timeout=60, retry=None)


def test_nothing_gets_in_beside_the_proxy(server, client, token):
    with pytest.raises(exceptions.NotFound):
        client("ClusterController").get_cluster(**WHERE, cluster_name="any")
    listening = {
        connection.laddr.port
        for connection in psutil.Process(server.process["pid"]).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    (port,) = listening - {server.process["port"]}
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary("/google.cloud.dataproc.v1.ClusterController/GetCluster")
        with pytest.raises(grpc.RpcError) as caught:
            call(b"", metadata=[("authorization", f"Bearer {token}")])
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


def test_stopping_waits_for_no_call(own_server, connect):
    # Of a fault with a limit it is known how often it has hit.
    delay = {"method": GET, "kind": "delay", "delay": 600, "count": 2}
    own_server.control("POST", "/localcloud/faults", delay)
    with connect(own_server, own_server.token()) as channel:
        kind = dataproc_v1.ClusterControllerClient
        clusters = kind(transport=kind.get_transport_class("grpc")(channel=channel))
        with ThreadPoolExecutor() as pool:
            call = pool.submit(clusters.get_cluster, **WHERE, cluster_name="any", retry=None, timeout=60)
            while not own_server.control("GET", "/localcloud/faults")["faults"][0]["hits"]:
                assert not call.done()
                time.sleep(0.05)
            own_server.down()
            # A call that was waited for would have come to the end of its own time, or its client would have given up a
            # server that no longer answers pings.
            with pytest.raises(exceptions.ServiceUnavailable) as caught:
                call.result()
            assert "ping" not in caught.value.message


def test_grpc_is_not_loaded_before_it_is_used(own_server):
    own_server.session().get(f"https://dataproc.googleapis.com/v1/{REGION}/clusters").raise_for_status()
    assert own_server.session().get("https://dataproc.googleapis.com/").raw.version == 11
    maps = psutil.Process(own_server.process["pid"]).memory_maps()
    assert not [each.path for each in maps if "cygrpc" in each.path]
