//! lxcri-ctl on files in a scratch directory.

use std::path::{Path, PathBuf};

use lxcri_tests::command::Cmd;
use lxcri_tests::need;
use lxcri_tests::scratch::Scratch;
use serde_json::Value;

/// lxcri-ctl of this build.
pub fn program() -> Option<PathBuf> {
    let test = std::env::current_exe().ok()?;
    let program = test.parent()?.parent()?.join("lxcri-ctl");
    if program.is_file() {
        return Some(program);
    }
    need::skip(format!(
        "{} is not built: run `cargo build --workspace`",
        program.display()
    ));
    None
}

/// One engine's files in a scratch directory.
pub struct Ctl<'a> {
    /// lxcri-ctl.
    pub program: PathBuf,
    scratch: &'a Scratch,
    engine: &'a str,
    /// Its configuration file.
    pub config: PathBuf,
}

impl<'a> Ctl<'a> {
    pub fn new(scratch: &'a Scratch, engine: &'a str, file: &str) -> Option<Ctl<'a>> {
        let config = scratch.mkdir("etc").join(file);
        let program = program()?;
        Some(Ctl {
            program,
            scratch,
            engine,
            config,
        })
    }

    pub fn command(&self, verb: &str) -> Cmd {
        Cmd::new(&self.program)
            .args(["runtime", verb, "--engine", self.engine])
            .arg("--config")
            .arg(&self.config)
            .arg("--state")
            .arg(self.scratch.join("state"))
    }

    pub fn configure(&self, runtime: &Path) {
        let command = self.command("configure").arg("--path").arg(runtime);
        command
            .args(["--name", "ours", "--set-default"])
            .run()
            .success();
    }

    pub fn unconfigure(&self) -> String {
        let outcome = self.command("unconfigure").args(["--name", "ours"]).run();
        outcome.success().stderr
    }

    pub fn status(&self) -> Value {
        let outcome = self.command("status").args(["--format", "json"]).run();
        serde_json::from_str(&outcome.success().stdout).expect("status is JSON")
    }
}
