#!/usr/bin/env bash
# Make the node a client of the realm: its programs have a ticket of the cluster template's service principal.
#
# Metadata names the principal (service-principal) and the secret that holds its keytab (service-principal-secret); the
# node bundle's kerberos/ has krb5.conf and the account whose programs use the ticket. A secret that is not to be had, or is
# no keytab of that principal, fails the node, and so does a KDC that refuses it. A KDC that does not answer does not: the
# unit tries again every 30 seconds, and jobs that need no ticket run meanwhile.
#
# Nobody logs in here: no sssd, no PAM. YARN's and Dataproc's units start after the first attempt, and go on whatever
# becomes of later ones. Safe to run again: what is in place stays, and the ticket is a new one.
set -euo pipefail
# shellcheck source=init-actions/lib/service-ticket.sh
source /opt/dataplatform/bundle/lib/service-ticket.sh || { echo "service-principal.sh: run node-bundle.sh first" >&2; exit 5; }

readonly conf="${BUNDLE}/kerberos/service-principal.conf" unit=service-principal
readonly waiting_units=(hadoop-yarn-resourcemanager hadoop-yarn-nodemanager google-dataproc-agent)
# A key that was just replaced in the realm may take a moment to be published.
readonly start_tries=3 start_pause=2

check_tools() {
  local program
  for program in kinit klist; do
    command -v "${program}" >/dev/null \
      || fail refused "this image has no ${program}, and nodes install nothing: use an image with Debian's package krb5-user"
  done
  id "${account}" >/dev/null 2>&1 || fail refused "this image has no account ${account} (${conf})"
}

check_names() {
  [[ ${principal} =~ ^[A-Za-z][A-Za-z0-9_.-]*/[A-Za-z0-9.-]+@[A-Z0-9.-]+$ && ${principal##*@} == "${realm}" ]] \
    || fail no_metadata "metadata service-principal is '${principal}', expected SERVICE/HOST@${realm}"
  [[ ${secret} =~ ^projects/[a-z0-9:.-]+/secrets/[A-Za-z0-9_-]+$ ]] \
    || fail no_metadata "metadata service-principal-secret is '${secret}', expected projects/PROJECT/secrets/SECRET"
}

# write_units: the ticket is got at boot and every 20 minutes, far more often than tickets end. An attempt that ended with
# any code but that of a server that does not answer (7) is not repeated before.
write_units() {
  local waiting final
  final=$(printf '%s\n' "${EXIT_CODES[@]}" | sort -n | grep -vx "${EXIT_CODES[unavailable]}" | paste -sd' ')
  # The directory is the account's, so that its programs find the ticket; "+" has root run the program all the same.
  # When the unit is stopped, the program itself ends its children, and removes what they left.
  install_unit "${unit}.service" >/dev/null <<UNIT
[Unit]
Description=Ticket of ${principal}
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=oneshot
User=${account}
RuntimeDirectory=service-principal
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=yes
EnvironmentFile=-/etc/environment
ExecStart=+/bin/bash ${BUNDLE}/lib/service-ticket.sh ${account} ${principal} ${secret}
TimeoutStartSec=150
KillMode=mixed
Restart=on-failure
RestartSec=30
RestartPreventExitStatus=${final}

[Install]
WantedBy=multi-user.target
UNIT
  install_unit "${unit}.timer" >/dev/null <<UNIT
[Unit]
Description=New tickets of ${principal}

[Timer]
OnUnitActiveSec=20min
RandomizedDelaySec=2min

[Install]
WantedBy=timers.target
UNIT
  # Only ordered: multi-user.target starts the ticket's unit. Were it wanted here, every start of a daemon would make, and
  # wait for, another attempt.
  for waiting in "${waiting_units[@]}"; do
    install_unit "${waiting}.service.d/15-service-principal.conf" >/dev/null <<UNIT
[Unit]
After=${unit}.service
UNIT
  done
  reload_units
  systemctl enable --quiet "${unit}.service" "${unit}.timer" || fail not_taken "systemctl enable ${unit} failed"
  log_step "units are in place; ${waiting_units[*]} start after ${unit}.service"
}

# start_unit: code 1 when the KDC refused.
start_unit() {
  local code reason name
  systemctl start "${unit}.service" 2>/dev/null && return
  code=$(systemctl show --property ExecMainStatus --value "${unit}.service")
  reason=$(journalctl --unit "${unit}.service" --lines 50 --output cat 2>/dev/null \
    | sed -n 's/^[^ ]* service-ticket: failed, [A-Z_]*: //p' | tail -n 1)
  REASON=${reason:-see systemctl status ${unit}}
  [[ ${code} != "${EXIT_CODES[no_ticket]}" ]] || return 1
  for name in "${!EXIT_CODES[@]}"; do
    [[ ${name} == unavailable || ${code} != "${EXIT_CODES[${name}]}" ]] || fail "${name}" "${REASON}"
  done
  [[ ${code} == "${EXIT_CODES[unavailable]}" ]] || fail not_taken "${unit}.service ended with code ${code}: ${REASON}"
  log_step "no ticket yet, tried again every 30 seconds: ${REASON}"
}

[[ -r ${conf} && -r ${BUNDLE}/kerberos/krb5.conf ]] || fail refused "the node bundle names no realm (${conf})"
account=$(setting "${conf}" account)
realm=$(setting "${conf}" realm)
principal=$(metadata service-principal)
secret=$(metadata service-principal-secret)
umask 022
check_names
check_tools
fetch_keytab "${principal}" "${secret}"
changed=$(install_file 0644 root:root /etc/krb5.conf <"${BUNDLE}/kerberos/krb5.conf")
log_step "/etc/krb5.conf is the bundle's (${changed})"
write_units
REASON=""
retry "${start_tries}" "${start_pause}" -- start_unit || fail no_ticket "${REASON}"
systemctl start "${unit}.timer" || fail not_taken "systemctl start ${unit}.timer failed"
log_step "programs of ${account} are ${principal}"
