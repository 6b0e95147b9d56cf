#!/usr/bin/env bash
# Run a script on a machine of its own, with a kernel of its own: Debian 12 with systemd and real NFS in user-mode Linux.
#
#   scripts/uml_run.sh [--seconds N] [--memory SIZE] [--files DIRECTORY] [--disk DIRECTORY] SCRIPT [ARGUMENT...]
#
# SCRIPT runs as root when the machine has booted; what it says on both streams comes out here, and its exit code is the
# exit code. 124: it took longer than --seconds (300). 125: the machine did not boot or died. 126: this computer cannot
# (not root, a package is missing). What lies below --files is copied over the machine's root directory first. With --disk
# what the machine writes stays in that directory, and the next run with it is the same machine after a reboot.
#
# The root file system is made once by debootstrap, from the mirror that apt uses here, and kept in
# ${XDG_CACHE_HOME:-~/.cache}/dataplatform-compute/uml-root-HASH, where HASH stands for how it is made.
set -euo pipefail

readonly registers_source="${BASH_SOURCE[0]%/*}/uml_ptrace.c"
readonly suite=bookworm
readonly packages=systemd-sysv,dbus,curl,ca-certificates,iproute2,procps,kmod,nfs-common,nfs-kernel-server,rpcbind
# What waits for devices that this machine has not, or would change what SCRIPT meets. SCRIPT starts servers by itself.
readonly masked=(systemd-udevd.service systemd-udev-trigger.service systemd-timesyncd.service systemd-networkd.service
  systemd-journal-flush.service systemd-random-seed.service getty.target nfs-server.service nfs-blkmap.service
  e2scrub_reap.service apt-daily.timer apt-daily-upgrade.timer systemd-remount-fs.service)

say() { echo "uml_run: $*" >&2; }

work="" guest=""
# shellcheck disable=SC2329  # the trap calls it
clean_up() {
  # The machine has a process group of its own.
  [[ -z ${guest} ]] || kill -KILL -- "-${guest}" 2>/dev/null || true
  [[ -z ${work} ]] && return
  ! mountpoint --quiet "${work}/root" || umount --lazy "${work}/root"
  rm -rf --one-file-system -- "${work}"
}
trap clean_up EXIT

# build TARGET KERNEL: make the root file system.
build() {
  local target=$1 kernel=$2 root mirror unit
  mkdir -p "${target%/*}"
  work="$(mktemp -d "${target}.XXXXXX")"
  root="${work}/new"
  mirror="$(apt-get indextargets --format "\$(REPO_URI)" 'Created-By: Packages' 2>/dev/null | head -n 1)"
  say "building ${suite} (about two minutes)"
  debootstrap --variant=minbase --include="${packages}" "${suite}" "${root}" ${mirror:+"${mirror}"} >"${work}/log" 2>&1 \
    || { tail -n 20 "${work}/log" >&2; say "debootstrap failed"; exit 125; }
  rm -rf "${root}"/var/cache/apt/archives/*.deb "${root}"/var/lib/apt/lists/*
  mkdir -p "${root}/usr/lib/modules" "${root}/uml"
  cp -a "/usr/lib/uml/modules/${kernel}" "${root}/usr/lib/modules/"
  chroot "${root}" depmod "${kernel}"
  : >"${root}/etc/fstab"
  : >"${root}/etc/machine-id"
  for unit in "${masked[@]}"; do
    ln -sf /dev/null "${root}/etc/systemd/system/${unit}"
  done
  cat >"${root}/etc/systemd/system/uml-run.service" <<'UNIT'
[Unit]
Description=Run what this machine was made for
After=multi-user.target

[Service]
Type=oneshot
ExecStart=/bin/sh -c '/uml/start >/uml/output 2>&1; echo $? >/uml/code.new; mv /uml/code.new /uml/code; sync'
StandardOutput=null
StandardError=null
UNIT
  # Beside multi-user.target and after it: units that are wanted by it were started, or failed, as on any machine.
  mkdir -p "${root}/etc/systemd/system/graphical.target.wants"
  ln -s ../uml-run.service "${root}/etc/systemd/system/graphical.target.wants/"
  # Another run may have been faster.
  mv -T "${root}" "${target}" 2>/dev/null || [[ -d ${target} ]]
  rm -rf --one-file-system -- "${work}"
  work=""
}

main() {
  local seconds=300 memory=512M files="" disk="" kernel hash base deadline
  while (($#)); do
    case $1 in
      --seconds) seconds=$2 ;;
      --memory) memory=$2 ;;
      --files) files=$2 ;;
      --disk) disk=$2 ;;
      --*) say "unknown option '$1'; expected --seconds, --memory, --files or --disk"; exit 2 ;;
      *) break ;;
    esac
    shift 2
  done
  (($#)) || { say "no script given"; exit 2; }
  ((EUID == 0)) || { say "needs root, for debootstrap and an overlay"; exit 126; }
  command -v linux.uml debootstrap gcc >/dev/null \
    || { say "needs the packages user-mode-linux, debootstrap, gcc and libc6-dev"; exit 126; }
  kernel="$(basename /usr/lib/uml/modules/*)"
  hash="$({ declare -f build; echo "${suite} ${packages} ${masked[*]} ${kernel}"; } | sha256sum | cut -c1-16)"
  base="${XDG_CACHE_HOME:-${HOME}/.cache}/dataplatform-compute/uml-root-${hash}"
  [[ -d ${base} ]] || build "${base}" "${kernel}"

  work="$(mktemp -d "${TMPDIR:-/tmp}/uml.XXXXXX")"
  [[ -n ${disk} ]] || disk="${work}/disk"
  mkdir -p "${disk}/upper" "${disk}/work" "${work}/root"
  mount -t overlay overlay -o "lowerdir=${base},upperdir=${disk}/upper,workdir=${disk}/work" "${work}/root"
  rm -f "${work}"/root/uml/{code,output,start,script}
  [[ -z ${files} ]] || cp -a "${files}/." "${work}/root/"
  install -m 0755 "$1" "${work}/root/uml/script"
  { printf '#!/bin/bash\nexec /uml/script'; printf ' %q' "${@:2}"; echo; } >"${work}/root/uml/start"
  chmod 0755 "${work}/root/uml/start"
  gcc -O2 -shared -fPIC -o "${work}/registers.so" "${registers_source}" \
    || { say "could not compile ${registers_source} (needs the package libc6-dev)"; exit 125; }
  # Memory is a file in TMPDIR, and has to be executable. LD_PRELOAD is needed where the processor has AMX and does nothing
  # elsewhere. Programs do without AVX-512: the kernel does not restore its registers when a signal handler returns.
  LD_PRELOAD="${work}/registers.so" TMPDIR=/dev/shm setsid linux.uml mem="${memory}" \
    rootfstype=hostfs rootflags="${work}/root" rw init=/lib/systemd/systemd systemd.unit=graphical.target \
    systemd.show_status=yes systemd.setenv=GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX512F,-AVX512VL \
    con=null con0=null,fd:1 ssl=null quiet random.trust_cpu=on >"${work}/console" 2>&1 </dev/null &
  guest=$!
  disown "${guest}"
  deadline=$((SECONDS + seconds))
  while [[ ! -s "${work}/root/uml/code" ]]; do
    if ! kill -0 "${guest}" 2>/dev/null; then
      tail -n 30 "${work}/console" >&2
      say "the machine died"
      exit 125
    fi
    if ((SECONDS >= deadline)); then
      cat "${work}/root/uml/output" 2>/dev/null || tail -n 30 "${work}/console" >&2
      say "not done after ${seconds} s"
      exit 124
    fi
    sleep 0.1
  done
  cat "${work}/root/uml/output"
  exit "$(<"${work}/root/uml/code")"
}

main "$@"
