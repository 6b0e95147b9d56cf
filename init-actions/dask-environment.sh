#!/usr/bin/env bash
# Give the node the Dask environment: one prebuilt, locked Python environment, the same on every node, read-only.
#
# The node bundle's environment/environment.conf names two artefacts of one build: a squashfs image, which is mounted, and
# the same tree as tar.zst, which is unpacked where the kernel does not mount such images. Either way the environment is a
# mount at the same path, a systemd unit that is there again after a reboot. It counts only when the node's Python loads
# its libraries; what is not complete never has the name of what is. YARN's NodeManager and Dataproc's agent start after
# it, and not without it. Safe to run again, and at any time before or after Hadoop's daemons start.
set -euo pipefail
# shellcheck source=init-actions/lib/node.sh
source /opt/dataplatform/bundle/lib/node.sh || { echo "dask-environment.sh: run node-bundle.sh first" >&2; exit 5; }

# On the boot disk: the image is read from there as long as the node lives.
readonly store=/opt/dataplatform/environments
readonly waiting_units=(hadoop-yarn-nodemanager google-dataproc-agent)
readonly import_seconds=120

readonly conf="${BUNDLE}/environment/environment.conf"
[[ -r ${conf} ]] || fail refused "the node bundle has no Dask environment (${conf})"
squashfs="$(setting "${conf}" squashfs)"
archive="$(setting "${conf}" archive)"
lock_sha256="$(setting "${conf}" lock_sha256)"
mountpoint="$(setting "${conf}" mountpoint)"
for uri in "${squashfs}" "${archive}"; do
  [[ -n "$(hash_in "${uri}")" ]] || fail refused "${conf} names '${uri}', expected gs://BUCKET/SHA256/NAME"
done
# Named by content, which was checked before they got these names.
image="${store}/$(hash_in "${squashfs}").sqfs"
tree="${store}/$(hash_in "${archive}")"
unit="$(systemd-escape --path --suffix=mount "${mountpoint}")"

# What the build imported is what the node has, by its hash. What only the node can tell is whether its interpreter and its
# system libraries load the compiled code; the pure Python on top would cost every boot another two seconds.
readonly check='
import importlib.util, sys
import dask, numpy, pandas, pyarrow
missing = [name for name in ("dask.dataframe", "distributed", "gcsfs") if importlib.util.find_spec(name) is None]
sys.exit("No module named " + ", ".join(missing) if missing else 0)
'

# works: whether the environment can be used; prints why not.
works() { timeout --kill-after=5 "${import_seconds}" "${mountpoint}/bin/python" -I -B -c "${check}" 2>&1; }

# unit_text SOURCE TYPE OPTIONS: the unit that mounts the environment.
unit_text() {
  cat <<UNIT
[Unit]
Description=Dask environment of lock ${lock_sha256}

[Mount]
What=$1
Where=${mountpoint}
Type=$2
Options=$3

[Install]
WantedBy=local-fs.target
UNIT
}
mounts_image() { unit_text "${image}" squashfs loop,ro,nodev,nosuid; }
# Root's jobs could write into a directory, whatever its mode; into this mount they cannot.
mounts_tree() { unit_text "${tree}" none bind,ro,nodev,nosuid; }

# is_mounted UNIT_TEXT: whether that, and nothing else, is mounted.
is_mounted() {
  systemctl is-active --quiet "${unit}" && cmp -s - "${UNIT_DIRECTORY}/${unit}" <<<"$1"
}

# mount_by UNIT_TEXT: mount what the unit says; code 1 when the kernel does not.
mount_by() {
  install_unit "${unit}" >/dev/null <<<"$1"
  reload_units
  systemctl reset-failed "${unit}" 2>/dev/null || true
  systemctl start "${unit}" 2>/dev/null
}

# can_mount_images: whether this node can, asked before anything is downloaded. The kernel may have what it needs as modules
# that nobody needed yet.
can_mount_images() {
  modprobe --quiet --all squashfs loop 2>/dev/null || true
  grep --quiet --word-regexp squashfs /proc/filesystems && losetup --find >/dev/null 2>&1
}

unpack_archive() {
  local downloaded="${store}/environment.tar.zst"
  fetch_object "${archive}" "${downloaded}"
  temporary_name "${tree}"
  mkdir -- "${NEW}" || writing_failed "${NEW}" "cannot make ${NEW}"
  zstd --decompress --stdout --quiet -- "${downloaded}" \
    | tar --extract --no-same-owner --preserve-permissions --file - --directory "${NEW}" \
    || writing_failed "${NEW}" "cannot unpack ${archive} into ${store}"
  # Before the rename, so that after a power cut the name never stands for half a tree.
  sync --file-system "${NEW}"
  mv -T -- "${NEW}" "${tree}" || writing_failed "${tree}" "cannot make ${tree}"
  rm -f -- "${downloaded}"
  log_step "unpacked ${archive}"
}

place_environment() {
  local problem
  if systemctl is-active --quiet "${unit}"; then
    fail refused "another environment than that of lock ${lock_sha256} is mounted on ${mountpoint}, and jobs may be using$(
      ) it: a new environment needs new nodes"
  fi
  if [[ ! -d ${tree} ]] && can_mount_images; then
    fetch_object "${squashfs}" "${image}"
    if mount_by "$(mounts_image)"; then
      log_step "mounted ${image} on ${mountpoint}"
      return
    fi
    problem="$(journalctl --unit "${unit}" --lines 3 --output cat 2>/dev/null | tr '\n' ' ')" || true
    log_step "this node does not mount ${image}: ${problem:-no reason given}"
    rm -f -- "${image}"
  fi
  [[ -d ${tree} ]] || unpack_archive
  mount_by "$(mounts_tree)" || fail mount_failed "${tree} cannot be mounted on ${mountpoint}: see systemctl status '${unit}'"
  log_step "mounted ${tree} on ${mountpoint}"
}

order_units() {
  local waiting
  for waiting in "${waiting_units[@]}"; do
    install_unit "${waiting}.service.d/20-dask-environment.conf" >/dev/null <<UNIT
[Unit]
RequiresMountsFor=${mountpoint}
UNIT
  done
  reload_units
  systemctl enable --quiet "${unit}" || fail not_taken "systemctl enable ${unit} failed"
}

umask 022
mkdir -p -- "${store}" "${mountpoint}" || writing_failed "${store}" "cannot make ${store} and ${mountpoint}"
if is_mounted "$(mounts_image)" || is_mounted "$(mounts_tree)"; then
  log_step "the environment of lock ${lock_sha256} is mounted already"
else
  place_environment
fi
problem="$(works)" || fail refused "the environment's Python does not load its libraries: $(tail -n 1 <<<"${problem}")"
order_units
log_step "the Dask environment of lock ${lock_sha256} works at ${mountpoint}"
