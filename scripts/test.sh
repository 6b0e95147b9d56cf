#!/usr/bin/env bash
# Run the test stages and print how long each took. Usage: scripts/test.sh [STAGE...]
# Every stage runs even when an earlier one failed; the exit code says whether all passed. Without STAGEs all run, cheapest
# first, some beside others that leave a core to them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="${PWD}/.venv/bin:${PATH}"
readonly collection=collections/ansible_collections/dataplatform/compute
readonly airflow_python="${XDG_CACHE_HOME:-${HOME}/.cache}/dataplatform-compute/airflow/bin/python"

# alongside COMMAND...: run it in the background; finish_alongside waits for it, shows its output and returns its exit code.
alongside() {
  alongside_output="$(mktemp)"
  "$@" >"${alongside_output}" 2>&1 &
  alongside_process=$!
}

finish_alongside() {
  local result=0
  wait "${alongside_process}" || result=$?
  cat "${alongside_output}"
  rm -f "${alongside_output}"
  return "${result}"
}

stage_lint() {
  ruff check .
  ruff format --check .
  git ls-files -z '*.sh' '.ci/run' | xargs -0 -r shellcheck
  git ls-files -z '*.yml' '*.yaml' | xargs -0 -r yamllint --strict
  ansible-lint -q
  (cd "${collection}" && antsibull-changelog lint)
}

stage_unit() {
  local result=0
  pytest -q tests/unit "${collection}/tests/unit" || result=$?
  # These wait for processes of their own most of the time.
  pytest -q --numprocesses 2 --dist loadfile tests/jobs || result=$?
  return "${result}"
}

# A file's tests share servers and runs, so a file stays on one of the two workers.
stage_localcloud() {
  pytest -q --numprocesses 2 --dist loadfile localcloud/tests
}

stage_sanity() {
  scripts/sanity.sh
}

stage_integration() {
  pytest -q --numprocesses 2 --dist loadfile tests/integration
}

# The modules and roles for FreeIPA against a realm with a real KDC.
stage_freeipa() {
  pytest -q -rs tests/freeipa
}

# DAGs in the Airflow of Composer's image and releases of them into the local cloud's Composer; meanwhile, and as long, the
# page for newcomers, whose workloads run on real clusters.
stage_airflow() {
  local result=0
  alongside releases_and_dags
  pytest -q tests/orchestration/test_first_workload.py || result=$?
  finish_alongside || result=$?
  return "${result}"
}

releases_and_dags() {
  local result=0
  "${airflow_python}" -W ignore::FutureWarning -m pytest -q tests/dags || result=$?
  pytest -q tests/orchestration --ignore=tests/orchestration/test_first_workload.py || result=$?
  return "${result}"
}

# Real ResourceManagers and real Dask. Jobs wait for JVMs and for timers most of the time; the tests of the queues alone
# measure who gets how much when, so they have the machine for themselves.
stage_yarn() {
  local result=0
  pytest -q --numprocesses 2 --dist loadfile tests/yarn/jobs || result=$?
  pytest -q tests/yarn --ignore=tests/yarn/jobs || result=$?
  return "${result}"
}

# Patching runs through three environments, each canary on a real ResourceManager: they wait for clusters most of the time.
stage_patching() {
  pytest -q tests/patching
}

# Three nodes with systemd that boot through all initialization actions; needs root and podman.
stage_nodes() {
  pytest -q -rs tests/nodes
}

# Machines whose kernel has NFS, which containers have not.
stage_nfs() {
  pytest -q -rs tests/nfs
}

# The scenarios of the roles share one local cloud of their own; the user's is left alone.
stage_molecule() {
  local home result=0
  home="$(mktemp -d)"
  export LOCALCLOUD_HOME="${home}/localcloud"
  localcloud up --port 0 --engine process
  # Molecule remembers what it prepared, and that was in a cloud of an earlier run.
  molecule reset --all
  localcloud exec -- molecule test --all || result=$?
  localcloud down
  rm -rf "${home}"
  unset LOCALCLOUD_HOME
  return "${result}"
}

# run STAGE...: one after the other; what became of each goes to ${outcomes}.
run() {
  local stage started result
  for stage in "$@"; do
    echo "== ${stage}"
    started=${SECONDS}
    # A function called in a condition runs without errexit; a subshell of its own keeps it.
    set +e
    (set -e; "stage_${stage}")
    result=$?
    set -e
    if ((result == 0)); then
      echo "passed  ${stage}  $((SECONDS - started)) s" >>"${outcomes}"
    else
      echo "FAILED  ${stage}  $((SECONDS - started)) s" >>"${outcomes}"
    fi
  done
}

readonly stages=(lint unit sanity freeipa localcloud integration airflow yarn patching nodes nfs molecule)
for stage in "$@"; do
  if [[ " ${stages[*]} " != *" ${stage} "* ]]; then
    echo "test: no stage '${stage}'; expected one of: ${stages[*]}" >&2
    exit 2
  fi
done

outcomes="$(mktemp)"
readonly outcomes
trap 'rm -f "${outcomes}"' EXIT
if (($#)); then
  run "$@"
else
  run lint
  # Patching runs wait for clusters, machines and nodes for each other; these stages need one core and no server of theirs.
  alongside run unit sanity freeipa
  run patching
  finish_alongside
  run localcloud integration airflow yarn
  alongside run nfs molecule
  run nodes
  finish_alongside
fi

echo "== summary"
cat "${outcomes}"
failed="$(grep -c '^FAILED' "${outcomes}" || true)"
echo "stages: $(($(wc -l <"${outcomes}") - failed)) passed, ${failed} failed"
((failed == 0))
