#!/usr/bin/env bash
# Run the test stages, cheapest first, and print how long each took. Usage: scripts/test.sh [STAGE...]
# Every stage runs even when an earlier one failed; the exit code says whether all passed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="${PWD}/.venv/bin:${PATH}"
readonly collection=collections/ansible_collections/dataplatform/compute

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
  local result=0
  pytest -q --numprocesses 2 --dist loadfile tests/integration || result=$?
  # The modules and roles for FreeIPA against a realm with a real KDC.
  pytest -q -rs tests/freeipa || result=$?
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

# Three nodes with systemd that boot through all initialization actions; needs root and podman. Meanwhile machines whose kernel
# has NFS, which containers have not: they wait most of the time.
stage_nodes() {
  local output machines result=0
  output="$(mktemp)"
  pytest -q -rs tests/nfs >"${output}" 2>&1 &
  machines=$!
  pytest -q -rs tests/nodes || result=$?
  wait "${machines}" || result=$?
  cat "${output}"
  rm -f "${output}"
  return "${result}"
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

if (($# == 0)); then
  set -- lint unit sanity localcloud integration yarn nodes molecule
fi
summary=()
failed=0
for stage in "$@"; do
  if ! declare -F "stage_${stage}" >/dev/null; then
    echo "test: no stage '${stage}'; expected lint, unit, sanity, localcloud, integration, yarn, nodes or molecule" >&2
    exit 2
  fi
  echo "== ${stage}"
  started=${SECONDS}
  # A function called in a condition runs without errexit; a subshell of its own keeps it.
  set +e
  (set -e; "stage_${stage}")
  result=$?
  set -e
  if ((result == 0)); then
    summary+=("passed  ${stage}  $((SECONDS - started)) s")
  else
    summary+=("FAILED  ${stage}  $((SECONDS - started)) s")
    failed=$((failed + 1))
  fi
done

echo "== summary"
printf '%s\n' "${summary[@]}"
echo "stages: $((${#summary[@]} - failed)) passed, ${failed} failed"
((failed == 0))
