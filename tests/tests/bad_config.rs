//! Bundles and config.json files that must be refused before anything is done.

use lxcri_tests::bundle::{Bundle, Image};
use lxcri_tests::command::{Cmd, Outcome};
use lxcri_tests::judge::Judge;
use lxcri_tests::need;
use lxcri_tests::runtime::Runtime;
use lxcri_tests::scratch::Scratch;
use serde_json::{Value, json};

/// Creates a container of this text as config.json.
fn create_text(runtime: &Runtime, scratch: &Scratch, text: &[u8]) -> Outcome {
    scratch.write("bundle/config.json", text);
    let command = runtime
        .command(&scratch.join("run"))
        .args(["create", "--bundle"])
        .arg(scratch.join("bundle"));
    let outcome = command.arg(scratch.id("c")).run();
    if outcome.ok() {
        let delete = |cmd: Cmd| cmd.args(["delete", "--force"]).arg(scratch.id("c")).run();
        delete(runtime.command(&scratch.join("run")));
    }
    outcome
}

#[test]
fn config_json_that_is_no_configuration() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let mut judge = Judge::new(runtime);
    let scratch = Scratch::new();
    let bundle = Bundle::new(&scratch, Image::Busybox);
    let good = serde_json::to_string(&bundle.config).expect("JSON");
    let texts: [(&str, Vec<u8>); 9] = [
        ("empty", Vec::new()),
        ("blank", b"  \n".to_vec()),
        ("truncated", good.as_bytes()[..good.len() / 2].to_vec()),
        ("an array", b"[]".to_vec()),
        ("a number", b"1".to_vec()),
        ("null", b"null".to_vec()),
        ("no JSON", b"ociVersion: 1.0.2".to_vec()),
        ("trailing data", format!("{good} {{}}").into_bytes()),
        (
            "no UTF-8",
            [
                good.replace("lxcri-test", "@")
                    .split_once('@')
                    .unwrap_or_default()
                    .0
                    .as_bytes(),
                b"\xff\"}",
            ]
            .concat(),
        ),
    ];
    for (case, text) in texts {
        judge.refused(
            case,
            &create_text(runtime, &scratch, &text),
            &["config.json"],
        );
        judge.nothing_left(case, &scratch);
    }
}

/// A change of a good configuration, and the words that the refusal must hold.
type Change<'a> = (&'a str, &'a dyn Fn(&mut Value), &'a [&'a str]);

fn refuse_changes(runtime: &Runtime, changes: &[Change<'_>]) {
    let mut judge = Judge::new(runtime);
    for (case, change, words) in changes {
        let scratch = Scratch::new();
        let mut bundle = Bundle::new(&scratch, Image::Busybox);
        let path = bundle.probe_as("hook", |o| o);
        bundle.config["hooks"]["createRuntime"] = json!([{"path": path}]);
        change(&mut bundle.config);
        let text = serde_json::to_vec(&bundle.config).expect("JSON");
        judge.refused(case, &create_text(runtime, &scratch, &text), words);
        judge.nothing_left(case, &scratch);
        // Everything is checked before anything is done.
        judge.check(case, bundle.records().0.is_empty(), "a hook has been run");
    }
}

#[test]
fn values_that_cannot_be() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let hook = |config: &mut Value, key: &str, value: Value| {
        config["hooks"]["createRuntime"][0][key] = value
    };
    refuse_changes(
        runtime,
        &[
            (
                "no ociVersion",
                &|c| c["ociVersion"] = json!(null),
                &["ociVersion"],
            ),
            (
                "ociVersion 2",
                &|c| c["ociVersion"] = json!("2.0.0"),
                &["ociVersion", "2.0.0"],
            ),
            (
                "ociVersion x",
                &|c| c["ociVersion"] = json!("x"),
                &["ociVersion"],
            ),
            (
                "ociVersion a number",
                &|c| c["ociVersion"] = json!(1),
                &["ociVersion"],
            ),
            ("no root", &|c| c["root"] = json!(null), &["root"]),
            (
                "missing rootfs",
                &|c| c["root"]["path"] = json!("nowhere"),
                &["nowhere"],
            ),
            ("no process", &|c| c["process"] = json!(null), &["process"]),
            ("no args", &|c| c["process"]["args"] = json!([]), &["args"]),
            (
                "relative cwd",
                &|c| c["process"]["cwd"] = json!("var"),
                &["cwd"],
            ),
            (
                "process env without =",
                &|c| c["process"]["env"] = json!(["PATH"]),
                &["/process/env/0"],
            ),
            (
                "relative hook path",
                &move |c| hook(c, "path", json!("bin/hook")),
                &["/hooks/createRuntime/0/path"],
            ),
            (
                "empty hook path",
                &move |c| hook(c, "path", json!("")),
                &["/hooks/createRuntime/0/path"],
            ),
            (
                "hook without a path",
                &|c| c["hooks"]["createRuntime"] = json!([{"args": ["x"]}]),
                &["path"],
            ),
            (
                "hook timeout 0",
                &move |c| hook(c, "timeout", json!(0)),
                &["/hooks/createRuntime/0/timeout"],
            ),
            (
                "hook timeout -1",
                &move |c| hook(c, "timeout", json!(-1)),
                &["/hooks/createRuntime/0/timeout"],
            ),
            (
                "hook timeout as text",
                &move |c| hook(c, "timeout", json!("1")),
                &["timeout"],
            ),
            (
                "hook env without =",
                &move |c| hook(c, "env", json!(["A=1", "B"])),
                &["/hooks/createRuntime/0/env/1: no '='"],
            ),
            (
                "hook args as text",
                &move |c| hook(c, "args", json!("x")),
                &["args"],
            ),
            (
                "unknown limit",
                &|c| c["process"]["rlimits"] = json!([{"type": "RLIMIT_X", "soft": 1, "hard": 1}]),
                &["RLIMIT_X"],
            ),
            (
                "soft above hard",
                &|c| {
                    c["process"]["rlimits"] = json!([{"type": "RLIMIT_CORE", "soft": 2, "hard": 1}])
                },
                &["rlimits"],
            ),
            (
                "an array as user",
                &|c| c["process"]["user"] = json!([7, 8, 18, [9], "someuser"]),
                &["/process/user"],
            ),
            (
                "an array as seccomp",
                &|c| {
                    c["linux"]["seccomp"] =
                        json!(["SCMP_ACT_ALLOW", null, null, null, "/run/agent.sock"])
                },
                &["/linux/seccomp"],
            ),
            (
                "no soft limit",
                &|c| c["process"]["rlimits"] = json!([{"type": "RLIMIT_CORE", "hard": 1}]),
                &["rlimits"],
            ),
            (
                "a device without a minor number",
                &|c| c["linux"]["devices"] = json!([{"path": "/dev/x", "type": "c", "major": 1}]),
                &["devices"],
            ),
            (
                "unknown namespace",
                &|c| c["linux"]["namespaces"] = json!([{"type": "mount"}, {"type": "x"}]),
                &["namespaces"],
            ),
            (
                "two of a namespace",
                &|c| {
                    c["linux"]["namespaces"] =
                        json!([{"type": "mount"}, {"type": "pid"}, {"type": "pid"}])
                },
                &["/linux/namespaces"],
            ),
            (
                "unknown seccomp action",
                &|c| c["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_X"}),
                &["seccomp"],
            ),
        ],
    );
}

/// Puts a namespace with a path first, in the place of what there is of its type.
fn join(config: &mut Value, kind: &str, path: &str) {
    if let Some(list) = config["linux"]["namespaces"].as_array_mut() {
        list.retain(|namespace| namespace["type"] != kind);
        list.insert(0, json!({"type": kind, "path": path}));
    }
}

#[test]
fn namespaces_that_cannot_be_joined() {
    let Some(runtime) = need::lxcri() else { return };
    let at = "/linux/namespaces/0/path";
    refuse_changes(
        runtime,
        &[
            // LXC would have taken it, and left the container in the host's network.
            (
                "a namespace of another type",
                &move |c| join(c, "network", "/proc/self/ns/ipc"),
                &[at, "/proc/self/ns/ipc", "ipc, not network"],
            ),
            (
                "a missing namespace",
                &move |c| join(c, "uts", "/run/nowhere"),
                &[at, "/run/nowhere", "ENOENT"],
            ),
            (
                "a file that is no namespace",
                &move |c| join(c, "pid", "/proc/version"),
                &[at, "/proc/version is not a namespace"],
            ),
            (
                "a user namespace of another type",
                &move |c| join(c, "user", "/proc/self/ns/net"),
                &[at, "network, not user"],
            ),
        ],
    );
}

#[test]
fn the_host_is_not_changed_through_a_path_to_its_namespaces() {
    let Some(runtime) = need::lxcri() else { return };
    let own = |config: &mut Value, kind, link| join(config, kind, &format!("/proc/self/ns/{link}"));
    refuse_changes(
        runtime,
        &[
            (
                "host name",
                &move |c| {
                    own(c, "uts", "uts");
                    c["hostname"] = json!("renamed");
                },
                &["/hostname", "renamed"],
            ),
            (
                "domain name",
                &move |c| {
                    own(c, "uts", "uts");
                    c["hostname"] = json!(null);
                    c["domainname"] = json!("renamed");
                },
                &["/domainname"],
            ),
            (
                "network sysctl",
                &move |c| {
                    own(c, "network", "net");
                    c["linux"]["sysctl"] = json!({"net.ipv4.ip_forward": "1"});
                },
                &["/linux/sysctl/net.ipv4.ip_forward"],
            ),
            (
                "ipc sysctl",
                &move |c| {
                    own(c, "ipc", "ipc");
                    c["linux"]["sysctl"] = json!({"kernel.shmmni": "4097"});
                },
                &["/linux/sysctl/kernel.shmmni"],
            ),
        ],
    );
}

#[test]
fn nul_in_a_string() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let nul = || json!("a\0b");
    refuse_changes(
        runtime,
        &[
            (
                "args",
                &|c| c["process"]["args"] = json!(["/bin/true", "a\0b"]),
                &["/process/args/1"],
            ),
            (
                "env",
                &|c| c["process"]["env"] = json!(["A=1", "B=a\0b"]),
                &["/process/env/1"],
            ),
            (
                "cwd",
                &|c| c["process"]["cwd"] = json!("/a\0b"),
                &["/process/cwd"],
            ),
            ("hostname", &|c| c["hostname"] = nul(), &["/hostname"]),
            ("rootfs", &|c| c["root"]["path"] = nul(), &["/root/path"]),
            (
                "mount source",
                &|c| c["mounts"][0]["source"] = nul(),
                &["/mounts/0/source"],
            ),
            (
                "mount destination",
                &|c| c["mounts"][0]["destination"] = json!("/a\0b"),
                &["/mounts/0/destination"],
            ),
            (
                "masked path",
                &|c| c["linux"]["maskedPaths"] = json!(["/a\0b"]),
                &["/linux/maskedPaths/0"],
            ),
            (
                "hook path",
                &|c| c["hooks"]["createRuntime"][0]["path"] = json!("/a\0b"),
                &["/hooks/createRuntime/0/path"],
            ),
            (
                "hook args",
                &|c| c["hooks"]["createRuntime"][0]["args"] = json!(["a\0b"]),
                &["/hooks/createRuntime/0/args/0"],
            ),
            (
                "hook env",
                &|c| c["hooks"]["createRuntime"][0]["env"] = json!(["A=a\0b"]),
                &["/hooks/createRuntime/0/env/0"],
            ),
        ],
    );
}

#[test]
fn what_is_not_supported_is_refused() {
    let Some(runtime) = need::lxcri() else { return };
    refuse_changes(
        runtime,
        &[
            (
                "intelRdt",
                &|c| c["linux"]["intelRdt"] = json!({"closID": "x"}),
                &["/linux/intelRdt", "not supported"],
            ),
            (
                "empty intelRdt",
                &|c| c["linux"]["intelRdt"] = json!({}),
                &["/linux/intelRdt", "not supported"],
            ),
            (
                "the root cgroup",
                &|c| c["linux"]["cgroupsPath"] = json!("/"),
                &["config.json: /linux/cgroupsPath: \"/\" is the root"],
            ),
            (
                "a slice without systemd",
                &|c| c["linux"]["cgroupsPath"] = json!("system.slice:a:b"),
                &["config.json: /linux/cgroupsPath: system.slice:a:b: the notation"],
            ),
            (
                "windows",
                &|c| c["windows"] = json!({"layerFolders": ["x"]}),
                &["/windows", "not supported"],
            ),
            (
                "solaris",
                &|c| c["solaris"] = json!({"milestone": "x"}),
                &["/solaris", "not supported"],
            ),
            (
                "vm",
                &|c| c["vm"] = json!({"kernel": {"path": "/x"}}),
                &["/vm", "not supported"],
            ),
            (
                "mount option",
                &|c| c["mounts"][0]["options"] = json!(["no-such-option"]),
                &["no-such-option"],
            ),
            (
                "rdma",
                &|c| c["linux"]["resources"]["rdma"] = json!({"mlx5_1": {"hcaHandles": 3}}),
                &["/linux/resources/rdma", "not supported"],
            ),
        ],
    );
}

#[test]
fn bundles_that_are_none() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let mut judge = Judge::new(runtime);
    let scratch = Scratch::new();
    let missing = scratch.join("missing");
    let file = scratch.write("file", "");
    let empty = scratch.mkdir("empty");
    let directory = scratch.mkdir("directory");
    scratch.mkdir("directory/config.json");
    for (case, path, words) in [
        ("missing bundle", &missing, vec!["missing"]),
        ("a file as bundle", &file, vec!["file"]),
        ("no config.json", &empty, vec!["config.json"]),
        (
            "config.json is a directory",
            &directory,
            vec!["config.json"],
        ),
    ] {
        let command = runtime
            .command(&scratch.join("run"))
            .args(["create", "--bundle"])
            .arg(path)
            .arg(scratch.id("c"));
        judge.refused(case, &command.run(), &words);
        judge.nothing_left(case, &scratch);
    }
}
