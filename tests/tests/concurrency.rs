//! Many containers at once, and many commands on one container.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use lxcri_tests::bundle::{Bundle, Image};
use lxcri_tests::container::Container;
use lxcri_tests::scratch::Scratch;
use lxcri_tests::{leaks, need};
use serde_json::Value;

#[test]
fn fifty_containers_at_once() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    for phase in &lxcri_tests::phase::PHASES {
        let path = bundle.probe_as(phase.name, |o| o);
        bundle.hook(phase, serde_json::json!({ "path": path }));
    }
    bundle.shell("sleep 60");
    // One bundle for all: without a cgroup path each container has one of its own.
    bundle.save();
    let bundle = &bundle;
    let scratch_ref = &scratch;
    let patience = Duration::from_secs(120);
    thread::scope(|scope| {
        for n in 0..50 {
            scope.spawn(move || {
                let name = format!("c{n}");
                let container = Container::of_saved(runtime, scratch_ref, bundle, &name);
                container.creation().deadline(patience).run().success();
                container.verb("start").deadline(patience).run().success();
                assert_eq!(container.status(), "running");
                container
                    .verb("kill")
                    .arg("KILL")
                    .deadline(patience)
                    .run()
                    .success();
                assert!(container.wait_for("stopped"), "{name}");
                container.verb("delete").deadline(patience).run().success();
            });
        }
    });
    assert_eq!(bundle.records().labels("start").len(), 50 * 6);
    leaks::assert_none(scratch.marker());
}

#[test]
fn of_many_starts_one_succeeds() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.shell("sleep 60");
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    container.create().success();
    let container = &container;
    let started = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let outcome = container.start();
                assert!(!outcome.timed_out, "{outcome}");
                started.fetch_add(usize::from(outcome.ok()), Ordering::Relaxed);
            });
            // Readers never see a half-written state.
            scope.spawn(|| {
                for _ in 0..5 {
                    let outcome = container.verb("state").run().success();
                    let state: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
                    let status = state["status"].as_str().unwrap_or_default();
                    assert!(["created", "running"].contains(&status), "{state}");
                }
            });
        }
    });
    assert_eq!(started.into_inner(), 1);
    assert_eq!(container.status(), "running");
}

#[test]
fn create_and_delete_race() {
    let Some(runtime) = need::lxcri() else { return };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.shell("sleep 60");
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let container = &container;
    for _ in 0..5 {
        let created = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let outcome = container.create();
                    assert!(!outcome.timed_out, "{outcome}");
                    created.fetch_add(usize::from(outcome.ok()), Ordering::Relaxed);
                });
                scope.spawn(|| {
                    let outcome = container.delete_force();
                    assert!(!outcome.timed_out, "{outcome}");
                });
            }
        });
        assert!(created.into_inner() >= 1);
        container.delete_force();
        assert!(!container.is_on_disk());
        leaks::assert_none(scratch.marker());
    }
}

#[test]
fn of_many_deletes_none_hangs() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    let path = bundle.probe_as("poststop", |o| o);
    bundle.hook(
        &lxcri_tests::phase::PHASES[5],
        serde_json::json!({ "path": path }),
    );
    bundle.shell("sleep 60");
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    container.create().success();
    container.start().success();
    let forced = &container;
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let outcome = forced.delete_force();
                assert!(!outcome.timed_out, "{outcome}");
            });
        }
    });
    assert!(!container.is_on_disk());
    leaks::assert_none(scratch.marker());
    if runtime.is_lxcri() {
        let records = lxcri_tests::probe::Records::read(&scratch.join("out/records.jsonl"));
        assert_eq!(
            records.labels("start"),
            ["host:poststop"],
            "poststop hooks run once"
        );
    }
}
