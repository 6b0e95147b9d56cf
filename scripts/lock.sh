#!/usr/bin/env bash
# Write the hashed locks in requirements/ from their .in files.
# Usage: scripts/lock.sh [--upgrade]; run it after changing a .in file and commit the result.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
uv="$(scripts/find_uv.sh)"

lock() {
  local name=$1 python=$2
  shift 2
  echo "lock: requirements/${name}.txt for Python ${python}"
  "${uv}" pip compile --quiet --generate-hashes --no-emit-index-url --no-header --universal \
    --python-version "${python}" "$@" "requirements/${name}.in" --output-file "requirements/${name}.txt"
}

lock bootstrap 3.9 "$@"
lock controller 3.12 "$@"
lock cluster-environment 3.11 "$@"
lock spark 3.11 "$@"
