//! The hooks of a phase in their order.

use std::os::fd::{AsFd, OwnedFd};

use hook_model::{Hook, HookFailure, Phase, Record};

use crate::context::Context;
use crate::series::Series;

/// Runs the hooks of a phase in their order. The first failure ends it, except in poststop.
///
/// `on_record` gets each record before the next hook begins. The result holds the failures: none or one, any number for
/// poststop.
#[must_use = "a hook may have failed"]
pub fn run_phase(
    hooks: &[Hook],
    phase: Phase,
    context: &Context<'_>,
    on_record: impl FnMut(&Record),
) -> Vec<HookFailure> {
    run_phase_with(hooks, phase, context, |_| Ok(None), on_record)
}

/// Like [`run_phase`]. `open` is asked for each hook right before it runs, and gives the open file to execute, `None` for
/// the one at its path, or the reason why the hook must not run.
#[must_use = "a hook may have failed"]
pub fn run_phase_with(
    hooks: &[Hook],
    phase: Phase,
    context: &Context<'_>,
    mut open: impl FnMut(&Hook) -> Result<Option<OwnedFd>, String>,
    mut on_record: impl FnMut(&Record),
) -> Vec<HookFailure> {
    let mut failures = Vec::new();
    let mut series = Series::new(context);
    for (index, hook) in (1..).zip(hooks) {
        let opened = open(hook);
        let executable = match &opened {
            Ok(file) => Ok(file.as_ref().map(AsFd::as_fd)),
            Err(reason) => Err(reason.clone()),
        };
        series.next = hooks.get(index as usize);
        let (record, _) = series.run(executable, hook, phase, index, None);
        on_record(&record);
        failures.extend(record.failure());
        if !failures.is_empty() && !phase.continue_on_failure() {
            break;
        }
    }
    failures
}
