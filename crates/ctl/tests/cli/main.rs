//! The command lxcri-ctl as people use it: what it prints, what it refuses, which status it has.
#![forbid(unsafe_code)]

mod config;
mod help;
mod hooks;
mod install;
mod runtime;

use std::path::Path;
use std::process::Command;

/// What a command printed, and its status.
struct Done {
    status: i32,
    stdout: String,
    stderr: String,
}

/// Runs lxcri-ctl in `directory` with an environment that says nothing.
fn run(directory: &Path, args: &[&str]) -> Done {
    run_program(Path::new(env!("CARGO_BIN_EXE_lxcri-ctl")), directory, args)
}

fn run_program(program: &Path, directory: &Path, args: &[&str]) -> Done {
    let output = Command::new(program)
        .args(args)
        .current_dir(directory)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LXCRI_INJECT_CONFIG", "/dev/null/none")
        .output()
        .expect("run lxcri-ctl");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
    Done {
        status: output.status.code().expect("no signal"),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

impl Done {
    #[track_caller]
    fn success(self) -> String {
        assert_eq!(self.status, 0, "{}{}", self.stdout, self.stderr);
        self.stdout
    }

    /// That it failed with this one line and nothing else.
    #[track_caller]
    fn refused(self, error: &str) {
        assert_eq!(self.stderr, format!("lxcri-ctl: {error}\n"));
        assert_eq!((self.status, self.stdout.as_str()), (1, ""));
    }
}
