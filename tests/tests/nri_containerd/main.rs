//! lxcri-nri with real engines: containerd 1.7 and 2.x, asked through CRI as a kubelet would.
#![forbid(unsafe_code)]

mod cri;
mod node;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lxcri_tests::bundle::{Bundle, Image};
use lxcri_tests::command::{Cmd, Running, wait_until};
use lxcri_tests::engine::IMAGE;
use lxcri_tests::phase::{PHASES, Place};
use lxcri_tests::scratch::Scratch;
use lxcri_tests::{leaks, need};
use serde_json::{Value, json};

use node::{Node, PATIENCE};

/// containerd 1.7 with NRI 0.6, and 2.x with 0.8 or later.
const SUITES: [&str; 2] = ["trixie", "sid"];

/// Hook files, and what the hooks have written.
struct Hooks<'a> {
    scratch: &'a Scratch,
    bundle: Bundle<'a>,
}

impl<'a> Hooks<'a> {
    fn new(scratch: &'a Scratch) -> Self {
        scratch.mkdir("hooks.d");
        Hooks {
            scratch,
            bundle: Bundle::new(scratch, Image::Static),
        }
    }

    fn file(&self, name: &str, text: impl ToString) {
        let new = self
            .scratch
            .write(format!("hooks.d/.{name}"), text.to_string());
        fs::rename(new, self.scratch.join("hooks.d").join(name)).unwrap();
    }

    /// A probe that records under `label`, for every container.
    fn probe(&self, label: &str, stage: &str, args: Option<Vec<String>>) -> Value {
        let path = self
            .bundle
            .probe_as(label, |orders| orders.with("stdin", "read"));
        let hook = json!({"path": path, "args": args});
        json!({"version": "1.0.0", "hook": hook, "when": {"always": true}, "stages": [stage]})
    }

    /// The container's view of the probe and of its records.
    fn mounts(&self) -> [(PathBuf, PathBuf); 2] {
        let (out, hooks) = (self.scratch.join("out"), self.scratch.join("hooks"));
        [(out.clone(), out), (self.scratch.join("inside"), hooks)]
    }

    /// Labels that were recorded with this container's id in the state, in their order.
    fn ran_for(&self, container: &str) -> Vec<String> {
        let records = self.bundle.records().0;
        let of_container = records.iter().filter(|record| {
            let state: Value = serde_json::from_str(record.text("stdin")).unwrap_or_default();
            record.text("event") == "start" && state["id"] == container
        });
        of_container
            .map(|record| record.text("label").to_owned())
            .collect()
    }

    /// Starts the plugin that connects by itself.
    fn plugin(&self, node: &Node, arguments: &[&str]) -> Running {
        Cmd::new(node::plugin_program())
            .arg("--socket")
            .arg(node.nri_socket())
            .arg("--hooks-dir")
            .arg(self.scratch.join("hooks.d"))
            .arg("--log")
            .arg(self.scratch.join("nri.log"))
            .args(arguments)
            .deadline(Duration::from_secs(600))
            .spawn()
    }

    /// Waits until `count` lines of the plugin's log contain `text`.
    fn wait_logged(&self, text: &str, count: usize) {
        let log = || fs::read_to_string(self.scratch.join("nri.log")).unwrap_or_default();
        let there = wait_until(PATIENCE, || log().matches(text).count() >= count);
        assert!(there, "{text:?} is not {count} times in:\n{}", log());
    }
}

/// Creates a container, starts it and removes it, and checks that exactly the hooks `expected` ran, in this order. Returns its id.
///
/// The place of startContainer hooks is not looked at: runc does not wait for them before it runs poststart.
fn live(node: &Node, hooks: &Hooks, pod: &cri::Pod, name: &str, expected: &[&str]) -> String {
    let mounts = hooks.mounts();
    let mounts: Vec<_> = mounts
        .iter()
        .map(|(a, b)| (a.as_path(), b.as_path()))
        .collect();
    let created = node.cri.create(pod, name, IMAGE, &mounts);
    let id = created.unwrap_or_else(|e| panic!("create {name}: {e}: {}", node.log()));
    node.cri
        .start(&id)
        .unwrap_or_else(|e| panic!("start {name}: {e}: {}", node.log()));
    let inside = |label: &str| label.starts_with("inside:");
    let awaited = expected.iter().filter(|label| inside(label)).count();
    wait_until(PATIENCE, || {
        hooks
            .ran_for(&id)
            .iter()
            .filter(|label| inside(label))
            .count()
            == awaited
    });
    node.cri.remove(&id);
    let ran = hooks.ran_for(&id);
    let (in_container, on_host): (Vec<&str>, Vec<&str>) = ran
        .iter()
        .map(String::as_str)
        .partition(|label| inside(label));
    let (inside_expected, host_expected): (Vec<&str>, Vec<&str>) =
        expected.iter().partition(|label| inside(label));
    assert_eq!(on_host, host_expected, "{name}: {}", node.log());
    assert_eq!(in_container, inside_expected, "{name}: {}", node.log());
    id
}

fn hooks_run_through_everything(suite: &str, runtime: &Path) {
    let Some(programs) = node::programs(suite) else {
        return;
    };
    let scratch = Scratch::new();
    let hooks = Hooks::new(&scratch);
    for phase in &PHASES {
        hooks.file(
            &format!("{}.json", phase.name),
            hooks.probe(phase.name, phase.name, None),
        );
    }
    // Longer than any buffer between plugin and engine.
    let long = "x".repeat(20_000);
    let args = vec!["long".to_owned(), long.clone()];
    hooks.file(
        "zz-long.json",
        hooks.probe("long", "createRuntime", Some(args)),
    );
    let mut node = Node::start(&scratch, programs, runtime);
    let _plugin = hooks.plugin(&node, &[]);
    hooks.wait_logged("msg=\"synchronized\"", 1);
    let pod = node.cri.run_pod("pod", &[]);

    // The reference has written prestart as createRuntime since 2024; the files are in the order of their names.
    let mut expected = [
        "host:createRuntime",
        "host:prestart",
        "host:long",
        "host:createContainer",
        "inside:startContainer",
        "host:poststart",
        "host:poststop",
    ];
    let first = live(&node, &hooks, &pod, "first", &expected);
    states_are_right(&hooks, &first, runtime);
    let records = hooks.bundle.records();
    let argv = records.started("host:long").unwrap().texts("argv");
    let lengths: Vec<usize> = argv.iter().map(|arg| arg.len()).collect();
    assert_eq!(lengths, [4, long.len()]);

    node.crash();
    hooks.wait_logged("msg=\"synchronized\"", 2);
    live(&node, &hooks, &pod, "second", &expected);

    hooks.file("createRuntime.json", "{ this is no hook");
    hooks.wait_logged("hook file is bad", 1);
    live(&node, &hooks, &pod, "third", &expected);

    hooks.file(
        "createRuntime.json",
        hooks.probe("repaired", "createRuntime", None),
    );
    hooks.wait_logged("hook file problem is gone", 1);
    expected[0] = "host:repaired";
    live(&node, &hooks, &pod, "fourth", &expected);

    node.cri.remove_pod(&pod);
    drop(node);
    nothing_is_left(&scratch);
}

/// The state that each hook was given, as the runtime-spec wants it.
fn states_are_right(hooks: &Hooks, container: &str, runtime: &Path) {
    for phase in &PHASES {
        let side = if phase.place == Place::Inside {
            "inside"
        } else {
            "host"
        };
        let records = hooks.bundle.records();
        let record = records.started(&format!("{side}:{}", phase.name)).unwrap();
        let state: Value = serde_json::from_str(record.text("stdin")).unwrap();
        // runc 1.1 says "created" to poststart hooks.
        if phase.name != "poststart" || !runtime.ends_with("runc") {
            assert_eq!(state["status"], phase.status, "{}: {state}", phase.name);
        }
        assert_eq!(state["id"], container);
        let bundle = state["bundle"].as_str().unwrap();
        assert!(
            bundle.starts_with(&*hooks.scratch.path().to_string_lossy()),
            "{bundle}"
        );
    }
}

fn closed_policy_refuses(suite: &str) {
    let Some(programs) = node::programs(suite) else {
        return;
    };
    let scratch = Scratch::new();
    let hooks = Hooks::new(&scratch);
    hooks.file("bad.json", "[]");
    let node = Node::start(&scratch, programs, Path::new("runc"));
    let _plugin = hooks.plugin(&node, &["--on-error", "closed"]);
    hooks.wait_logged("msg=\"synchronized\"", 1);
    let pod = node.cri.run_pod("pod", &[]);
    let error = node.cri.create(&pod, "refused", IMAGE, &[]).unwrap_err();
    let reason = error.message();
    assert!(
        reason.contains("lxcri-nri") && reason.contains("bad.json"),
        "{reason}"
    );
    hooks.file("bad.json", hooks.probe("good", "createRuntime", None));
    hooks.wait_logged("hook file problem is gone", 1);
    live(&node, &hooks, &pod, "created", &["host:good"]);
    node.cri.remove_pod(&pod);
    drop(node);
    nothing_is_left(&scratch);
}

fn pre_installed(suite: &str) {
    let Some(programs) = node::programs(suite) else {
        return;
    };
    let scratch = Scratch::new();
    let hooks = Hooks::new(&scratch);
    hooks.file("a.json", hooks.probe("a", "createRuntime", None));
    scratch.mkdir("node/plugins");
    // A link, as the documentation says.
    let plugin = scratch.join("node/plugins/10-lxcri-nri");
    symlink(node::plugin_program(), plugin).unwrap();
    scratch.mkdir("node/conf.d");
    let (directory, log) = (scratch.join("hooks.d"), scratch.join("nri.log"));
    let configuration = format!("hooks-dirs = [{directory:?}]\nlog = {log:?}\n");
    scratch.write("node/conf.d/10-lxcri-nri.conf", configuration);
    let mut node = Node::start(&scratch, programs, Path::new("runc"));
    hooks.wait_logged("msg=\"registered\"", 1);
    let pod = node.cri.run_pod("pod", &[]);
    live(&node, &hooks, &pod, "first", &["host:a"]);
    // The engine starts another one, and the old one ends with its connection.
    node.crash();
    hooks.wait_logged("msg=\"registered\"", 2);
    hooks.wait_logged("msg=\"stopped\"", 1);
    live(&node, &hooks, &pod, "second", &["host:a"]);
    node.cri.remove_pod(&pod);
    drop(node);
    nothing_is_left(&scratch);
}

/// The parent cgroup is the engine's, which leaves it to the next pod.
fn nothing_is_left(scratch: &Scratch) {
    let found = leaks::left_behind_but(scratch.marker(), |found| {
        found
            .cgroups
            .retain(|path| !path.ends_with(scratch.marker()));
        found
            .processes
            .retain(|(_, command)| !command.contains("lxcri-nri"));
    });
    assert!(found.is_empty(), "left behind: {found:?}");
}

#[test]
fn hooks_run_with_containerd_1() {
    hooks_run_through_everything(SUITES[0], Path::new("runc"));
}

#[test]
fn hooks_run_with_containerd_2() {
    hooks_run_through_everything(SUITES[1], Path::new("runc"));
}

/// Hooks of NRI run by the runtime of this project.
#[test]
fn hooks_run_with_lxcri() {
    let Some(runtime) = need::lxcri() else {
        return;
    };
    hooks_run_through_everything(SUITES[1], &runtime.program);
}

#[test]
fn closed_policy_with_containerd_1() {
    closed_policy_refuses(SUITES[0]);
}

#[test]
fn closed_policy_with_containerd_2() {
    closed_policy_refuses(SUITES[1]);
}

#[test]
fn pre_installed_with_containerd_1() {
    pre_installed(SUITES[0]);
}

#[test]
fn pre_installed_with_containerd_2() {
    pre_installed(SUITES[1]);
}
