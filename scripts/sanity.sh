#!/usr/bin/env bash
# Run ansible-test's sanity tests on the collection. Arguments are handed to ansible-test.
#
# ansible-test wants to download a pip bootstrap script before anything else. Its cache accepts one under the same name,
# and ensurepip, which every Python carries, does the same job without a download.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
export PATH="${root}/.venv/bin:${PATH}"

python_version="$("${root}/.venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
pip_version="$("${root}/.venv/bin/python" - <<'PYTHON'
import pathlib
import re

import ansible_test

source = pathlib.Path(ansible_test.__path__[0], "_internal/python_requirements.py").read_text()
print(re.search(r"pip='([\d.]+)'", source).group(1))
PYTHON
)"
bootstrap="${HOME}/.ansible/test/cache/get_pip_${pip_version//./_}.py"
if [[ ! -f "${bootstrap}" ]]; then
  mkdir -p "$(dirname "${bootstrap}")"
  printf 'import ensurepip\n\nensurepip.bootstrap(upgrade=True)\n' > "${bootstrap}"
fi

cd "${root}/collections/ansible_collections/dataplatform/compute"
exec ansible-test sanity --python "${python_version}" --requirements --skip-test pslint --color no "$@"
