#!/bin/bash
# mount.nfs, mount.nfs4: the kernel of these nodes may have no NFS, so a mount shows a directory of the local cloud.
#
#   mount.nfs SERVER:/EXPORT MOUNTPOINT [-o OPTIONS] [-sfnvrw]
#
# An export is a directory /var/lib/localcloud/filestore/SERVER/EXPORT, which all nodes share; a server that has no
# directory there does not answer. Exit codes and messages are those of nfs-utils. `findmnt.py` beside this file tells
# which mounts are meant to be NFS.
set -euo pipefail
readonly filestore=/var/lib/localcloud/filestore
readonly registry=/run/localcloud-nfs

die() { echo "mount.nfs: $1" >&2; exit 32; }

[[ $# -ge 2 && $1 == *:/* ]] || { echo "usage: mount.nfs SERVER:/EXPORT MOUNTPOINT [-o OPTIONS]" >&2; exit 1; }
readonly source=$1 mountpoint=$2
shift 2
options=""
while (($#)); do
  case $1 in
    -o) options=${2:-}; shift; (($# == 0)) || shift ;;
    *) shift ;;
  esac
done
readonly server=${source%%:*} export=${source#*:}
[[ ${export} != *..* ]] || die "access denied by server while mounting ${source}"
[[ -d ${filestore}/${server} ]] || die "Connection refused for ${source} on ${mountpoint}"
[[ -d ${filestore}/${server}${export} ]] || die "access denied by server while mounting ${source}"
[[ -d ${mountpoint} ]] || die "mount point ${mountpoint} does not exist"
version=nfs
[[ ",${options}," != *,vers=4* && ",${options}," != *,nfsvers=4* ]] || version=nfs4
mount --bind "${filestore}/${server}${export}" "${mountpoint}"
mkdir -p "${registry}"
printf '%s\t%s\t%s\n' "${version}" "${source}" "${options}" > "${registry}/$(systemd-escape --path "${mountpoint}")"
