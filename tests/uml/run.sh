#!/bin/sh
# Boots Debian's user-mode-linux, a real pure cgroup v2 kernel without KVM, and runs a command in it:
#   tests/uml/run.sh COMMAND [ARGUMENT...]
# The command sees this machine's files read-only, a fresh /tmp and /run, and cgroup v2 at /sys/fs/cgroup. Its output and its
# exit status are this script's. Needs the package user-mode-linux. UML_TIMEOUT (seconds, 600) and UML_MEM (1500M) may be set;
# with UML_SYSTEMD=1 systemd is process 1 and runs the command as a service.
set -eu
[ $# -gt 0 ] || { echo "usage: $0 COMMAND [ARGUMENT...]" >&2; exit 2; }
uml=$(command -v linux.uml) || { echo "$0: linux.uml is missing (package user-mode-linux)" >&2; exit 77; }

# The guest sees this directory through hostfs. It cannot be below /dev, where the guest has its own files.
work=$(mktemp -d /tmp/lxcri-uml.XXXXXX)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# The command goes through a file: the kernel's command line is too short and knows no quoting.
for argument; do
    printf "'%s' " "$(printf %s "$argument" | sed "s/'/'\\\\''/g")"
done >"$work/command"
pwd >"$work/cwd"
cat >"$work/init" <<'INIT'
#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
# With the options that systemd sets.
mount -t cgroup2 -o nsdelegate,memory_recursiveprot cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
# The kernel has mounted devtmpfs already.
mkdir -p /dev/shm /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t devpts -o ptmxmode=666 devpts /dev/pts
mkdir /tmp/uml
mount -t hostfs -o WORK none /tmp/uml
if [ -n "$UML_SYSTEMD" ]; then
    mkdir -p /run/systemd/system
    cat >/run/systemd/system/uml.service <<UNIT
[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
ExecStart=/tmp/uml/work
UNIT
    exec /lib/systemd/systemd --unit=uml.service
fi
exec /tmp/uml/work
INIT
sed -i "s|WORK|$work|" "$work/init"
cat >"$work/work" <<'WORK'
#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
. /tmp/uml/env
cd "$(cat /tmp/uml/cwd)"
sh -c "$(cat /tmp/uml/command)" </dev/null >/tmp/uml/output 2>&1
echo $? >/tmp/uml/status
sync
echo o >/proc/sysrq-trigger
sleep 10
WORK
chmod +x "$work/init" "$work/work"
export -p | grep -E '(LXCRI_|RUST_)' >"$work/env" || :

# A tmpfs keeps the guest's memory off the disk. Its messages are shown when it fails.
TMPDIR=/dev/shm timeout "${UML_TIMEOUT:-600}" "$uml" rootfstype=hostfs rootflags=/ ro "init=$work/init" "mem=${UML_MEM:-1500M}" \
    con=null con0=null,fd:1 quiet "UML_SYSTEMD=${UML_SYSTEMD:-}" </dev/null >"$work/console" 2>&1 || :
if [ ! -s "$work/status" ]; then
    [ ! -f "$work/output" ] || cat "$work/output"
    cat "$work/console" >&2
    echo "$0: the guest ended without a result" >&2
    exit 1
fi
cat "$work/output"
exit "$(cat "$work/status")"
