//! lxcri-ctl with real engines: what it writes is what containerd and podman read, and it sees the containers that live.

use std::fs;
use std::path::Path;

use lxcri_tests::cgroups::Layout;
use lxcri_tests::command::{Cmd, PATIENCE, find_program, quiet, wait_until};
use lxcri_tests::engine::{Containerd, IMAGE, Podman};
use lxcri_tests::need;
use lxcri_tests::runtime::Runtime;
use lxcri_tests::scratch::Scratch;
use lxcri_tests::wrapper::{Wrapper, script};
use serde_json::{Value, json};

use crate::support::Ctl;

/// The merged configuration, from containerd itself.
fn dump(config: &Path) -> String {
    let command = Cmd::new(find_program("containerd").expect("containerd is installed"));
    let command = command.arg("--config").arg(config).args(["config", "dump"]);
    command.run().success().stdout
}

#[test]
fn containerd_reads_our_runtime_and_loses_nothing_else() {
    if !need::programs(&["containerd"]) {
        return;
    }
    let v2 = "version = 2\n\
              [plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"pause:ours\"\n\
              [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\nruntime_type = \"io.containerd.runc.v2\"\n\
              [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\nSystemdCgroup = true\n\
              [plugins.\"io.containerd.internal.v1.opt\"]\npath = \"/opt/ours\"\n";
    let v1 = "[plugins.cri]\nsandbox_image = \"pause:ours\"\n[plugins.opt]\npath = \"/opt/ours\"\n";
    for (text, expected) in [
        (None, &["BinaryName = \"/bin/true\""][..]),
        (
            Some(v1),
            &[
                "sandbox_image = \"pause:ours\"",
                "path = \"/opt/ours\"",
                "BinaryName = \"/bin/true\"",
            ],
        ),
        (
            Some(v2),
            &[
                "sandbox_image = \"pause:ours\"",
                "path = \"/opt/ours\"",
                "SystemdCgroup = true",
                "BinaryName = \"/bin/true\"",
            ],
        ),
    ] {
        let scratch = Scratch::new();
        let Some(ctl) = Ctl::new(&scratch, "containerd", "config.toml") else {
            return;
        };
        if let Some(text) = text {
            fs::write(&ctl.config, text).expect("write config.toml");
        }
        ctl.configure(Path::new("/bin/true"));
        let dump = dump(&ctl.config);
        for line in expected {
            assert!(dump.contains(line), "{line} of {text:?}: {dump}");
        }
        let status = ctl.status();
        assert_eq!(status["default"]["value"], "ours", "{status}");
        let answer = &status["answer"];
        assert_eq!(answer["default"], "ours", "{status}");
        // Its CRI plugin does not start without the runtime that is its default when ours is gone.
        assert_eq!(
            answer["runtimes"],
            serde_json::json!(["ours", "runc"]),
            "{status}"
        );
        assert_eq!(status["warnings"], serde_json::json!([]), "{status}");
        ctl.unconfigure();
        assert_eq!(fs::read_to_string(&ctl.config).ok().as_deref(), text);
    }
}

#[test]
fn podman_takes_our_runtime_as_its_default() {
    if !need::privileged() || !need::programs(&["podman", "crun"]) {
        return;
    }
    let scratch = Scratch::new();
    let Some(ctl) = Ctl::new(&scratch, "podman", "containers.conf") else {
        return;
    };
    let crun = find_program("crun").expect("crun is installed");
    ctl.configure(&crun);
    let command = Cmd::new(find_program("podman").expect("podman is installed"))
        .env(
            "CONTAINERS_CONF",
            scratch.join("etc/containers.conf.d/99-lxcri.conf"),
        )
        .arg("--root")
        .arg(scratch.join("storage"))
        .arg("--runroot")
        .arg(scratch.join("runroot"))
        .args(["--storage-driver", "vfs", "info", "--format", "json"])
        .deadline(2 * PATIENCE);
    let info: Value = serde_json::from_str(&command.run().success().stdout).expect("info is JSON");
    let runtime = &info["host"]["ociRuntime"];
    assert_eq!(runtime["name"], "ours");
    assert_eq!(runtime["path"], crun.to_str().expect("a text"));
}

/// runc at a path that no other test uses.
fn runc(scratch: &Scratch) -> Option<Runtime> {
    if !need::privileged() || !need::programs(&["runc", "tar"]) {
        return None;
    }
    let program = scratch.mkdir("bin").join("runc");
    let (from, to) = (find_program("runc")?, program.to_string_lossy());
    // Another program copies it: what is open for writing here cannot be executed.
    let copied = quiet("install", &["-m", "0755", &from.to_string_lossy(), &to]);
    assert!(copied, "copy runc");
    match Runtime::in_layout(program, Layout::of_host()) {
        Ok(runtime) if runtime.has_view() => {
            need::skip("engines run outside the view of LXCRI_TEST_CGROUPS");
            None
        }
        Ok(runtime) => Some(runtime),
        Err(reason) => {
            need::skip(reason);
            None
        }
    }
}

/// That the container is reported while it lives, and that it is told before its runtime is taken away.
fn is_in_use(ctl: &Ctl<'_>, runtime: &Path, id: &str) {
    ctl.configure(runtime);
    let users = || ctl.status()["configured"][0]["containers"].to_string();
    let seen = wait_until(PATIENCE, || users().contains(id));
    assert!(seen, "{id} is not among {}", users());
    let warning = ctl.unconfigure();
    assert!(
        warning.contains("are alive") && warning.contains(id),
        "{warning}"
    );
}

#[test]
fn a_living_container_of_podman_is_seen() {
    let scratch = Scratch::new();
    if !need::programs(&["podman", "conmon"]) {
        return;
    }
    let Some(runtime) = runc(&scratch) else {
        return;
    };
    let Some(ctl) = Ctl::new(&scratch, "podman", "containers.conf") else {
        return;
    };
    let podman = Podman::new(&runtime, &scratch);
    let outcome = podman
        .run()
        .args(["--detach", IMAGE, "/bin/sleep", "600"])
        .run();
    let id = outcome.success().stdout.trim().to_owned();
    is_in_use(&ctl, &runtime.program, &id);
}

#[test]
fn a_living_container_of_containerd_is_seen() {
    let scratch = Scratch::new();
    if !need::programs(&["containerd", "ctr"]) {
        return;
    }
    let Some(runtime) = runc(&scratch) else {
        return;
    };
    let Some(ctl) = Ctl::new(&scratch, "containerd", "config.toml") else {
        return;
    };
    let containerd = Containerd::new(&runtime, &scratch);
    let id = scratch.id("used");
    let run = containerd
        .run()
        .args(["--detach", IMAGE, &id, "/bin/sleep", "600"]);
    run.run().success();
    is_in_use(&ctl, &runtime.program, &id);
    let kill = ["task", "kill", "--signal", "SIGKILL", &id];
    containerd.command().args(kill).run().success();
    let stopped = wait_until(PATIENCE, || containerd.task(&id) == "STOPPED");
    assert!(stopped, "{}", containerd.task(&id));
    containerd.command().args(["task", "delete", &id]).run();
    containerd
        .command()
        .args(["container", "delete", &id])
        .run()
        .success();
}

#[test]
fn a_hook_for_every_container_of_podman_in_three_commands() {
    let scratch = Scratch::new();
    if !need::programs(&["podman", "conmon"]) {
        return;
    }
    let Some(runtime) = runc(&scratch) else {
        return;
    };
    let Some(wrapper) = Wrapper::new(&scratch, &runtime.program) else {
        return;
    };
    let Some(ctl) = Ctl::new(&scratch, "podman", "containers.conf") else {
        return;
    };
    let podman = Podman::new(&runtime, &scratch);
    let (hook, trace) = (scratch.join("hook"), scratch.join("trace"));
    script(
        &scratch,
        "hook",
        &format!("#!/bin/sh\necho ran >> {}\n", trace.display()),
    );
    wrapper.hook_file(
        "hook.json",
        &json!({"version": "1.0.0", "hook": {"path": hook}, "when": {"always": true}, "stages": ["createRuntime"]}),
    );
    ctl.configure(&wrapper.script("inject"));
    let drop_in = ctl.status()["dropIn"].as_str().map(str::to_owned);
    let run = || {
        // As a machine's files come together: what the harness sets, and ours.
        let harness = fs::read_to_string(scratch.join("containers.conf")).expect("it is there");
        let ours = drop_in
            .as_ref()
            .and_then(|path| fs::read_to_string(path).ok());
        let both = format!("{harness}{}", ours.as_deref().unwrap_or_default());
        let command = Cmd::new(find_program("podman").expect("podman is installed"))
            .deadline(2 * PATIENCE)
            .env("CONTAINERS_CONF", scratch.write("both.conf", both));
        let command = match ours {
            Some(_) => command,
            // Without ours, podman has a default of its own, which may not run here.
            None => command.arg("--runtime").arg(&runtime.program),
        };
        let parent = format!("/{}", scratch.marker());
        let command = command.arg("--root").arg(scratch.join("storage"));
        let command = command.arg("--runroot").arg(scratch.join("runroot"));
        let command = command.args(["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"]);
        let command = command.args([
            "--events-backend",
            "none",
            "run",
            "--rm",
            "--network",
            "none",
        ]);
        let command = command.args(["--cgroup-parent", &parent, IMAGE, "/bin/true"]);
        command.run().success();
    };
    let ran = || fs::read_to_string(&trace).unwrap_or_default();
    run();
    assert_eq!(ran(), "ran\n");
    ctl.unconfigure();
    run();
    assert_eq!(ran(), "ran\n", "the hook is gone with the runtime");
    drop(podman);
}
