#!/usr/bin/env bash
# Run the test stages and print how long each took. Usage: scripts/test.sh [--slow] [STAGE...]
# Every stage runs even when an earlier one failed; the exit code says whether all passed. Without STAGEs all run, cheapest
# first, some beside others that leave a core to them. Tests marked slow run with --slow, which runs only them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="${PWD}/.venv/bin:${PATH}"
readonly collection=collections/ansible_collections/dataplatform/compute
readonly airflow_python="${XDG_CACHE_HOME:-${HOME}/.cache}/dataplatform-compute/airflow/bin/python"

# asked_for PYTEST...: run this with the tests that are asked for, the slow ones or all others.
asked_for() {
  local result=0
  "$@" -q -m "${marked}" || result=$?
  # Not every directory has slow tests. A directory without any other is a mistake.
  if ((result == 5)) && [[ "${marked}" == slow ]]; then
    return 0
  fi
  return "${result}"
}

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
  asked_for pytest tests/unit "${collection}/tests/unit" || result=$?
  # These wait for processes of their own most of the time.
  asked_for pytest --numprocesses 2 --dist loadfile tests/jobs || result=$?
  return "${result}"
}

# A file's tests share servers and runs, so a file stays on one of the two workers.
stage_localcloud() {
  asked_for pytest --numprocesses 2 --dist loadfile localcloud/tests
}

stage_sanity() {
  scripts/sanity.sh
}

# Playbooks wait for servers often enough for one more than there are cores.
stage_integration() {
  asked_for pytest --numprocesses 3 --dist loadfile tests/integration
}

# The modules and roles for FreeIPA against a realm with a real KDC.
stage_freeipa() {
  asked_for pytest -rs tests/freeipa
}

# Releases of DAGs into the local cloud's Composer; beside them, and about as long, DAGs in the Airflow of Composer's image, and
# the page for newcomers, whose workloads run on real clusters.
stage_airflow() {
  local result=0
  alongside dags_and_first_workload
  asked_for pytest tests/orchestration --ignore=tests/orchestration/test_first_workload.py || result=$?
  finish_alongside || result=$?
  return "${result}"
}

dags_and_first_workload() {
  local result=0
  asked_for "${airflow_python}" -W ignore::FutureWarning -m pytest tests/dags || result=$?
  asked_for pytest tests/orchestration/test_first_workload.py || result=$?
  return "${result}"
}

# Real ResourceManagers and real Dask. Jobs wait for JVMs and for timers most of the time; the tests of the queues alone
# measure who gets how much when, so they have the machine for themselves.
stage_yarn() {
  local result=0
  asked_for pytest --numprocesses 2 --dist loadfile tests/yarn/jobs || result=$?
  asked_for pytest tests/yarn --ignore=tests/yarn/jobs || result=$?
  return "${result}"
}

# Patching runs through three environments, each canary on a real ResourceManager: they wait for clusters most of the time.
stage_patching() {
  asked_for pytest tests/patching
}

# Three nodes with systemd that boot through all initialization actions; needs root and podman.
stage_nodes() {
  asked_for pytest -rs tests/nodes
}

# Machines whose kernel has NFS, which containers have not.
stage_nfs() {
  asked_for pytest -rs tests/nfs
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

# reasons FILE: the last lines of a failed stage's output that say why, or just its last ones where no known tool says so.
reasons() {
  local plain
  plain="$(sed -E -e 's/\x1b\[[0-9;]*m//g' -e '/^ *│? *$/d' "$1" | cut -c -200)"
  grep -E -A 6 '^(FAILED|ERROR) [^ ]|\[ERROR\]|fatal: |^CRITICAL Idem' <<<"${plain}" | tail -n 18 ||
    tail -n 10 <<<"${plain}"
}

# run STAGE...: one after the other; what became of each goes to ${results}/outcomes.
run() {
  local stage started result
  for stage in "$@"; do
    echo "== ${stage}"
    started=${SECONDS}
    # A function called in a condition runs without errexit; a subshell of its own keeps it.
    set +e
    (set -e; "stage_${stage}") 2>&1 | tee "${results}/${stage}"
    result=${PIPESTATUS[0]}
    set -e
    if ((result == 0)); then
      echo "passed  ${stage}  $((SECONDS - started)) s" >>"${results}/outcomes"
    else
      echo "FAILED  ${stage}  $((SECONDS - started)) s" >>"${results}/outcomes"
    fi
  done
}

marked='not slow'
if [[ "${1:-}" == --slow ]]; then
  marked=slow
  shift
fi
readonly marked
readonly stages=(lint unit sanity freeipa localcloud integration airflow yarn patching nodes nfs molecule)
for stage in "$@"; do
  if [[ " ${stages[*]} " != *" ${stage} "* ]]; then
    echo "test: no stage '${stage}'; expected one of: ${stages[*]}" >&2
    exit 2
  fi
done

results="$(mktemp -d)"
readonly results
trap 'rm -rf "${results}"' EXIT
if (($#)); then
  run "$@"
elif [[ "${marked}" == slow ]]; then
  run integration airflow yarn patching
  alongside run nfs
  run nodes
  finish_alongside
else
  run lint
  # Patching runs wait for clusters, and nodes for each other; beside them goes what needs one core.
  alongside run unit sanity freeipa molecule nfs
  run patching nodes
  finish_alongside
  run localcloud integration airflow yarn
fi

echo "== summary"
while read -r outcome stage _; do
  [[ "${outcome}" == FAILED ]] || continue
  echo "-- why ${stage} failed"
  reasons "${results}/${stage}"
done <"${results}/outcomes"
cat "${results}/outcomes"
failed="$(grep -c '^FAILED' "${results}/outcomes" || true)"
[[ "${marked}" == slow ]] || echo "left out: tests marked slow; 'make slow' runs them"
echo "stages: $(($(wc -l <"${results}/outcomes") - failed)) passed, ${failed} failed"
((failed == 0))
