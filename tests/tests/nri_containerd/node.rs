//! A node: containerd of a Debian suite with NRI, everything of it in a scratch directory, and images made by hand.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lxcri_tests::command::{CALLER_PATH, Cmd, Running, wait_until};
use lxcri_tests::engine::{IMAGE, archive};
use lxcri_tests::need;
use lxcri_tests::runtime::build_directory;
use lxcri_tests::scratch::Scratch;
use nix::sys::signal::Signal;

use crate::cri::Cri;

const PAUSE: &str = "localhost/pause:latest";
/// Bounds every wait.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The programs of a suite's containerd, or a skipped test.
pub fn programs(suite: &str) -> Option<PathBuf> {
    if !need::privileged()
        || !need::programs(&["runc", "busybox", "tar", "apt-get", "dpkg-deb", "flock"])
    {
        return None;
    }
    if !plugin_program().is_file() {
        let program = plugin_program();
        need::skip(format!(
            "{} is not built: run `cargo build --workspace`",
            program.display()
        ));
        return None;
    }
    let target = build_directory().unwrap().join("containerd");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/newer-package.sh");
    let unpack = Cmd::new(script)
        .args([suite, "containerd"])
        .arg(&target)
        .deadline(Duration::from_secs(300))
        .run();
    if !unpack.ok() {
        need::skip(format!("no containerd of {suite}: {unpack}"));
        return None;
    }
    Some(target.join(suite).join("usr/bin"))
}

/// The plugin of this build.
pub fn plugin_program() -> PathBuf {
    build_directory().unwrap().join("lxcri-nri")
}

/// A running containerd.
pub struct Node<'a> {
    scratch: &'a Scratch,
    programs: PathBuf,
    daemon: Option<Running>,
    pub cri: Cri,
}

impl<'a> Node<'a> {
    /// Starts containerd with `runtime`, and with plugins/ and conf.d/ of the scratch directory as those of pre-installed plugins.
    pub fn start(scratch: &'a Scratch, programs: PathBuf, runtime: &Path) -> Node<'a> {
        let directory = scratch.mkdir("node");
        scratch.write("node/config.toml", configuration(&directory, runtime));
        let mut node = Node {
            cri: Cri::new(&directory.join("sock"), &format!("/{}", scratch.marker())),
            scratch,
            programs,
            daemon: None,
        };
        node.boot();
        for (image, command) in [(PAUSE, ["/bin/sleep", "600"]), (IMAGE, ["/bin/sh", "-i"])] {
            let archive = archive(scratch, image, &command);
            let import = node
                .ctr()
                .args(["image", "import", "--local", "--snapshotter", "native"]);
            import.arg(archive).run().success();
        }
        node
    }

    fn boot(&mut self) {
        let daemon = Cmd::new(self.programs.join("containerd"))
            .arg("--config")
            .arg(self.scratch.join("node/config.toml"))
            .env("PATH", format!("{}:{CALLER_PATH}", self.programs.display()))
            .deadline(Duration::from_secs(600))
            .spawn();
        self.daemon = Some(daemon);
        assert!(
            wait_until(PATIENCE, || self.cri.answers()),
            "containerd does not answer: {}",
            self.log()
        );
    }

    fn ctr(&self) -> Cmd {
        Cmd::new(self.programs.join("ctr"))
            .deadline(PATIENCE)
            .arg("--address")
            .arg(self.scratch.join("node/sock"))
            .args(["--namespace", "k8s.io"])
    }

    /// Kills containerd and starts it again; its containers live on.
    pub fn crash(&mut self) {
        self.end(Signal::SIGKILL);
        self.boot();
    }

    fn end(&mut self, signal: Signal) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.signal(signal);
            wait_until(PATIENCE, || daemon.ended());
        }
    }

    /// Where plugins connect.
    pub fn nri_socket(&self) -> PathBuf {
        self.scratch.join("node/nri.sock")
    }

    /// What containerd has written.
    pub fn log(&self) -> String {
        self.daemon
            .as_ref()
            .map(Running::stderr_so_far)
            .unwrap_or_default()
    }
}

impl Drop for Node<'_> {
    fn drop(&mut self) {
        self.end(Signal::SIGTERM);
    }
}

/// Version 2 is what containerd 1.7 has, and 2.x understands it. The plugins that are switched off need what a machine may lack,
/// or make /opt/containerd.
fn configuration(directory: &Path, runtime: &Path) -> String {
    format!(
        r#"version = 2
root = "{0}/root"
state = "{0}/state"
disabled_plugins = [
  "io.containerd.internal.v1.opt",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = "{0}/sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "{1}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    conf_dir = "{0}/cni"
[plugins."io.containerd.nri.v1.nri"]
  disable = false
  socket_path = "{0}/nri.sock"
  plugin_path = "{0}/plugins"
  plugin_config_path = "{0}/conf.d"
"#,
        directory.display(),
        runtime.display()
    )
}
