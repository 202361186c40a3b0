//! What people get wrong: options, addresses, a log that cannot be written, a system that has no watches left.

use std::fs::{self, File};
use std::process::{Command, Output, Stdio};

use serde_json::json;

use crate::engine::Engine;
use crate::plugin::{PROGRAM, Place, Plugin, paths};

fn output(arguments: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).stdin(Stdio::null());
    command.output().unwrap()
}

#[test]
fn wrong_usage_is_status_2_and_names_the_value() {
    for (arguments, reason) in [
        (["--idx", "7"], "'7' for '--idx <NN>': not two digits"),
        (["--hooks-dir", "here"], "here: not an absolute path"),
        (["--hooks-json", "h.json"], "h.json: not an absolute path"),
        (["--host-root", "host"], "host: not an absolute path"),
        (
            ["--metrics", "localhost:1"],
            "neither a port nor ADDRESS:PORT",
        ),
        (
            ["--log", "x"],
            "neither stderr, syslog nor an absolute path",
        ),
        (["--on-error", "ajar"], "possible values: open, closed"),
    ] {
        let output = output(&arguments);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(reason), "{stderr}");
    }
}

#[test]
fn completions_that_cannot_be_written_are_status_1() {
    let mut command = Command::new(PROGRAM);
    command.args(["completions", "bash"]);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = command.stdout(full).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.starts_with("lxcri-nri: write to stdout: "),
        "{stderr}"
    );
}

#[test]
fn a_log_that_cannot_be_written_goes_to_stderr() {
    let place = Place::new();
    let engine = Engine::listen(&place.socket());
    let log = place.join("missing/log");
    let plugin = place.plugin(&["--log", &log.to_string_lossy()]);
    engine.start();
    plugin.terminate();
    let stderr = place.join("stderr");
    let text = || fs::read_to_string(&stderr).unwrap();
    crate::plugin::wait_until(|| text().contains("msg=\"stopped\""), text);
    assert!(text().contains("msg=\"registered\""), "{}", text());
}

/// A slip of the pen must not look like a node without hooks.
#[test]
fn directories_that_do_not_exist_are_named_at_the_start() {
    let place = Place::new();
    let missing = place.join("hook.d");
    fs::remove_dir(place.join("hooks.d")).unwrap();
    let _plugin = place.plugin(&["--hooks-dir", &missing.to_string_lossy()]);
    let line = &place.wait_logged("hook files loaded", 1)[0];
    assert!(
        line.contains("level=warning") && line.contains("/hook.d\"") && line.contains("files=0"),
        "{line}"
    );
}

/// On a busy node others may have taken all inotify instances. Hooks that are not followed are better than none.
#[test]
fn a_system_without_inotify_instances_costs_no_hooks() {
    let place = Place::new();
    place.hook("a.json", "createRuntime", json!({"path": "/bin/true"}));
    let engine = Engine::listen(&place.socket());
    let limit = "/proc/sys/user/max_inotify_instances";
    let script = format!("echo 0 > {limit} || exit 77; exec \"$@\"");
    let mut command = Command::new("unshare");
    command.args(["-Ur", "/bin/sh", "-c", &script, "sh", PROGRAM]);
    command.arg("--socket").arg(place.socket());
    command.arg("--hooks-dir").arg(place.join("hooks.d"));
    command.arg("--log").arg(place.join("log"));
    command.stdin(Stdio::null());
    let mut plugin = Plugin::spawn(&mut command, &place.join("stderr"));
    let mut ended = false;
    crate::plugin::wait_until(
        || {
            ended = plugin.has_ended();
            ended || !place.logged("is not watched for changes").is_empty()
        },
        || place.log(),
    );
    if ended {
        assert!(std::env::var_os("LXCRI_TEST_MUST_RUN").is_none_or(|v| v != "1"));
        eprintln!(
            "skipped: no user namespace with limits of its own: {}",
            plugin.stderr()
        );
        return;
    }
    let mut peer = engine.start();
    assert_eq!(paths(&mut peer), ["/bin/true"]);
    place.hook("b.json", "createRuntime", json!({"path": "/bin/cat"}));
    crate::plugin::wait_until(
        || paths(&mut peer) == ["/bin/true", "/bin/cat"],
        || place.log(),
    );
}
