//! Runs the hooks that belong to the runtime itself: prestart, createRuntime and poststart.

use anyhow::{Context as _, Result, anyhow};
use hook_exec::{Context, run_phase_with};
use hook_model::{HookSet, Phase, State};
use hook_tree::names;

use crate::interrupts;
use crate::pins::Pins;
use crate::records::Records;
use crate::store::Container;

/// Runs a phase with the bundle as the working directory. The first failure ends it and is the error. A pinned
/// hook is executed through the descriptor through which it was compared with its pin.
pub fn run(
    hooks: &HookSet,
    pins: &Pins,
    phase: Phase,
    state: &State,
    records: &Records,
) -> Result<()> {
    let hooks = hooks.get(phase);
    if hooks.is_empty() {
        return Ok(());
    }
    let json = state.for_phase(phase).to_json()?;
    // A hook must not go on alone when this command is killed: nobody would read its outcome.
    let context = Context {
        die_with_caller: true,
        interrupt: interrupts::fd(),
        ..Context::new(&json, &state.bundle)
    };
    let failures = run_phase_with(
        hooks,
        phase,
        &context,
        |hook| match interrupts::pending() {
            true => Err("the command was interrupted".to_owned()),
            false => pins.open(hook),
        },
        |record| records.add(record),
    );
    match failures.first() {
        None => Ok(()),
        Some(failure) => {
            interrupts::take();
            Err(anyhow!("{failure}"))
        }
    }
}

/// Reads the hooks of a phase back from the container's directory.
pub fn read(container: &Container, phase: Phase) -> Result<HookSet> {
    let dir = container.file(names::HOOKS);
    if !dir.join(phase.dir_name()).is_dir() {
        return Ok(HookSet::default());
    }
    hook_model::tree::read(&dir, &[phase])
        .with_context(|| format!("read {} hooks", phase.oci_name()))
}
