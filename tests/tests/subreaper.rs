//! An engine is a subreaper: the container's init becomes its child, and it gets the exit status.
//!
//! A test program of its own, because the orphans of every test in it become its children.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lxcri_tests::bundle::{Bundle, Image};
use lxcri_tests::command::PATIENCE;
use lxcri_tests::container::Container;
use lxcri_tests::need;
use lxcri_tests::scratch::Scratch;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// One test at a time, since the children of one are children of the other, too.
static ALONE: Mutex<()> = Mutex::new(());

/// Waits for `pid`, but not for ever.
fn reap(pid: Pid) -> WaitStatus {
    let end = Instant::now() + PATIENCE;
    loop {
        match waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) if Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(2))
            }
            Ok(status) => return status,
            Err(e) => panic!("waitpid({pid}): {e}"),
        }
    }
}

#[test]
fn init_is_a_child_of_the_subreaper() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    set_child_subreaper(true).expect("prctl(PR_SET_CHILD_SUBREAPER)");
    let ends = [
        ("exit 7", None),
        ("sleep 600", Some("KILL")),
        ("exit 0", None),
    ];
    for (script, signal) in ends {
        let scratch = Scratch::new();
        let mut bundle = Bundle::new(&scratch, Image::Busybox);
        bundle.shell(script);
        let container = Container::new(runtime, &scratch, &mut bundle, "c");
        container.create().success();
        let pid = Pid::from_raw(container.pid().expect("a pid file"));
        assert_eq!(
            waitpid(pid, Some(WaitPidFlag::WNOHANG)),
            Ok(WaitStatus::StillAlive)
        );
        container.start().success();
        let expected = match signal {
            Some(name) => {
                container.kill(name).success();
                WaitStatus::Signaled(pid, Signal::SIGKILL, false)
            }
            None => {
                let code = script.trim_start_matches("exit ").parse().unwrap_or(-1);
                WaitStatus::Exited(pid, code)
            }
        };
        assert_eq!(reap(pid), expected, "{script}");
        assert!(container.wait_for("stopped"), "{script}");
        container.delete().success();
    }
    // Whatever else was orphaned has been waited for by whoever made it: there is no child left.
    let left = waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG));
    assert_eq!(left, Err(nix::errno::Errno::ECHILD), "another child stays");
}

#[test]
fn a_zombie_is_stopped() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    set_child_subreaper(true).expect("prctl(PR_SET_CHILD_SUBREAPER)");
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.shell("exit 3");
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    container.create().success();
    let pid = Pid::from_raw(container.pid().expect("a pid file"));
    container.start().success();
    // Nobody has waited for it yet, and all the same it is no running container.
    assert!(
        container.wait_for("stopped"),
        "status is {}",
        container.status()
    );
    assert_eq!(reap(pid), WaitStatus::Exited(pid, 3));
    container.delete().success();
}
