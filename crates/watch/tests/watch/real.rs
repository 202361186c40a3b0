//! Containers of real runtimes, through private copies of their programs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use lxcri_tests::cgroups::Layout;
use lxcri_tests::command::{Cmd, find_program};
use lxcri_tests::need;
use lxcri_tests::runtime::Runtime;
use lxcri_tests::scratch::Scratch;
use serde_json::{Value, json};

use crate::fake::copy;

/// A copy of a runtime in a scratch directory.
pub struct Real {
    pub scratch: Scratch,
    pub runtime: Runtime,
    pub root: PathBuf,
}

impl Real {
    /// `None`, with the reason said, where the runtime or a privilege is missing.
    pub fn new(name: &str) -> Option<Real> {
        if !need::privileged() || !need::programs(&["busybox"]) {
            return None;
        }
        let original = match name {
            "lxcri" => need::runtime()?.program.clone(),
            // No distribution that the tests run on has it, so it is not missed.
            "youki" => match find_program(name) {
                Some(program) => program,
                None => {
                    eprintln!("skipped: youki is not installed");
                    return None;
                }
            },
            name if need::programs(&[name]) => find_program(name)?,
            _ => return None,
        };
        let scratch = Scratch::new();
        let program = scratch.join(name);
        copy(&original, &program);
        if name == "lxcri" {
            for beside in ["lxcri-hook", "liblxc_gate.so"] {
                copy(&original.with_file_name(beside), &scratch.join(beside));
            }
        }
        let runtime = match Runtime::in_layout(program, Layout::of_host()) {
            Ok(runtime) => runtime,
            Err(reason) => {
                need::skip(reason);
                return None;
            }
        };
        Some(Real {
            root: scratch.mkdir("root"),
            scratch,
            runtime,
        })
    }

    /// The options that make a watcher see this copy and nothing else.
    pub fn options(&self, more: &[&str]) -> Vec<String> {
        let name = self.runtime.name();
        let (program, root) = (self.runtime.program.display(), self.root.display());
        let mut options = vec!["--runtime".into(), program.to_string()];
        options.extend(["--root".into(), format!("{name}={root}")]);
        options.extend(more.iter().map(|option| (*option).to_owned()));
        options
    }

    /// A bundle whose program is a shell script, in a root file system that it may write to.
    pub fn bundle(&self, name: &str, script: &str) -> PathBuf {
        let bundle = self.scratch.mkdir(format!("bundle-{name}"));
        rootfs(&bundle.join("rootfs"));
        let config = config(&self.scratch.id(name), script);
        fs::write(bundle.join("config.json"), config.to_string()).expect("config.json");
        bundle
    }

    /// A command of the runtime, its root given.
    pub fn command(&self) -> Cmd {
        self.runtime.command(&self.root)
    }

    /// A container of LXC whose program is a shell script; the result is its root file system.
    pub fn lxc(&self, id: &str, script: &str) -> PathBuf {
        let directory = self.root.join(id);
        let root = directory.join("rootfs");
        rootfs(&root);
        let program = root.join("program");
        self.scratch
            .write(&program, format!("#!/bin/sh\n{script}\n"));
        self.scratch.mode(&program, 0o755);
        let config = format!(
            "lxc.rootfs.path = dir:{}\nlxc.init.cmd = /program\nlxc.uts.name = c\n\
             lxc.net.0.type = empty\nlxc.mount.auto = proc\n",
            root.display()
        );
        fs::write(directory.join("config"), config).expect("config");
        root
    }

    /// The command that starts it.
    pub fn command_of_lxc(&self, id: &str) -> Cmd {
        let command = Cmd::new(&self.runtime.program).args(["-n", id, "-P"]);
        command.arg(&self.root)
    }
}

/// When a file was made. All of these times are of the same clock, the kernel's coarse one.
pub fn moment(path: &Path) -> SystemTime {
    let metadata = fs::metadata(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    metadata.modified().expect("a time")
}

/// A root file system of busybox.
pub fn rootfs(path: &Path) {
    for directory in ["bin", "proc", "dev", "sys", "tmp"] {
        fs::create_dir_all(path.join(directory)).expect("mkdir");
    }
    let busybox = find_program("busybox").expect("busybox");
    copy(&busybox, &path.join("bin/busybox"));
    for applet in ["sh", "date", "sleep", "true"] {
        symlink("busybox", path.join("bin").join(applet)).expect("symlink");
    }
}

fn config(id: &str, script: &str) -> Value {
    let namespaces = ["pid", "ipc", "uts", "mount", "network"].map(|kind| json!({"type": kind}));
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": ["sh", "-c", script],
            "env": ["PATH=/usr/bin:/bin"],
            "cwd": "/",
        },
        "root": {"path": "rootfs"},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            // youki makes links in it that must not be there the next time.
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
        ],
        "annotations": {"test.id": id},
        "linux": {"cgroupsPath": format!("/{id}"), "namespaces": namespaces},
    })
}
