#!/usr/bin/env bash
# Write the hashed locks in requirements/ from their .in files; run it after changing one and commit the result.
# Usage: scripts/lock.sh [--only NAME] [--output-directory DIRECTORY] [--upgrade]
# --only makes one lock; --output-directory puts locks there and leaves the committed ones as they are.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

only=""
directory=requirements
options=()
while (($# > 0)); do
  case "$1" in
    --only | --output-directory)
      if (($# < 2)); then
        echo "lock: $1 needs a value" >&2
        exit 2
      fi
      if [[ "$1" == --only ]]; then only=$2; else directory=$2; fi
      shift 2
      ;;
    --upgrade)
      options+=("$1")
      shift
      ;;
    *)
      echo "lock: '$1' is unknown; expected --only NAME, --output-directory DIRECTORY or --upgrade" >&2
      exit 2
      ;;
  esac
done
if [[ -n "${only}" && ! -f "requirements/${only}.in" ]]; then
  echo "lock: --only is '${only}', expected one of: $(cd requirements && printf '%s\n' *.in | sed 's/\.in$//' | paste -sd ' ')" >&2
  exit 2
fi
uv="$(scripts/find_uv.sh)"

# lock NAME PYTHON PLATFORM
lock() {
  local name=$1 python=$2 platform=$3
  if [[ -n "${only}" && "${only}" != "${name}" ]]; then
    return
  fi
  echo "lock: ${directory}/${name}.txt for Python ${python}, ${platform#--}"
  "${uv}" pip compile --quiet --generate-hashes --no-emit-index-url --no-header "${platform}" \
    --python-version "${python}" "${options[@]}" "requirements/${name}.in" --output-file "${directory}/${name}.txt"
}

lock bootstrap 3.9 --universal
lock controller 3.12 --universal
lock cluster-environment 3.11 --universal
lock spark 3.11 --universal
lock screenshots 3.12 --universal
# For every platform there is no set: the clients of this Google provider exclude each other on Python 3.14 and later.
lock airflow 3.11 --python-platform=linux
