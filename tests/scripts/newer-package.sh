#!/bin/sh
# Unpacks a program of another Debian suite: `newer-package.sh SUITE PACKAGE DIRECTORY` leaves the package in DIRECTORY/SUITE.
# With `--libraries` the libraries it needs come along, the C library too, and its programs in usr/bin are changed to use
# these and no others (patchelf). Nothing is installed and apt's own state is not touched: sources, lists and cache lie in
# DIRECTORY. The mirror is the one that apt is configured with. With the package there already, no network is needed.
set -eu

libraries=
[ "${1:-}" != --libraries ] || { libraries=yes; shift; }
[ $# = 3 ] || { echo "usage: newer-package.sh [--libraries] SUITE PACKAGE DIRECTORY" >&2; exit 2; }
suite=$1
package=$2
mkdir -p "$3"
directory=$(cd "$3" && pwd)
done=$directory/$suite
exec 9>"$directory/$suite.lock"
flock 9
[ ! -d "$done" ] || exit 0

# The first repository that is neither of security nor of other updates.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep '/debian/*$' | head -n 1)
[ -n "$mirror" ] || { echo "newer-package.sh: apt knows no Debian mirror" >&2; exit 1; }

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
if [ -n "$libraries" ]; then
    # With nothing installed there, all that is needed is fetched.
    apt install --no-install-recommends --download-only --yes "$package"
    cp "$work"/cache/archives/*.deb "$work/debs"
else
    (cd "$work/debs" && apt download "$package")
fi
for deb in "$work"/debs/*.deb; do
    dpkg-deb -x "$deb" "$work/root"
done
if [ -n "$libraries" ]; then
    triplet=$(cd "$work/root/usr/lib" && ls -d ./*-linux-gnu | head -n 1)
    # Their place when they are done.
    library=$done/usr/lib/${triplet#./}
    loader=$(basename "$(find "$work/root/usr/lib" -name 'ld-linux*.so.*' | head -n 1)")
    for program in "$work"/root/usr/bin/*; do
        if [ -f "$program" ] && patchelf --print-interpreter "$program" >/dev/null 2>&1; then
            patchelf --set-interpreter "$library/$loader" --force-rpath --set-rpath "$library" "$program"
        fi
    done
fi
# Only what is complete gets the name that is looked for.
mv "$work/root" "$done"
rm -rf "$work"
