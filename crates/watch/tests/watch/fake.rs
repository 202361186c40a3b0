//! A runtime that does nothing, and containers that are a record and a sleeping process: what is held is the same, and
//! hundreds of them cost little.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lxcri_tests::command::find_program;
use lxcri_tests::need;
use lxcri_tests::scratch::Scratch;
use serde_json::json;

/// A scratch directory with a runtime and its root.
pub struct Fake {
    pub scratch: Scratch,
    /// A runc by its name, a busybox that has no such applet by its nature.
    pub runtime: PathBuf,
    pub root: PathBuf,
}

impl Fake {
    /// `None`, with the reason said, where the privileges are missing.
    pub fn new() -> Option<Fake> {
        if !need::privileged() || !need::programs(&["busybox"]) {
            return None;
        }
        let scratch = Scratch::new();
        let fake = Fake {
            runtime: scratch.join("runc"),
            root: scratch.mkdir("root"),
            scratch,
        };
        copy(&find_program("busybox")?, &fake.runtime);
        Some(fake)
    }

    /// The options that make a watcher see this runtime and nothing else.
    pub fn options(&self) -> Vec<String> {
        vec![
            "--runtime".into(),
            self.runtime.display().to_string(),
            "--root".into(),
            format!("runc={}", self.root.display()),
        ]
    }

    /// The same with more options.
    pub fn with(&self, more: &[&str]) -> Vec<String> {
        let mut options = self.options();
        options.extend(more.iter().map(|option| (*option).to_owned()));
        options
    }

    /// A hook that is a shell script; its state is in `$STATE`, the container's id in `$ID`, the status in `$STATUS`.
    pub fn hook(&self, name: &str, script: &str) -> String {
        let field = |name: &str| {
            format!("$(printf %s \"$STATE\" | sed -n 's/.*\"{name}\":\"\\([^\"]*\\)\".*/\\1/p')")
        };
        let (id, status) = (field("id"), field("status"));
        let text = format!("#!/bin/sh\nSTATE=$(cat)\nID={id}\nSTATUS={status}\n{script}\n");
        self.scratch.write(name, text);
        self.scratch.mode(name, 0o755);
        self.scratch.join(name).display().to_string()
    }

    /// A file that hooks write to.
    pub fn log(&self) -> PathBuf {
        self.scratch.join("log")
    }

    /// Its lines.
    pub fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// A container that has been created.
    pub fn container(&self, name: &str) -> FakeContainer {
        let process = Command::new("sleep")
            .arg("600")
            .arg0(self.scratch.id(name))
            .stdout(Stdio::null())
            .spawn()
            .expect("sleep");
        let id = self.scratch.id(name);
        let bundle = self.scratch.mkdir(format!("bundle-{name}"));
        let config = json!({
            "ociVersion": "1.1.0",
            "process": {"args": ["/bin/x"], "cwd": "/"},
            "root": {"path": "rootfs"},
            "annotations": {"test.name": name},
        });
        fs::write(bundle.join("config.json"), config.to_string()).expect("config.json");
        let container = FakeContainer {
            id,
            bundle,
            process,
            directory: self.root.join(self.scratch.id(name)),
            runtime: self.runtime.clone(),
            root: self.root.clone(),
        };
        container.record();
        container
    }

    /// A call of the runtime; how long it took, or why it was not executed.
    pub fn call(&self, arguments: &[&str]) -> io::Result<Duration> {
        call(&self.runtime, &self.root, arguments)
    }
}

/// Copies a program by another process: a descriptor of ours that is open for writing would be inherited by whatever
/// another test starts at this moment, and the copy could not be executed then (ETXTBSY).
pub fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg(from).arg(to).status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "cp {}",
        from.display()
    );
}

fn call(runtime: &Path, root: &Path, arguments: &[&str]) -> io::Result<Duration> {
    let began = Instant::now();
    let mut child = Command::new(runtime)
        .arg("--root")
        .arg(root)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    child.wait()?;
    Ok(began.elapsed())
}

/// A container that is a record and a process.
pub struct FakeContainer {
    pub id: String,
    pub bundle: PathBuf,
    directory: PathBuf,
    process: Child,
    runtime: PathBuf,
    root: PathBuf,
}

impl FakeContainer {
    pub fn pid(&self) -> i32 {
        self.process.id().cast_signed()
    }

    fn record(&self) {
        fs::create_dir_all(&self.directory).expect("mkdir");
        fs::write(self.directory.join("exec.fifo"), "").expect("exec.fifo");
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        let start = stat
            .rsplit_once(") ")
            .and_then(|(_, rest)| rest.split(' ').nth(19));
        let state = json!({
            "init_process_pid": self.pid(),
            "init_process_start": start.and_then(|s| s.parse::<u64>().ok()),
            "config": {"labels": [format!("bundle={}", self.bundle.display())]},
        });
        fs::write(self.directory.join("state.json"), state.to_string()).expect("state.json");
    }

    /// `start`: how long it took, or why it was not executed.
    pub fn start(&self) -> io::Result<Duration> {
        call(&self.runtime, &self.root, &["start", &self.id])
    }

    /// What its record looks like once it has been started.
    pub fn mark_started(&self) {
        let _ = fs::remove_file(self.directory.join("exec.fifo"));
    }

    /// Ends its process.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for FakeContainer {
    fn drop(&mut self) {
        self.kill();
    }
}
