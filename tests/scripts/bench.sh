#!/bin/sh
# Measures lxcri against lxc-start, runc and crun, and lxcri-inject (docs/bench.md). LXCRI, LAUNCHER and INJECT name the programs of
# this project, BENCH the harness, which lies beside the launcher in the build directory. As root; about 100 seconds on two quiet
# processors.
set -eu
cd "$(dirname "$0")/../.."

[ "$(id -u)" = 0 ] || { echo "bench: needs root: containers are made and file systems mounted" >&2; exit 1; }
release=${CARGO_TARGET_DIR:-target}/release
LXCRI=${LXCRI:-$release/lxcri}
LAUNCHER=${LAUNCHER:-$release/lxcri-hook}
INJECT=${INJECT:-$release/lxcri-inject}
bench=${BENCH:-$(dirname "$LAUNCHER")/lxcri-bench}
for program in "$LXCRI" "$LAUNCHER" "$INJECT" "$bench"; do
    [ -x "$program" ] || { echo "bench: $program is not built: \`make bench\` does it" >&2; exit 1; }
done
tests/scripts/deps.sh bench
if [ -z "${CRUN:-}" ]; then
    # The crun of Debian 12 runs neither on hybrid cgroups nor, without CAP_SYS_RESOURCE, on v2.
    newer=$release/../crun
    if tests/scripts/newer-package.sh --libraries sid crun "$newer" >/dev/null; then
        rm -rf "$newer/copy"
        cp -r "$newer/sid" "$newer/copy"
        rm -rf "$newer/sid"
        mv "$newer/copy" "$newer/sid"
        CRUN=$(cd "$newer" && pwd)/sid/usr/bin/crun
    else
        echo "bench: no newer crun, the installed one is measured" >&2
    fi
fi
# How a file was written decides how large the pieces are in which the kernel caches it, and the smaller they are, the longer a
# program takes to begin and to end. So all are what `make install` leaves: copies. lxc-start stays where its package put it.
copies=$release/../bench
rm -rf "$copies"
mkdir -p "$copies"
copies=$(cd "$copies" && pwd)
copy() { install -m 0755 "$1" "$copies/" && echo "$copies/$(basename "$1")"; }
if [ -f "$(dirname "$LAUNCHER")/liblxc_gate.so" ]; then
    copy "$(dirname "$LAUNCHER")/liblxc_gate.so" >/dev/null
fi
LXCRI=$(copy "$LXCRI")
LAUNCHER=$(copy "$LAUNCHER")
INJECT=$(copy "$INJECT")
RUNC=$(copy "${RUNC:-$(command -v runc)}")
export LXCRI LAUNCHER INJECT RUNC CRUN
exec "$bench"
