#!/usr/bin/env bash
# Send what Dask, YARN and the node say about themselves to Cloud Monitoring, from every node, every minute.
#
# The node bundle carries the agent (lib/node_metrics) and metrics/metrics.conf, which says how often and what. It runs as
# the unit node-metrics: an account of its own that may do nothing, little memory, started again when it ends, and nothing
# waits for it. Schedulers and workers announce themselves in /run/dask-metrics (lib/node_metrics/targets.py says how).
# What was read last is shown on the loopback (port in metrics.conf). A missing permission or a Cloud Monitoring that is
# away is one line in the unit's journal, and fails nothing. Safe to run again, before and after Hadoop's daemons start.
set -euo pipefail
# shellcheck source=init-actions/lib/node.sh
source /opt/dataplatform/bundle/lib/node.sh || { echo "node-metrics.sh: run node-bundle.sh first" >&2; exit 5; }

# By the bundle's own name, so that another bundle makes another unit.
bundle="$(readlink --canonicalize "${BUNDLE}")"
readonly bundle conf="${bundle}/metrics/metrics.conf" agent="${bundle}/lib/node_metrics"
readonly account=node-metrics unit=node-metrics.service announcements=/run/dask-metrics
# Who runs YARN's containers, and so Dask's workers; drivers are root's.
readonly containers_group=yarn

[[ -r ${conf} ]] || fail refused "the node bundle does not say which metrics are sent (${conf})"
[[ -r ${agent}/__main__.py ]] || fail not_found "the node bundle has no ${agent}: it was not made by the role node_bundle"
getent group "${containers_group}" >/dev/null || fail refused "this image has no group ${containers_group}"

unit_text() {
  cat <<UNIT
[Unit]
Description=Metrics of Dask, YARN and this node for Cloud Monitoring
Documentation=file://${conf}
After=network-online.target
Wants=network-online.target
# However often it ends, it is started again.
StartLimitIntervalSec=0

[Service]
Environment=PYTHONPATH=${bundle}/lib
EnvironmentFile=-/etc/environment
ExecStart=/usr/bin/python3 -B -s -m node_metrics ${conf}
User=${account}
Restart=always
RestartSec=30
Nice=10
# A small program that went wrong must not take what jobs need, and goes first when memory is short.
MemoryMax=128M
TasksMax=32
OOMScoreAdjust=800
NoNewPrivileges=yes
CapabilityBoundingSet=
# Everything is read-only, and nothing is hidden: certificate authorities and Hadoop's files may be anywhere.
ProtectSystem=strict
ReadWritePaths=${announcements}
ProtectHome=read-only
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service

[Install]
WantedBy=multi-user.target
UNIT
}

# make_account: the account, and the directory in which drivers and containers announce themselves, also after a reboot.
make_account() {
  install_file 0644 root:root /etc/sysusers.d/node-metrics.conf >/dev/null <<CONF
u ${account} - "Sends metrics to Cloud Monitoring" / /usr/sbin/nologin
CONF
  systemd-sysusers /etc/sysusers.d/node-metrics.conf || fail not_taken "systemd-sysusers did not make ${account}"
  # The agent removes what the dead leave; with the sticky bit nobody removes what is another's.
  install_file 0644 root:root /etc/tmpfiles.d/node-metrics.conf >/dev/null <<CONF
d ${announcements} 1770 ${account} ${containers_group} -
CONF
  systemd-tmpfiles --create /etc/tmpfiles.d/node-metrics.conf || fail not_taken "systemd-tmpfiles did not make ${announcements}"
  log_step "account ${account} and ${announcements} are there"
}

umask 022
make_account
changed="$(unit_text | install_unit "${unit}")"
reload_units
systemctl enable --quiet "${unit}" || fail not_taken "systemctl enable ${unit} failed"
if [[ ${changed} == changed ]]; then
  # Does not wait for anything that the agent does.
  systemctl restart --no-block "${unit}" || fail not_taken "systemctl restart ${unit} failed"
else
  systemctl start --no-block "${unit}" || fail not_taken "systemctl start ${unit} failed"
fi
log_step "${unit} sends $(setting "${conf}" groups) every $(setting "${conf}" interval) s; look at$(
  ) http://127.0.0.1:$(setting "${conf}" port)/metrics"
