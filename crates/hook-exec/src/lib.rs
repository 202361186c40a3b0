//! Runs one hook or one phase in the namespaces of the caller.
//!
//! What a hook gets is exact, whatever the caller has:
//! - the argument vector and the environment of the [`Hook`](hook_model::Hook), nothing of the caller's environment;
//! - the state on stdin, readable to its end without anybody feeding it;
//! - stdout and stderr drained while it runs, their ends kept for the [`Record`];
//! - the working directory of the [`Context`], a umask of 0022;
//! - its own process group; no descriptor but 0, 1 and 2; default dispositions of all signals; an empty signal mask.
//!
//! A timeout covers all of it: at the deadline the group gets SIGKILL and is waited for during a bounded time.
//! Processes that outlive the hook itself are not waited for, whatever descriptors they hold.
//!
//! The calling thread blocks until the hook has ended; no other thread or process is involved. A caller that ignores
//! SIGCHLD cannot learn how its children end, so [`run_hook`] sets that disposition back to the default. Nobody else in
//! the process may wait for arbitrary children (`waitpid(-1)`) or change the dispositions of signals meanwhile.
#![deny(unsafe_code)]

pub mod affinity;
mod capture;
mod context;
mod error;
mod image;
mod phase;
mod run;
mod running;
mod series;
mod spawn;
mod stdin;
#[allow(unsafe_code)]
mod sys;

pub use context::Context;
pub use error::CallError;
pub use hook_model::{HookFailure, Record};
pub use phase::{run_phase, run_phase_with};
pub use run::{run_filter, run_hook, run_hook_at};
