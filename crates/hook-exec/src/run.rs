//! One hook by itself.

use std::os::fd::BorrowedFd;

use hook_model::{Hook, Phase, Record};

use crate::context::Context;
use crate::series::Series;

/// Runs one hook, the `index`th (from 1) of its phase, and returns when it has ended.
pub fn run_hook(hook: &Hook, phase: Phase, index: u32, context: &Context<'_>) -> Record {
    Series::new(context)
        .run(Ok(None), hook, phase, index, None)
        .0
}

/// Like [`run_hook`], but executes an open file, so that what was checked is what runs. The path stands in the record.
///
/// A script cannot be run this way: its interpreter would have to open a descriptor that the hook must not have, and the
/// kernel says ENOENT.
pub fn run_hook_at(
    executable: BorrowedFd<'_>,
    hook: &Hook,
    phase: Phase,
    index: u32,
    context: &Context<'_>,
) -> Record {
    Series::new(context)
        .run(Ok(Some(executable)), hook, phase, index, None)
        .0
}

/// Like [`run_hook`], or [`run_hook_at`] with an executable, for a hook whose output is what it is run for: all of its
/// stdout is returned. A hook that writes more than `limit` bytes is killed, and there is no output then.
pub fn run_filter(
    executable: Option<BorrowedFd<'_>>,
    hook: &Hook,
    phase: Phase,
    index: u32,
    context: &Context<'_>,
    limit: usize,
) -> (Record, Option<Vec<u8>>) {
    Series::new(context).run(Ok(executable), hook, phase, index, Some(limit))
}
