#!/usr/bin/env bash
# Prepare this checkout: Debian packages, the controller's .venv, and what Google's machines have: on cluster nodes the
# cluster's Python environment, Hadoop's YARN and Spark; in a Composer environment Airflow.
#
#   scripts/setup.sh                     what `make setup` runs; safe to run twice, does nothing when all is in place
#   PYTHON=/path/to/python scripts/setup.sh   use this Python (>= 3.12) for the controller
#
# Everything is installed from hashed locks. The controller's tools land in .venv/bin. What Google's machines have is shared by
# all checkouts with the same locks, in ${XDG_CACHE_HOME:-~/.cache}/dataplatform-compute.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly controller_python=3.12
readonly cluster_python=3.11
# rclone is a peer in the benchmarks; Java runs YARN and Spark, Maven fetches YARN (the JDK also compiles the load
# generator of the tests). Then what a cluster of nodes is made of: containers (podman to nftables), their image
# (debootstrap), the environment image (squashfs-tools, zstd), and a kernel that has NFS (user-mode-linux; gcc and libc6-dev
# compile what it needs on a processor with AMX). freeipa-client and krb5-user are what the module ipa_keytab runs; a real KDC
# with LDAP in front of it, known by a name of its own and with a clock of its own (krb5-kdc to faketime), is what it is tested
# against, and a web site that asks for tickets (the last two, without Debian's service) is what jobs are. The rest is needed
# to install anything at all.
readonly debian_packages=(
  ca-certificates git make python3-venv rclone openjdk-17-jdk-headless maven
  podman runc netavark aardvark-dns conmon uidmap iptables nftables debootstrap squashfs-tools zstd user-mode-linux
  gcc libc6-dev
  freeipa-client krb5-user krb5-kdc krb5-admin-server python3-gssapi python3-pyasn1-modules libnss-wrapper faketime
  apache2-bin libapache2-mod-auth-gssapi
)

say() { echo "setup: $*"; }

install_debian_packages() {
  command -v dpkg-query >/dev/null 2>&1 || { say "not a Debian system; expecting: ${debian_packages[*]}"; return; }
  local package missing=()
  for package in "${debian_packages[@]}"; do
    [[ "$(dpkg-query --show --showformat='${db:Status-Status}' "${package}" 2>/dev/null)" == installed ]] \
      || missing+=("${package}")
  done
  ((${#missing[@]})) || return 0
  if ((EUID != 0)); then
    say "missing Debian packages; run as root: apt-get install ${missing[*]}"
    return 0
  fi
  say "installing Debian packages: ${missing[*]}"
  local attempt
  for attempt in 1 2 3; do
    if apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
      >/dev/null; then
      return 0
    fi
    say "apt-get failed (attempt ${attempt} of 3)"
    sleep $((attempt * 3))
  done
  say "could not install: ${missing[*]}"
  return 1
}

# find_python MINIMUM EXACT: print a Python of at least MINIMUM (EXACT=yes: of that very minor version).
find_python() {
  local minimum=$1 exact=$2 python
  for python in python3 "python${minimum}" python3.{14,13,12} \
    "${PYENV_ROOT:-${HOME}/.pyenv}"/versions/3.*/bin/python; do
    command -v "${python}" >/dev/null 2>&1 || continue
    "${python}" - "${minimum}" "${exact}" 2>/dev/null <<'PYTHON' || continue
import ensurepip, sys
minimum = tuple(map(int, sys.argv[1].split(".")))
found = sys.version_info[:2]
sys.exit(not (found == minimum if sys.argv[2] == "yes" else found >= minimum))
PYTHON
    command -v "${python}"
    return 0
  done
  say "no Python ${minimum} on PATH or under pyenv; asking uv to download one" >&2
  "${uv}" python install --quiet "${minimum}" && "${uv}" python find "${minimum}" && return 0
  say "no Python ${minimum} found. Install one, or name it: PYTHON=/path/to/python make setup" >&2
  return 1
}

# install_environment TARGET PYTHON LOCK: make TARGET a virtual environment that holds exactly LOCK.
install_environment() {
  local target=$1 python=$2 lock=$3
  "${uv}" venv --quiet --allow-existing --python "${python}" "${target}"
  VIRTUAL_ENV="${target}" "${uv}" pip sync --quiet --require-hashes --compile-bytecode "${lock}"
}

setup_controller() {
  local stamp wanted python
  stamp=.venv/setup.stamp
  wanted="$(cat requirements/controller.txt localcloud/pyproject.toml scripts/setup.sh | sha256sum)"
  if [[ -f "${stamp}" && "$(<"${stamp}")" == "${wanted}" ]]; then
    return 0
  fi
  python="${PYTHON:-$(find_python "${controller_python}" no)}"
  if ! "${python}" -c 'import sys; sys.exit(sys.version_info < (3, 12))'; then
    say "PYTHON=${python} is $("${python}" --version 2>&1), expected Python >= ${controller_python}"
    return 1
  fi
  say "controller: .venv with ${python} ($("${python}" --version))"
  install_environment .venv "${python}" requirements/controller.txt
  VIRTUAL_ENV=.venv "${uv}" pip install --quiet --no-deps --no-build-isolation --editable localcloud
  echo "${wanted}" > "${stamp}"
}

# The local cloud's own bytecode: its processes start often, in tests by the hundred, and `make` forbids Python to write any.
compile_localcloud() {
  .venv/bin/python -m compileall -q localcloud/src
}

# install_shared NAME LINK_TARGET: an environment of its own for requirements/NAME.txt in the cache; the link NAME in the
# cache points to LINK_TARGET in it ("." for the environment itself).
install_shared() {
  local name=$1 link_target=$2 cache home python
  cache="${XDG_CACHE_HOME:-${HOME}/.cache}/dataplatform-compute"
  home="${cache}/${name}-$(sha256sum "requirements/${name}.txt" | cut -c1-16)"
  if [[ ! -f "${home}/complete" ]]; then
    python="$(find_python "${cluster_python}" yes)"
    say "${name}: ${home} with ${python}"
    install_environment "${home}" "${python}" "requirements/${name}.txt"
    touch "${home}/complete"
  fi
  ln -sfn "$(realpath "${home}/${link_target}")" "${cache}/${name}"
}

install_debian_packages
if ((EUID == 0)); then
  # Beside everything else: it waits for the mirror most of the time.
  scripts/node_image.sh &
  node_image=$!
else
  say "not root: no node image, so no clusters of containers"
fi
uv="$(scripts/find_uv.sh)"
setup_controller
compile_localcloud
install_shared cluster-environment .
install_shared spark "lib/python${cluster_python}/site-packages/pyspark"
install_shared airflow .
# After Spark and the clusters' Python: it runs a job.
scripts/hadoop.sh
[[ -z "${node_image:-}" ]] || wait "${node_image}"
say "ready; tools are in .venv/bin"
