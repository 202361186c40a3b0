//! The soak: many cycles of create, start and delete with hooks in every phase leave the machine as it was.
//!
//! LXCRI_TEST_SOAK is the number of cycles.

use std::fs;

use lxcri_tests::bundle::{Bundle, Image};
use lxcri_tests::container::Container;
use lxcri_tests::phase::PHASES;
use lxcri_tests::scratch::Scratch;
use lxcri_tests::{leaks, need};
use serde_json::json;

#[test]
fn cycles_leave_nothing() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let cycles = need::count("LXCRI_TEST_SOAK", 300);
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    for phase in &PHASES {
        let path = bundle.probe_as(phase.name, |o| o);
        bundle.hook(phase, json!({ "path": path }));
    }
    let rootfs = bundle.rootfs();
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let cycle = || {
        container.create().success();
        container.start().success();
        assert!(container.wait_for("stopped"));
        container.delete().success();
    };
    // The first cycle makes what stays: mount points in the image.
    cycle();
    let image = leaks::tree(&rootfs);
    for _ in 1..cycles {
        cycle();
        assert!(!container.is_on_disk());
    }
    leaks::assert_none(scratch.marker());
    assert_eq!(leaks::tree(&rootfs), image);
    let left: Vec<_> = fs::read_dir(scratch.join("run"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.file_name())
        .filter(|name| !name.to_string_lossy().starts_with('.'))
        .collect();
    assert!(left.is_empty(), "left in the runtime directory: {left:?}");
    let records = fs::read_to_string(scratch.join("out/records.jsonl")).unwrap_or_default();
    let ran = records
        .lines()
        .filter(|line| line.contains("\"event\":\"end\""))
        .count();
    assert_eq!(ran, cycles * PHASES.len(), "hooks that ran to their end");
}
