//! Hooks that fail or cannot be run at all.

use std::path::Path;

use hook_exec::Context;
use hook_model::Hook;

use crate::support::*;

fn error(hook: Hook) -> String {
    let record = run(hook);
    assert_eq!((record.exit_status, record.signal), (None, None));
    record.error.expect("the hook cannot be run")
}

#[test]
fn the_exit_status_is_kept() {
    let record = run(sh("echo no such device >&2; exit 3"));
    assert_eq!(
        (record.exit_status, record.signal, record.timed_out),
        (Some(3), None, false)
    );
    let line = record.failure().unwrap().to_string();
    assert!(
        line.starts_with("createRuntime hook #1 (/bin/sh): exit status 3 after "),
        "{line}"
    );
    assert!(line.ends_with(" ms: no such device"), "{line}");
    assert_eq!(run(sh("exit 255")).exit_status, Some(255));
    assert_eq!(
        run(sh("exit 127")).exit_status,
        Some(127),
        "not mistaken for a hook that cannot be run"
    );
}

#[test]
fn the_signal_is_kept() {
    for signal in [1, 9, 11, 15, 35, 64] {
        let record = run(sh(&format!("kill -{signal} $$; sleep 5")));
        assert_eq!(
            (record.exit_status, record.signal, record.timed_out),
            (None, Some(signal), false)
        );
    }
}

#[test]
fn times_are_measured() {
    let before = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_nanos();
    let record = succeeded(run(sh("sleep 0.2")));
    assert!(
        u128::from(record.start_ns) >= before
            && u128::from(record.start_ns) < before + 5_000_000_000
    );
    assert!(
        (200_000_000..5_000_000_000).contains(&record.duration_ns),
        "{}",
        record.duration_ns
    );
}

#[test]
fn what_cannot_be_executed_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    assert_eq!(
        error(Hook::new("/no/such/hook")),
        "execve(/no/such/hook): no such file or directory (ENOENT)"
    );
    let plain = write(at("plain"), "#!/bin/sh\n", 0o644);
    assert_eq!(
        error(Hook::new(&plain)),
        format!("execve({}): permission denied (EACCES)", plain.display())
    );
    assert!(error(Hook::new(dir.path())).ends_with("): permission denied (EACCES)"));
    assert!(error(Hook::new("/bin/sh/below")).ends_with("): not a directory (ENOTDIR)"));
    let orphan = write(at("orphan"), "#!/no/such/interpreter\n", 0o755);
    assert!(error(Hook::new(orphan)).ends_with("/orphan): no such file or directory (ENOENT)"));
    let garbage = write(at("garbage"), "\u{1}\u{2}\u{3}", 0o755);
    assert!(error(Hook::new(garbage)).ends_with("/garbage): exec format error (ENOEXEC)"));
    let huge = Hook {
        args: Some(vec!["x".repeat(1 << 20)]),
        ..Hook::new("/bin/true")
    };
    assert_eq!(
        error(huge),
        "execve(/bin/true): argument list too long (E2BIG)"
    );
    let record = run(Hook::new("/no/such/hook"));
    assert_ne!(record.pid, 0, "there was a process");
    let line = record.failure().unwrap().to_string();
    assert!(
        line.ends_with(
            ": cannot be run: execve(/no/such/hook): no such file or directory (ENOENT)"
        ),
        "{line}"
    );
}

#[test]
fn invalid_hooks_are_refused_too() {
    assert_eq!(
        error(Hook::new("bin/true")),
        "execve(bin/true): the path is not absolute"
    );
    assert!(error(Hook::new("/bin\0/true")).ends_with(": the path contains a NUL character"));
    let hook = Hook {
        args: Some(vec!["a\0b".into()]),
        ..Hook::new("/bin/true")
    };
    assert_eq!(
        error(hook),
        "execve(/bin/true): an argument contains a NUL character"
    );
    let hook = Hook {
        env: Some(vec!["A=\0".into()]),
        ..Hook::new("/bin/true")
    };
    assert_eq!(
        error(hook),
        "execve(/bin/true): the environment contains a NUL character"
    );
}

#[test]
fn a_script_cannot_be_run_from_a_descriptor() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path().join("script"), "#!/bin/sh\n", 0o755);
    let file = std::fs::File::open(&path).unwrap();
    let record = run_hook_at(
        &file,
        &Hook::new("/s"),
        &Context::new(STATE, Path::new("/")),
    );
    assert_eq!(
        record.error.unwrap(),
        "execveat(/s, AT_EMPTY_PATH): no such file or directory (ENOENT)"
    );
}
