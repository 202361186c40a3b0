//! What the launcher was asked to do: from its arguments or, without any, from liblxc's environment.

use crate::fail::{NO_CONTEXT, USAGE, die};
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
        // The runtime lets it take the place of the shell that LXC would start for its hook (docs/architecture.md).
        let as_shell = start.arg(0).is_some_and(|name| name.is(text!("sh")));
        let Some(first) = start.arg(1).filter(|_| !as_shell) else {
            return from_environment(start, as_shell);
        };
        let third = start.arg(3);
        let sync = third.is_some_and(|third| third.is(text!("sync")));
        if sync != third.is_some() || start.arg(4).is_some() {
            usage();
        }
        match (Phase::from_dir_name(first.bytes()), start.arg(2)) {
            (None, None) if first.is(text!("init")) => Command::Init,
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
    die(USAGE, usage, None)
}

/// With `lxc.hook.version = 1`, liblxc says in the environment which hook this is (lxc.container.conf(5)).
fn from_environment(start: &Start, sync: bool) -> Command {
    let kind = variable(start, text!("LXC_HOOK_TYPE"));
    let phase = if kind.is(text!("mount")) {
        Phase::CreateContainer
    } else if kind.is(text!("start")) {
        Phase::StartContainer
    } else if kind.is(text!("destroy")) {
        Phase::Poststop
    } else {
        let why = text!("LXC_HOOK_TYPE=%: no phase belongs to this hook");
        die(NO_CONTEXT, why, Some(kind))
    };
    let dir = match phase {
        // The start hook runs inside the container, which sees the guest part of the directory only.
        Phase::StartContainer => text!("/.lxcri"),
        _ => parent(variable(start, text!("LXC_CONFIG_FILE")).bytes()),
    };
    Command::Phase { phase, dir, sync }
}

#[inline(never)]
fn variable(start: &Start, name: Str) -> Str<'static> {
    match start.env(name) {
        Some(value) if !value.is(text!("")) => value,
        _ => {
            let why = text!(
                "% is not set: neither arguments nor a hook of LXC with lxc.hook.version = 1"
            );
            die(NO_CONTEXT, why, Some(name))
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
