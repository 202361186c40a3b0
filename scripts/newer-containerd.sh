#!/bin/sh
# Unpacks the containerd of another Debian suite: `newer-containerd.sh SUITE DIRECTORY` leaves it in DIRECTORY/SUITE/usr/bin.
# Nothing is installed and apt's own state is not touched: sources, lists and cache lie in DIRECTORY. The mirror is the one
# that apt is configured with. With the programs there already, no network is needed.
set -eu

[ $# = 2 ] || { echo "usage: newer-containerd.sh SUITE DIRECTORY" >&2; exit 2; }
suite=$1
mkdir -p "$2"
directory=$(cd "$2" && pwd)
done=$directory/$suite
exec 9>"$directory/$suite.lock"
flock 9
[ ! -x "$done/usr/bin/containerd" ] || exit 0

# The first repository that is neither of security nor of other updates.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep '/debian/*$' | head -n 1)
[ -n "$mirror" ] || { echo "newer-containerd.sh: apt knows no Debian mirror" >&2; exit 1; }

work=$directory/$suite.work
rm -rf "$work"
mkdir -p "$work/etc/apt.conf.d" "$work/etc/preferences.d" "$work/state/lists/partial" "$work/cache/archives/partial" "$work/debs"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keyring] $mirror $suite main" >"$work/etc/sources.list"
: >"$work/state/status"
apt() {
    apt-get -q -o APT::Sandbox::User=root -o Acquire::Check-Valid-Until=false -o Acquire::Languages=none \
        -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false -o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false \
        -o Dir::Etc="$work/etc" -o Dir::Etc::sourcelist="$work/etc/sources.list" -o Dir::Etc::sourceparts=- \
        -o Dir::State="$work/state" -o Dir::State::status="$work/state/status" -o Dir::Cache="$work/cache" "$@"
}
apt update
(cd "$work/debs" && apt download containerd)
dpkg-deb -x "$work"/debs/containerd_*.deb "$work/root"
# Only what is complete gets the name that is looked for.
rm -rf "$done"
mv "$work/root" "$done"
rm -rf "$work"
