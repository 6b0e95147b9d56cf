"""Owner's confirmation, admission, a worker's directory, forwarded logs, certificates, the local fallback."""

import asyncio
import logging

import pytest
from dask_on_yarn.admission import admit
from dask_on_yarn.dataproc_job import OwnJob
from dask_on_yarn.exit_codes import BAD_OPTIONS, NOT_ALLOWED, RunEnded
from dask_on_yarn.job_owner import confirm_owner
from dask_on_yarn.local_cluster import yarn_is_missing
from dask_on_yarn.log_forwarding import (
    LINES_PER_WINDOW,
    TOPIC,
    WINDOW_SECONDS,
    ForwardingHandler,
    print_forwarded,
    print_no_more,
)
from dask_on_yarn.options import parse
from dask_on_yarn.security import RunSecurity
from dask_on_yarn.spark_application import java_message
from dask_on_yarn.worker_process import worker_directory
from distributed import Client, LocalCluster

ALLOCATIONS = """<allocations>
  <queue name="root"><aclSubmitApps> </aclSubmitApps><aclAdministerApps>root</aclAdministerApps>
    <queue name="critical" type="parent"><aclSubmitApps>grace</aclSubmitApps></queue>
    <queue name="normal" type="parent"><aclSubmitApps>ada,grace</aclSubmitApps>
      <maxChildResources>memory-mb=43008,vcores=13</maxChildResources></queue>
  </queue></allocations>"""
YARN_SITE = """<configuration>
  <property><name>yarn.resourcemanager.scheduler.class</name><value>x.FairScheduler</value></property>
  <property><name>yarn.acl.enable</name><value>true</value></property>
</configuration>"""


def options(*extra):
    return parse(["--script", "x", "--owner", "ada", "--workload", "etl", *extra])


@pytest.fixture
def conf(tmp_path):
    (tmp_path / "fair-scheduler.xml").write_text(ALLOCATIONS)
    (tmp_path / "yarn-site.xml").write_text(YARN_SITE)
    return str(tmp_path)


def test_ten_workers_become_three_and_a_message(conf):
    granted = admit(options("--max-workers", "10"), conf)
    assert (granted.min, granted.max) == (1, 3)
    assert "10 workers" in granted.messages[0]


def test_a_queue_the_owner_may_not_use_is_refused_by_name(conf):
    with pytest.raises(RunEnded) as caught:
        admit(options("--priority", "critical"), conf)
    assert caught.value.exit_code == NOT_ALLOWED
    assert "root.critical" in caught.value.reason
    assert "grace" in caught.value.reason


def test_a_queue_that_is_not_there_is_a_bad_option(conf):
    with pytest.raises(RunEnded) as caught:
        admit(options("--priority", "urgent"), conf)
    assert caught.value.exit_code == BAD_OPTIONS


def test_without_yarn_only_the_users_number_of_workers_counts():
    assert admit(options("--max-workers", "10", "--user-workers", "2"), None).max == 2


def test_the_jobs_label_decides_who_the_owner_is():
    assert confirm_owner("ada", OwnJob(None)) is None
    assert confirm_owner("ada.l", OwnJob("j", labels={"owner": "ada-l"})) is None
    assert "not confirmed" in confirm_owner("ada", OwnJob("j", labels={}))
    assert "no right" in confirm_owner("ada", OwnJob("j", reason="no right"))
    with pytest.raises(RunEnded) as caught:
        confirm_owner("ada", OwnJob("j", labels={"owner": "grace"}))
    assert caught.value.exit_code == NOT_ALLOWED


def test_a_worker_spills_below_its_own_container(tmp_path, monkeypatch):
    (tmp_path / "disk").mkdir()
    monkeypatch.setenv("LOCAL_DIRS", f"{tmp_path}/disk,{tmp_path}/missing")
    monkeypatch.setenv("CONTAINER_ID", "container_1")
    assert worker_directory("w") == tmp_path / "disk" / "container_1" / "w"
    monkeypatch.delenv("CONTAINER_ID")
    monkeypatch.chdir(tmp_path)
    assert worker_directory("w") == tmp_path / "w"


def test_a_chatty_process_is_cut_off_and_says_how_much_is_missing():
    sent, now = [], [0.0]
    handler = ForwardingHandler("w", sent.append, lambda: now[0])
    record = logging.LogRecord("user", logging.INFO, "", 0, "hello %s", ("x",), None)
    for _ in range(LINES_PER_WINDOW + 5):
        handler.emit(record)
    assert len(sent) == LINES_PER_WINDOW
    assert sent[0] == {"name": "w", "line": "INFO user: hello x"}
    now[0] += WINDOW_SECONDS + 1
    handler.emit(record)
    assert "5 lines were not forwarded" in sent[-2]["line"]


def test_a_handler_that_cannot_send_does_not_break_the_program():
    def broken(message):
        raise OSError("gone")

    ForwardingHandler("w", broken).emit(logging.LogRecord("user", logging.INFO, "", 0, "x", (), None))


@pytest.fixture
def logging_again():
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("logging_again")
def test_what_is_said_while_dask_closes_does_not_hide_the_last_words_of_the_script(caplog):
    with LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster, Client(cluster) as client:
        said = []
        print_forwarded(client, said.append)
        message = {"name": "worker-1", "line": "hello"}
        for _ in range(100):  # what is said before the scheduler has the subscription does not arrive
            client.log_event(TOPIC, message)
            client.sync(asyncio.sleep, 0.1)
            if said:
                break
        assert set(said) == {"worker-1 | hello"}
        print_no_more(client)
        said.clear()
        client.log_event(TOPIC, message)
        client.sync(asyncio.sleep, 0.2)
        logging.getLogger("distributed.core").error("Connection closed")
        assert said == []
        assert "Connection closed" not in caplog.text
    print_no_more(None)


def test_key_and_certificate_are_for_their_reader_only(tmp_path):
    environment = RunSecurity("C\n", "K\n").write(tmp_path)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    assert environment["DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY"] == str(tmp_path / "dask.key")
    assert environment["DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION"] == "True"
    assert RunSecurity.take(tmp_path) == RunSecurity("C\n", "K\n")
    assert list(tmp_path.iterdir()) == []


def test_java_is_quoted_without_its_stack():
    error = RuntimeError("org.apache.spark.SparkException: Job 3 cancelled\n\tat org.apache.spark.X\n")
    assert java_message(error) == "Job 3 cancelled"


def test_yarn_is_missing_only_where_no_configuration_is_named_or_in_its_place(tmp_path):
    assert yarn_is_missing({}, str(tmp_path))
    assert not yarn_is_missing({"HADOOP_CONF_DIR": "/somewhere"}, str(tmp_path))
    (tmp_path / "yarn-site.xml").touch()
    assert not yarn_is_missing({}, str(tmp_path))
