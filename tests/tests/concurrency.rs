//! Many containers at once, and many commands on one container.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use lxcri_tests::bundle::{Bundle, Image};
use lxcri_tests::command::{Cmd, PATIENCE};
use lxcri_tests::container::Container;
use lxcri_tests::phase::PHASES;
use lxcri_tests::runtime::Runtime;
use lxcri_tests::scratch::Scratch;
use lxcri_tests::{leaks, need};
use serde_json::Value;

const MANY: usize = 50;

/// A bundle with a hook in every phase and a process that stays.
fn prepare<'a>(scratch: &'a Scratch, name: &str) -> Bundle<'a> {
    let mut bundle = Bundle::named(scratch, Image::Static, name);
    for phase in &PHASES {
        let path = bundle.probe_as(phase.name, |o| o);
        bundle.hook(phase, serde_json::json!({ "path": path }));
    }
    bundle.process(&bundle.orders("process").with("wait-for", "/never"));
    // Without a cgroup path each container has a cgroup of its own.
    bundle.save();
    bundle
}

/// The whole life of the `n`th container; the error says which step failed.
fn life(runtime: &Runtime, scratch: &Scratch, bundle: &Bundle<'_>, n: usize) -> Result<(), String> {
    let container = Container::of_saved(runtime, scratch, bundle, &format!("c{n}"));
    let run = |cmd: Cmd| {
        let outcome = cmd.deadline(4 * PATIENCE).run();
        if outcome.ok() {
            Ok(())
        } else {
            Err(outcome.to_string())
        }
    };
    run(container.creation())?;
    run(container.verb("start"))?;
    if container.status() != "running" {
        return Err(format!("status is {:?}", container.status()));
    }
    run(container.verb("kill").arg("KILL"))?;
    if !container.wait_for("stopped") {
        return Err(format!("status is {:?}", container.status()));
    }
    run(container.verb("delete"))
}

fn all_at_once(runtime: &Runtime, scratch: &Scratch, bundles: &[Bundle<'_>]) {
    let results: Vec<Result<(), String>> = thread::scope(|scope| {
        let bundle = |n: usize| &bundles[n % bundles.len()];
        let threads: Vec<_> = (0..MANY)
            .map(|n| scope.spawn(move || life(runtime, scratch, bundle(n), n)))
            .collect();
        threads
            .into_iter()
            .map(|t| t.join().unwrap_or_else(|_| Err("panic".into())))
            .collect()
    });
    let failed: Vec<String> = results.into_iter().filter_map(Result::err).collect();
    assert!(
        failed.is_empty(),
        "{} of {MANY} failed, such as: {}",
        failed.len(),
        failed[0]
    );
    let hooks = bundles[0]
        .records()
        .labels("start")
        .iter()
        .filter(|l| **l != "process")
        .count();
    assert_eq!(hooks, MANY * PHASES.len(), "hooks that ran");
    leaks::assert_none(scratch.marker());
}

#[test]
fn fifty_containers_at_once() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let bundles: Vec<_> = (0..MANY)
        .map(|n| prepare(&scratch, &format!("bundle{n}")))
        .collect();
    all_at_once(runtime, &scratch, &bundles);
}

/// The containers of one image without a layer of their own share the directory.
#[test]
fn fifty_containers_of_one_root_file_system() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let bundles = [prepare(&scratch, "bundle")];
    all_at_once(runtime, &scratch, &bundles);
}

#[test]
fn of_many_starts_one_succeeds() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.shell("sleep 600");
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
    bundle.shell("sleep 600");
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let container = &container;
    for _ in 0..5 {
        thread::scope(|scope| {
            for _ in 0..3 {
                // A creation that is deleted half way may fail, but it ends.
                scope.spawn(|| {
                    let outcome = container.create();
                    assert!(!outcome.timed_out, "{outcome}");
                });
                scope.spawn(|| {
                    let outcome = container.delete_force();
                    assert!(!outcome.timed_out, "{outcome}");
                });
            }
        });
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
    bundle.hook(&PHASES[5], serde_json::json!({ "path": path }));
    bundle.shell("sleep 600");
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
