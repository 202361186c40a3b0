//! Processes of ours that hang without being stopped, as in a system call that does not return: nobody is told.
//!
//! A stop by ptrace is the same to everybody else: the parent hears nothing of it, and SIGKILL ends it.

use std::fs;

use lxcri_tests::command::{Cmd, wait_until};
use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::fake::Fake;
use crate::faults::{held_while, watches_again};
use crate::watcher::{PATIENCE, Role, Watcher};

/// Processes that hang, with all their threads, until they are killed or this is dropped. It must be dropped by the thread
/// that has made it: to the kernel that is the tracer.
struct Hung(Vec<Pid>);

impl Hung {
    fn of(watcher: &Watcher, roles: &[Role]) -> Hung {
        let mut hung = Hung(Vec::new());
        for role in roles {
            for entry in fs::read_dir(format!("/proc/{}/task", watcher.pid(*role))).expect("task") {
                let name = entry.expect("task").file_name();
                let tid = Pid::from_raw(name.to_string_lossy().parse().expect("a number"));
                // Threads that had nothing to do end by and by.
                if ptrace::seize(tid, ptrace::Options::empty()).is_ok() {
                    hung.0.push(tid);
                    let _ = ptrace::interrupt(tid);
                }
            }
        }
        assert!(hung.0.len() >= roles.len());
        for tid in &hung.0 {
            let stopped = wait_until(PATIENCE, || state(*tid) != Some(WaitStatus::StillAlive));
            assert!(stopped, "{tid} does not stop");
        }
        hung
    }
}

fn state(tid: Pid) -> Option<WaitStatus> {
    waitpid(tid, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG)).ok()
}

impl Drop for Hung {
    fn drop(&mut self) {
        // The first of a process's threads is gone when the others are.
        for tid in self.0.iter().rev() {
            // One that was killed cannot be let go. Until it is waited for here, the kernel tells nobody of its end.
            if ptrace::detach(*tid, None).is_err() {
                wait_until(PATIENCE, || state(*tid) != Some(WaitStatus::StillAlive));
            }
        }
    }
}

#[test]
fn responder_hangs() {
    let mut meanwhile = None;
    let Some((fake, watcher, held)) = held_while("c", |fake, watcher| {
        let hung = Hung::of(watcher, &[Role::Responder]);
        let container = fake.container("meanwhile");
        let start = Cmd::new("/bin/sh")
            .args(["-c", "exec \"$@\"", "sh"])
            .arg(&fake.runtime)
            .arg("--root")
            .arg(&fake.root)
            .args(["start", &container.id])
            .deadline(PATIENCE)
            .spawn();
        meanwhile = Some(container);
        (hung, start)
    }) else {
        return;
    };
    held.in_time();
    // Nobody has looked at its start, or somebody has in the end; it is not lost.
    let container = meanwhile.expect("a container");
    container.mark_started();
    watcher.await_event("added", &container.id);
    watches_again(&fake, &watcher);
    let errors = watcher.end();
    let said = errors.matches("responder does not answer: killed").count();
    assert_eq!(said, 1, "{errors}");
}

#[test]
fn worker_hangs() {
    let Some((fake, watcher, held)) =
        held_while("c", |_, watcher| Hung::of(watcher, &[Role::Worker]))
    else {
        return;
    };
    held.in_time();
    // It goes on as if nothing had been, unless it is noticed; both are fine.
    watches_again(&fake, &watcher);
    watcher.end();
}

/// Nobody is there who would let go, or kill who does not, but the responder.
#[test]
fn supervisor_and_worker_hang() {
    let hang = |_: &Fake, watcher: &Watcher| Hung::of(watcher, &[Role::Worker, Role::Supervisor]);
    let Some((fake, watcher, held)) = held_while("c", hang) else {
        return;
    };
    held.in_time();
    watches_again(&fake, &watcher);
    watcher.end();
}

/// A worker that hangs for longer than a start may be held is replaced, and nothing is lost.
#[test]
fn a_worker_that_hangs_is_replaced() {
    let Some(fake) = Fake::new() else { return };
    let watcher = Watcher::start(fake.options());
    let old = watcher.pid(Role::Worker);
    let mut before = fake.container("before");
    before.start().expect("execve");
    before.mark_started();
    watcher.await_event("added", &before.id);
    let hung = Hung::of(&watcher, &[Role::Worker]);
    let during = fake.container("during");
    during.mark_started();
    before.kill();
    let killed = wait_until(PATIENCE, || {
        matches!(
            state(hung.0[hung.0.len() - 1]),
            Some(WaitStatus::Signaled(..)) | None
        )
    });
    drop(hung);
    assert!(killed, "it is not killed");
    assert!(wait_until(PATIENCE, || watcher.pid(Role::Worker) != old));
    watcher.await_event("removed", &before.id);
    watcher.await_event("added", &during.id);
    let errors = watcher.end();
    assert!(
        errors.contains("worker does not answer: killed"),
        "{errors}"
    );
}
