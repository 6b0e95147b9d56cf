#!/usr/bin/env bash
# Mount the shared file systems that the node bundle names (nfs/mounts.tsv: mountpoint, SERVER:/EXPORT, version, options).
#
# Every mount is a systemd unit, so it is there again after a reboot, and YARN's and Dask's units start after it. It is
# started here and now: a node that cannot mount fails its cluster, instead of failing jobs later. Mounts are `hard`: a
# program that writes waits for a file server that is away, and loses nothing.
#
# NFS knows accounts by number only: the accounts of nfs/accounts.tsv must have the numbers stated there. Safe to run
# again: what is mounted and answers is left alone; a stale mount, or one that the bundle changed, is taken away and made
# again, while the units that wait for it run on.
set -euo pipefail
# shellcheck source=init-actions/lib/node.sh
source /opt/dataplatform/bundle/lib/node.sh || { echo "nfs-mounts.sh: run node-bundle.sh first" >&2; exit 5; }

readonly mounts="${BUNDLE}/nfs/mounts.tsv" accounts="${BUNDLE}/nfs/accounts.tsv"
# What every mount has. retry=2: while the server does not answer, mount.nfs tries for two minutes, here and after a reboot;
# what the server refuses is an error at once.
readonly common=hard,proto=tcp,timeo=600,retrans=2,rsize=1048576,wsize=1048576,noatime,_netdev,nofail,retry=2
readonly waiting_units=(hadoop-yarn-resourcemanager hadoop-yarn-nodemanager google-dataproc-agent)
# All tries together stay below the 300 seconds that Dataproc gives an initialization action.
readonly mount_tries=3 tries_seconds=150 answer_seconds=15
# A file for every mount whose unit was written and not mounted since, however the run ended that wrote it. Not kept over a
# reboot, which mounts what the units say.
readonly to_mount=/run/dataplatform/nfs-mounts

check_accounts() {
  local account uid gid
  while IFS=$'\t' read -r account uid gid; do
    id "${account}" >/dev/null 2>&1 || fail refused "this image has no account ${account}, expected one with uid ${uid}"
    [[ "$(id -u "${account}"):$(id -g "${account}")" == "${uid}:${gid}" ]] \
      || fail refused "account ${account} has the numbers $(id -u "${account}"):$(id -g "${account}") on this image,$(
        ) expected ${uid}:${gid}; state the image's numbers in platform_accounts and prepare the directories for them"
  done < "${accounts}"
  log_step "accounts have the stated numbers"
}

# mounted_source MOUNTPOINT: what is mounted there by NFS, and nothing when that is just a directory. findmnt looks at the
# mountpoint itself, so it has to be bounded, too: no answer comes from a mount whose server is away.
mounted_source() {
  local source result=0
  source="$(timeout --kill-after=1 "${answer_seconds}" findmnt --noheadings --types nfs,nfs4 --output SOURCE --mountpoint "$1")" \
    || result=$?
  # timeout's own codes.
  ((result != 124 && result != 137)) || source="a server that does not answer"
  printf '%s' "${source}"
}

# answers MOUNTPOINT: whether the server says something within bounded time. A hung mount cannot be killed away, so the
# process that asks is left to itself.
answers() { timeout --kill-after=1 "${answer_seconds}" stat --file-system "$1" >/dev/null 2>&1; }

unit_text() {
  local mountpoint=$1 source=$2 version=$3 options=$4
  cat <<UNIT
[Unit]
Description=Shared file system ${mountpoint}
After=network-online.target
Wants=network-online.target

[Mount]
What=${source}
Where=${mountpoint}
Type=$([[ ${version} == 3 ]] && echo nfs || echo nfs4)
Options=vers=${version},${common}${options:+,${options}}
TimeoutSec=140

[Install]
WantedBy=remote-fs.target
UNIT
}

# write_units: everything systemd has to know, before anything is started. Notes in ${to_mount} what has to be mounted anew.
write_units() {
  local mountpoint source version options unit text paths units=()
  mkdir -p -- "${to_mount}" || writing_failed "${to_mount}" "cannot make ${to_mount}"
  while IFS=$'\t' read -r mountpoint source version options; do
    unit="$(systemd-escape --path --suffix=mount "${mountpoint}")"
    units+=("${unit}")
    text="$(unit_text "${mountpoint}" "${source}" "${version}" "${options}")"
    # Before the unit: a run that is killed in between must not leave a new unit and the old mount.
    cmp -s -- - "${UNIT_DIRECTORY}/${unit}" <<<"${text}" || : >"${to_mount}/${unit}"
    install_unit "${unit}" >/dev/null <<<"${text}"
  done < "${mounts}"
  paths="$(cut -f1 "${mounts}" | paste -sd' ')"
  for unit in "${waiting_units[@]}"; do
    install_unit "${unit}.service.d/10-shared-file-systems.conf" >/dev/null <<UNIT
[Unit]
RequiresMountsFor=${paths}
UNIT
  done
  reload_units
  systemctl enable --quiet "${units[@]}" || fail not_taken "systemctl enable ${units[*]} failed"
  log_step "units of ${#units[@]} mounts are in place; ${waiting_units[*]} start after them"
}

# is_inactive UNIT: whether systemd has nothing mounted by it.
is_inactive() { [[ "$(systemctl show --property ActiveState --value "$1")" != active ]]; }

# take_away MOUNTPOINT UNIT: unmount. Open files keep the old mount until they are closed; nobody new gets it. Never by
# stopping the unit: that stops the units that require it as well, and nothing starts those again.
take_away() {
  umount --lazy "$1" || fail mount_failed "$1 is stale or has changed and cannot be unmounted"
  retry 8 0.1 -- is_inactive "$2" || fail mount_failed "$1 was unmounted, and $2 is still active: see findmnt $1"
}

mount_one() {
  local mountpoint=$1 source=$2 version=$3 unit mounted reason attempt
  unit="$(systemd-escape --path --suffix=mount "${mountpoint}")"
  mounted="$(mounted_source "${mountpoint}")"
  if [[ "${mounted}" == "${source}" && ! -e "${to_mount}/${unit}" ]] && answers "${mountpoint}"; then
    log_step "${mountpoint} is ${source} already"
    return
  fi
  if [[ -n "${mounted}" ]]; then
    take_away "${mountpoint}" "${unit}"
    log_step "${mountpoint} was ${mounted}, and stale or not as stated: unmounted"
  elif ! is_inactive "${unit}"; then
    fail mount_failed "something else than NFS is mounted on ${mountpoint}, expected nothing: see findmnt ${mountpoint}"
  fi
  for ((attempt = 1; ; attempt++)); do
    start_mount "${unit}" "${mountpoint}" "${source}" && break
    if ((attempt == mount_tries || SECONDS > tries_seconds)); then
      # What mount.nfs said; the lines after it are systemd's own.
      reason="$(journalctl --unit "${unit}" --lines 20 --output cat 2>/dev/null | grep '^mount' | tail -n 1)" || true
      fail mount_failed "${source} cannot be mounted on ${mountpoint}: ${reason:-no reason given};$(
        ) look at: showmount --exports ${source%%:*}; rpcinfo -p ${source%%:*}"
    fi
    pause_after "${attempt}" 1
  done
  rm -f -- "${to_mount}/${unit}"
  log_step "mounted ${source} on ${mountpoint} (NFS ${version})"
}

start_mount() {
  local unit=$1 mountpoint=$2 source=$3
  systemctl reset-failed "${unit}" 2>/dev/null || true
  systemctl start "${unit}" 2>/dev/null && [[ "$(mounted_source "${mountpoint}")" == "${source}" ]] && answers "${mountpoint}"
}

[[ -r ${mounts} && -r ${accounts} ]] || fail refused "the node bundle names no shared file systems (${mounts})"
check_accounts
write_units
while IFS=$'\t' read -r mountpoint source version _options; do
  mount_one "${mountpoint}" "${source}" "${version}" </dev/null
done < "${mounts}"
