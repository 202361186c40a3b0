//! Hooks that cannot be run, die, or print without end.

use std::fs;

use lxcri_tests::bundle::{Bundle, Image};
use lxcri_tests::command::{Cmd, PATIENCE};
use lxcri_tests::container::Container;
use lxcri_tests::judge::Judge;
use lxcri_tests::need;
use lxcri_tests::phase::PHASES;
use lxcri_tests::scratch::Scratch;
use lxcri_tests::wrapper::script;
use serde_json::json;

#[test]
fn hooks_that_cannot_be_run() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let mut judge = Judge::new(runtime);
    for phase in PHASES.iter().filter(|p| p.is_fatal()) {
        let cases: [(&str, &[&str]); 4] = [
            ("missing", &["no such file", "does not exist"]),
            ("not-executable", &["permission denied", "not executable"]),
            ("directory", &["permission denied", "is a directory"]),
            ("text", &["exec format"]),
        ];
        for (case, errors) in cases {
            let scratch = Scratch::new();
            let mut bundle = Bundle::new(&scratch, Image::Busybox);
            for side in ["hooks", "inside"] {
                scratch.mkdir(format!("{side}/directory"));
                scratch.write(format!("{side}/not-executable"), "");
                script(&scratch, &format!("{side}/text"), "garbage");
            }
            let path = scratch.join("hooks").join(case);
            bundle.hook(phase, json!({"path": path}));
            let poststop = bundle.probe_as("poststop", |o| o);
            bundle.hook(&PHASES[5], json!({"path": poststop}));
            bundle.shell("sleep 600");
            let container = Container::new(runtime, &scratch, &mut bundle, "c");
            let create = container.create();
            let outcome = if create.ok() {
                container.start()
            } else {
                create
            };
            let case = format!("{} hook: {case}", phase.name);
            // Either config.json is refused before anything is done, or the hook fails and poststop hooks run.
            judge.refused(&case, &outcome, &[phase.name, &path.to_string_lossy()]);
            let text = outcome.stderr.to_lowercase();
            let named = errors.iter().any(|error| text.contains(error));
            judge.check(
                &case,
                named,
                format!("the reason is missing: {}", outcome.error()),
            );
            judge.nothing_left(&case, &scratch);
            let records = lxcri_tests::probe::Records::read(&scratch.join("out/records.jsonl"));
            let poststop = records.started("host:poststop").is_some();
            judge.check(
                &case,
                poststop || text.contains("config.json"),
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
        bundle.shell("sleep 600");
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
fn a_hook_that_takes_too_long() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let mut judge = Judge::new(runtime);
    for phase in PHASES.iter().filter(|p| p.is_fatal()) {
        let scratch = Scratch::new();
        let mut bundle = Bundle::new(&scratch, Image::Busybox);
        let path = bundle.probe_as("hook", |o| {
            o.with("say-stderr", "last words").with("sleep", 600_000)
        });
        bundle.hook(phase, json!({"path": path, "timeout": 3}));
        bundle.shell("sleep 600");
        let container = Container::new(runtime, &scratch, &mut bundle, "c");
        let create = container.create();
        let outcome = if create.ok() {
            container.start()
        } else {
            create
        };
        let words = [phase.name, "#1", "timed out after 3 s", "last words"];
        judge.refused(phase.name, &outcome, &words);
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
    let outcome = container.running().deadline(4 * PATIENCE).run();
    judge.check("run", outcome.ok(), outcome.brief());
    judge.check(
        "output",
        outcome.stdout.len() < 10_000,
        format!("{} bytes reached the caller", outcome.stdout.len()),
    );
    judge.nothing_left("run", &scratch);
}

/// Only what a command wrote is taken back when it fails.
#[test]
fn a_failed_create_leaves_the_pid_file_of_somebody_else() {
    let Some(runtime) = need::lxcri() else { return };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.hook(&PHASES[1], json!({"path": "/bin/false"}));
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let path = scratch.join(format!("{}.pid", container.id));
    fs::write(&path, "mine").expect("a file");
    let outcome = container.create();
    assert!(!outcome.ok(), "{}", outcome.brief());
    assert_eq!(fs::read_to_string(&path).expect("the file"), "mine");
}

#[test]
fn a_failure_is_heard_however_late_the_runtime_looks() {
    let Some(runtime) = need::lxcri() else { return };
    if !need::programs(&["strace"]) {
        return;
    }
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    let phase = PHASES.iter().find(|p| p.name == "startContainer");
    bundle.hook(
        phase.expect("startContainer"),
        json!({"path": "/bin/sh", "args": ["sh", "-c", "sleep 1; echo too bad >&2; exit 3"]}),
    );
    bundle.shell("sleep 600");
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let created = container.create();
    assert!(created.ok(), "{created}");
    // The hook fails between a poll that has seen nothing and what the runtime does next.
    let outcome = Cmd::new("strace")
        .args(["-o", "/dev/null", "-e", "trace=poll"])
        .args(["-e", "inject=poll:delay_exit=2000000"])
        .arg(&runtime.program)
        .arg("--root")
        .arg(&container.root)
        .args(["start", &container.id])
        .view(runtime.view())
        .run();
    assert!(!outcome.ok(), "{outcome}");
    assert!(outcome.stderr.contains("too bad"), "{outcome}");
    assert_eq!(container.state(), None, "it is destroyed");
}
