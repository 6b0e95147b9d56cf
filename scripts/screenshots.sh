#!/usr/bin/env bash
# Take the pictures of docs/images/screenshots: the web interfaces of Airflow, YARN and Dask during a run of flights-delay-model.
# Needs the local cloud as `make demo` leaves it, and root the first time (Debian's Chromium). Safe to run again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="${PWD}/.venv/bin:${PATH}"

say() { echo "screenshots: $*"; }

localcloud status >/dev/null || { say "the local cloud is not up; make demo brings it up with everything that is needed"; exit 1; }

if ! command -v chromium >/dev/null; then
  ((EUID == 0)) || { say "chromium is missing; run as root: apt-get install chromium fonts-dejavu-core"; exit 1; }
  say "installing Debian's chromium"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
fi

lock=requirements/screenshots.txt
environment="${XDG_CACHE_HOME:-${HOME}/.cache}/dataplatform-compute/screenshots-$(sha256sum "${lock}" | cut -c1-16)"
if [[ ! -f "${environment}/complete" ]]; then
  uv="$(scripts/find_uv.sh)"
  "${uv}" venv --quiet --allow-existing --python .venv/bin/python "${environment}"
  VIRTUAL_ENV="${environment}" "${uv}" pip sync --quiet --require-hashes "${lock}"
  touch "${environment}/complete"
fi

say "running the DAG flights-delay-model"
run_id="screenshots-$(date +%s)"
output="$(mktemp)"
ansible-playbook playbooks/run_dag.yml -e dag=flights-delay-model -e run_id="${run_id}" >"${output}" 2>&1 &
run=$!
# Pictures that fail end the following of the run, too.
trap 'kill "${run}" 2>/dev/null || true; rm -f "${output}"' EXIT
"${environment}/bin/python" scripts/screenshots.py docs/images/screenshots "${run_id}" || { cat "${output}"; exit 1; }
wait "${run}" || { cat "${output}"; exit 1; }
say "done: docs/images/screenshots"
