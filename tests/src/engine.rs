//! podman and containerd with storage of their own in a scratch directory, and an image made by hand: no registry is needed.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::bundle::{Bundle, Image};
use crate::command::{Cmd, Outcome, PATIENCE, Running, find_program, quiet, wait_until};
use crate::runtime::Runtime;
use crate::scratch::Scratch;

/// The name of the image.
pub const IMAGE: &str = "localhost/box:latest";

/// Writes a docker archive of an image `name` that runs `command`, with the root file system of the busybox bundle as its only
/// layer.
///
/// # Panics
/// When tar or sha256sum fail.
pub fn archive(scratch: &Scratch, name: &str, command: &[&str]) -> PathBuf {
    let bundle = Bundle::named(scratch, Image::Busybox, "image");
    let directory = scratch.mkdir("archive");
    let layer = scratch.join("archive/layer.tar");
    tar(&bundle.rootfs(), &layer);
    let architecture = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    };
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "config": {"Env": ["PATH=/bin"], "Cmd": command},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", digest(&layer))]}
    });
    scratch.write("archive/config.json", config.to_string());
    let manifest = json!([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]);
    scratch.write("archive/manifest.json", manifest.to_string());
    let file = scratch.join("image.tar");
    tar(&directory, &file);
    file
}

fn tar(directory: &std::path::Path, file: &std::path::Path) {
    let (directory, file) = (directory.to_string_lossy(), file.to_string_lossy());
    assert!(
        quiet("tar", &["-C", &directory, "-cf", &file, "."]),
        "tar {directory}"
    );
}

fn digest(file: &std::path::Path) -> String {
    let output = Command::new("sha256sum")
        .arg(file)
        .output()
        .map(|o| o.stdout)
        .unwrap_or_default();
    String::from_utf8_lossy(&output)
        .split(' ')
        .next()
        .unwrap_or_default()
        .to_string()
}

fn program(name: &str) -> PathBuf {
    find_program(name).unwrap_or_else(|| panic!("{name} is not installed"))
}

/// podman with the runtime under test.
pub struct Podman<'a> {
    scratch: &'a Scratch,
    runtime: PathBuf,
}

impl<'a> Podman<'a> {
    /// Loads the image into storage below `scratch`.
    ///
    /// # Panics
    /// When podman cannot load it.
    pub fn new(runtime: &Runtime, scratch: &'a Scratch) -> Self {
        let podman = Podman {
            scratch,
            runtime: runtime.program.clone(),
        };
        // By default podman raises limits, which needs CAP_SYS_RESOURCE.
        scratch.write("containers.conf", "[containers]\ndefault_ulimits = []\n");
        let image = archive(scratch, IMAGE, &["/bin/sh"]);
        podman
            .command()
            .args(["load", "--quiet", "--input"])
            .arg(image)
            .run()
            .success();
        podman
    }

    /// A podman command.
    pub fn command(&self) -> Cmd {
        let command = Cmd::new(program("podman")).deadline(2 * PATIENCE);
        let command = command.env("CONTAINERS_CONF", self.scratch.join("containers.conf"));
        let command = command.arg("--root").arg(self.scratch.join("storage"));
        let command = command.arg("--runroot").arg(self.scratch.join("runroot"));
        let command = command.args(["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"]);
        command
            .args(["--events-backend", "none", "--runtime"])
            .arg(&self.runtime)
    }

    /// `podman run` without a network, in a cgroup that carries the marker.
    pub fn run(&self) -> Cmd {
        self.run_with(&[])
    }

    /// The same with global options.
    pub fn run_with(&self, options: &[&str]) -> Cmd {
        let parent = format!("/{}", self.scratch.marker());
        let command = self.command().args(options);
        command.args(["run", "--network", "none", "--cgroup-parent", &parent])
    }
}

impl Drop for Podman<'_> {
    fn drop(&mut self) {
        let remove = self
            .command()
            .args(["rm", "--all", "--force", "--time", "0"]);
        if let Err(e) = std::panic::catch_unwind(|| remove.run()) {
            drop(e);
        }
    }
}

/// containerd, started for one test.
pub struct Containerd<'a> {
    scratch: &'a Scratch,
    runtime: PathBuf,
    daemon: Option<Running>,
}

impl<'a> Containerd<'a> {
    /// Starts the daemon and imports the image.
    ///
    /// # Panics
    /// When the daemon does not answer or refuses the image.
    pub fn new(runtime: &Runtime, scratch: &'a Scratch) -> Self {
        let directory = scratch.mkdir("containerd");
        let disabled: Vec<String> = [
            "grpc.v1.cri",
            "snapshotter.v1.zfs",
            "snapshotter.v1.btrfs",
            "snapshotter.v1.devmapper",
        ]
        .map(|name| format!("\"io.containerd.{name}\""))
        .to_vec();
        let text = format!(
            "version = 2\nroot = \"{0}/root\"\nstate = \"{0}/state\"\ndisabled_plugins = [{1}]\n[grpc]\naddress = \"{0}/sock\"\n",
            directory.display(),
            disabled.join(", ")
        );
        let config = scratch.write("containerd/config.toml", text);
        let daemon = Cmd::new(program("containerd"))
            .arg("--config")
            .arg(config)
            .deadline(Duration::from_secs(600));
        let containerd = Containerd {
            scratch,
            runtime: runtime.program.clone(),
            daemon: Some(daemon.spawn()),
        };
        let answers = wait_until(PATIENCE, || containerd.command().arg("version").run().ok());
        assert!(answers, "containerd does not answer");
        let import = containerd
            .command()
            .args(["image", "import", "--snapshotter", "native"]);
        import
            .arg(archive(scratch, IMAGE, &["/bin/sh"]))
            .run()
            .success();
        containerd
    }

    /// A ctr command in a namespace that is named like the marker, as the containers' cgroup is then.
    pub fn command(&self) -> Cmd {
        let command = Cmd::new(program("ctr")).deadline(2 * PATIENCE);
        command
            .arg("--address")
            .arg(self.scratch.join("containerd/sock"))
            .args(["--namespace", self.scratch.marker()])
    }

    /// `ctr run` with the runtime under test; options, image and arguments are to follow.
    pub fn run(&self) -> Cmd {
        let command = self
            .command()
            .args(["run", "--snapshotter", "native", "--runc-binary"])
            .arg(&self.runtime);
        command
            .arg("--runc-root")
            .arg(self.scratch.join("runtime-root"))
    }

    /// The status of a task, "" for none.
    pub fn task(&self, id: &str) -> String {
        let Outcome { stdout, .. } = self.command().args(["task", "list"]).run();
        let line = stdout
            .lines()
            .find(|line| line.split_whitespace().next() == Some(id))
            .unwrap_or_default();
        line.split_whitespace()
            .nth(2)
            .unwrap_or_default()
            .to_string()
    }
}

impl Drop for Containerd<'_> {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.signal(Signal::SIGTERM);
            wait_until(PATIENCE, || daemon.ended());
        }
        // Shims and mounts carry the marker; what the engine forgets goes with the scratch directory.
        let _ = fs::remove_file(self.scratch.join("containerd/sock"));
    }
}
