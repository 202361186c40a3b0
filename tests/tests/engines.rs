//! Engines with the runtime under test: podman, and containerd through ctr.

use std::fs;

use lxcri_tests::bundle::{Bundle, Image};
use lxcri_tests::command::{PATIENCE, wait_until};
use lxcri_tests::engine::{Containerd, IMAGE, Podman};
use lxcri_tests::runtime::Runtime;
use lxcri_tests::scratch::Scratch;
use lxcri_tests::{leaks, need};
use serde_json::json;

fn with_podman() -> Option<&'static Runtime> {
    let runtime = need::runtime()?;
    if runtime.has_view() {
        need::skip("engines run outside the view of LXCRI_TEST_CGROUPS");
        return None;
    }
    need::programs(&["podman", "conmon", "tar"]).then_some(runtime)
}

#[test]
fn podman_run() {
    let Some(runtime) = with_podman() else { return };
    let scratch = Scratch::new();
    let podman = Podman::new(runtime, &scratch);
    let script = "echo out; echo err >&2; exit 3";
    let outcome = podman
        .run()
        .args(["--rm", IMAGE, "/bin/sh", "-c", script])
        .run();
    assert_eq!(
        (outcome.code(), outcome.stdout.as_str()),
        (3, "out\n"),
        "{outcome}"
    );
    assert!(outcome.stderr.contains("err"), "{outcome}");
    // Settings reach the process, with podman's seccomp profile in force.
    let options = [
        "--rm",
        "--user",
        "1000:1000",
        "--hostname",
        "in-podman",
        "--read-only",
        "--memory",
        "64m",
        "--pids-limit",
        "50",
    ];
    let script = "id -u; cat /proc/sys/kernel/hostname; touch /x 2>/dev/null || echo read-only; cat /proc/self/status";
    let outcome = podman
        .run()
        .args(options)
        .args([IMAGE, "/bin/sh", "-c", script])
        .run()
        .success();
    assert!(
        outcome.stdout.starts_with("1000\nin-podman\nread-only\n"),
        "{}",
        outcome.stdout
    );
    assert!(outcome.stdout.contains("Seccomp:\t2"), "{}", outcome.stdout);
    // A terminal.
    let outcome = podman
        .run()
        .args([
            "--rm",
            "--tty",
            IMAGE,
            "/bin/sh",
            "-c",
            "test -t 1 && echo terminal",
        ])
        .run();
    assert!(
        outcome.stdout.contains("terminal"),
        "{outcome}: {}",
        outcome.stdout
    );
    drop(podman);
    leaks::assert_none_but_parents(scratch.marker());
}

#[test]
fn podman_detached_kill_and_shared_network() {
    let Some(runtime) = with_podman() else { return };
    let scratch = Scratch::new();
    let podman = Podman::new(runtime, &scratch);
    let (first, second) = (scratch.id("first"), scratch.id("second"));
    podman
        .run()
        .args(["--detach", "--name", &first, IMAGE, "/bin/sleep", "600"])
        .run()
        .success();
    let status = || {
        let outcome = podman
            .command()
            .args(["inspect", "--format", "{{.State.Status}}", &first])
            .run();
        outcome.stdout.trim().to_string()
    };
    assert_eq!(status(), "running");
    let link = |outcome: lxcri_tests::command::Outcome| outcome.success().stdout;
    let joined = podman
        .command()
        .args(["run", "--rm", "--name", &second, "--cgroup-parent"])
        .arg(format!("/{}", scratch.marker()));
    let shared = link(
        joined
            .args([
                "--network",
                &format!("container:{first}"),
                IMAGE,
                "/bin/ls",
                "-l",
                "/proc/self/ns/net",
            ])
            .run(),
    );
    let pid = link(
        podman
            .command()
            .args(["inspect", "--format", "{{.State.Pid}}", &first])
            .run(),
    );
    let namespace =
        fs::read_link(format!("/proc/{}/ns/net", pid.trim())).expect("podman knows init's pid");
    assert!(
        shared.contains(&*namespace.to_string_lossy()),
        "{shared} is not {}",
        namespace.display()
    );
    podman
        .command()
        .args(["kill", "--signal", "KILL", &first])
        .run()
        .success();
    let waited = podman.command().args(["wait", &first]).run().success();
    assert_eq!(waited.stdout.trim(), "137");
    assert_eq!(status(), "exited");
    podman.command().args(["rm", &first]).run().success();
    drop(podman);
    leaks::assert_none_but_parents(scratch.marker());
}

#[test]
fn podman_with_hooks() {
    let Some(runtime) = with_podman() else { return };
    let scratch = Scratch::new();
    let podman = Podman::new(runtime, &scratch);
    let bundle = Bundle::new(&scratch, Image::Static);
    let stages = [
        "prestart",
        "createRuntime",
        "createContainer",
        "poststart",
        "poststop",
    ];
    scratch.mkdir("hooks.d");
    for stage in stages {
        let path = bundle.probe_as(stage, |o| o.with("stdin", "read"));
        let hook = json!({"version": "1.0.0", "hook": {"path": path}, "when": {"always": true}, "stages": [stage]});
        scratch.write(format!("hooks.d/{stage}.json"), hook.to_string());
    }
    let command = podman
        .command()
        .arg("--hooks-dir")
        .arg(scratch.join("hooks.d"))
        .args(["run", "--rm", "--network", "none"]);
    let command = command
        .arg("--cgroup-parent")
        .arg(format!("/{}", scratch.marker()));
    command.args([IMAGE, "/bin/true"]).run().success();
    let expected: Vec<String> = stages.iter().map(|stage| format!("host:{stage}")).collect();
    let complete = wait_until(PATIENCE, || bundle.records().labels("start") == expected);
    assert!(complete, "{:?}", bundle.records().labels("start"));
}

#[test]
fn containerd_run() {
    let Some(runtime) = with_podman() else { return };
    if !need::programs(&["containerd", "ctr"]) {
        return;
    }
    let scratch = Scratch::new();
    let containerd = Containerd::new(runtime, &scratch);
    let script = "echo out; exit 4";
    let outcome = containerd
        .run()
        .args(["--rm", IMAGE, "first", "/bin/sh", "-c", script])
        .run();
    assert_eq!(
        (outcome.code(), outcome.stdout.as_str()),
        (4, "out\n"),
        "{outcome}"
    );
    // The shim is the subreaper that waits for init.
    containerd
        .run()
        .args(["--detach", IMAGE, "second", "/bin/sleep", "600"])
        .run()
        .success();
    assert_eq!(containerd.task("second"), "RUNNING");
    containerd
        .command()
        .args(["task", "kill", "--signal", "KILL", "second"])
        .run()
        .success();
    let stopped = wait_until(PATIENCE, || containerd.task("second") == "STOPPED");
    assert!(stopped, "task is {}", containerd.task("second"));
    // ctr tells the exit status by its own or in a warning, depending on the version.
    let delete = containerd
        .command()
        .args(["task", "delete", "second"])
        .run();
    assert!(
        delete.code() == 137 || delete.stderr.contains("137"),
        "{delete}"
    );
    containerd
        .command()
        .args(["container", "delete", "second"])
        .run()
        .success();
    drop(containerd);
    leaks::assert_none_but_parents(scratch.marker());
}
