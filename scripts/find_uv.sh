#!/usr/bin/env bash
# Print the path of the pinned uv, installing it into the user's cache when it is not there yet.
# Installs from the hashed lock requirements/bootstrap.txt with the first Python on the machine that can make a venv.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cache="${XDG_CACHE_HOME:-${HOME}/.cache}/dataplatform-compute"
lock_hash="$(sha256sum requirements/bootstrap.txt | cut -c1-16)"
home="${cache}/uv-${lock_hash}"
if [[ -x "${home}/bin/uv" ]]; then
  echo "${home}/bin/uv"
  exit 0
fi

mkdir -p "${cache}"
for python in "${PYTHON:-}" python3 "${PYENV_ROOT:-${HOME}/.pyenv}"/versions/3.*/bin/python; do
  command -v "${python}" >/dev/null 2>&1 || continue
  "${python}" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 9))' 2>/dev/null || continue
  building="$(mktemp -d "${cache}/uv.XXXXXX")"
  echo "setup: installing uv with ${python}" >&2
  # A venv holds absolute paths, but uv is a plain binary: building it aside and renaming it is safe, and an interrupted
  # installation leaves no half-made directory under the final name.
  if "${python}" -m venv "${building}" >&2 \
    && "${building}/bin/python" -m pip install --quiet --require-hashes -r requirements/bootstrap.txt >&2; then
    mv -T "${building}" "${home}" 2>/dev/null || rm -rf "${building}"
    echo "${home}/bin/uv"
    exit 0
  fi
  rm -rf "${building}"
done

echo "setup: no Python >= 3.9 with the venv module could install uv; on Debian: apt-get install python3-venv" >&2
exit 1
