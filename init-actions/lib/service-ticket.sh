#!/usr/bin/env bash
# The ticket of the node's service principal. service-principal.service runs this file as a program, as root:
#   service-ticket.sh ACCOUNT PRINCIPAL SECRET
# and service-principal.sh sources it for fetch_keytab.
#
# Root alone reads the keytab; ACCOUNT gets a ticket, which ends. A new ticket replaces the old one by a rename, and only
# when it is good, so that programs go on with the one they have whatever happens here. When the KDC refuses the keytab,
# its key may have been replaced: the secret's latest version is fetched, once, and tried.
# Exit code 7 says that a server did not answer, so that another try may help.

# shellcheck source=init-actions/lib/node.sh
source "${BASH_SOURCE[0]%/*}/node.sh"

readonly KEYTAB=/etc/security/keytabs/service-principal.keytab
readonly TICKET=/run/service-principal/ticket
# What is not a good keytab or ticket yet: in memory, and root's alone.
readonly WORK=/run/service-principal-work
# Kerberos accepts five minutes. Clients of MIT's library would hide the rest, the services they speak to would not.
readonly LARGEST_SKEW_SECONDS=300 KINIT_SECONDS=30

# keytab_problem FILE PRINCIPAL: why FILE is no keytab of this principal and no other, empty when it is.
keytab_problem() {
  local listing others
  if ! listing=$(LC_ALL=C klist -k -t "$1" 2>&1); then
    printf 'it is not a keytab (%s)' "$(tail -n 1 <<<"${listing}")"
    return
  fi
  listing=$(sed -nE 's/^ *[0-9]+ +[^ ]+ +[^ ]+ +(.+)$/\1/p' <<<"${listing}" | sort -u)
  others=$(grep -vxF -- "$2" <<<"${listing}" | paste -sd, -)
  if [[ -z ${listing} ]]; then
    printf 'it is a keytab without a key'
  elif [[ -n ${others} ]]; then
    printf 'it is a keytab of %s' "${others}"
  fi
}

# make_work_directory: an empty one, in WORK_NOW; it is gone when this process ends.
make_work_directory() {
  temporary_name "${WORK}"
  WORK_NOW=${NEW}
  rm -rf -- "${WORK_NOW}"
  (umask 077 && mkdir -- "${WORK_NOW}") || writing_failed "${WORK_NOW}" "cannot make ${WORK_NOW}"
}

# fetch_keytab PRINCIPAL SECRET: the secret's latest version becomes KEYTAB, when it is a keytab of PRINCIPAL.
fetch_keytab() {
  local principal=$1 secret=$2 token answer problem result=0 changed
  make_work_directory
  token=$(access_token)
  # What curl writes is the secret.
  (umask 077 && : >"${WORK_NOW}/answer") 2>/dev/null || writing_failed "${WORK_NOW}/answer" "cannot write into ${WORK_NOW}"
  http_get "${WORK_NOW}/answer" "${token}" "https://secretmanager.googleapis.com/v1/${secret}/versions/latest:access" \
    || result=$?
  ((result != 23)) || writing_failed "${WORK_NOW}/answer" "cannot write into ${WORK_NOW} while reading ${secret}"
  ((result == 0)) || fail unavailable "${secret} was not to be had in ${ATTEMPTS} attempts: ${HTTP_PROBLEM}"
  answer=$(<"${WORK_NOW}/answer")
  if [[ ${HTTP_STATUS} != 200 ]]; then
    problem="HTTP ${HTTP_STATUS}"
    [[ ! ${answer} =~ \"message\"[[:space:]]*:[[:space:]]*\"([^\"]*)\" ]] || problem+=" ${BASH_REMATCH[1]}"
  fi
  case ${HTTP_STATUS} in
    200) ;;
    400) fail refused "the latest version of ${secret} cannot be read, is it disabled or destroyed? ${problem}" ;;
    404) fail not_found "${secret} has no version; publish the keytab of ${principal} (role service_principals): ${problem}" ;;
    401 | 403) fail not_permitted "this node's service account may not read ${secret}: ${problem}" ;;
    *) fail unavailable "${secret} answered ${problem}, expected 200" ;;
  esac
  [[ ${answer} =~ \"data\"[[:space:]]*:[[:space:]]*\"([^\"]*)\" ]] || fail refused "${secret} has no payload"
  (umask 077 && printf '%s' "${BASH_REMATCH[1]}" | base64 --decode >"${WORK_NOW}/keytab") 2>/dev/null \
    || writing_failed "${WORK_NOW}/keytab" "cannot decode ${secret} into ${WORK_NOW}"
  problem=$(keytab_problem "${WORK_NOW}/keytab" "${principal}")
  [[ -z ${problem} ]] || fail refused "${secret} is refused: ${problem}, expected a keytab of ${principal}"
  install -d -m 0755 -o root -g root "${KEYTAB%/*}" 2>/dev/null || writing_failed "${KEYTAB}" "cannot make ${KEYTAB%/*}"
  changed=$(install_file 0400 root:root "${KEYTAB}" <"${WORK_NOW}/keytab")
  rm -rf -- "${WORK_NOW}"
  log_step "${KEYTAB} is the latest version of ${secret} (${changed})"
}

# ask_kdc PRINCIPAL: get a ticket into WORK_NOW/ticket; code 1, with KDC_PROBLEM in words, when the KDC refuses. Ends when
# there is none to ask.
ask_kdc() {
  local result=0
  make_work_directory
  KDC_PROBLEM=$(umask 077 && LC_ALL=C timeout --kill-after=5 "${KINIT_SECONDS}" \
    kinit -c "FILE:${WORK_NOW}/ticket" -k -t "${KEYTAB}" "$1" 2>&1) || result=$?
  ((result)) || return 0
  ((result != 124)) || KDC_PROBLEM="kinit did not end in ${KINIT_SECONDS} seconds"
  case ${KDC_PROBLEM} in
    *"Clock skew too great"*) clock_is_wrong "more than ${LARGEST_SKEW_SECONDS}" ;;
    *"Cannot contact any KDC"* | *"Cannot resolve"* | *"did not end in"* | *"temporarily unavailable"*)
      fail unavailable "no KDC answers, so there is no new ticket for $1: ${KDC_PROBLEM}" ;;
  esac
  return 1
}

clock_is_wrong() {
  fail refused "the clocks of this node and of the KDC differ by $1 seconds, so services would refuse the ticket;$(
    ) one of them is wrong: compare timedatectl here and there"
}

# check_ticket: end when services would not accept what the KDC gave; else TICKET_EXPIRES is when it ends.
check_ticket() {
  local listing starts expires skew
  listing=$(LC_ALL=C TZ=UTC klist -c "FILE:${WORK_NOW}/ticket")
  [[ ${listing} =~ ([0-9/]+\ [0-9:]+)\ +([0-9/]+\ [0-9:]+)\ +krbtgt/ ]] || fail refused "the KDC gave no ticket to get tickets with"
  starts=${BASH_REMATCH[1]} expires=${BASH_REMATCH[2]}
  skew=$(($(date --utc --date "${starts}" +%s) - EPOCHSECONDS))
  ((${skew#-} <= LARGEST_SKEW_SECONDS)) || clock_is_wrong "${skew#-}"
  TICKET_EXPIRES=$(date --utc --date "${expires}" +%Y-%m-%dT%H:%M:%SZ)
}

# place_ticket ACCOUNT: with the account's rights, because the directory is the account's and so is what lies in it: root
# would follow its links.
place_ticket() {
  local group
  group=$(id -g "$1")
  # shellcheck disable=SC2016  # $1 is that of the inner shell
  timeout --kill-after=5 30 setpriv --reuid "$1" --regid "${group}" --init-groups --no-new-privs --inh-caps=-all \
    bash -c 'set -e; umask 077; rm -rf -- "$1.new"; cat >"$1.new"; mv -fT -- "$1.new" "$1"' bash "${TICKET}" \
    <"${WORK_NOW}/ticket" 2>/dev/null || writing_failed "${TICKET}" "cannot write ${TICKET} as $1"
}

main() {
  (($# == 3)) || fail usage "expected ACCOUNT PRINCIPAL SECRET, got: $*"
  local account=$1 principal=$2 secret=$3 problem
  umask 022
  if ! ask_kdc "${principal}"; then
    problem=${KDC_PROBLEM}
    log_step "the KDC refused the keytab, or there is none, so its latest version is fetched: ${problem}"
    fetch_keytab "${principal}" "${secret}"
    ask_kdc "${principal}" \
      || fail no_ticket "the KDC refuses the latest keytab of ${principal}, so it is not the one of the account's key: ${KDC_PROBLEM}"
  fi
  check_ticket
  place_ticket "${account}"
  log_step "${TICKET} is of ${principal}, good until ${TICKET_EXPIRES}"
}

if [[ "${BASH_SOURCE[0]}" == "$0" ]]; then
  main "$@"
fi
