#!/usr/bin/env bash
# Build the image of localcloud's nodes: Debian 12 with systemd, as podman image localhost/localcloud-node:2.3-debian12.
#
#   scripts/node_image.sh      as root; safe to run twice, does nothing when the image is up to date
#
# The root file system is kept in ${XDG_CACHE_HOME:-~/.cache}/dataplatform-compute/node-image-HASH.tar.zst, where HASH stands
# for what it is made from; it is built by debootstrap from the mirror that apt uses here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly suite=bookworm
readonly image=localhost/localcloud-node:2.3-debian12
readonly sources=localcloud/node-image
# Dataproc's accounts. NFS knows them by number, so the numbers are stated; see platform_accounts in inventories/common.
readonly accounts=(yarn:2001 hdfs:2002 spark:2003)

say() { echo "node_image: $*"; }

work=""
clean_up() {
  [[ -z ${work} ]] || rm -rf --one-file-system "${work}"
}
trap clean_up EXIT

# mirror: print where apt gets this Debian from, in either of the two formats of its configuration.
mirror() {
  apt-get indextargets --format "\$(REPO_URI)" 'Created-By: Packages' 2>/dev/null | head -n 1
}

build() {
  local target=$1 packages from
  packages="$(grep -v '^#' "${sources}/packages.txt" | paste -sd,)"
  from="$(mirror)"
  work="$(mktemp -d "${target}.XXXXXX")"
  say "building ${suite} (about two minutes)"
  debootstrap --variant=minbase --include="${packages}" "${suite}" "${work}/root" ${from:+"${from}"} > "${work}/log" 2>&1 \
    || { tail -n 20 "${work}/log" >&2; say "debootstrap failed"; return 1; }
  configure "${work}/root"
  tar --directory "${work}/root" --numeric-owner --one-file-system -cf - . | zstd -q -3 -T0 -o "${work}/image.tar.zst"
  # Only a whole file gets the name that is looked for.
  mv "${work}/image.tar.zst" "${target}"
}

configure() {
  local root=$1 account name number unit
  for account in "${accounts[@]}"; do
    name=${account%%:*}
    number=${account##*:}
    chroot "${root}" groupadd --gid "${number}" "${name}"
    chroot "${root}" useradd --uid "${number}" --gid "${number}" --home-dir "/var/lib/hadoop-${name}" --create-home \
      --shell /bin/bash "${name}"
  done
  install -m 0755 "${sources}/mount.nfs.sh" "${root}/usr/local/sbin/mount.nfs"
  install -m 0755 "${sources}/findmnt.py" "${root}/usr/local/bin/findmnt"
  # mount(8) looks for its helpers in /sbin only.
  ln -sf /usr/local/sbin/mount.nfs "${root}/usr/sbin/mount.nfs"
  ln -sf /usr/local/sbin/mount.nfs "${root}/usr/sbin/mount.nfs4"
  # What needs a kernel with NFS, or is nothing for a container.
  for unit in proc-fs-nfsd.mount run-rpc_pipefs.mount nfs-blkmap.service rpc-gssd.service rpc-svcgssd.service \
    systemd-udevd.service systemd-udev-trigger.service getty.target console-getty.service; do
    ln -sf /dev/null "${root}/etc/systemd/system/${unit}"
  done
  mkdir -p "${root}/etc/hadoop"
  # Programs that the local cloud shows to nodes may lie below its user's home directory.
  chmod 0711 "${root}/root"
  rm -f "${root}/usr/sbin/policy-rc.d" "${root}/etc/machine-id"
  rm -rf "${root}"/var/cache/apt/archives/*.deb "${root}"/var/lib/apt/lists/*
  : > "${root}/etc/machine-id"
}

main() {
  local cache hash archive
  if ((EUID != 0)); then
    say "needs root (debootstrap, podman); clusters of containers are not available"
    return 1
  fi
  export CONTAINERS_CONF="${PWD}/localcloud/src/localcloud/podman/containers.conf"
  cache="${XDG_CACHE_HOME:-${HOME}/.cache}/dataplatform-compute"
  hash="$(cat scripts/node_image.sh "${sources}"/* | sha256sum | cut -c1-16)"
  if [[ "$(podman image inspect --format '{{index .Labels "localcloud.hash"}}' "${image}" 2>/dev/null)" == "${hash}" ]]; then
    say "${image} is up to date"
    return 0
  fi
  mkdir -p "${cache}"
  archive="${cache}/node-image-${hash}.tar.zst"
  [[ -f ${archive} ]] || build "${archive}"
  say "importing ${image}"
  zstd -q -dc "${archive}" | podman import --quiet --change 'CMD ["/lib/systemd/systemd"]' \
    --change 'STOPSIGNAL SIGRTMIN+3' --change 'ENV container=podman' --change "LABEL localcloud.hash=${hash}" \
    - "${image}" 2>/dev/null >/dev/null
  say "${image} is ready"
}

main
