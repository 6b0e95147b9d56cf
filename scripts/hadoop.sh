#!/usr/bin/env bash
# Put the jars of localcloud's YARN clusters into the cache that all checkouts share.
#
#   scripts/hadoop.sh          fetch what requirements/hadoop/pom.xml names, check it, link it as `hadoop`; does nothing
#                              when it is there already
#   scripts/hadoop.sh --lock   write requirements/hadoop/jars.sha256 anew, after a change of the pom
#
# Without Java or Maven it succeeds and says that jobs will run on local Dask: all else works without them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly pom=requirements/hadoop/pom.xml
readonly lock=requirements/hadoop/jars.sha256
readonly plugin=org.apache.maven.plugins:maven-dependency-plugin:3.6.1
readonly cache="${XDG_CACHE_HOME:-${HOME}/.cache}/dataplatform-compute"

say() { echo "hadoop: $*"; }

# have_tools: whether there are a Java and a Maven; says what is missing.
have_tools() {
  local missing=()
  if [[ -n "${JAVA_HOME:-}" ]]; then
    [[ -x "${JAVA_HOME}/bin/java" ]] || missing+=("Java (JAVA_HOME is ${JAVA_HOME}, which has no bin/java)")
  elif ! command -v java >/dev/null 2>&1; then
    missing+=("Java 17 (Debian: openjdk-17-jre-headless)")
  fi
  command -v mvn >/dev/null 2>&1 || missing+=("Maven (Debian: maven)")
  ((${#missing[@]})) || return 0
  local list
  list="$(printf '%s, ' "${missing[@]}")"
  say "missing: ${list%, }; jobs will run on local Dask instead of YARN"
  return 1
}

# fetch DIRECTORY: copy all jars of the pom into DIRECTORY.
fetch() {
  local directory=$1 attempt
  for attempt in 1 2 3; do
    # Maven remembers a file that it did not get; -U makes it ask again.
    if mvn --batch-mode --quiet -U --file "${pom}" "${plugin}:copy-dependencies" \
      -DoutputDirectory="${directory}" -DincludeScope=runtime >"${directory}.log" 2>&1; then
      rm -f "${directory}.log"
      return 0
    fi
    say "Maven failed (attempt ${attempt} of 3)"
    sleep $((attempt * 3))
  done
  tail -n 20 "${directory}.log" >&2
  rm -f "${directory}.log"
  say "could not fetch the jars of ${pom}; see Maven's messages above" >&2
  return 1
}

# check DIRECTORY: whether DIRECTORY holds exactly the jars of the lock; says which differ.
check() {
  local directory=$1 actual
  actual="$(checksums "${directory}")"
  [[ "${actual}" == "$(<"${lock}")" ]] && return 0
  diff <(echo "${actual}") "${lock}" | sed -n -e 's/^< /fetched:  /p' -e 's/^> /expected: /p' >&2
  say "the jars differ from ${lock}; if the pom was changed on purpose, run scripts/hadoop.sh --lock" >&2
  return 1
}

checksums() {
  (cd "$1" && LC_ALL=C sha256sum -- *.jar)
}

# archive_classes: make daemons start faster, and Spark's JVMs where Spark is; once per machine. They work without, too.
archive_classes() {
  [[ -x .venv/bin/python ]] && have_tools >/dev/null || return 0
  env -u LOCALCLOUD_HADOOP_JARS -u LOCALCLOUD_SPARK_HOME .venv/bin/python -m localcloud.hadoop.make_class_archive \
    || say "a class archive is missing: daemons or jobs will start more slowly"
}

main() {
  local building home
  if [[ "${1:-}" == --lock ]]; then
    have_tools || return 1
    building="$(mktemp -d)"
    # shellcheck disable=SC2064  # the directory of now
    trap "rm -rf '${building}'" EXIT
    fetch "${building}"
    checksums "${building}" > "${lock}"
    say "wrote ${lock}: $(wc -l < "${lock}") jars"
    return
  fi
  if (($#)); then
    say "unknown option '$1'; expected --lock or nothing" >&2
    return 2
  fi
  home="${cache}/hadoop-$(cat "${pom}" "${lock}" | sha256sum | cut -c1-16)"
  if [[ ! -d "${home}" ]]; then
    have_tools || return 0
    mkdir -p "${cache}"
    building="$(mktemp -d "${cache}/hadoop.XXXXXX")"
    # shellcheck disable=SC2064  # the directory of now
    trap "rm -rf '${building}' '${building}.log'" EXIT
    say "fetching Hadoop's jars into ${home}"
    fetch "${building}"
    check "${building}"
    chmod 755 "${building}"
    # Another setup may have been faster; what it made is the same.
    mv -T "${building}" "${home}" 2>/dev/null || [[ -d "${home}" ]]
  fi
  ln -sfn "${home}" "${cache}/hadoop"
  archive_classes
}

main "$@"
