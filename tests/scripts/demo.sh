#!/bin/sh
# Runs one container with two hooks in each of the six phases, and prints what ran when, where and with which state.
# LXCRI names the runtime; root is needed, and busybox-static for the image. Everything lies in a temporary directory.
set -eu

runtime=${LXCRI:-lxcri}
[ "$(id -u)" = 0 ] || { echo "demo: needs root" >&2; exit 1; }
command -v busybox >/dev/null || { echo "demo: busybox is not installed (package busybox-static)" >&2; exit 1; }
dir=$(mktemp -d /tmp/lxcri-demo.XXXXXX)
chmod 755 "$dir"
id=demo-$$
cleanup() {
    "$runtime" --root "$dir/run" delete --force "$id" >/dev/null 2>&1 || true
    # LXC makes this lock and never removes it.
    rm -f "/run/lxc/lock$dir/run/.$id"
    rmdir "/run/lxc/lock$dir/run" "/run/lxc/lock$dir" 2>/dev/null || true
    rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# The image: busybox alone. `hooks` is visible in the container under the same path, because startContainer hooks run there.
mkdir -p "$dir/bundle/rootfs/bin" "$dir/bundle/rootfs/proc" "$dir/bundle/rootfs/dev" "$dir/bundle/rootfs$dir/hooks" "$dir/hooks"
cp "$(command -v busybox)" "$dir/bundle/rootfs/bin/busybox"
for applet in sh sleep readlink; do ln -s busybox "$dir/bundle/rootfs/bin/$applet"; done

# Each hook appends one line: status and pid of the state on its stdin, whose namespaces it is in, whether it sees the host's
# files, and its directory.
cat >"$dir/hooks/hook" <<'HOOK'
#!/bin/sh
state=
while read -r line || [ -n "$line" ]; do state=$state$line; done
field() {
    value=${state#*\"$1\"}
    [ "$value" = "$state" ] && { echo -; return; }
    value=${value#*:}
    value=${value%%[,\}]*}
    value=${value#*\"}
    echo ${value%\"*}
}
namespaces=container
[ "$(readlink /proc/self/ns/mnt)" = "$4" ] && namespaces=host
files=container
[ -e "$1/host-only" ] && files=host
directory=$(pwd)
printf '%-16s #%s  %-9s %-7s %-11s %-10s %s\n' "$2" "$3" "$(field status)" "$(field pid)" "$namespaces" "$files" \
    "${directory#"$1/"}" >>"$1/hooks/lines"
HOOK
chmod 755 "$dir/hooks/hook"
touch "$dir/host-only"

hooks=
for phase in prestart createRuntime createContainer startContainer poststart poststop; do
    two=
    for n in 1 2; do
        two="$two${two:+, }{\"path\": \"$dir/hooks/hook\", \"args\": [\"$phase-$n\", \"$dir\", \"$phase\", \"$n\", \"$(readlink /proc/self/ns/mnt)\"],
            \"env\": [\"PATH=/usr/bin:/bin\"], \"timeout\": 10}"
    done
    hooks="$hooks${hooks:+,
    }\"$phase\": [$two]"
done
cat >"$dir/bundle/config.json" <<CONFIG
{
  "ociVersion": "1.0.2",
  "root": {"path": "rootfs"},
  "hostname": "in-container",
  "process": {"cwd": "/", "user": {"uid": 0, "gid": 0}, "env": ["PATH=/bin"], "args": ["/bin/sleep", "60"]},
  "mounts": [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
    {"destination": "$dir/hooks", "type": "bind", "source": "$dir/hooks", "options": ["bind"]}
  ],
  "linux": {
    "cgroupsPath": "/$id",
    "namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}, {"type": "cgroup"}]
  },
  "hooks": {
    $hooks
  }
}
CONFIG

step() {
    printf -- '- %s %s\n' "$(basename "$runtime")" "$1" >>"$dir/hooks/lines"
    shift
    "$runtime" --root "$dir/run" "$@"
}
step "create $id" create --bundle "$dir/bundle" "$id" </dev/null
step "start $id" start "$id"
waterfall=$("$runtime" --root "$dir/run" hooks "$id" 2>/dev/null || true)
"$runtime" --root "$dir/run" kill "$id" KILL
for _ in 1 2 3 4 5 6 7 8 9 10; do
    "$runtime" --root "$dir/run" state "$id" | grep -q '"stopped"' && break
    sleep 0.1
done
step "delete $id" delete "$id"

echo
printf '%-16s %-3s %-9s %-7s %-11s %-10s %s\n' phase no. status pid namespaces files directory
cat "$dir/hooks/lines"
if [ -n "$waterfall" ]; then
    printf '\n%s hooks %s (before delete)\n%s\n' "$(basename "$runtime")" "$id" "$waterfall"
fi
