//! What the launcher was asked to do: from its arguments or, without any, from liblxc's environment.

use crate::fail::{NO_CONTEXT, USAGE, die};
use crate::start::Start;
use core::ffi::CStr;
use hook_tree::{Phase, names};

/// The job.
pub enum Command {
    /// Run the hooks of one phase.
    Phase {
        /// The phase.
        phase: Phase,
        /// The directory with the tree.
        dir: &'static [u8],
        /// Whether the runtime waits at the sync socket.
        sync: bool,
    },
    /// Become the container process.
    Init,
}

const USAGE_TEXT: &[u8] = b"usage: lxcri-hook create-container|start-container|poststop DIR, \
create-container DIR sync, init, or no arguments with LXC_HOOK_TYPE and LXC_CONFIG_FILE set";

impl Command {
    /// Takes the arguments apart.
    pub fn from_start(start: &Start) -> Command {
        let arg = |index| start.arg(index).map(CStr::to_bytes);
        match (arg(1), arg(2), arg(3), arg(4)) {
            (None, ..) => from_environment(start),
            (Some(b"init"), None, ..) => Command::Init,
            (Some(phase), Some(dir), third @ (None | Some(b"sync")), None) => {
                let sync = third.is_some();
                match Phase::from_dir_name(phase) {
                    Some(phase @ Phase::CreateContainer) => Command::Phase { phase, dir, sync },
                    // The other phases belong to the runtime.
                    Some(phase @ (Phase::StartContainer | Phase::Poststop)) if !sync => {
                        Command::Phase { phase, dir, sync }
                    }
                    _ => die(USAGE, &[USAGE_TEXT]),
                }
            }
            _ => die(USAGE, &[USAGE_TEXT]),
        }
    }
}

/// With `lxc.hook.version = 1`, liblxc says in the environment which hook this is (lxc.container.conf(5)).
fn from_environment(start: &Start) -> Command {
    let variable = |name: &str| match start.env(name).map(CStr::to_bytes) {
        Some(value) if !value.is_empty() => value,
        _ => {
            let hint: &[u8] = b" is not set (is lxc.hook.version = 1 missing?); ";
            die(NO_CONTEXT, &[name.as_bytes(), hint, USAGE_TEXT])
        }
    };
    let phase = match variable("LXC_HOOK_TYPE") {
        b"mount" => Phase::CreateContainer,
        b"start" => Phase::StartContainer,
        b"destroy" => Phase::Poststop,
        other => die(
            NO_CONTEXT,
            &[b"LXC_HOOK_TYPE=", other, b": no phase belongs to this hook"],
        ),
    };
    // The start hook runs inside the container, which sees the guest part of the directory only.
    let dir = match phase {
        Phase::StartContainer => names::GUEST_MOUNT.as_bytes(),
        _ => parent(variable("LXC_CONFIG_FILE")),
    };
    Command::Phase {
        phase,
        dir,
        sync: false,
    }
}

fn parent(path: &'static [u8]) -> &'static [u8] {
    match path.iter().rposition(|byte| *byte == b'/') {
        None => b".",
        Some(0) => b"/",
        Some(slash) => path.get(..slash).unwrap_or_default(),
    }
}
