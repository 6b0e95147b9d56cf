#!/usr/bin/env bash
# Fetch the node bundle: what the other init actions of this node need, and the functions they share.
#
# Dataproc gives a node one file per init action. So this one runs first, needs nothing but bash, curl, tar and sha256sum
# of the image, and fetches what metadata `node-bundle-uri` names (gs://BUCKET/SHA256/node-bundle.tar). The archive is
# checked against the hash in its address, unpacked to /opt/dataplatform/bundles/SHA256, and the link
# /opt/dataplatform/bundle is turned to it at once. A second run with the same address downloads nothing.
#
# Metadata and tokens come from the metadata server (GCE_METADATA_HOST, default metadata.google.internal), never through
# a proxy; proxies and certificate authorities for Cloud Storage come from the environment, as curl reads it.
# lib/node.sh of the bundle sources this file for its functions; then nothing runs. Exit codes: EXIT_CODES below.
set -euo pipefail

readonly BUNDLES=/opt/dataplatform/bundles
readonly BUNDLE=/opt/dataplatform/bundle
readonly ATTEMPTS=5
readonly FIRST_PAUSE_SECONDS=0.5
PROGRAM="$(basename -- "$0" .sh)"
readonly PROGRAM

# What exit codes say; init-actions/yarn_queues.py has the same.
declare -grA EXIT_CODES=(
  [usage]=2 [no_metadata]=3 [refused]=4 [not_found]=5 [not_permitted]=6 [unavailable]=7 [not_writable]=8
  [mount_failed]=9 [not_taken]=10 [disk_full]=11 [no_ticket]=12
)

STEP_STARTED=${EPOCHREALTIME/[.,]/}
HTTP_STATUS=0
HTTP_PROBLEM=""
# What is being written and not complete yet.
NEW=""

# log_step TEXT: one line: when, what, and how many seconds passed since the line before. On the standard error, because
# the output of functions is what they answer.
log_step() {
  local now=${EPOCHREALTIME/[.,]/} took
  took=$(((now - STEP_STARTED) / 10000))
  STEP_STARTED=${now}
  printf '%(%Y-%m-%dT%H:%M:%SZ)T %s: %s (%d.%02d s)\n' -1 "${PROGRAM}" "$1" $((took / 100)) $((took % 100)) >&2
}

# fail EXIT_NAME TEXT: say why and end with the name's exit code. In $(...) that ends the subshell, and, as an assignment
# of its own, the script with the same code.
fail() {
  [[ -z "${NEW}" ]] || rm -rf -- "${NEW}"
  log_step "failed, ${1^^}: $2"
  exit "${EXIT_CODES[$1]}"
}

# retry TIMES FIRST_PAUSE -- COMMAND...: run COMMAND until it succeeds, at most TIMES times; pauses double, with jitter.
# Gives the last exit code.
retry() {
  local times=$1 pause=$2 attempt result=0
  shift 3
  for ((attempt = 1; attempt <= times; attempt++)); do
    result=0
    "$@" || result=$?
    ((result)) || return 0
    ((attempt == times)) || pause_after "${attempt}" "${pause}"
  done
  return "${result}"
}

# pause_after ATTEMPT FIRST_PAUSE: sleep FIRST_PAUSE seconds, doubled for every attempt before, less up to half of it.
pause_after() {
  local milliseconds
  printf -v milliseconds '%.0f' "$2e3"
  milliseconds=$((milliseconds * (1 << ($1 - 1)) * (32768 + RANDOM) / 65536))
  sleep "$((milliseconds / 1000)).$(printf '%03d' $((milliseconds % 1000)))"
}

# http_get FILE TOKEN CURL_ARGUMENT...: GET into FILE. Sets HTTP_STATUS and succeeds when there is an answer that another
# try would not change. Fails after ATTEMPTS tries, with HTTP_PROBLEM in words; with code 23 when FILE cannot be written.
# The token reaches curl through a pipe of its own: no other process sees it.
http_get() {
  local file=$1 token=$2 attempt result error
  shift 2
  for ((attempt = 1; attempt <= ATTEMPTS; attempt++)); do
    result=0
    error=$(curl --silent --connect-timeout 10 --speed-limit 1024 --speed-time 30 --output "${file}" \
      --header @<(printf 'Authorization: Bearer %s\n' "${token}") --write-out '%{http_code} %{errormsg}' "$@" 2>/dev/null) || result=$?
    HTTP_STATUS=${error%% *}
    ((result != 23)) || return 23
    if ((result == 0)) && [[ ! "${HTTP_STATUS}" =~ ^(000|408|429|5..)$ ]]; then
      return 0
    fi
    HTTP_PROBLEM="HTTP ${HTTP_STATUS}"
    ((result == 0)) || HTTP_PROBLEM="${error#* } (curl ${result})"
    ((attempt == ATTEMPTS)) || pause_after "${attempt}" "${FIRST_PAUSE_SECONDS}"
  done
  return 1
}

# metadata_path PATH: a value below instance/ of the metadata server; code 1 when there is none.
metadata_path() {
  local url="http://${GCE_METADATA_HOST:-metadata.google.internal}/computeMetadata/v1/instance/$1" body
  local attempt status result
  for ((attempt = 1; attempt <= ATTEMPTS; attempt++)); do
    result=0
    body=$(curl --silent --noproxy '*' --connect-timeout 5 --max-time 10 --header 'Metadata-Flavor: Google' \
      --write-out '\n%{http_code}' "${url}") || result=$?
    status=${body##*$'\n'}
    if ((result == 0)) && [[ "${status}" == 200 ]]; then
      printf '%s' "${body%$'\n'*}"
      return 0
    fi
    if ((result == 0)) && [[ "${status}" == 404 ]]; then
      return 1
    fi
    ((attempt == ATTEMPTS)) || pause_after "${attempt}" "${FIRST_PAUSE_SECONDS}"
  done
  fail no_metadata "${url} did not answer in ${ATTEMPTS} attempts: HTTP ${status:-000}, curl ${result}"
}

# metadata NAME [DEFAULT]: the instance's attribute NAME, DEFAULT when there is none.
metadata() {
  local value result=0
  value=$(metadata_path "attributes/$1") || result=$?
  case ${result} in
    0) printf '%s' "${value}" ;;
    1)
      (($# > 1)) || fail no_metadata "metadata has no $1: the cluster's template does not set it"
      printf '%s' "$2"
      ;;
    *) exit "${result}" ;;
  esac
}

# access_token: a token of the node's service account. It is a secret: hand it to http_get, never to a program's arguments.
access_token() {
  local answer result=0
  answer=$(metadata_path service-accounts/default/token) || result=$?
  ((result <= 1)) || exit "${result}"
  if [[ ! "${answer}" =~ \"access_token\"[[:space:]]*:[[:space:]]*\"([^\"]+)\" ]]; then
    fail no_metadata "the metadata server has no token: has this node a service account?"
  fi
  printf '%s' "${BASH_REMATCH[1]}"
}

# percent_encode TEXT: TEXT for one segment of a URL's path.
percent_encode() {
  local LC_ALL=C text=$1 index character
  for ((index = 0; index < ${#text}; index++)); do
    character=${text:index:1}
    case ${character} in
      [A-Za-z0-9._~-]) printf '%s' "${character}" ;;
      # Bytes above 127 come out negative.
      *) printf '%%%02X' $(($(printf '%d' "'${character}") & 255)) ;;
    esac
  done
}

# writing_failed FILE TEXT: end with the reason why FILE could not be written.
writing_failed() {
  local directory=${1%/*} free=""
  free=$(df --output=avail,iavail -- "${directory:-/}" 2>/dev/null | tail -n 1) || true
  # The last file that failed may have left a few blocks.
  if [[ "${free}" =~ ^[[:space:]]*([0-9]+)[[:space:]]+([0-9]+|-)$ ]] \
    && { ((BASH_REMATCH[1] < 1024)) || [[ "${BASH_REMATCH[2]}" == 0 ]]; }; then
    fail disk_full "$2: no space left in ${directory:-/}"
  fi
  fail not_writable "$2"
}

# Files that are not complete yet. What a killed process left is removed by the next.
TEMPORARY=()

# temporary_name PATH: prepare a name beside PATH; it is in the variable NEW, and removed at the end unless it was renamed.
temporary_name() {
  local directory=${1%/*} name=${1##*/} left
  for left in "${directory}/.${name}.new."*; do
    [[ -e "/proc/${left##*.}" ]] || rm -rf -- "${left}"
  done
  NEW="${directory}/.${name}.new.$$"
  TEMPORARY+=("${NEW}")
}

# clean_up: remove what is not complete, and end a curl or tar that would write on.
clean_up() {
  local children=""
  read -r children 2>/dev/null <"/proc/$$/task/$$/children" || true
  # shellcheck disable=SC2086  # numbers
  [[ -z "${children}" ]] || { kill ${children} && wait ${children}; } 2>/dev/null || true
  ((${#TEMPORARY[@]} == 0)) || rm -rf -- "${TEMPORARY[@]}"
}
trap clean_up EXIT

# hash_in GS_URI: the SHA-256 that the address states, empty when it states none.
hash_in() {
  [[ ! "$1" =~ ^gs://[^/]+/([0-9a-f]{64})/[^/]+$ ]] || printf '%s' "${BASH_REMATCH[1]}"
}

# has_hash FILE SHA256: whether FILE is there and has this content.
has_hash() {
  [[ -f "$1" ]] && sha256sum --status --check - <<<"$2  $1" 2>/dev/null
}

# fetch_object GS_URI DESTINATION: download an object; DESTINATION is the old file or the whole new one, never a part.
# gs://BUCKET/SHA256/NAME is checked against its hash, and not downloaded when DESTINATION has that content already.
fetch_object() {
  local uri=$1 destination=$2 expected token result=0 bucket name
  [[ "${uri}" =~ ^gs://([^/]+)/(.+)$ ]] || fail no_metadata "'${uri}' is no address, expected gs://BUCKET/NAME"
  bucket=${BASH_REMATCH[1]} name=${BASH_REMATCH[2]}
  expected=$(hash_in "${uri}")
  if [[ -n "${expected}" ]] && has_hash "${destination}" "${expected}"; then
    log_step "${destination} has the content of ${uri} already"
    return 0
  fi
  mkdir -p -- "${destination%/*}" 2>/dev/null || writing_failed "${destination%/*}" "cannot make ${destination%/*}"
  temporary_name "${destination}"
  token=$(access_token)
  http_get "${NEW}" "${token}" \
    "https://storage.googleapis.com/storage/v1/b/$(percent_encode "${bucket}")/o/$(percent_encode "${name}")?alt=media" \
    || result=$?
  ((result != 23)) || writing_failed "${destination}" "cannot write ${NEW} while downloading ${uri}"
  ((result == 0)) || fail unavailable "${uri} was not to be had in ${ATTEMPTS} attempts: ${HTTP_PROBLEM}"
  case ${HTTP_STATUS} in
    200) ;;
    404) fail not_found "${uri} does not exist; publish it with site.yml, or name the right hash in the template" ;;
    401 | 403) fail not_permitted "HTTP ${HTTP_STATUS}: this node's service account may not read ${uri}" ;;
    *) fail unavailable "${uri} answered HTTP ${HTTP_STATUS}, expected 200" ;;
  esac
  # curl does not make a file for an empty object.
  [[ -e "${NEW}" ]] || : >"${NEW}"
  if [[ -n "${expected}" ]] && ! has_hash "${NEW}" "${expected}"; then
    fail refused "${uri} has the SHA-256 $(sha256sum <"${NEW}" | cut -c1-64), expected the one in its address"
  fi
  # Before the rename, so that after a power cut the name never stands for half a file.
  { sync "${NEW}" && mv -fT -- "${NEW}" "${destination}"; } \
    || writing_failed "${destination}" "cannot write ${destination}"
  log_step "fetched ${uri}"
}

# unpack ARCHIVE DIRECTORY: make DIRECTORY from an archive; it appears at once and whole.
unpack() {
  local archive=$1 directory=$2
  temporary_name "${directory}"
  mkdir -- "${NEW}" || writing_failed "${NEW}" "cannot make ${NEW}"
  if ! tar --extract --no-same-owner --file "${archive}" --directory "${NEW}"; then
    writing_failed "${NEW}" "cannot unpack ${archive}"
  fi
  [[ -f "${NEW}/lib/node.sh" ]] || fail refused "the bundle holds no lib/node.sh: it was not made by the role node_bundle"
  sync -f "${NEW}"
  # Another process may have been faster; what it made is the same.
  mv -T -- "${NEW}" "${directory}" 2>/dev/null || [[ -d "${directory}" ]] \
    || writing_failed "${directory}" "cannot make ${directory}"
}

main() {
  local uri sha256
  (($# == 0)) || fail usage "no arguments expected, got: $*"
  uri=$(metadata node-bundle-uri)
  sha256=$(hash_in "${uri}")
  [[ -n "${sha256}" ]] || fail no_metadata "metadata node-bundle-uri is '${uri}', expected gs://BUCKET/SHA256/NAME"
  umask 022
  if [[ ! -d "${BUNDLES}/${sha256}" ]]; then
    TEMPORARY+=("${BUNDLES}/${sha256}.tar")
    fetch_object "${uri}" "${BUNDLES}/${sha256}.tar"
    unpack "${BUNDLES}/${sha256}.tar" "${BUNDLES}/${sha256}"
  fi
  if [[ "$(readlink -- "${BUNDLE}")" != "bundles/${sha256}" ]]; then
    temporary_name "${BUNDLE}"
    { ln -sfnT "bundles/${sha256}" "${NEW}" && mv -fT -- "${NEW}" "${BUNDLE}"; } \
      || writing_failed "${BUNDLE}" "cannot make ${BUNDLE}"
  fi
  log_step "${BUNDLE} is ${uri}"
}

if [[ "${BASH_SOURCE[0]}" == "$0" ]]; then
  main "$@"
fi
