//! lxcri-inject under test, with settings and hook files of its own in a scratch directory.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::command::{Cmd, copy_program};
use crate::need;
use crate::probe::{self, Orders};
use crate::scratch::Scratch;

/// The wrapper, its settings file `inject.toml` and the directory `hooks.d`.
pub struct Wrapper<'a> {
    scratch: &'a Scratch,
    /// The program itself.
    pub program: PathBuf,
}

impl<'a> Wrapper<'a> {
    /// A wrapper in front of one runtime, or a reason why the test does not run.
    pub fn new(scratch: &'a Scratch, runtime: &Path) -> Option<Self> {
        if !need::privileged() {
            return None;
        }
        let Some(program) = program() else {
            need::skip("lxcri-inject is not built: run `cargo build --workspace`");
            return None;
        };
        scratch.mkdir("hooks.d");
        let wrapper = Wrapper { scratch, program };
        wrapper.settings(&[runtime], "");
        Some(wrapper)
    }

    /// Writes the settings: these runtimes, the directory `hooks.d`, and `more`.
    pub fn settings(&self, runtimes: &[&Path], more: &str) {
        let dirs = [self.scratch.join("hooks.d")];
        let text = format!("runtimes = {runtimes:?}\nhooks-dirs = {dirs:?}\n{more}");
        self.scratch.write("inject.toml", text);
        self.scratch.mode("inject.toml", 0o644);
    }

    /// Writes a hook file.
    pub fn hook_file(&self, name: &str, content: &Value) -> PathBuf {
        let path = self
            .scratch
            .write(format!("hooks.d/{name}"), content.to_string());
        self.scratch.mode(format!("hooks.d/{name}"), 0o644);
        path
    }

    /// A command of the wrapper.
    pub fn command(&self) -> Cmd {
        Cmd::new(&self.program).env("LXCRI_INJECT_CONFIG", self.scratch.join("inject.toml"))
    }

    /// A program that executes the wrapper with its settings. Engines hand no variables on.
    pub fn script(&self, name: &str) -> PathBuf {
        let text = format!(
            "#!/bin/sh\nLXCRI_INJECT_CONFIG={} exec {} \"$@\"\n",
            self.scratch.join("inject.toml").display(),
            self.program.display()
        );
        script(self.scratch, name, &text)
    }
}

/// Writes an executable file, as [`copy_program`] does.
///
/// # Panics
/// When it cannot be written.
pub fn script(scratch: &Scratch, name: &str, text: &str) -> PathBuf {
    let (text, path) = (
        scratch.write(format!("{name}.text"), text),
        scratch.join(name),
    );
    copy_program(&text, &path);
    path
}

/// Makes the probe a runtime that writes down how it was called, to the file `calls.jsonl`.
///
/// # Panics
/// When the link cannot be made.
pub fn probe_as_runtime(scratch: &Scratch) -> PathBuf {
    let path = scratch.join("probe-runtime");
    symlink(probe::program(), &path).unwrap_or_else(|e| panic!("symlink {}: {e}", path.display()));
    let orders = Orders::new("runtime", &calls(scratch));
    scratch.write("probe-runtime.conf", orders.text());
    path
}

/// What the probe writes as runtime.
pub fn calls(scratch: &Scratch) -> PathBuf {
    scratch.join("calls.jsonl")
}

/// The program that LXCRI_TEST_INJECT names, or the one beside the runtime under test or beside this test.
fn program() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("LXCRI_TEST_INJECT").filter(|path| !path.is_empty()) {
        return Some(path.into());
    }
    let runtime = std::env::var_os("LXCRI_TEST_RUNTIME").map(PathBuf::from);
    let beside = runtime.map(|path| path.with_file_name("lxcri-inject"));
    // target/<profile>/deps/<test> belongs to target/<profile>/lxcri-inject.
    let test = std::env::current_exe().ok();
    let built = test.and_then(|path| Some(path.parent()?.parent()?.join("lxcri-inject")));
    beside
        .into_iter()
        .chain(built)
        .find(|path| path.is_absolute() && path.is_file())
}
