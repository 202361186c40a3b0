//! How a daemon learns of a change: daemons that are scripts, in a pid namespace of their own, and a systemctl that is one.

use lxcri_tests::command::{Cmd, Outcome, PATIENCE, find_program};
use lxcri_tests::need;
use lxcri_tests::scratch::Scratch;
use lxcri_tests::wrapper::script;

use crate::support::program;

/// Says when it is ready, and what it gets.
const DAEMON: &str = "#!/bin/sh\ntrap 'echo reloaded >> \"$0.log\"' HUP\necho >> ready\nsleep 600 &\nwhile :; do wait; done\n";

/// Runs a shell in which `configure` and `unconfigure` stand for lxcri-ctl with all that it needs.
fn shell(scratch: &Scratch, engine: &str, script: &str) -> Option<Outcome> {
    let ctl = program()?;
    let files = format!(
        "--engine {engine} --config {0}/etc/config --state {0}/state",
        scratch.path().display()
    );
    let ctl = ctl.display();
    let text = format!(
        "cd {}\nconfigure() {{ {ctl} runtime configure {files} --path /bin/true --set-default \"$@\"; }}\n\
         unconfigure() {{ {ctl} runtime unconfigure {files} \"$@\"; }}\n\
         ready() {{ until test $(wc -l < ready) -ge $1; do sleep 0.05; done; }}\n: > ready\n{script}\n",
        scratch.join("bin").display()
    );
    let command = Cmd::new(find_program("unshare").expect("util-linux is installed"));
    let command = command.args([
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "sh",
        "-c",
        &text,
    ]);
    let path = format!("{}:/usr/bin:/bin", scratch.join("bin").display());
    Some(command.env("PATH", path).deadline(2 * PATIENCE).run())
}

#[test]
fn docker_and_crio_get_sighup() {
    if !need::privileged() {
        return;
    }
    for (engine, daemon) in [("docker", "dockerd"), ("crio", "crio")] {
        let scratch = Scratch::new();
        scratch.mkdir("bin");
        script(&scratch, &format!("bin/{daemon}"), DAEMON);
        let text = format!(
            "./{daemon} & ready 1\nconfigure --restart signal || exit\n\
             for i in $(seq 1000); do test -e {daemon}.log && break; sleep 0.05; done\ncat {daemon}.log"
        );
        let Some(outcome) = shell(&scratch, engine, &text) else {
            return;
        };
        assert!(outcome.success().stdout.ends_with("reloaded\n"), "{engine}");
    }
}

#[test]
fn a_daemon_that_is_not_there_or_twice_is_an_error_and_the_files_stay_written() {
    if !need::privileged() {
        return;
    }
    for (text, error) in [
        ("", "it is not running"),
        (
            "./dockerd & ./dockerd & ready 2",
            "more than one is running: send SIGHUP by hand",
        ),
    ] {
        let scratch = Scratch::new();
        scratch.mkdir("bin");
        script(&scratch, "bin/dockerd", DAEMON);
        let Some(outcome) = shell(
            &scratch,
            "docker",
            &format!("{text}\nconfigure --restart signal"),
        ) else {
            return;
        };
        let outcome = outcome.failure();
        assert!(outcome.stderr.trim_end().ends_with(error), "{outcome}");
        assert!(
            outcome
                .stderr
                .contains("the files are written, but the engine does not know")
        );
        assert!(scratch.join("etc/config").exists());
    }
}

#[test]
fn dockerd_would_keep_a_default_that_its_file_no_longer_names() {
    if !need::privileged() {
        return;
    }
    let scratch = Scratch::new();
    scratch.mkdir("bin");
    let Some(outcome) = shell(
        &scratch,
        "docker",
        "configure && unconfigure --restart signal",
    ) else {
        return;
    };
    let outcome = outcome.failure();
    assert!(
        outcome
            .stderr
            .contains("only when it starts again: use --restart systemd"),
        "{outcome}"
    );
    assert!(scratch.join("etc/config").exists(), "nothing is changed");
}

#[test]
fn systemctl_restarts_the_engine_s_unit() {
    if !need::privileged() {
        return;
    }
    for engine in ["docker", "containerd", "crio"] {
        let scratch = Scratch::new();
        scratch.mkdir("bin");
        script(
            &scratch,
            "bin/systemctl",
            "#!/bin/sh\necho \"$@\" > \"$0.log\"\n",
        );
        let Some(outcome) = shell(
            &scratch,
            engine,
            "configure --restart systemd && cat systemctl.log",
        ) else {
            return;
        };
        let expected = format!("restart {engine}.service\n");
        assert!(outcome.success().stdout.ends_with(&expected), "{engine}");
        script(
            &scratch,
            "bin/systemctl",
            "#!/bin/sh\necho failed to connect >&2; exit 1\n",
        );
        let outcome = shell(&scratch, engine, "configure --restart systemd");
        let error = outcome.map(|o| o.failure().stderr).unwrap_or_default();
        assert!(
            error.ends_with(": exit status: 1: failed to connect\n"),
            "{error}"
        );
    }
}

#[test]
fn containerd_and_podman_cannot_be_signalled() {
    let Some(program) = program() else { return };
    for (engine, how, error) in [
        ("containerd", "signal", "use --restart systemd"),
        ("podman", "signal", "podman has no daemon"),
        ("podman", "systemd", "podman has no daemon"),
    ] {
        let scratch = Scratch::new();
        let outcome = Cmd::new(&program)
            .args([
                "runtime",
                "configure",
                "--engine",
                engine,
                "--path",
                "/bin/true",
            ])
            .args(["--restart", how, "--config"])
            .arg(scratch.join("etc/config"))
            .arg("--state")
            .arg(scratch.join("state"))
            .run()
            .failure();
        assert!(outcome.stderr.contains(error), "{outcome}");
        assert!(!scratch.join("etc").exists() && !scratch.join("state").exists());
    }
}

#[test]
fn dockerd_does_not_start_when_options_and_file_say_the_same() {
    if !need::privileged() {
        return;
    }
    let scratch = Scratch::new();
    scratch.mkdir("bin");
    script(&scratch, "bin/dockerd", DAEMON);
    let text = "./dockerd --default-runtime=x --add-runtime x=/y & ready 1\nconfigure";
    let Some(outcome) = shell(&scratch, "docker", text) else {
        return;
    };
    let warning =
        "warning: dockerd runs with --add-runtime and --default-runtime: it does not start";
    assert!(outcome.stderr.contains(warning), "{outcome}");
    outcome.success();
}
