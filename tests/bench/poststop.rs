//! How long after a container's end its poststop hook runs. The containers are records and sleeping processes, as a runtime
//! would have left them: what is measured is the watcher alone.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use lxcri_tests::cgroups::Layout;
use lxcri_tests::command::wait_until;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use serde_json::json;

use crate::bench::Bench;
use crate::goals;
use crate::sample::Sample;
use crate::sys::interrupted;
use crate::watch::Watcher;

/// How long a hook is waited for, in milliseconds.
const PATIENCE: u16 = 10_000;

/// A process that counts as a container. Dropping it ends it.
struct Container(Child);

impl Container {
    fn new(root: &Path, bundle: &Path, id: &str) -> Result<Self> {
        let sleep = Command::new("sleep")
            .arg("600")
            .stdout(Stdio::null())
            .spawn()
            .context("sleep")?;
        let container = Container(sleep);
        let directory = root.join(id);
        fs::create_dir_all(&directory).context("mkdir")?;
        // No exec.fifo: it has been started.
        let state = json!({
            "init_process_pid": container.0.id(),
            "config": {"labels": [format!("bundle={}", bundle.display())]},
        });
        fs::write(directory.join("state.json"), state.to_string()).context("state.json")?;
        Ok(container)
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Prints the figures of the program in `file`.
pub fn measure(bench: &Bench, file: &Path, rounds: usize) -> Result<()> {
    let root = bench.state.join("ending");
    let bundle = bench
        .images
        .bundle("ending", &["/bin/true"], Layout::of_host(), |_| {})?;
    let said = bench.scratch.join("said");
    nix::unistd::mkfifo(&said, Mode::S_IRWXU).context("mkfifo")?;
    // Open for writing, too, so that it does not end between two hooks.
    let mut fifo = File::options().read(true).write(true).open(&said)?;
    let containers = (0..rounds)
        .map(|n| Container::new(&root, &bundle, &format!("ending{n}")))
        .collect::<Result<Vec<_>>>()?;
    let hook = format!("/bin/sh -c 'echo > {}'", said.display());
    let marked = bench.scratch.join("no-runc");
    let root = root.display().to_string();
    let watcher = Watcher::start(file, &[marked], &root, &["--poststop", &hook])?;
    let known = wait_until(Duration::from_secs(20), || {
        watcher.output().matches("\"added\"").count() == rounds
    });
    ensure!(known, "not all containers are found");
    let mut sample = Sample::default();
    for container in containers {
        ensure!(!interrupted(), "interrupted");
        let began = Instant::now();
        drop(container);
        let mut fds = [PollFd::new(fifo.as_fd(), PollFlags::POLLIN)];
        let count = poll(&mut fds, PollTimeout::from(PATIENCE)).context("poll")?;
        sample.add(began.elapsed());
        ensure!(count == 1, "no poststop hook");
        fifo.read_exact(&mut [0]).context("read")?;
    }
    println!(
        "\nlxcri-watch: {rounds} containers end, milliseconds until a poststop hook has written a line"
    );
    println!("  {:<48}{:>8}{:>8}", "", "median", "p99");
    let (median, p99) = (sample.median(), sample.at(0.99));
    println!("  {:<48}{median:>8.3}{p99:>8.3}", "poststop after the end");
    goals::at_most("poststop after the end (p99), ms", 100.0, Some(p99));
    watcher.end()
}
