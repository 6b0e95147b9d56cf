# shellcheck shell=bash
# What the init actions of a node share. Use: source /opt/dataplatform/bundle/lib/node.sh, then
#   log_step TEXT; fail EXIT_NAME TEXT; retry TIMES FIRST_PAUSE -- COMMAND...; metadata NAME [DEFAULT]; access_token;
#   http_get FILE TOKEN CURL_ARGUMENT...; fetch_object GS_URI DESTINATION (all from node-bundle.sh, which has to have them on a
#   node that has no bundle yet) and the functions below.
# Sourcing turns on `set -euo pipefail` and an EXIT trap, clean_up; a script with a trap of its own calls clean_up in it.

# shellcheck source=init-actions/node-bundle.sh
source "${BASH_SOURCE[0]%/*}/../node-bundle.sh"

readonly UNIT_DIRECTORY=/etc/systemd/system

# node_role: Master or Worker. Secondary workers are workers.
node_role() {
  local role
  role=$(metadata dataproc-role)
  [[ "${role}" == Master || "${role}" == Worker ]] \
    || fail no_metadata "metadata dataproc-role is '${role}', expected Master or Worker"
  printf '%s' "${role}"
}

# setting FILE KEY [DEFAULT]: the value of a line KEY=VALUE in FILE, taken as it is, without any expansion. The last such
# line counts; lines that begin with # are comments.
setting() {
  local file=$1 key=$2 line value found=""
  [[ -f "${file}" ]] || fail not_found "${file} does not exist: this node's bundle was made without it"
  while IFS= read -r line || [[ -n "${line}" ]]; do
    if [[ "${line}" == "${key}="* ]]; then
      value=${line#*=} found=yes
    fi
  done <"${file}"
  if [[ -z "${found}" ]]; then
    (($# > 2)) || fail not_found "${file} has no line ${key}=VALUE"
    value=$3
  fi
  printf '%s' "${value}"
}

# install_file MODE OWNER[:GROUP] DESTINATION: the standard input becomes DESTINATION, by a rename, so that readers see
# the old file or the new one. Prints changed or unchanged. No other account can read a part of it at any time.
install_file() {
  local mode=$1 owner=$2 destination=$3 wanted
  mkdir -p -- "${destination%/*}" 2>/dev/null || writing_failed "${destination%/*}" "cannot make ${destination%/*}"
  temporary_name "${destination}"
  (umask 077 && cat >"${NEW}") 2>/dev/null || writing_failed "${destination}" "cannot write ${NEW}"
  { chown -- "${owner}" "${NEW}" && chmod -- "${mode}" "${NEW}"; } \
    || fail not_writable "cannot give ${NEW} the owner ${owner} and the mode ${mode}"
  wanted=$(stat -c '%a %u %g' -- "${NEW}")
  if [[ -f "${destination}" && ! -L "${destination}" && "$(stat -c '%a %u %g' -- "${destination}")" == "${wanted}" ]] \
    && cmp -s -- "${NEW}" "${destination}"; then
    rm -f -- "${NEW}"
    printf 'unchanged\n'
    return 0
  fi
  { sync "${NEW}" && mv -fT -- "${NEW}" "${destination}"; } || writing_failed "${destination}" "cannot write ${destination}"
  printf 'changed\n'
}

# install_unit NAME: the standard input becomes a systemd unit, or a drop-in when NAME is UNIT.d/FILE.conf. Prints changed
# or unchanged. Call reload_units after the last one.
install_unit() {
  install_file 0644 root:root "${UNIT_DIRECTORY}/$1"
}

# reload_units: systemd reads units anew. Always, not only after a change: a run that was killed may have left that out.
reload_units() {
  systemctl daemon-reload || fail not_taken "systemctl daemon-reload failed: are there errors in ${UNIT_DIRECTORY}?"
}
