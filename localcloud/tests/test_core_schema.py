"""Routing and validation from discovery documents."""

from __future__ import annotations

import pytest
from starlette.datastructures import QueryParams

from localcloud import discovery, enum_numbers
from localcloud.errors import ApiError

CREATE_CLUSTER = "dataproc.projects.regions.clusters.create"
CREATE_POLICY = "dataproc.projects.regions.autoscalingPolicies.create"


@pytest.fixture(scope="module")
def dataproc() -> discovery.Service:
    return discovery.load("dataproc", "v1")


def refused(service: discovery.Service, method_id: str, body: object) -> ApiError:
    with pytest.raises(ApiError) as caught:
        service.validate_body(service.methods[method_id], body)
    assert caught.value.code == 400
    assert caught.value.status == "INVALID_ARGUMENT"
    return caught.value


@pytest.mark.parametrize(
    ("http_method", "path", "method_id", "parameters"),
    [
        ("GET", "/v1/projects/p/regions/r/clusters/c", "clusters.get", {"projectId": "p", "region": "r"}),
        ("POST", "/v1/projects/p/regions/r/clusters/c:start", "clusters.start", {"clusterName": "c"}),
        ("GET", "/v1/projects/p/regions/r/operations", "operations.list", {"name": "projects/p/regions/r/operations"}),
        (
            "GET",
            "/v1/projects/p/regions/r/operations/o",
            "operations.get",
            {"name": "projects/p/regions/r/operations/o"},
        ),
        ("POST", "/v1/projects/p/regions/r/jobs:submit", "jobs.submit", {"projectId": "p"}),
        ("POST", "/v1/projects/p/regions/r/autoscalingPolicies", "autoscalingPolicies.create", {}),
    ],
)
def test_routes(dataproc, http_method, path, method_id, parameters):
    method, found = dataproc.match(http_method, path)
    assert method.id == f"dataproc.projects.regions.{method_id}"
    assert found.items() >= parameters.items()


def test_an_encoded_slash_stays_in_its_segment():
    storage = discovery.load("storage", "v1")
    method, parameters = storage.match("GET", "/storage/v1/b/bucket/o/dir%2Fa%20b.txt")
    assert (method.id, parameters) == ("storage.objects.get", {"bucket": "bucket", "object": "dir/a b.txt"})
    assert storage.match("POST", "/upload/storage/v1/b/bucket/o")[0].id == "storage.objects.insert"
    assert storage.match("GET", "/download/storage/v1/b/bucket/o/x")[0].id == "storage.objects.get"


def test_no_route(dataproc):
    assert dataproc.match("GET", "/v1/projects/p/planets/x") is None
    assert dataproc.match("PATCH", "/v1/projects/p/regions/r/clusters") is None


@pytest.mark.parametrize("api", ["compute.v1", "dns.v1", "composer.v1", "logging.v2", "monitoring.v3", "iam.v1"])
def test_documents_of_other_apis_load(api):
    """Unserved methods are named from them; some hold patterns of every kind."""
    service = discovery.load(*api.split("."))
    assert len(service.methods) > 10


def test_unknown_api():
    with pytest.raises(LookupError, match="nosuch v1"):
        discovery.load("nosuch", "v1")
    with pytest.raises(LookupError):
        discovery.load("../secrets", "v1")


def test_every_violation_is_reported_at_once_in_google_words(dataproc):
    error = refused(
        dataproc,
        CREATE_CLUSTER,
        {
            "clusterName": "c",
            "config": {
                "bogus": 1,
                "workerConfig": {"numInstances": "many", "isPreemptible": True, "preemptibility": "SOMETIMES"},
                "lifecycleConfig": {"idleDeleteTtl": "3600"},
                "gceClusterConfig": {"tags": "one", "metadata": {"key": 1}},
            },
        },
    )
    assert error.message.splitlines() == [
        "Invalid JSON payload received. Unknown name \"bogus\" at 'cluster.config': Cannot find field.",
        "Invalid value at 'cluster.config.worker_config.num_instances' (TYPE_INT32), \"many\"",
        "Invalid value at 'cluster.config.worker_config.preemptibility' "
        '(type.googleapis.com/google.cloud.dataproc.v1.InstanceGroupConfig.Preemptibility), "SOMETIMES"',
        "Invalid value at 'cluster.config.lifecycle_config.idle_delete_ttl' "
        "(type.googleapis.com/google.protobuf.Duration), Illegal duration format; duration must end with 's'",
        "Invalid value at 'cluster.config.gce_cluster_config.tags' (repeated field, expected a list), \"one\"",
        "Invalid value at 'cluster.config.gce_cluster_config.metadata[key]' (TYPE_STRING), 1",
    ]
    violations = error.details[0]["fieldViolations"]
    assert violations[0]["field"] == "cluster.config"
    assert len(violations) == 6


def test_missing_and_empty_required_fields(dataproc):
    error = refused(dataproc, "dataproc.projects.regions.jobs.submit", {"job": {"pysparkJob": {"args": []}}})
    assert error.message.splitlines() == [
        "Required field 'job.pyspark_job.main_python_file_uri' is missing or empty",
        "Required field 'job.placement' is missing or empty",
    ]


def test_a_workflow_template_without_jobs_is_accepted_as_on_record(dataproc):
    body = {"id": "template", "name": "projects/p/regions/r/workflowTemplates/template"}
    assert dataproc.validate_body(dataproc.methods["dataproc.projects.regions.workflowTemplates.create"], body) == {
        "id": "template"
    }


def test_what_the_path_gives_may_be_repeated_where_the_body_is_the_request(dataproc):
    job = {"placement": {"clusterName": "c"}}
    method = dataproc.methods["dataproc.projects.regions.jobs.submit"]
    assert dataproc.validate_body(method, {"projectId": "p", "region": "r", "job": job}) == {"job": job}
    with pytest.raises(ApiError, match="Unknown name"):
        dataproc.validate_body(method, {"zone": "z", "job": job})


def test_what_the_path_gives_is_not_required(dataproc):
    body = {"clusterName": "c"}
    assert dataproc.validate_body(dataproc.methods[CREATE_CLUSTER], body) == body


def test_a_patch_requires_nothing(dataproc):
    body = {"labels": {"a": "b"}}
    assert dataproc.validate_body(dataproc.methods["dataproc.projects.regions.clusters.patch"], body) == body


@pytest.mark.parametrize("body", [[], "text", 5, True])
def test_a_body_that_is_no_message(dataproc, body):
    assert "Root element must be a message" in refused(dataproc, CREATE_POLICY, body).message


def test_a_list_for_a_single_field(dataproc):
    error = refused(dataproc, CREATE_CLUSTER, {"clusterName": ["c"]})
    assert "Proto field is not repeating, cannot start list." in error.message


def test_bodies_are_normalised(dataproc):
    checked = dataproc.validate_body(
        dataproc.methods[CREATE_CLUSTER],
        {
            "cluster_name": "c",
            "status": {"state": "RUNNING"},
            "labels": None,
            "config": {
                "worker_config": {"num_instances": 2.0, "preemptibility": 2},
                "softwareConfig": {"optionalComponents": [1, "DOCKER"]},
            },
        },
    )
    assert checked == {
        "clusterName": "c",
        "config": {
            "workerConfig": {"numInstances": 2, "preemptibility": "PREEMPTIBLE"},
            "softwareConfig": {"optionalComponents": ["JUPYTER", "DOCKER"]},
        },
    }


def test_64_bit_integers_become_strings():
    storage = discovery.load("storage", "v1")
    body = {"name": "b", "retentionPolicy": {"retentionPeriod": 60}}
    checked = storage.validate_body(storage.methods["storage.buckets.insert"], body)
    assert checked["retentionPolicy"] == {"retentionPeriod": "60"}


def test_lenient_apis_drop_unknown_names():
    storage = discovery.load("storage", "v1")
    method = storage.methods["storage.buckets.insert"]
    assert storage.validate_body(method, {"name": "b", "project": "p"}) == {"name": "b"}
    assert storage.validate_query(method, QueryParams("project=p&surprise=1")) == {"project": "p"}


def test_query_parameters(dataproc):
    method = dataproc.methods["dataproc.projects.regions.clusters.list"]
    query = QueryParams("page_size=5&pageToken=t&alt=json&prettyPrint=false&%24alt=json%3Benum-encoding%3Dint")
    assert dataproc.validate_query(method, query) == {"pageSize": 5, "pageToken": "t"}
    with pytest.raises(ApiError) as caught:
        dataproc.validate_query(method, QueryParams("bogus=1&pageSize=x"))
    assert caught.value.message.splitlines() == [
        'Invalid JSON payload received. Unknown name "bogus": Cannot bind query parameter. '
        "Field 'bogus' could not be found in request message.",
        "Invalid value at 'page_size' (TYPE_INT32), \"x\"",
    ]


def test_repeated_query_parameters():
    usage = discovery.load("serviceusage", "v1")
    query = QueryParams("names=a&names=b")
    assert usage.validate_query(usage.methods["serviceusage.services.batchGet"], query) == {"names": ["a", "b"]}


def test_enums_as_numbers(dataproc):
    answer = {
        "clusters": [{"clusterName": "c", "status": {"state": "ERROR_DUE_TO_UPDATE"}, "labels": {"x": "RUNNING"}}]
    }
    encoded = dataproc.encode_enums(dataproc.methods["dataproc.projects.regions.clusters.list"], answer)
    assert encoded == {"clusters": [{"clusterName": "c", "status": {"state": 9}, "labels": {"x": "RUNNING"}}]}


def test_numbers_agree_with_googles_library():
    """Every enum of a body that google-cloud-dataproc knows has the number that the library gives it."""
    dataproc_v1 = pytest.importorskip("google.cloud.dataproc_v1")
    service = discovery.load("dataproc", "v1")
    compared = 0
    for name, schema in service.schemas.items():
        message = getattr(dataproc_v1.types, name, None)
        if message is None or not hasattr(message, "pb"):
            continue
        for field, described in schema.get("properties", {}).items():
            names = described.get("items", described).get("enum")
            proto = message.pb().DESCRIPTOR.fields_by_camelcase_name.get(field)
            if not names or proto is None or proto.enum_type is None:
                continue
            for value in proto.enum_type.values:
                if value.name in names:
                    key = f"dataproc.v1:{name}.{field}"
                    assert enum_numbers.number_of(key, names, value.name) == value.number, (key, value.name)
                    assert enum_numbers.name_of(key, names, value.number) == value.name
                    compared += 1
    assert compared > 40
