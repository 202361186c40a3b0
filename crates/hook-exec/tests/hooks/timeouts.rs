//! The deadline covers a hook and its process group.

use std::num::NonZeroU64;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use hook_model::Hook;

use crate::support::*;

fn with_timeout(seconds: u64, script: &str) -> Hook {
    Hook {
        timeout: NonZeroU64::new(seconds),
        ..sh(script)
    }
}

#[test]
fn a_hook_that_is_too_slow_is_killed() {
    let start = Instant::now();
    let record = run(with_timeout(2, "echo started; exec sleep 600"));
    assert!(
        (2..60).contains(&start.elapsed().as_secs()),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(
        (record.timed_out, record.signal, record.exit_status),
        (true, Some(9), None)
    );
    assert_eq!(record.stdout, "started\n", "what it wrote before is kept");
    let line = record.failure().unwrap().to_string();
    assert_eq!(line, "createRuntime hook #1 (/bin/sh): timed out after 2 s");
}

#[test]
fn its_whole_group_is_killed() {
    let record = run(with_timeout(
        2,
        "trap '' TERM; sh -c 'trap \"\" TERM INT HUP; echo $$; while :; do sleep 60; done'",
    ));
    let grandchild = Reaper(record.stdout.trim().parse().unwrap());
    assert!(record.timed_out);
    assert!(ends_soon(grandchild.0));
}

#[test]
fn output_does_not_stop_the_clock() {
    let start = Instant::now();
    let record = run(with_timeout(1, "exec yes"));
    assert!(
        record.timed_out && start.elapsed() < Duration::from_secs(60),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn a_stopped_hook_is_killed() {
    assert!(run(with_timeout(1, "kill -STOP $$")).timed_out);
}

#[test]
fn a_hook_in_time_is_left_alone() {
    let record = succeeded(run(with_timeout(50, "echo $OCI_HOOK_TIMEOUT; sleep 0.1")));
    assert_eq!(record.stdout, "50\n");
    // Longer than any clock goes.
    succeeded(run(with_timeout(i64::MAX as u64, "exit 0")));
    succeeded(run(with_timeout(u64::MAX, "exit 0")));
}

#[test]
fn an_orphan_of_a_timely_hook_is_not_killed() {
    let record = succeeded(run(with_timeout(3, "sleep 600 & echo $!")));
    let grandchild = Reaper(record.stdout.trim().parse().unwrap());
    std::thread::sleep(Duration::from_millis(3200));
    assert!(alive(grandchild.0));
}

#[test]
fn a_deadline_of_several_hooks_covers_each() {
    let start = Instant::now();
    let cwd = std::path::Path::new("/");
    let mut context = hook_exec::Context::new(b"{}", cwd);
    context.deadline = Some(start + Duration::from_millis(300));
    for hook in [sh("sleep 600"), with_timeout(300, "sleep 600")] {
        let record = run_hook(&hook, hook_model::Phase::Prestart, 1, &context);
        assert!(record.timed_out, "{record:?}");
    }
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn an_interrupt_ends_a_hook_and_what_it_has_started() {
    let (read, write) = nix::unistd::pipe().unwrap();
    let cwd = std::path::Path::new("/");
    let context = hook_exec::Context {
        interrupt: Some(read.as_fd()),
        ..hook_exec::Context::new(b"{}", cwd)
    };
    let interrupting = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        nix::unistd::write(&write, b"x").unwrap();
        write
    });
    let hook = with_timeout(300, "sleep 600 & echo $!; wait");
    let record = run_hook(&hook, hook_model::Phase::Prestart, 1, &context);
    let _write = interrupting.join().unwrap();
    assert_eq!((record.signal, record.timed_out), (Some(9), false));
    assert!(record.duration_ns >= 100_000_000, "{record:?}");
    assert!(record.error.is_none() && !record.succeeded(), "{record:?}");
    let grandchild = record.stdout.trim().parse().unwrap();
    assert!(ends_soon(grandchild));
}
