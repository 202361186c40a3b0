//! podman and containerd with lxcri-inject as their runtime: hooks reach containers of which the engine knows nothing.

use std::fs;
use std::path::PathBuf;

use lxcri_tests::bundle::{Bundle, Image};
use lxcri_tests::command::{PATIENCE, wait_until};
use lxcri_tests::engine::{Containerd, IMAGE, Podman};
use lxcri_tests::runtime::Runtime;
use lxcri_tests::scratch::Scratch;
use lxcri_tests::wrapper::Wrapper;
use lxcri_tests::{leaks, need};
use serde_json::{Value, json};

/// The stages whose hooks the probe can be: it is not in the image.
const STAGES: [&str; 5] = [
    "prestart",
    "createRuntime",
    "createContainer",
    "poststart",
    "poststop",
];

/// The runtime under test, unless it runs in a view that engines do not have.
fn low_level() -> Option<&'static Runtime> {
    let runtime = need::runtime()?;
    if runtime.has_view() {
        need::skip("engines run outside the view of LXCRI_TEST_CGROUPS");
        return None;
    }
    Some(runtime)
}

/// Hook files of all stages, one of a condition that holds and one of a condition that does not.
fn hook_files(wrapper: &Wrapper<'_>, bundle: &Bundle<'_>) {
    let write = |name: &str, stage: &str, when: Value| {
        let path = bundle.probe_as(name, |o| o.with("stdin", "read"));
        let hook = json!({"version": "1.0.0", "hook": {"path": path, "timeout": 20}, "when": when, "stages": [stage]});
        wrapper.hook_file(&format!("{name}.json"), &hook);
    };
    for stage in STAGES {
        write(stage, stage, json!({"always": true}));
    }
    let note = json!(["sh", "-c", "echo startContainer > /note"]);
    wrapper.hook_file(
        "startContainer.json",
        &json!({
            "version": "1.0.0",
            "hook": {"path": "/bin/sh", "args": note, "timeout": 20},
            "when": {"always": true},
            "stages": ["startContainer"],
        }),
    );
    write(
        "wanted",
        "createRuntime",
        json!({"annotations": {"^hooks$": "^yes$"}, "commands": ["/cat$"]}),
    );
    write(
        "unwanted",
        "createRuntime",
        json!({"annotations": {"^hooks$": "^no$"}}),
    );
}

fn expected() -> Vec<String> {
    let mut labels: Vec<String> = STAGES.iter().map(|stage| format!("host:{stage}")).collect();
    labels.push("host:wanted".to_owned());
    labels.sort();
    labels
}

/// Waits for poststop, which engines may run after they have answered.
fn ran(bundle: &Bundle<'_>) -> Vec<String> {
    wait_until(PATIENCE, || {
        bundle.records().started("host:poststop").is_some()
    });
    let records = bundle.records();
    let mut labels: Vec<String> = records
        .labels("start")
        .into_iter()
        .map(str::to_owned)
        .collect();
    labels.sort();
    labels
}

fn with_script(script: PathBuf, low_level: &Runtime) -> Runtime {
    let mut runtime = low_level.clone();
    runtime.program = script;
    runtime
}

#[test]
fn podman_with_the_wrapper_as_its_runtime() {
    let Some(low_level) = low_level() else { return };
    if !need::programs(&["podman", "conmon", "tar"]) {
        return;
    }
    let scratch = Scratch::new();
    let Some(wrapper) = Wrapper::new(&scratch, &low_level.program) else {
        return;
    };
    let bundle = Bundle::new(&scratch, Image::Static);
    hook_files(&wrapper, &bundle);
    let runtime = with_script(wrapper.script("lxcri-inject-script"), low_level);
    let podman = Podman::new(&runtime, &scratch);
    let run = || podman.run().args(["--rm", "--annotation", "hooks=yes"]);
    let outcome = run().args([IMAGE, "/bin/cat", "/note"]).run().success();
    assert_eq!(outcome.stdout, "startContainer\n", "{outcome}");
    assert_eq!(ran(&bundle), expected());
    // Why a container cannot be created reaches whoever asked for it.
    scratch.write("hooks.d/bad.json", "{");
    let outcome = run().args([IMAGE, "/bin/cat", "/note"]).run().failure();
    assert!(outcome.stderr.contains("bad.json"), "{outcome}");
    drop(podman);
    leaks::assert_none_but_parents(scratch.marker());
}

/// Podman reads hook files itself, and writes down no environment where a file has none. Its poststop hooks it runs itself
/// and does not write down, so they are not looked at.
#[test]
fn podman_with_the_same_hook_files_runs_what_it_writes_down_once() {
    let Some(low_level) = low_level() else { return };
    if !need::programs(&["podman", "conmon", "tar"]) {
        return;
    }
    let scratch = Scratch::new();
    let Some(wrapper) = Wrapper::new(&scratch, &low_level.program) else {
        return;
    };
    let bundle = Bundle::new(&scratch, Image::Static);
    hook_files(&wrapper, &bundle);
    let runtime = with_script(wrapper.script("lxcri-inject-script"), low_level);
    let podman = Podman::new(&runtime, &scratch);
    let command = podman.run_with(&["--hooks-dir", &scratch.join("hooks.d").to_string_lossy()]);
    let command = command.args(["--rm", "--annotation", "hooks=yes"]);
    command.args([IMAGE, "/bin/cat", "/note"]).run().success();
    let but_poststop = |mut labels: Vec<String>| {
        labels.retain(|label| label != "host:poststop");
        labels
    };
    assert_eq!(but_poststop(ran(&bundle)), but_poststop(expected()));
    drop(podman);
    leaks::assert_none_but_parents(scratch.marker());
}

#[test]
fn containerd_with_the_wrapper_as_its_runtime() {
    let Some(low_level) = low_level() else { return };
    if !need::programs(&["containerd", "ctr", "tar"]) {
        return;
    }
    let scratch = Scratch::new();
    let Some(wrapper) = Wrapper::new(&scratch, &low_level.program) else {
        return;
    };
    let bundle = Bundle::new(&scratch, Image::Static);
    hook_files(&wrapper, &bundle);
    let runtime = with_script(wrapper.script("lxcri-inject-script"), low_level);
    let containerd = Containerd::new(&runtime, &scratch);
    let run = || containerd.run().args(["--rm", "--annotation", "hooks=yes"]);
    let outcome = run()
        .args([IMAGE, "first", "/bin/cat", "/note"])
        .run()
        .success();
    assert_eq!(outcome.stdout, "startContainer\n", "{outcome}");
    assert_eq!(ran(&bundle), expected());
    scratch.write("hooks.d/bad.json", "{");
    let outcome = run()
        .args([IMAGE, "second", "/bin/cat", "/note"])
        .run()
        .failure();
    assert!(outcome.stderr.contains("bad.json"), "{outcome}");
    drop(containerd);
    leaks::assert_none_but_parents(scratch.marker());
    let left = fs::read_dir(scratch.join("runtime-root")).map(|all| all.flatten().count());
    assert!(left.unwrap_or(0) <= 1, "no container is left");
}
