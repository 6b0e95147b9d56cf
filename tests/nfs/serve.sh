#!/usr/bin/env bash
# Be a file server, on the machine where the client is, too: /data and /projects, in NFSv3 and NFSv4.1.
#
#   serve.sh start|stop|export NAME|replace NAME
#
# start: from nothing, or after stop. stop: nobody answers any more. export: one more directory. replace: another file system
# takes the place of an exported one, so that what clients hold of the old one is stale.
set -euo pipefail

readonly root=/srv/nfs

# new_file_system NAME: an empty one below the root; a host's directory cannot be exported, memory can.
new_file_system() {
  mkdir -p "${root}/$1"
  mount -t tmpfs -o mode=0777 none "${root}/$1"
}

# export_directory NAME NUMBER
export_directory() {
  printf '/%s *(rw,fsid=%s,no_subtree_check,no_root_squash)\n' "$1" "$2" >>/etc/exports
}

case $1 in
  start)
    modprobe nfsd
    mountpoint --quiet /proc/fs/nfsd || mount -t nfsd nfsd /proc/fs/nfsd
    if ! mountpoint --quiet "${root}"; then
      mkdir -p "${root}"
      mount -t tmpfs none "${root}"
      # What servers remember of clients; memory, because it has to be a real file system.
      cp -a /var/lib/nfs /run/nfs-state
      mount -t tmpfs none /var/lib/nfs
      cp -a /run/nfs-state/. /var/lib/nfs/
      mkdir -p /var/lib/nfs/v4recovery
      printf '[exports]\nrootdir=%s\n' "${root}" >/etc/nfs.conf.d/root.conf
      printf '/ *(ro,fsid=0,no_subtree_check)\n' >/etc/exports
      new_file_system data
      new_file_system projects
      export_directory data 1
      export_directory projects 2
      # Nobody has locks from before to claim: do not wait for them for 90 seconds.
      echo 10 >/proc/fs/nfsd/nfsv4leasetime
      echo 10 >/proc/fs/nfsd/nfsv4gracetime
      echo 1 >/proc/sys/fs/nfs/nlm_grace_period
    fi
    systemctl start rpcbind.service rpc-statd.service
    pidof rpc.mountd >/dev/null || rpc.mountd
    exportfs -ra
    rpc.nfsd 4
    ;;
  stop) rpc.nfsd 0 ;;
  export)
    new_file_system "$2"
    export_directory "$2" 3
    exportfs -ra
    ;;
  replace)
    exportfs -ua
    exportfs -f
    umount "${root}/$2"
    new_file_system "$2"
    # The same path under another number: what clients hold of the old one is unknown here.
    sed -i "s|^/$2 \*(rw,fsid=|&1|" /etc/exports
    exportfs -ra
    ;;
  *) echo "serve.sh: unknown action '$1'" >&2; exit 2 ;;
esac
