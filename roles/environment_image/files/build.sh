#!/usr/bin/env bash
# Build one Python environment from a hashed lock, as a squashfs image and as the same tree in tar.zst, with a bill of
# materials. The same lock gives the same bytes, wherever and whenever it is built.
#
#   build.sh LOCK OUTPUT PYTHON UV BILL_OF_MATERIALS_TOOL [MODULE...]
#
# OUTPUT is made, whole or not at all: image/ with environment.sqfs, sbom.json and lock.txt, and archive/ with
# environment.tar.zst. PYTHON is the interpreter that nodes have at the same path; the environment links to it.
# Each MODULE is imported: an environment in which that fails is none.
set -euo pipefail

readonly lock=$1 output=$2 python=$3 uv=$4 bill_tool=$5
shift 5
# Where nodes have it: tracebacks and scripts name this path.
readonly installed_at=/opt/dataplatform/environment
# Of every file: the time of a build must not change its bytes.
readonly epoch=1577836800

say() { echo "build: $*"; }

[[ -x ${python} ]] || { echo "build: ${python} does not exist; expected the Python that nodes have there" >&2; exit 2; }
mkdir -p "$(dirname "${output}")"
work="$(mktemp -d "${output}.new.XXXXXX")"
trap 'rm -rf "${work}"' EXIT
trap 'exit 143' TERM
readonly tree="${work}/tree"
mkdir -p "${work}/result/image" "${work}/result/archive"

say "installing $(basename "${lock}")"
"${uv}" venv --quiet --no-config --relocatable --python "${python}" "${tree}"
VIRTUAL_ENV="${tree}" "${uv}" pip sync --quiet --require-hashes --no-compile-bytecode "${lock}"
"${bill_tool}" environment --output-reproducible --output-file "${work}/result/image/sbom.json" \
  "${tree}/bin/python" >/dev/null 2>&1

# What tells of this build and not of the lock: where it was made, and in which order files came.
printf 'home = %s\ninclude-system-site-packages = false\n' "$(dirname "${python}")" > "${tree}/pyvenv.cfg"
ln -sfn "${python}" "${tree}/bin/python"
rm -f "${tree}/.lock" "${tree}/CACHEDIR.TAG" "${tree}/.gitignore"
find "${tree}/bin" -name 'activate*' -delete
find "${tree}" -name '__pycache__' -type d -prune -exec rm -rf {} +

say "compiling"
# Unchecked: the image is read-only, so its sources never change, and times of files mean nothing.
"${python}" -m compileall -q -j 0 --invalidation-mode unchecked-hash -s "${tree}" -p "${installed_at}" "${tree}/lib" \
  || { echo "build: some module does not compile" >&2; exit 1; }
say "importing ${*:-nothing}"
"${tree}/bin/python" -I -B -c 'import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]' "$@" \
  || { echo "build: the environment of ${lock} does not import what it is for" >&2; exit 1; }
find "${tree}" -exec touch --no-dereference --date="@${epoch}" {} +

say "packing"
mksquashfs "${tree}" "${work}/result/image/environment.sqfs" -quiet -no-progress -noappend -comp zstd -Xcompression-level 6 \
  -all-root -no-xattrs -all-time "${epoch}" -mkfs-time "${epoch}"
tar --directory "${tree}" --sort=name --mtime="@${epoch}" --owner=0 --group=0 --numeric-owner --mode=a-w --format=gnu -cf - . \
  | zstd --quiet -6 --no-check -o "${work}/result/archive/environment.tar.zst"
cp "${lock}" "${work}/result/image/lock.txt"
rm -rf "${output}"
mv -T "${work}/result" "${output}"
say "done: ${output}"
