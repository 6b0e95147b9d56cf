#!/usr/bin/env bash
# Give the node the Dask environment: one prebuilt, locked Python environment, the same on every node, read-only.
#
# The node bundle's environment/environment.conf names two artefacts of one build: a squashfs image, which is mounted, and
# the same tree as tar.zst, which is unpacked where the kernel does not mount such images. Either way the environment is
# at the same path. It counts only when its Python imports its data libraries; a half-unpacked tree has another name.
# Safe to run again, and at any time before or after Hadoop's daemons start.
set -euo pipefail
# shellcheck source=init-actions/lib/node.sh
source /opt/dataplatform/bundle/lib/node.sh || { echo "dask-environment.sh: run node-bundle.sh first" >&2; exit 5; }

readonly conf="${BUNDLE}/environment/environment.conf"
[[ -r ${conf} ]] || fail refused "the node bundle has no Dask environment (${conf})"
squashfs="$(setting "${conf}" squashfs)"
archive="$(setting "${conf}" archive)"
lock_sha256="$(setting "${conf}" lock_sha256)"
mountpoint="$(setting "${conf}" mountpoint)"
# Beside the bundles, on the boot disk: the image is read from there as long as the node lives.
readonly store=/opt/dataplatform/environments
readonly image="${store}/${lock_sha256}.sqfs" tree="${store}/${lock_sha256}"
readonly import_seconds=120

# What jobs need first; an image without them is not the environment.
works() {
  [[ -x $1/bin/python ]] && timeout "${import_seconds}" "$1/bin/python" -I -B -c \
    'import dask.dataframe, distributed, gcsfs, pandas, pyarrow' 2>&1
}

unit="$(systemd-escape --path --suffix=mount "${mountpoint}")"

# A file's name stands for the lock it was built from; its content was checked before it got the name.
mount_image() {
  [[ -f ${image} ]] || fetch_object "${squashfs}" "${image}"
  log_step "image ${squashfs}"
  install_unit "${unit}" >/dev/null <<UNIT
[Unit]
Description=Dask environment of lock ${lock_sha256}

[Mount]
What=${image}
Where=${mountpoint}
Type=squashfs
Options=loop,ro,nodev,nosuid

[Install]
WantedBy=multi-user.target
UNIT
  reload_units
  systemctl enable --quiet "${unit}"
  systemctl restart "${unit}" 2>/dev/null || return 1
  log_step "mounted on ${mountpoint}"
}

unpack_archive() {
  local new="${tree}.new"
  systemctl disable --quiet --now "${unit}" 2>/dev/null || true
  rm -f "${UNIT_DIRECTORY}/${unit}" "${image}"
  reload_units
  if [[ ! -d ${tree} ]]; then
    rm -rf "${new}"
    mkdir -p "${new}"
    fetch_object "${archive}" "${store}/archive.tar.zst"
    log_step "archive ${archive}"
    zstd --decompress --stdout --quiet "${store}/archive.tar.zst" \
      | tar --extract --no-same-owner --file - --directory "${new}" \
      || { rm -rf "${new}" "${store}/archive.tar.zst"; fail disk_full "${archive} cannot be unpacked into ${store}"; }
    chmod -R a-w "${new}"
    rm -f "${store}/archive.tar.zst"
    mv -T "${new}" "${tree}"
    log_step "unpacked"
  fi
  # A directory where a mount would be; the link replaces it in one step.
  [[ -L ${mountpoint} || ! -d ${mountpoint} ]] || rmdir "${mountpoint}"
  ln -sfn "${tree}" "${mountpoint}.new"
  mv -T "${mountpoint}.new" "${mountpoint}"
}

# is_current: whether the path leads to this lock's environment, one way or the other.
is_current() {
  [[ "$(readlink -f "${mountpoint}")" == "${tree}" ]] && return
  systemctl is-active --quiet "${unit}" && grep --quiet --line-regexp "What=${image}" "${UNIT_DIRECTORY}/${unit}"
}

mkdir -p "${store}"
if is_current && works "${mountpoint}" >/dev/null; then
  log_step "the Dask environment of lock ${lock_sha256} is in place already"
  exit 0
fi
# A kernel may have it as a module that nobody needed yet.
modprobe --quiet squashfs || true
if [[ ! -e ${tree} ]] && grep --quiet squashfs /proc/filesystems && mount_image; then
  :
else
  log_step "this kernel mounts no squashfs image; unpacking instead"
  unpack_archive
fi
problem="$(works "${mountpoint}")" \
  || fail refused "the environment's Python does not import its libraries: $(tail -n 1 <<<"${problem}")"
log_step "the Dask environment of lock ${lock_sha256} works at ${mountpoint}"
