#!/usr/bin/env bash
# Show the whole path on this machine: local cloud up, platform converged, Airflow included, one workload's DAG run on real
# data.
# Safe to run again: what is already there stays and the workload simply runs once more.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="${PWD}/.venv/bin:${PATH}"
# Progress shows as it happens, also when the output is piped into a file.
export PYTHONUNBUFFERED=1

step() { printf '\n== %s\n' "$*"; }

step "1/4 local cloud"
localcloud up

step "2/4 converge inventories/local: buckets, artefacts, templates, Airflow with a DAG per workload"
ansible-playbook site.yml

step "3/4 put the 2013 New York flights into the data bucket"
ansible-playbook playbooks/publish_example_data.yml -e example_data_directory="$(scripts/example_data.sh)"

step "4/4 run the DAG flights-etl in Airflow: cluster created, Dask job run, cluster deleted"
ansible-playbook playbooks/run_dag.yml -e dag=flights-etl

step "done in ${SECONDS} s; the local cloud is still up"
cat <<'NEXT'
Look around (every command runs unmodified Google tools against the local cloud):
  .venv/bin/localcloud exec -- gcloud storage ls --recursive gs://local-project-data/flights-etl
  .venv/bin/localcloud exec -- gcloud dataproc jobs list
  .venv/bin/localcloud exec -- gcloud composer environments run dataplatform-local --location europe-west1 dags list
  .venv/bin/localcloud airflow ui                        Airflow's own web interface, with the run just made
  .venv/bin/ansible-playbook playbooks/run_workload.yml -e workload=flights-analytics     without Airflow
  .venv/bin/ansible-playbook site.yml --check --diff     what a converge would change now: nothing
  .venv/bin/ansible-playbook playbooks/doctor.yml        is everything in order, and if not, what next
  .venv/bin/localcloud requests                          what was asked of Google's APIs
  .venv/bin/localcloud down                              stop; state is kept. `localcloud reset` forgets it
NEXT
