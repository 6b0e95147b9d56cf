"""Spark's configuration: what the containers and their lives depend on."""

from dask_on_yarn.options import parse
from dask_on_yarn.spark_settings import spark_settings


def settings(*extra, tags="dataproc_job_7,dataproc_hash_1"):
    options = parse(["--script", "x", "--owner", "ada", "--workload", "etl", *extra])
    return spark_settings(
        options,
        workers=(1, 3),
        tags=tags,
        run_tag="dask-run-1",
        default_filesystem="hdfs://master/",
        driver_host="10.0.0.2",
        dashboard="http://10.0.0.2:8787/",
    )


def megabytes(text):
    assert text.endswith("m")
    return int(text[:-1])


def test_heap_and_overhead_add_up_to_the_container():
    made = settings("--worker-memory-mb", "12288", "--master-memory-mb", "1024")
    assert megabytes(made["spark.executor.memory"]) + megabytes(made["spark.executor.memoryOverhead"]) == 12288
    assert megabytes(made["spark.yarn.am.memory"]) + megabytes(made["spark.yarn.am.memoryOverhead"]) == 1024


def test_one_task_fills_an_executor():
    made = settings("--worker-vcores", "4")
    assert made["spark.task.cpus"] == made["spark.executor.cores"] == "4"


def test_a_python_memory_limit_would_bind_the_dask_worker_too():
    assert "spark.executor.pyspark.memory" not in settings()


def test_the_tags_dataproc_gave_are_kept():
    assert settings()["spark.yarn.tags"] == "dataproc_job_7,dataproc_hash_1,dask-run-1"
    assert settings(tags="")["spark.yarn.tags"] == "dask-run-1"


def test_the_staging_directory_belongs_to_the_owner_on_the_default_file_system():
    assert settings()["spark.yarn.stagingDir"] == "hdfs://master/tmp/spark-staging-ada"


def test_executors_follow_the_slots_within_the_granted_range():
    made = settings()
    assert made["spark.dynamicAllocation.enabled"] == "true"
    assert made["spark.dynamicAllocation.minExecutors"] == "0"
    assert made["spark.dynamicAllocation.initialExecutors"] == "1"
    assert made["spark.dynamicAllocation.maxExecutors"] == "3"
    assert made["spark.shuffle.service.enabled"] == "false"


def test_the_run_key_travels_encrypted():
    made = settings()
    assert made["spark.authenticate"] == made["spark.network.crypto.enabled"] == "true"


def test_the_tracking_link_leads_to_the_dashboard():
    made = settings()
    assert made["spark.driver.appUIAddress"] == "http://10.0.0.2:8787/"
    assert made["spark.ui.enabled"] == "false"  # Spark's own UI would take the link
