//! Containers of runc, crun and lxcri with lxcri-inject in front: hooks of all stages run where they should and see nothing
//! of the container's environment.

use std::fs;
use std::path::{Path, PathBuf};

use lxcri_tests::bundle::{Bundle, Image};
use lxcri_tests::command::find_program;
use lxcri_tests::container::Container;
use lxcri_tests::runtime::Runtime;
use lxcri_tests::scratch::Scratch;
use lxcri_tests::wrapper::Wrapper;
use lxcri_tests::{leaks, need};
use serde_json::{Value, json};

const STAGES: [&str; 6] = [
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
];

/// The program of a runtime, where its containers can be made.
fn find(name: &str) -> Option<PathBuf> {
    if name == "lxcri" {
        return need::lxcri().map(|runtime| runtime.program.clone());
    }
    (need::runtime().is_some() && need::programs(&[name])).then(|| find_program(name))?
}

/// `name` with the wrapper in front. The script is named after the runtime, since tests judge it by its name.
fn behind(wrapper: &Wrapper<'_>, name: &str) -> Option<Runtime> {
    let layout = need::runtime()?.layout;
    match Runtime::in_layout(wrapper.script(&format!("{name}-inject")), layout) {
        Ok(runtime) => Some(runtime),
        Err(reason) => {
            need::skip(reason);
            None
        }
    }
}

fn hook(path: &Path, stage: &str, when: Value) -> Value {
    json!({"version": "1.0.0", "hook": {"path": path, "timeout": 20}, "when": when, "stages": [stage]})
}

/// Labels of the hooks of all stages; prestart is createRuntime, as with podman.
fn all_stages() -> Vec<String> {
    let side = |stage| {
        if stage == "startContainer" {
            "inside"
        } else {
            "host"
        }
    };
    STAGES
        .iter()
        .map(|stage| format!("{}:{stage}", side(*stage)))
        .collect()
}

fn hooks_of_all_stages(name: &str) {
    let Some(program) = find(name) else { return };
    let scratch = Scratch::new();
    let Some(wrapper) = Wrapper::new(&scratch, &program) else {
        return;
    };
    let Some(runtime) = behind(&wrapper, name) else {
        return;
    };
    let mut bundle = Bundle::new(&scratch, Image::Static);
    for (i, stage) in STAGES.iter().enumerate() {
        let path = bundle.probe_as(stage, |o| o.with("stdin", "read"));
        wrapper.hook_file(
            &format!("{i}-{stage}.json"),
            &hook(&path, stage, json!({"always": true})),
        );
    }
    for (name, when) in [
        (
            "wanted",
            json!({"annotations": {"^wanted$": "^y"}, "commands": ["probe$"]}),
        ),
        (
            "other-annotation",
            json!({"annotations": {"^wanted$": "^n"}}),
        ),
        (
            "other-command",
            json!({"always": true, "commands": ["^/bin/sh$"]}),
        ),
        ("never", json!({"always": false})),
    ] {
        let path = bundle.probe_as(name, |o| o);
        wrapper.hook_file(&format!("9-{name}.json"), &hook(&path, "poststop", when));
    }
    bundle.config["annotations"] = json!({"wanted": "yes"});
    let orders = bundle.orders("process");
    bundle.process(&orders);
    let container = Container::new(&runtime, &scratch, &mut bundle, "c");
    container.create().success();
    assert_eq!(container.status(), "created");
    container.start().success();
    assert!(container.wait_for("stopped"));
    container.delete().success();
    assert_eq!(container.state(), None);
    let mut expected = all_stages();
    expected.push("host:wanted".to_owned());
    let mut labels = bundle_labels(&scratch);
    // runc does not wait for startContainer hooks before it runs poststart hooks.
    expected.sort();
    labels.sort();
    assert_eq!(labels, expected, "{name}");
    leaks::assert_none(scratch.marker());
}

/// The hooks that ran, without the container's process.
fn bundle_labels(scratch: &Scratch) -> Vec<String> {
    let records = lxcri_tests::probe::Records::read(&scratch.join("out/records.jsonl"));
    let labels = records.labels("start").into_iter().map(str::to_owned);
    labels.filter(|label| label != "process").collect()
}

#[test]
fn runc_runs_hooks_of_all_stages() {
    hooks_of_all_stages("runc");
}

#[test]
fn crun_runs_hooks_of_all_stages() {
    hooks_of_all_stages("crun");
}

#[test]
fn lxcri_runs_hooks_of_all_stages() {
    hooks_of_all_stages("lxcri");
}

/// runc gives a createContainer hook without an environment that of the container.
#[test]
fn cve_2025_23266_the_containers_environment_does_not_reach_injected_hooks() {
    for name in ["runc", "crun", "lxcri"] {
        let Some(program) = find(name) else { continue };
        let scratch = Scratch::new();
        let Some(wrapper) = Wrapper::new(&scratch, &program) else {
            return;
        };
        let Some(runtime) = behind(&wrapper, name) else {
            return;
        };
        let mut bundle = Bundle::new(&scratch, Image::Static);
        // Without env, and with an empty one, which a wrapper written in Go would drop.
        for (file, env) in [("none", Value::Null), ("empty", json!([]))] {
            let path = bundle.probe_as(file, |o| o);
            let mut hook = hook(&path, "createContainer", json!({"always": true}));
            hook["hook"]["env"] = env;
            if file == "none" {
                hook["hook"]
                    .as_object_mut()
                    .expect("an object")
                    .remove("env");
            }
            wrapper.hook_file(&format!("{file}.json"), &hook);
        }
        let env = json!(["PATH=/evil", "LD_PRELOAD=/evil.so", "LD_LIBRARY_PATH=/evil"]);
        bundle.config["process"]["env"] = env;
        let orders = bundle.orders("process");
        bundle.process(&orders);
        let container = Container::new(&runtime, &scratch, &mut bundle, "c");
        container.create().success();
        for label in ["host:none", "host:empty"] {
            let record = container.record(label);
            let evil: Vec<_> = record
                .texts("env")
                .into_iter()
                .filter(|e| e.contains("evil"))
                .collect();
            assert!(evil.is_empty(), "{name}, {label}: {evil:?}");
        }
        container.delete_force().success();
    }
}

#[test]
fn containers_can_go_whatever_happens_to_the_configuration() {
    let Some(program) = find("runc") else { return };
    let scratch = Scratch::new();
    let Some(wrapper) = Wrapper::new(&scratch, &program) else {
        return;
    };
    let Some(runtime) = behind(&wrapper, "runc") else {
        return;
    };
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    let path = bundle.probe_as("poststop", |o| o);
    wrapper.hook_file("a.json", &hook(&path, "poststop", json!({"always": true})));
    bundle.shell("sleep 600");
    let container = Container::new(&runtime, &scratch, &mut bundle, "c");
    container.create().success();
    wrapper.settings(&[&program], "no-such-key = 1\n");
    scratch.write("hooks.d/b.json", "{");
    container.start().success();
    assert_eq!(container.status(), "running");
    let again = container.creation().run().failure();
    assert!(again.stderr.contains("no-such-key"), "{again}");
    container.kill("KILL").success();
    assert!(container.wait_for("stopped"));
    container.delete().success();
    assert_eq!(bundle_labels(&scratch), ["host:poststop"]);
}

/// The same bundle again, and another wrapper's hooks beside ours.
#[test]
fn a_bundle_can_be_used_again() {
    let Some(program) = find("runc") else { return };
    let scratch = Scratch::new();
    let Some(wrapper) = Wrapper::new(&scratch, &program) else {
        return;
    };
    let Some(runtime) = behind(&wrapper, "runc") else {
        return;
    };
    let mut bundle = Bundle::new(&scratch, Image::Static);
    let path = bundle.probe_as("poststop", |o| o);
    wrapper.hook_file("a.json", &hook(&path, "poststop", json!({"always": true})));
    let orders = bundle.orders("process");
    bundle.process(&orders);
    let config = bundle.path.join("config.json");
    let container = Container::new(&runtime, &scratch, &mut bundle, "c");
    container.running().run().success();
    let first = fs::read(&config).unwrap_or_default();
    container.running().run().success();
    assert_eq!(fs::read(&config).unwrap_or_default(), first);
    assert_eq!(bundle_labels(&scratch), ["host:poststop", "host:poststop"]);
}
