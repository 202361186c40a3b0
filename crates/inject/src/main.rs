//! The program `lxcri-inject`: an OCI runtime that puts hooks into config.json and becomes the real runtime.
#![no_main]
#![deny(unsafe_code)]

mod execute;
#[allow(unsafe_code)]
mod sys;

use std::ffi::{CStr, OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;

use inject::argv::{Action, Call};
use inject::create;
use inject::messages::Messages;
use inject::settings::Settings;

/// Exit status when no container may be created.
const REFUSED: i32 = 1;

/// What this process was started with.
struct Start {
    /// All arguments, the program's name first.
    args: Vec<&'static CStr>,
    /// The environment, entry by entry.
    env: Vec<&'static CStr>,
}

/// An error and the exit status that goes with it.
struct Failure {
    status: i32,
    message: String,
}

/// Runs the program. It comes back with an exit status only when the runtime has not been executed.
fn run(start: &Start) -> i32 {
    let args = start.args.get(1..).unwrap_or_default();
    if let [only] = args
        && only.to_bytes() == b"--version"
    {
        return version();
    }
    let args: Vec<&OsStr> = args
        .iter()
        .map(|arg| OsStr::from_bytes(arg.to_bytes()))
        .collect();
    let call = Call::parse(&args);
    let messages = Messages::of(&call);
    let failure = pass_on(start, &call.action, &messages);
    let _quiet = sys::Dispositions::for_own_work();
    messages.error(&failure.message);
    failure.status
}

/// Becomes the runtime, after the hooks are in place.
fn pass_on(start: &Start, action: &Action, messages: &Messages) -> Failure {
    let settings = Settings::load(|name| start.variable(name));
    let runtimes = match (action, settings) {
        (Action::PassOn, Ok(settings)) => settings.runtimes,
        // Containers that exist must be able to go.
        (Action::PassOn, Err(broken)) => broken.runtimes,
        (Action::Create { .. }, Ok(settings)) => match inject_hooks(&settings, action, messages) {
            Ok(()) => settings.runtimes,
            Err(message) => return Failure::refused(message),
        },
        (Action::Create { .. }, Err(broken)) => return Failure::refused(broken.to_string()),
    };
    execute::become_runtime(start, &runtimes)
}

/// Prepares the bundle of a call that creates a container.
fn inject_hooks(settings: &Settings, action: &Action, messages: &Messages) -> Result<(), String> {
    let Action::Create {
        bundle,
        other_config,
    } = action
    else {
        return Ok(());
    };
    if let Some(other) = other_config {
        return Err(format!(
            "another file than config.json ({other:?}) would get no hooks"
        ));
    }
    let own_work = sys::Dispositions::for_own_work();
    let problems = create::prepare(settings, bundle).map_err(|e| e.to_string())?;
    for problem in problems {
        messages.warning(&problem.to_string());
    }
    own_work.restore();
    Ok(())
}

fn version() -> i32 {
    let text = concat!("lxcri-inject version ", env!("CARGO_PKG_VERSION"), "\n");
    i32::from(std::io::stdout().write_all(text.as_bytes()).is_err())
}

impl Start {
    /// The first value of a variable.
    fn variable(&self, name: &str) -> Option<OsString> {
        let value = self.env.iter().find_map(|entry| {
            let rest = entry.to_bytes().strip_prefix(name.as_bytes())?;
            rest.strip_prefix(b"=")
        })?;
        Some(OsStr::from_bytes(value).to_owned())
    }
}

impl Failure {
    fn refused(message: String) -> Failure {
        Failure {
            status: REFUSED,
            message,
        }
    }
}
