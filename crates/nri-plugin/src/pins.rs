//! Pinned executables: their content is compared before the hook is injected, in time for the answer.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use hooks_d::{Selected, pin};

/// Whether a check still runs, which may hang on a remote file system. There is never more than one.
static CHECKING: AtomicBool = AtomicBool::new(false);

/// The hooks, by their index in `hooks`, that must not be injected because their executable has not the pinned content or
/// could not be read by `deadline`, and why. They are looked for below `host_root` if there is one.
pub fn failures(
    hooks: &[Selected],
    host_root: Option<&Path>,
    deadline: Instant,
) -> BTreeMap<usize, String> {
    let pinned: Vec<(usize, Selected)> = hooks
        .iter()
        .enumerate()
        .filter(|(_, hook)| hook.sha256.is_some())
        .map(|(index, hook)| (index, hook.clone()))
        .collect();
    let mut failures: BTreeMap<usize, String> = pinned
        .iter()
        .map(|(index, _)| (*index, "its content was not compared in time".to_owned()))
        .collect();
    if pinned.is_empty() || CHECKING.swap(true, Ordering::SeqCst) {
        return failures;
    }
    let (results, incoming) = mpsc::channel();
    let host_root = host_root.map(Path::to_owned);
    let checker = thread::Builder::new()
        .name("pins".to_owned())
        .spawn(move || {
            for (index, hook) in pinned {
                let verified = match &host_root {
                    None => pin::verify(&hook),
                    Some(root) => pin::verify_below(&hook, root),
                };
                let result = verified.map(drop).map_err(|e| e.to_string());
                // Nobody listens any more when the deadline is over.
                let _ = results.send((index, result));
            }
            CHECKING.store(false, Ordering::SeqCst);
        });
    if checker.is_err() {
        CHECKING.store(false, Ordering::SeqCst);
        return failures;
    }
    while let Ok((index, result)) =
        incoming.recv_timeout(deadline.saturating_duration_since(Instant::now()))
    {
        match result {
            Ok(()) => failures.remove(&index),
            Err(reason) => failures.insert(index, reason),
        };
    }
    failures
}
