# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A sound set of facts for tests, in the shape an inventory has."""

from __future__ import annotations

from typing import Any

import yaml

_FACTS = """
gcp_project: acme-data-test
gcp_region: europe-west1
gcp_expected_principal: deployer@acme-data-test.iam.gserviceaccount.com
gcp_login_hint: log in
platform_environment: test
platform_process_environment: {}
platform_labels: {cost-center: cc-1}
platform_network:
  name: vpc
  dataproc_subnetwork: nodes
  dns_zone: corp.internal
  tags: [node]
  subnetworks:
    - {name: composer, cidr: 10.10.1.0/24, purpose: Composer}
    - {name: nodes, cidr: 10.10.3.0/24, purpose: Nodes}
platform_service_account: dataproc-node@acme-data-test.iam.gserviceaccount.com
platform_kms_key: projects/acme-data-test/locations/europe-west1/keyRings/ring/cryptoKeys/key
platform_buckets: {artifacts: acme-artifacts, data: acme-data, staging: acme-staging, temp: acme-temp}
platform_prices:
  {currency: USD, vcore_hour: 0.05, gib_hour: 0.005, as_of: "2026-11-23", source: a price list}
platform_job_account: yarn
platform_pins: {dataproc_image: 2.3.10-debian12, environment: null, init_actions: null, node_bundle: null}
platform_pin_record: null
platform_patching:
  {after: null, record_days: 14, window: {days: [mon], from: "20:00", until: "04:00"},
   bounds: {seconds: 1.5, memory: 1.3}, keep: 3, owner: grace}
platform_dataproc_images:
  as_of: "2026-11-23"
  source: a page
  warn_days: 60
  custom_image_days: 365
  tracks:
    "2.1": {supported_until: "2026-03-31", creatable_until: "2026-12-31"}
    "2.3": {supported_until: "2097-06-09", creatable_until: "2099-06-09"}
platform_metrics: {interval: 60, groups: [dask, node, yarn]}
platform_accounts: {yarn: {uid: 2001, gid: 2001}}
platform_nfs:
  server: 10.10.4.2
  share: /shared
  mounts: [{mountpoint: /shared/data, export: /shared/data, version: "3", options: [nconnect=4]}]
platform_kerberos:
  {realm: CORP.INTERNAL, domain: corp.internal, kdcs: [ipa.corp.internal], ipa_server: ipa.corp.internal}
platform_composer:
  environment: dataplatform-test
  location: europe-west1
  managed_by: ansible
  image_version: composer-2.17.9-airflow-2.11.1
  airflow_config_overrides: {core-parallelism: "32"}
  environment_variables: {TEAM: growth}
  pypi_packages: {polars: "==1.9.0"}
  variables: {flights_input: "gs://acme-data/flights", limits: {retries: 2}}
  connections:
    weather: {conn_type: http, host: weather.example, port: 443, extra: {timeout: 10}}
platform_dag_release: {layout: archive, keep: 10, schedules: true}
platform_sizes:
  nodes:
    n2-standard-4: {memory_mb: 16384, cores: 4, yarn_memory_mb: 13312, yarn_vcores: 5}
  worker: {memory_mb: 12288, vcores: 4}
  application_master: {memory_mb: 1024, vcores: 1}
  user: {workers: 3, memory_mb: 43008, vcores: 13, applications: 1}
  cluster: {workers_min: 2, workers_max: 10}
platform_queues:
  critical: {weight: 8, running_applications: 3, users: [grace], preemption: {timeout: 30, preemptible: false}}
  normal: {weight: 3, running_applications: 7, teams: [growth, platform], preemption: {timeout: 120}}
  low: {weight: 1, running_applications: 2, teams: [growth, platform]}
platform_teams: {growth: {cost_center: cc-2}, platform: {cost_center: cc-3}}
platform_users: {ada: {team: growth}, grace: {team: platform}}
platform_autoscaling_policies:
  own-spot:
    workerConfig: {minInstances: 2, maxInstances: 2}
    secondaryWorkerConfig: {minInstances: 0, maxInstances: 8}
    basicAlgorithm: {cooldownPeriod: 120s}
  shared:
    workerConfig: {minInstances: 2, maxInstances: 10}
    basicAlgorithm: {cooldownPeriod: 120s}
platform_cluster_templates:
  etl:
    description: Batch
    node: n2-standard-4
    autoscaling: {own: own-spot, shared: shared}
    config:
      lifecycleConfig: {idleDeleteTtl: 600s, autoDeleteTtl: 14400s}
platform_workloads:
  flights:
    owner: ada
    team: growth
    description: Flights
    template: etl
    priority: normal
    placement: own
    script: examples/flights.py
    arguments: [--input, x]
    timeout: 1800
    schedule: 0 5 * * *
"""


def sound_facts() -> dict[str, Any]:
    """A fresh copy, free to be broken."""
    return yaml.safe_load(_FACTS)
