//! Builds bundles: a root file system of busybox or of nothing but the probe, and a config.json to be changed at will.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::command::copy_program;
use crate::phase::Phase;
use crate::probe::{self, Orders, Records};
use crate::scratch::Scratch;

/// Applets that the tests' containers use.
const APPLETS: [&str; 14] = [
    "sh", "true", "false", "sleep", "cat", "echo", "ls", "kill", "id", "mount", "head", "tail",
    "touch", "printf",
];

/// A shell process that lives until it is killed, and ends with 42 when it is asked to.
pub const PATIENT: &str =
    "trap 'exit 42' TERM USR1 PIPE URG; echo ready; while :; do sleep 0.05; done";

/// What the image holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Image {
    /// busybox and the usual directories.
    Busybox,
    /// Mount points and one static program: no shell, no library, no /etc.
    Static,
}

/// A bundle in a scratch directory. The probe lies in `hooks/` on the host; the container sees `inside/` at the same path,
/// and shares the directory of the records.
pub struct Bundle<'a> {
    scratch: &'a Scratch,
    /// The bundle's directory.
    pub path: PathBuf,
    /// config.json as it will be written.
    pub config: Value,
}

impl<'a> Bundle<'a> {
    /// A bundle of `image` whose process is `/probe`, with the orders of [`Bundle::process`].
    ///
    /// # Panics
    /// When the directories cannot be made.
    pub fn new(scratch: &'a Scratch, image: Image) -> Self {
        Self::named(scratch, image, "bundle")
    }

    /// The same in a directory with another name; the bundles of a scratch directory share hooks and records.
    ///
    /// # Panics
    /// When the directories cannot be made.
    pub fn named(scratch: &'a Scratch, image: Image, name: &str) -> Self {
        let path = scratch.mkdir(name);
        let bundle = Bundle {
            scratch,
            config: config(scratch),
            path,
        };
        for directory in ["proc", "sys", "dev", "tmp"] {
            bundle.mkdir(directory);
        }
        copy_program(probe::program(), &bundle.rootfs().join("probe"));
        for directory in ["hooks", "inside", "out"] {
            let path = scratch.mkdir(directory);
            // Mount points are made beforehand: what a runtime makes by itself is a test of its own.
            bundle.mkdir(path.strip_prefix("/").unwrap_or(&path));
        }
        scratch.mode("out", 0o777);
        scratch.write("out/records.jsonl", "");
        scratch.mode("out/records.jsonl", 0o666);
        for directory in ["hooks", "inside"] {
            copy_program(probe::program(), &scratch.join(directory).join("probe"));
        }
        if image == Image::Busybox {
            for directory in ["bin", "etc", "root", "run", "var"] {
                bundle.mkdir(directory);
            }
            copy_program(&busybox(), &bundle.rootfs().join("bin/busybox"));
            for applet in APPLETS {
                link("busybox", &bundle.rootfs().join("bin").join(applet));
            }
            let _ = fs::write(
                bundle.rootfs().join("etc/passwd"),
                "root:x:0:0:root:/root:/bin/sh\n",
            );
            let _ = fs::write(bundle.rootfs().join("etc/group"), "root:x:0:\n");
        }
        bundle
    }

    /// The root file system.
    pub fn rootfs(&self) -> PathBuf {
        self.path.join("rootfs")
    }

    /// Makes a directory in the root file system.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn mkdir(&self, name: impl AsRef<Path>) {
        let path = self.rootfs().join(name);
        fs::create_dir_all(&path).unwrap_or_else(|e| panic!("mkdir {}: {e}", path.display()));
    }

    /// The file that the probe's records go to, on the host and in the container.
    pub fn records_file(&self) -> PathBuf {
        self.scratch.join("out/records.jsonl")
    }

    /// What the probe has written so far.
    pub fn records(&self) -> Records {
        Records::read(&self.records_file())
    }

    /// Orders under `label` with the records of this bundle.
    pub fn orders(&self, label: &str) -> Orders {
        Orders::new(label, &self.records_file())
    }

    /// Makes the probe the container's process, with these orders. argv and environment stay as they are in `config`.
    ///
    /// # Panics
    /// When the orders cannot be written.
    pub fn process(&mut self, orders: &Orders) {
        write(&self.rootfs().join("probe.conf"), orders.text());
        self.config["process"]["args"] = json!(["/probe"]);
    }

    /// Makes a shell command the container's process.
    pub fn shell(&mut self, script: &str) {
        self.config["process"]["args"] = json!(["/bin/sh", "-c", script]);
    }

    /// Makes the probe a hook file `name` with `orders`; the result is its path. On the host its records have the prefix
    /// `host:`, in the container, where the same path leads to another file, `inside:`.
    ///
    /// # Panics
    /// When the files cannot be written.
    pub fn probe_as(&self, name: &str, orders: impl Fn(Orders) -> Orders) -> PathBuf {
        for (directory, side) in [("hooks", "host"), ("inside", "inside")] {
            let file = self.scratch.join(directory).join(name);
            link("probe", &file);
            let text = orders(self.orders(&format!("{side}:{name}")));
            write(
                &PathBuf::from(format!("{}.conf", file.display())),
                text.text(),
            );
        }
        self.scratch.join("hooks").join(name)
    }

    /// Appends a hook to a phase.
    pub fn hook(&mut self, phase: &Phase, hook: Value) {
        if !self.config["hooks"][phase.name].is_array() {
            self.config["hooks"][phase.name] = json!([]);
        }
        if let Some(list) = self.config["hooks"][phase.name].as_array_mut() {
            list.push(hook);
        }
    }

    /// Writes config.json.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn save(&self) {
        let text = serde_json::to_vec_pretty(&self.config).unwrap_or_default();
        write(&self.path.join("config.json"), text);
    }

    /// Gives the container a user namespace of its own: container's 0 is the host's `first`, `count` of them.
    pub fn user_namespace(&mut self, first: u32, count: u32) {
        if let Some(list) = self.config["linux"]["namespaces"].as_array_mut() {
            list.push(json!({"type": "user"}));
        }
        let map = json!([{"containerID": 0, "hostID": first, "size": count}]);
        self.config["linux"]["uidMappings"] = map.clone();
        self.config["linux"]["gidMappings"] = map;
        for path in crate::leaks::tree(&self.rootfs()) {
            let _ = std::os::unix::fs::lchown(&path, Some(first), Some(first));
        }
        let _ = std::os::unix::fs::lchown(self.rootfs(), Some(first), Some(first));
    }

    /// Removes a namespace from the list.
    pub fn without_namespace(&mut self, kind: &str) {
        if let Some(list) = self.config["linux"]["namespaces"].as_array_mut() {
            list.retain(|entry| entry["type"] != kind);
        }
    }
}

fn busybox() -> PathBuf {
    // The packages busybox-static and busybox install different programs under this name; images need the static one.
    crate::command::find_program("busybox").unwrap_or_else(|| "/bin/busybox".into())
}

fn link(target: &str, path: &Path) {
    let _ = fs::remove_file(path);
    symlink(target, path).unwrap_or_else(|e| panic!("symlink {}: {e}", path.display()));
}

fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::write(path, content).unwrap_or_else(|e| panic!("write {}: {e}", path.display()));
}

fn config(scratch: &Scratch) -> Value {
    let caps = json!(["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    let bind = |from: PathBuf, to: PathBuf| json!({"destination": to, "type": "bind", "source": from, "options": ["bind", "rw"]});
    let tmpfs = |to: &str, options: &[&str]| json!({"destination": to, "type": "tmpfs", "source": "tmpfs", "options": options});
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": false,
            "user": {"uid": 0, "gid": 0},
            "args": ["/bin/true"],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {"bounding": caps, "effective": caps, "permitted": caps},
            "noNewPrivileges": true
        },
        "root": {"path": "rootfs", "readonly": false},
        "hostname": "lxcri-test",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            tmpfs("/dev", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
            tmpfs("/dev/shm", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
            bind(scratch.join("inside"), scratch.join("hooks")),
            bind(scratch.join("out"), scratch.join("out")),
        ],
        "linux": {
            "resources": {"devices": [{"allow": false, "access": "rwm"}]},
            "namespaces": [
                {"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}, {"type": "cgroup"}
            ],
            "maskedPaths": ["/proc/kcore"],
            "readonlyPaths": ["/proc/sys"]
        }
    })
}
