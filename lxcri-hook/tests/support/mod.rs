//! Support for the launcher's tests: hook trees in temporary directories, and bounded runs of the built program.
#![allow(dead_code, reason = "each test program uses its own part")]

pub mod container;
pub mod runtime;
pub mod single;
#[allow(unsafe_code)]
mod sys;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The program under test.
pub const LAUNCHER: &str = env!("CARGO_BIN_EXE_lxcri-hook");
/// No test waits longer for anything.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A container directory with a hook tree.
pub struct Tree {
    dir: tempfile::TempDir,
}

impl Tree {
    /// An empty tree with a state.json.
    pub fn new() -> Tree {
        let tree = Tree {
            dir: tempfile::tempdir().expect("a temporary directory"),
        };
        tree.write(
            "state.json",
            br#"{"ociVersion":"1.0.2","id":"c1","status":"stopped"}"#,
        );
        tree
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file and the directories above it.
    pub fn write(&self, name: &str, bytes: &[u8]) -> &Tree {
        let path = self.join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        fs::write(path, bytes).expect("a file");
        self
    }

    /// Adds hook `n` of a phase directory such as `hooks/poststop`.
    pub fn hook(&self, phase: &str, n: u32, command: &[&str], environ: &[&str]) -> &Tree {
        self.write(&format!("hooks/{phase}/{n}/cmdline"), &strings(command));
        self.write(&format!("hooks/{phase}/{n}/environ"), &strings(environ))
    }

    /// Adds hook `n` that runs shell text.
    pub fn shell(&self, phase: &str, n: u32, script: &str, environ: &[&str]) -> &Tree {
        self.hook(phase, n, &["/bin/sh", "sh", "-c", script], environ)
    }

    /// The records in hooks.jsonl.
    pub fn records(&self) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(self.join("hooks.jsonl")).unwrap_or_default();
        assert!(
            text.is_empty() || text.ends_with('\n'),
            "torn line in {text:?}"
        );
        text.lines()
            .map(|line| serde_json::from_str(line).expect("a line of JSON"))
            .collect()
    }

    /// A command that runs the launcher on a phase of this tree.
    pub fn command(&self, phase: &str) -> Command {
        let mut command = Command::new(LAUNCHER);
        command.arg(phase).arg(self.path());
        command
    }

    /// Runs a phase.
    pub fn run(&self, phase: &str) -> Finished {
        run(&mut self.command(phase))
    }
}

/// NUL-ended strings.
pub fn strings(strings: &[&str]) -> Vec<u8> {
    strings
        .iter()
        .flat_map(|string| string.bytes().chain([0]))
        .collect()
}

/// What a program left behind.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Finished {
    /// Asserts the exit code, and exactly one line on stderr with this text in it.
    pub fn fails_with(&self, code: i32, text: &str) {
        assert_eq!(self.status.code(), Some(code), "{self:?}");
        assert!(
            self.stderr.contains(text),
            "{text:?} is not in {:?}",
            self.stderr
        );
        assert_eq!(
            self.stderr.matches('\n').count(),
            1,
            "not one line: {:?}",
            self.stderr
        );
        assert!(
            self.stderr.starts_with("lxcri-hook: ") && self.stderr.ends_with('\n'),
            "{:?}",
            self.stderr
        );
    }

    /// Asserts success without a word.
    pub fn succeeds(&self) {
        assert!(
            self.status.success() && self.stderr.is_empty() && self.stdout.is_empty(),
            "{self:?}"
        );
    }
}

/// Runs a command to its end, at most [`LIMIT`].
pub fn run(command: &mut Command) -> Finished {
    let begin = Instant::now();
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    finish(child, begin)
}

/// Waits for a child with piped output, at most [`LIMIT`].
pub fn finish(mut child: Child, begin: Instant) -> Finished {
    let drain = |stream: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut stream) = stream {
                stream.read_to_end(&mut bytes).expect("output");
            }
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let stdout = drain(
        child
            .stdout
            .take()
            .map(|stream| Box::new(stream) as Box<dyn Read + Send>),
    );
    let stderr = drain(
        child
            .stderr
            .take()
            .map(|stream| Box::new(stream) as Box<dyn Read + Send>),
    );
    let status = wait(&mut child);
    let took = begin.elapsed();
    Finished {
        status,
        stdout: stdout.join().expect("stdout"),
        stderr: stderr.join().expect("stderr"),
        took,
    }
}

/// Waits for a child, at most [`LIMIT`], and kills it when that is over.
pub fn wait(child: &mut Child) -> ExitStatus {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("wait") {
            return status;
        }
        if begin.elapsed() > LIMIT {
            let _ = child.kill();
            let _ = child.wait();
            panic!("the program did not end within {LIMIT:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until something is so, at most [`LIMIT`].
pub fn eventually(what: &str, mut test: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !test() {
        assert!(begin.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Copies a program. Another process does it: what is open for writing here could be so in a child of another test as well,
/// and the copy could not be executed then (ETXTBSY).
pub fn copy_program(from: &str, to: &Path) {
    let status = Command::new("cp").arg(from).arg(to).status().expect("cp");
    assert!(status.success(), "cp {from} {}", to.display());
}

/// Whether a process exists and is no zombie.
pub fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !matches!(
        stat.rsplit(')')
            .next()
            .and_then(|rest| rest.trim().chars().next()),
        None | Some('Z' | 'X')
    )
}

/// Says why a test cannot run here, or fails when it must (`LXCRI_TEST_MUST_RUN=1`).
pub fn skip(reason: &str) {
    assert!(
        std::env::var_os("LXCRI_TEST_MUST_RUN").is_none_or(|value| value != "1"),
        "must run, but {reason}"
    );
    eprintln!("skipped: {reason}");
}

/// Whether a program is in `PATH`.
pub fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(name).is_file())
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
