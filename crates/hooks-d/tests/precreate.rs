//! precreate hooks in all the ways in which they succeed and fail.
#![forbid(unsafe_code)]

use std::num::NonZeroU64;
use std::path::Path;
use std::time::{Duration, Instant};

use hook_model::{Hook, Phase};
use hooks_d::{Selected, Sha256, precreate};

const SPEC: &str = r#"{"ociVersion": "1.0.2", "x": 12345678901234567890123}"#;

fn sh(script: &str) -> Selected {
    let hook = Hook {
        args: Some(["sh", "-c", script].map(str::to_owned).into()),
        env: Some(vec!["PATH=/usr/bin:/bin".to_owned()]),
        ..Hook::new("/bin/sh")
    };
    Selected {
        phase: Phase::CreateRuntime,
        hook,
        file: "/h/a.json".into(),
        sha256: None,
    }
}

fn run(hooks: &[Selected]) -> Result<String, String> {
    let dir = tempfile::tempdir().unwrap();
    let output = precreate::run(hooks, SPEC.into(), dir.path());
    output
        .map(|bytes| String::from_utf8(bytes).unwrap())
        .map_err(|e| e.to_string())
}

fn failure(script: &str) -> String {
    run(&[sh(script)]).unwrap_err()
}

#[test]
fn the_output_is_the_configuration_byte_for_byte() {
    assert_eq!(run(&[]).unwrap(), SPEC);
    assert_eq!(run(&[sh("cat")]).unwrap(), SPEC);
    let spaced = run(&[sh("cat; echo; echo")]).unwrap();
    assert_eq!(spaced, format!("{SPEC}\n\n"));
}

#[test]
fn several_hooks_chain() {
    let hooks = [sh("sed s/x/y/"), sh("sed s/y/z/"), sh("sed s/ociV/ociV/")];
    assert_eq!(run(&hooks).unwrap(), SPEC.replace('x', "z"));
    let error = run(&[sh("cat"), sh("exit 4"), sh("cat")]).unwrap_err();
    assert!(
        error.starts_with("precreate hook #2 (/bin/sh): exit status 4 after "),
        "{error}"
    );
}

#[test]
fn the_working_directory_is_the_bundle_and_the_environment_is_env() {
    let dir = tempfile::tempdir().unwrap();
    let script = r#"cat > spec; env | grep -v -e ^PWD= -e ^SHLVL= -e ^_= > env; cat spec"#;
    precreate::run(&[sh(script)], SPEC.into(), dir.path()).unwrap();
    assert_eq!(
        std::fs::read_to_string(dir.path().join("spec")).unwrap(),
        SPEC
    );
    let env = std::fs::read_to_string(dir.path().join("env")).unwrap();
    assert_eq!(env, "PATH=/usr/bin:/bin\n");
}

#[test]
fn empty_output_fails() {
    assert_eq!(
        failure("cat > /dev/null"),
        "precreate hook #1 (/bin/sh): writes nothing"
    );
    assert_eq!(failure(":"), "precreate hook #1 (/bin/sh): writes nothing");
}

#[test]
fn a_non_zero_exit_fails_whatever_was_written() {
    let error = failure("cat; echo no such device >&2; exit 3");
    assert!(
        error.starts_with("precreate hook #1 (/bin/sh): exit status 3 after ")
            && error.ends_with(": no such device"),
        "{error}"
    );
}

#[test]
fn output_that_is_no_json_fails() {
    for (script, reason) in [
        (
            "echo hello",
            "writes no JSON: expected value at line 1 column 1",
        ),
        (
            "cat; echo x",
            "writes no JSON: trailing characters at line 1 column 54",
        ),
        (
            "printf '{\"a\":1,\"a\":2}'",
            "writes no JSON: /a: duplicate key at line 1 column 10",
        ),
        ("printf '\\377'", "writes no UTF-8"),
    ] {
        assert_eq!(
            failure(script),
            format!("precreate hook #1 (/bin/sh): {reason}")
        );
    }
}

#[test]
fn output_that_is_no_configuration_fails() {
    for output in [
        "{}",
        "[]",
        "null",
        r#"{"ociVersion": 1}"#,
        r#"{"ociVersion": ""}"#,
    ] {
        assert_eq!(
            failure(&format!("echo '{output}'")),
            "precreate hook #1 (/bin/sh): writes no configuration: /ociVersion is missing or no string"
        );
    }
}

#[test]
fn a_timeout_fails_and_kills_the_whole_group() {
    let mut hook = sh("cat; sleep 60 & sleep 60");
    hook.hook.timeout = NonZeroU64::new(1);
    let began = Instant::now();
    let error = run(&[hook]).unwrap_err();
    assert_eq!(error, "precreate hook #1 (/bin/sh): timed out after 1 s");
    assert!(began.elapsed() < Duration::from_secs(30), "it hangs");
}

#[test]
fn a_hook_that_writes_without_end_fails() {
    assert_eq!(
        failure("exec yes"),
        "precreate hook #1 (/bin/sh): writes more than 16777216 bytes"
    );
}

#[test]
fn a_hook_that_reads_nothing_or_leaves_a_process_is_no_problem() {
    let dir = tempfile::tempdir().unwrap();
    let script = format!("sleep 60 & echo $! > pid; printf '%s' '{SPEC}'");
    let began = Instant::now();
    let output = precreate::run(&[sh(&script)], SPEC.into(), dir.path());
    let pid = std::fs::read_to_string(dir.path().join("pid")).unwrap();
    let pid = nix::unistd::Pid::from_raw(pid.trim().parse().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    assert_eq!(output.unwrap(), SPEC.as_bytes());
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "it waits for the process"
    );
}

#[test]
fn a_hook_that_cannot_be_executed_fails() {
    let mut hook = sh("");
    hook.hook.path = "/missing".into();
    let error = run(&[hook]).unwrap_err();
    assert!(
        error.starts_with("precreate hook #1 (/missing): cannot be run: ")
            && error.contains("ENOENT"),
        "{error}"
    );
}

#[test]
fn a_pinned_hook_is_executed_through_the_descriptor_that_was_hashed() {
    let real = std::fs::canonicalize("/bin/sh").unwrap();
    let digest = digest(&real);
    let mut hook = sh("cat");
    hook.sha256 = Some(digest);
    assert_eq!(run(&[hook.clone()]).unwrap(), SPEC);
    hook.sha256 = Some(Sha256([7; 32]));
    let error = run(&[hook]).unwrap_err();
    assert!(
        error.starts_with(
            r#"precreate hook #1: pinned hook "/bin/sh" of "/h/a.json": its content has changed: "#
        ),
        "{error}"
    );
}

fn digest(path: &Path) -> Sha256 {
    let output = std::process::Command::new("sha256sum")
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text[..64].parse().unwrap()
}
