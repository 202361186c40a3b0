//! Hooks that cannot be run, die, or print without end.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use lxcri_tests::bundle::{Bundle, Image};
use lxcri_tests::container::Container;
use lxcri_tests::judge::Judge;
use lxcri_tests::need;
use lxcri_tests::phase::PHASES;
use lxcri_tests::scratch::Scratch;
use serde_json::json;

#[test]
fn hooks_that_cannot_be_run() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let mut judge = Judge::new(runtime);
    for phase in PHASES.iter().filter(|p| p.is_fatal()) {
        for (case, error) in [
            ("missing", "no such file"),
            ("not-executable", "permission denied"),
            ("directory", "permission denied"),
            ("text", "exec format"),
        ] {
            let scratch = Scratch::new();
            let mut bundle = Bundle::new(&scratch, Image::Busybox);
            for side in ["hooks", "inside"] {
                scratch.mkdir(format!("{side}/directory"));
                scratch.write(format!("{side}/not-executable"), "");
                fs::set_permissions(
                    scratch.write(format!("{side}/text"), "garbage"),
                    fs::Permissions::from_mode(0o755),
                )
                .expect("chmod");
            }
            let path = scratch.join("hooks").join(case);
            bundle.hook(phase, json!({"path": path}));
            let poststop = bundle.probe_as("poststop", |o| o);
            bundle.hook(&PHASES[5], json!({"path": poststop}));
            bundle.shell("sleep 60");
            let container = Container::new(runtime, &scratch, &mut bundle, "c");
            let create = container.create();
            let outcome = if create.ok() {
                container.start()
            } else {
                create
            };
            let case = format!("{} hook: {case}", phase.name);
            judge.refused(
                &case,
                &outcome,
                &[phase.name, "#1", &path.to_string_lossy(), error],
            );
            judge.nothing_left(&case, &scratch);
            let records = lxcri_tests::probe::Records::read(&scratch.join("out/records.jsonl"));
            judge.check(
                &case,
                records.started("host:poststop").is_some(),
                "no poststop hook ran",
            );
        }
    }
}

#[test]
fn a_hook_that_dies_by_a_signal() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let mut judge = Judge::new(runtime);
    for phase in PHASES.iter().filter(|p| p.is_fatal()) {
        let scratch = Scratch::new();
        let mut bundle = Bundle::new(&scratch, Image::Busybox);
        let path = bundle.probe_as("hook", |o| {
            o.with("say-stderr", "last words").with("signal", 9)
        });
        bundle.hook(phase, json!({"path": path}));
        bundle.shell("sleep 60");
        let container = Container::new(runtime, &scratch, &mut bundle, "c");
        let create = container.create();
        let outcome = if create.ok() {
            container.start()
        } else {
            create
        };
        judge.refused(
            phase.name,
            &outcome,
            &[phase.name, "killed by signal 9", "SIGKILL", "last words"],
        );
        judge.nothing_left(phase.name, &scratch);
    }
}

#[test]
fn a_hook_that_prints_a_hundred_megabytes() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let mut judge = Judge::new(runtime);
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    for phase in &PHASES {
        let path = bundle.probe_as(phase.name, |o| {
            o.with("fill-stdout", 100 << 20)
                .with("say-stdout", "the end")
        });
        bundle.hook(phase, json!({"path": path}));
    }
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let outcome = container.running().deadline(Duration::from_secs(60)).run();
    judge.check("run", outcome.ok(), outcome.brief());
    judge.check(
        "output",
        outcome.stdout.len() < 10_000,
        format!("{} bytes reached the caller", outcome.stdout.len()),
    );
    judge.nothing_left("run", &scratch);
}
