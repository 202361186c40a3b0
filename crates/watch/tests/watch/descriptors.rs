//! Descriptors, marks and threads: none where it must not be, none left over, and no harm when they run out.

use std::fs;
use std::io;
use std::thread;
use std::time::Duration;

use lxcri_tests::command::{Cmd, wait_until};
use lxcri_tests::need;
use serde_json::json;

use crate::fake::Fake;
use crate::watcher::{PATIENCE, Role, Watcher, fanotify, holdings, marks, program};

/// While anybody has the group's descriptor, the death of the responder lets nobody go.
#[test]
fn the_groups_descriptor_is_the_responders_alone() {
    let Some(fake) = Fake::new() else { return };
    let log = fake.log().display().to_string();
    let hook = fake.hook(
        "hook",
        &format!("readlink /proc/$$/fd/* >> {log}; echo end >> {log}; sleep 1"),
    );
    let watcher = Watcher::start(fake.with(&["--prestart", &hook]));
    let container = fake.container("c");
    thread::scope(|scope| {
        scope.spawn(|| container.start());
        assert!(wait_until(PATIENCE, || fake
            .lines()
            .contains(&"end".to_owned())));
        for role in [Role::Supervisor, Role::Worker] {
            assert!(fanotify(watcher.pid(role)).is_empty(), "{role:?}");
        }
        assert!(!fanotify(watcher.pid(Role::Responder)).is_empty());
    });
    let lines = fake.lines();
    assert!(
        !lines.iter().any(|line| line.contains("fanotify")),
        "{lines:#?}"
    );
    // stdin, stdout, stderr, what the shell opens for the log, and the script itself.
    assert!(lines.len() <= 7, "{lines:#?}");
    watcher.end();
}

/// With a limit, executions beyond it would pass unseen (FAN_UNLIMITED_QUEUE is 0x10).
#[test]
fn the_queue_has_no_limit() {
    let Some(fake) = Fake::new() else { return };
    let watcher = Watcher::start(fake.options());
    let lines = fanotify(watcher.pid(Role::Responder));
    let flags = lines
        .iter()
        .find_map(|line| line.strip_prefix("fanotify flags:")?.split(' ').next())
        .expect("flags");
    let flags = u32::from_str_radix(flags, 16).expect("hexadecimal");
    assert_eq!(flags & 0x10, 0x10, "{lines:#?}");
    watcher.end();
}

/// Where the kernel can open no descriptor for an event, it denies the execution.
#[test]
fn five_hundred_held_starts_with_few_descriptors() {
    let Some(fake) = Fake::new() else { return };
    let options = fake.with(&[
        "--timeout",
        "3s",
        "--prestart",
        &fake.hook("hook", "sleep 0.2"),
    ]);
    let command = Cmd::new("/bin/sh")
        .args(["-c", "ulimit -n 64; exec \"$@\"", "sh"])
        .arg(program())
        .args(options);
    let watcher = Watcher::of(command);
    let limit = format!("/proc/{}/limits", watcher.pid(Role::Responder));
    let limits = fs::read_to_string(limit).unwrap_or_default();
    assert!(
        limits
            .lines()
            .any(|line| line.starts_with("Max open files") && line.contains(" 64 ")),
        "{limits}"
    );
    let containers: Vec<_> = (0..500).map(|n| fake.container(&format!("c{n}"))).collect();
    let results: Vec<io::Result<Duration>> = thread::scope(|scope| {
        let threads: Vec<_> = containers
            .iter()
            .map(|container| scope.spawn(|| container.start()))
            .collect();
        threads
            .into_iter()
            .map(|t| t.join().expect("thread"))
            .collect()
    });
    let failed: Vec<_> = results.iter().filter_map(|r| r.as_ref().err()).collect();
    assert!(
        failed.is_empty(),
        "{} failed: {:?}",
        failed.len(),
        failed.first()
    );
    watcher.end();
}

/// Creations and runs that fail.
#[test]
fn a_thousand_failures_leave_nothing() {
    let Some(fake) = Fake::new() else { return };
    let count = need::count("LXCRI_TEST_FAILURES", 1000);
    let watcher = Watcher::start(fake.with(&["--prestart", &fake.hook("hook", "true")]));
    let bundle = fake.scratch.mkdir("bundle");
    fs::create_dir_all(bundle.join("rootfs/bin")).expect("mkdir");
    fs::write(bundle.join("rootfs/bin/x"), "").expect("program");
    let config = json!({"process": {"args": ["/bin/x"], "cwd": "/"}, "root": {"path": "rootfs"}});
    fs::write(bundle.join("config.json"), config.to_string()).expect("config.json");
    let bundle = bundle.display().to_string();
    let fail = |n: usize| {
        let id = fake.scratch.id(&format!("c{n}"));
        fake.call(&["create", "--bundle", &bundle, &id])
            .expect("execve");
        fake.call(&["run", "--bundle", &bundle, &id])
            .expect("execve");
        fake.call(&["start", &id]).expect("execve");
    };
    let memory = |pid: i32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        let kilobytes = line.and_then(|line| line.trim().split(' ').next()?.parse().ok());
        kilobytes.unwrap_or(0)
    };
    let roles = [Role::Supervisor, Role::Responder, Role::Worker];
    let pids = roles.map(|role| watcher.pid(role));
    // Threads that were needed at the start go by and by, so there may be fewer of anything.
    let no_more = |than: [(usize, usize, usize); 3]| {
        let fits = |(now, then): ((usize, usize, usize), (usize, usize, usize))| {
            now.0 <= then.0 && now.1 <= then.1 && now.2 <= then.2
        };
        wait_until(PATIENCE, || {
            pids.map(holdings).into_iter().zip(than).all(fits)
        })
    };
    let quiet = pids.map(holdings);
    (0..20).for_each(fail);
    assert!(no_more(quiet), "{quiet:?} became {:?}", pids.map(holdings));
    let before: [u64; 3] = pids.map(memory);
    (20..20 + count).for_each(fail);
    assert!(no_more(quiet), "{quiet:?} became {:?}", pids.map(holdings));
    let after = pids.map(memory);
    for (role, (before, after)) in roles.iter().zip(before.into_iter().zip(after)) {
        assert!(
            after < before + 4096,
            "{role:?}: from {before} to {after} KiB"
        );
    }
    assert_eq!(marks(pids[1]).len(), 1, "only the runtime is marked");
    watcher.end();
}
