//! What the launcher was asked to do: from its arguments or, without any, from liblxc's environment.

use crate::fail::{NO_CONTEXT, USAGE};
use crate::start::Start;
use crate::sys::{Buf, Str};
use hook_tree::Phase;

/// The job.
pub struct Command {
    /// The phase to run; none to become the container process.
    pub phase: Option<Phase>,
    /// The directory with the tree.
    pub dir: Buf,
    /// Whether the runtime waits at the sync socket.
    pub sync: bool,
}

/// The phases that the launcher runs. The others belong to the runtime.
static PHASES: [Phase; 3] = [
    Phase::CreateContainer,
    Phase::StartContainer,
    Phase::Poststop,
];

impl Command {
    /// Takes the arguments apart.
    #[inline(never)]
    pub fn from_start(start: &Start) -> Command {
        let mut command = Command {
            phase: None,
            dir: Buf::new(),
            sync: false,
        };
        // The runtime lets it take the place of the shell that LXC would start for its hook (docs/architecture.md).
        let as_shell = start.arg(0).is_some_and(|name| name.is(b"sh"));
        let Some(first) = start.arg(1).filter(|_| !as_shell) else {
            command.sync = as_shell;
            command.take_environment(start);
            return command;
        };
        let (second, third) = (start.arg(2), start.arg(3));
        command.dir.push_text(second.unwrap_or(text!("/.lxcri")));
        command.phase = PHASES
            .iter()
            .copied()
            .find(|phase| first.is(phase.dir_name().as_bytes()));
        command.sync = third.is_some_and(|third| third.is(b"sync"));
        let right = match command.phase {
            None => second.is_none() && first.is(b"init"),
            Some(phase) => {
                second.is_some()
                    && command.sync == third.is_some()
                    && start.arg(4).is_none()
                    && (!command.sync || phase == Phase::CreateContainer)
            }
        };
        if !right {
            let usage = failure!(
                USAGE,
                "usage: lxcri-hook create-container|start-container|poststop DIR, create-container DIR sync, init, or \
                 no arguments in a hook of LXC"
            );
            usage.die(b"");
        }
        command
    }

    /// With `lxc.hook.version = 1`, liblxc says in the environment which hook this is (lxc.container.conf(5)).
    #[inline(never)]
    fn take_environment(&mut self, start: &Start) {
        let kind = variable(start, b"LXC_HOOK_TYPE");
        self.phase = if kind.is(b"mount") {
            Some(Phase::CreateContainer)
        } else if kind.is(b"start") {
            Some(Phase::StartContainer)
        } else if kind.is(b"destroy") {
            Some(Phase::Poststop)
        } else {
            None
        };
        match self.phase {
            None => {
                failure!(NO_CONTEXT, ": no phase belongs to this LXC_HOOK_TYPE").die(kind.bytes())
            }
            // The start hook runs inside the container, which sees the guest part of the directory only.
            Some(Phase::StartContainer) => self.dir.push(b"/.lxcri"),
            Some(_) => {
                let config = variable(start, b"LXC_CONFIG_FILE").bytes();
                let slash = config.iter().rposition(|byte| *byte == b'/');
                // With its slash, so that the root stays the root.
                let parent = slash.and_then(|slash| config.get(..=slash));
                self.dir.push(parent.unwrap_or(b"."));
            }
        }
    }
}

/// A variable that must be set.
#[inline(never)]
fn variable(start: &Start, name: &[u8]) -> Str<'static> {
    match start.env(name) {
        Some(value) if !value.is(b"") => value,
        _ => failure!(
            NO_CONTEXT,
            " is not set: neither arguments nor a hook of LXC with lxc.hook.version = 1"
        )
        .die(name),
    }
}
