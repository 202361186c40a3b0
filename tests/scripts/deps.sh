#!/bin/sh
# Installs the Debian packages (12 or 13) that lxcri is built and tested with: `deps.sh [build] [test] [v2] [demo] [bench]`.
# Only missing packages are fetched; with nothing missing, neither root nor a network is needed.
set -eu

packages() {
    for group in "$@"; do
        case $group in
        build) echo build-essential pkg-config libseccomp-dev ;;
        demo) echo lxc busybox-static ;;
        test) echo lxc busybox-static runc crun podman conmon containerd strace ;;
        v2) echo user-mode-linux jq ;;
        bench) echo lxc busybox-static runc crun patchelf ;;
        *) echo "deps.sh: no group $group: build, test, v2, demo or bench" >&2 && exit 2 ;;
        esac
    done
}

installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

[ $# -gt 0 ] || set -- build test
wanted=$(packages "$@") || exit 2
command -v dpkg-query >/dev/null || {
    echo "deps.sh: this is no Debian; needed are the equivalents of:" $wanted >&2
    exit 1
}
missing=
for package in $wanted; do
    case " $missing " in *" $package "*) continue ;; esac
    installed "$package" || missing="$missing $package"
done
if [ -n "$missing" ]; then
    if [ "$(id -u)" != 0 ]; then
        echo "deps.sh: missing:$missing; as root: apt-get install$missing" >&2
        exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    # A stale or unreachable index is no reason to give up: the packages may be in the cache.
    apt-get update -q || echo "deps.sh: apt-get update failed, going on" >&2
    apt-get install -q -y --no-install-recommends $missing
fi
case " $* " in
*" build "*)
    command -v cargo >/dev/null || {
        echo "deps.sh: no cargo: install Rust 1.89 or later (https://rustup.rs; Debian's is too old)" >&2
        exit 1
    }
    ;;
esac
