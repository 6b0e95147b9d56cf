#!/usr/bin/env bash
# Print the newest version on the package index of each package that is named on standard input, as NAME==VERSION.
# For Composer's Python; one name per line. Looks at nothing that is installed, and changes nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

uv="$(scripts/find_uv.sh)"
exec "${uv}" pip compile --quiet --no-deps --no-header --no-annotate --no-emit-index-url \
  --python-version 3.11 --python-platform linux -
