//! What the launcher was asked to do: from its arguments or, without any, from liblxc's environment.

use crate::fail::{Arg, NO_CONTEXT, NOTHING, USAGE, die};
use crate::start::Start;
use crate::sys::{Buf, Str};
use hook_tree::Phase;

/// The job.
pub enum Command {
    /// Run the hooks of one phase.
    Phase {
        /// The phase.
        phase: Phase,
        /// The directory with the tree.
        dir: Str<'static>,
        /// Whether the runtime waits at the sync socket.
        sync: bool,
    },
    /// Become the container process.
    Init,
}

impl Command {
    /// Takes the arguments apart.
    pub fn from_start(start: &Start) -> Command {
        let Some(first) = start.arg(1) else {
            return from_environment(start);
        };
        let sync = match start.arg(3).map(Str::bytes) {
            None => false,
            Some(b"sync") if start.arg(4).is_none() => true,
            Some(_) => usage(),
        };
        match (Phase::from_dir_name(first.bytes()), start.arg(2)) {
            (None, None) if first.bytes() == b"init" => Command::Init,
            (Some(phase @ Phase::CreateContainer), Some(dir)) => {
                Command::Phase { phase, dir, sync }
            }
            // The other phases belong to the runtime.
            (Some(phase @ (Phase::StartContainer | Phase::Poststop)), Some(dir)) if !sync => {
                Command::Phase { phase, dir, sync }
            }
            _ => usage(),
        }
    }
}

fn usage() -> ! {
    let usage = text!(
        "usage: lxcri-hook create-container|start-container|poststop DIR, create-container DIR sync, init, or no \
         arguments in a hook of LXC"
    );
    die(USAGE, usage, NOTHING)
}

/// With `lxc.hook.version = 1`, liblxc says in the environment which hook this is (lxc.container.conf(5)).
fn from_environment(start: &Start) -> Command {
    let kind = variable(start, "LXC_HOOK_TYPE");
    let phase = match kind.bytes() {
        b"mount" => Phase::CreateContainer,
        b"start" => Phase::StartContainer,
        b"destroy" => Phase::Poststop,
        _ => die(
            NO_CONTEXT,
            text!("LXC_HOOK_TYPE=%: no phase belongs to this hook"),
            Arg::Text(kind),
        ),
    };
    let dir = match phase {
        // The start hook runs inside the container, which sees the guest part of the directory only.
        Phase::StartContainer => text!("/.lxcri"),
        _ => parent(variable(start, "LXC_CONFIG_FILE").bytes()),
    };
    Command::Phase {
        phase,
        dir,
        sync: false,
    }
}

fn variable(start: &Start, name: &str) -> Str<'static> {
    match start.env(name) {
        Some(value) if !value.bytes().is_empty() => value,
        _ => {
            let mut variable = Buf::new();
            variable.push(name.as_bytes());
            let format = text!(
                "% is not set: neither arguments nor a hook of LXC with lxc.hook.version = 1"
            );
            die(NO_CONTEXT, format, Arg::Text(variable.text()))
        }
    }
}

fn parent(path: &[u8]) -> Str<'static> {
    let mut dir = Buf::new();
    match path.iter().rposition(|byte| *byte == b'/') {
        None => dir.push(b"."),
        // With its slash, so that the root stays the root.
        Some(slash) => dir.push(path.get(..=slash).unwrap_or_default()),
    }
    dir.into_text()
}
