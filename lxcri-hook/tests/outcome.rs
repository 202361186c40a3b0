//! How a hook ends, how long it may take, and what is recorded of it.
#![deny(unsafe_code)]

mod support;

use serde_json::{Value, json};
use std::fs;
use std::time::Duration;
use support::single::stdout;
use support::{Tree, eventually, is_alive};

#[test]
fn the_first_failure_ends_a_phase() {
    let tree = Tree::new();
    let mark = tree.join("mark");
    tree.shell("create-container", 1, "exit 0", &[]);
    tree.shell(
        "create-container",
        2,
        "echo first >&2; echo 'no such device' >&2; exit 3",
        &[],
    );
    tree.shell(
        "create-container",
        3,
        &format!("touch {}", mark.display()),
        &[],
    );
    let finished = tree.run("create-container");
    finished.fails_with(
        11,
        "lxcri-hook: createContainer hook #2 (/bin/sh): exit status 3 after ",
    );
    assert!(
        finished.stderr.ends_with(" ms: no such device\n"),
        "{}",
        finished.stderr
    );
    assert!(!mark.exists());
    assert_eq!(tree.records().len(), 2);
}

#[test]
fn a_failure_in_poststop_is_a_warning() {
    let tree = Tree::new();
    tree.shell("poststop", 1, "exit 3", &[]);
    tree.shell("poststop", 2, "kill -SEGV $$", &[]);
    tree.hook("poststop", 3, &["/nonexistent", "x"], &[]);
    tree.hook("poststop", 4, &["/etc/passwd", "x"], &[]);
    tree.hook("poststop", 5, &["/tmp", "x"], &[]);
    tree.shell("poststop", 6, "echo still here", &[]);
    let finished = tree.run("poststop");
    assert!(finished.status.success());
    let lines: Vec<&str> = finished.stderr.lines().collect();
    assert_eq!(lines.len(), 5, "{finished:?}");
    assert!(lines[0].starts_with("lxcri-hook: poststop hook #1 (/bin/sh): exit status 3 after "));
    assert!(lines[1].starts_with(
        "lxcri-hook: poststop hook #2 (/bin/sh): killed by signal 11 (SIGSEGV) after "
    ));
    assert_eq!(
        lines[2],
        "lxcri-hook: poststop hook #3 (/nonexistent): cannot be run: execve(/nonexistent): no such file or directory \
         (ENOENT)"
    );
    assert!(lines[3].ends_with("cannot be run: execve(/etc/passwd): permission denied (EACCES)"));
    assert!(lines[4].ends_with("cannot be run: execve(/tmp): permission denied (EACCES)"));
    let records = tree.records();
    assert_eq!(records.len(), 6);
    assert_eq!(
        (&records[1]["signal"], &records[1]["exit_status"]),
        (&json!(11), &Value::Null)
    );
    assert_eq!(
        records[2]["error"],
        "execve(/nonexistent): no such file or directory (ENOENT)"
    );
    assert_eq!(
        (&records[2]["signal"], &records[2]["exit_status"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(records[5]["stdout"], "still here\n");
}

#[test]
fn exit_codes_tell_why_a_hook_failed() {
    let failing = |command: &[&str], environ: &[&str]| {
        let tree = Tree::new();
        tree.hook("start-container", 1, command, environ);
        tree.run("start-container").status.code()
    };
    assert_eq!(failing(&["/bin/false", "false"], &[]), Some(11));
    assert_eq!(
        failing(&["/bin/sh", "sh", "-c", "kill -9 $$"], &[]),
        Some(11)
    );
    assert_eq!(failing(&["/nonexistent", "x"], &[]), Some(12));
    assert_eq!(
        failing(&["/bin/sleep", "sleep", "60"], &["OCI_HOOK_TIMEOUT=1"]),
        Some(13)
    );
}

#[test]
fn the_deadline_kills_the_process_group() {
    let tree = Tree::new();
    let pids = tree.join("pids");
    let script = format!(
        "trap '' TERM; sleep 300 & echo $$ $! > {}; wait; sleep 300",
        pids.display()
    );
    tree.shell(
        "create-container",
        1,
        &script,
        &["PATH=/bin:/usr/bin", "OCI_HOOK_TIMEOUT=2"],
    );
    let finished = tree.run("create-container");
    finished.fails_with(
        13,
        "createContainer hook #1 (/bin/sh): timed out after 2 s\n",
    );
    assert!(
        finished.took >= Duration::from_secs(2),
        "{:?}",
        finished.took
    );
    let pids: Vec<i32> = fs::read_to_string(pids)
        .unwrap()
        .split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect();
    assert_eq!(pids.len(), 2);
    eventually("the whole group is gone", || {
        !pids.iter().any(|pid| is_alive(*pid))
    });
    let record = tree.records().remove(0);
    assert_eq!(
        (&record["timed_out"], &record["signal"]),
        (&json!(true), &json!(9))
    );
    assert!(record["duration_ns"].as_u64().unwrap() >= 2_000_000_000);
}

#[test]
fn nobody_waits_for_a_descendant_in_a_session_of_its_own() {
    let tree = Tree::new();
    let pid = tree.join("pid");
    let script = format!("echo $$ > {}; exec sleep 300", pid.display());
    tree.hook(
        "create-container",
        1,
        &["/usr/bin/setsid", "setsid", "-w", "/bin/sh", "-c", &script],
        &["PATH=/bin:/usr/bin", "OCI_HOOK_TIMEOUT=2"],
    );
    tree.run("create-container")
        .fails_with(13, "timed out after 2 s");
    // setsid(1) forks, because the hook leads a process group; the session's child is out of reach, and not waited for.
    let pid: i32 = fs::read_to_string(pid).unwrap().trim().parse().unwrap();
    let _ = nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(pid),
        nix::sys::signal::Signal::SIGKILL,
    );
}

#[test]
fn a_deadline_that_is_kept_changes_nothing() {
    let tree = Tree::new();
    tree.shell(
        "create-container",
        1,
        "exit 0",
        &["OCI_HOOK_TIMEOUT=9223372036854775807"],
    );
    tree.shell("create-container", 2, "exit 0", &["OCI_HOOK_TIMEOUT=50"]);
    let finished = tree.run("create-container");
    finished.succeeds();
    assert!(finished.took < Duration::from_secs(40));
}

#[test]
fn nobody_waits_for_a_grandchild_that_holds_the_output() {
    let tree = Tree::new();
    let pid = tree.join("pid");
    let script = format!(
        "sleep 300 & echo $! > {}; echo done; echo too >&2",
        pid.display()
    );
    tree.shell("create-container", 1, &script, &["PATH=/bin:/usr/bin"]);
    let finished = tree.run("create-container");
    finished.succeeds();
    let record = tree.records().remove(0);
    assert_eq!(
        (&record["stdout"], &record["stderr"]),
        (&json!("done\n"), &json!("too\n"))
    );
    // It was no part of a failure, so it lives on.
    let pid: i32 = fs::read_to_string(pid).unwrap().trim().parse().unwrap();
    assert!(is_alive(pid));
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(pid),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
}

/// A grandchild that never stops writing must not keep the launcher reading.
#[test]
fn a_grandchild_that_keeps_writing_is_left() {
    let tree = Tree::new();
    let pid = tree.join("pid");
    let script = format!("yes & echo $! > {}; exit 0", pid.display());
    tree.shell("create-container", 1, &script, &["PATH=/bin:/usr/bin"]);
    let finished = tree.run("create-container");
    finished.succeeds();
    let pid: i32 = fs::read_to_string(pid).unwrap().trim().parse().unwrap();
    eventually("the writer ends by SIGPIPE", || !is_alive(pid));
}

#[test]
fn a_hundred_megabytes_of_output() {
    let tree = Tree::new();
    let script = "head -c 100000000 /dev/zero | tr '\\0' x; echo end; \
                  head -c 100000000 /dev/zero | tr '\\0' y >&2; echo 'the end' >&2; exit 1";
    tree.shell("create-container", 1, script, &["PATH=/bin:/usr/bin"]);
    let finished = tree.run("create-container");
    assert_eq!(finished.status.code(), Some(11));
    assert!(
        finished.stderr.ends_with("the end\n") && finished.stderr.len() < 1000,
        "{finished:?}"
    );
    assert_eq!(finished.stdout, "");
    let record = tree.records().remove(0);
    let stdout = record["stdout"].as_str().unwrap();
    assert_eq!(stdout.len(), 4096);
    assert!(stdout.starts_with("xxx") && stdout.ends_with("xend\n"));
    let stderr = record["stderr"].as_str().unwrap();
    assert!(stderr.len() == 4096 && stderr.starts_with("yyy") && stderr.ends_with("ythe end\n"));
}

#[test]
fn output_is_kept_to_the_last_byte() {
    for size in [0, 1, 4095, 4096, 4097, 65535, 65536, 65537, 200_000] {
        let script = format!("head -c {size} /dev/zero | tr '\\0' x; printf END");
        let text = stdout(&["/bin/sh", "sh", "-c", &script], &["PATH=/bin:/usr/bin"]);
        assert_eq!(text.len(), (size + 3).min(4096), "{size}");
        assert!(text.ends_with("END"));
    }
}

#[test]
fn any_bytes_of_output_make_valid_json() {
    let text = stdout(
        &[
            "/bin/sh",
            "sh",
            "-c",
            "printf '\\377\\303(\"\\\\\\001\\033[31m\\177\\n\\342\\202'",
        ],
        &[],
    );
    assert_eq!(text, "\u{fffd}\u{fffd}(\"\\\u{1}\u{1b}[31m\u{7f}\n\u{fffd}");
}

#[test]
fn stderr_in_a_failure_is_harmless() {
    let tree = Tree::new();
    tree.shell(
        "create-container",
        1,
        "printf '\\033[2Jgone\\233\\r\\n\\n' >&2; exit 1",
        &[],
    );
    let finished = tree.run("create-container");
    assert!(
        finished.stderr.ends_with("ms: \\x1b[2Jgone\u{fffd}\n"),
        "{finished:?}"
    );
    let tree = Tree::new();
    tree.shell(
        "create-container",
        1,
        "head -c 100000 /dev/zero | tr '\\0' z >&2; exit 1",
        &["PATH=/bin:/usr/bin"],
    );
    let finished = tree.run("create-container");
    assert!((512..700).contains(&finished.stderr.len()), "{finished:?}");
}

#[test]
fn hooks_that_ignore_or_close_stdin() {
    let tree = Tree::new();
    tree.write("state.json", &vec![b' '; 1 << 20]);
    tree.shell(
        "create-container",
        1,
        "exec <&-; sleep 0.05",
        &["PATH=/bin:/usr/bin"],
    );
    tree.hook("create-container", 2, &["/bin/true", "true"], &[]);
    tree.shell("create-container", 3, "wc -c", &["PATH=/bin:/usr/bin"]);
    tree.run("create-container").succeeds();
    assert_eq!(
        tree.records()[2]["stdout"].as_str().unwrap().trim(),
        "1048576"
    );
}

#[test]
fn a_hook_that_closes_its_output_is_waited_for() {
    let tree = Tree::new();
    tree.shell(
        "create-container",
        1,
        "exec >&- 2>&-; sleep 0.3; exit 7",
        &["PATH=/bin:/usr/bin"],
    );
    tree.run("create-container")
        .fails_with(11, "exit status 7 after ");
}

#[test]
fn records_of_several_runs_are_appended() {
    let tree = Tree::new();
    tree.shell("poststop", 1, "exit 0", &[]);
    for _ in 0..3 {
        tree.run("poststop").succeeds();
    }
    assert_eq!(tree.records().len(), 3);
}

#[test]
fn without_a_log_hooks_run_and_stderr_says_so() {
    let tree = Tree::new();
    let mark = tree.join("mark");
    tree.shell(
        "poststop",
        1,
        &format!("touch {}", mark.display()),
        &["PATH=/bin:/usr/bin"],
    );
    fs::create_dir(tree.join("hooks.jsonl")).unwrap();
    let finished = tree.run("poststop");
    assert!(finished.status.success() && mark.exists());
    assert!(
        finished
            .stderr
            .contains("records of hooks are lost: hooks.jsonl: "),
        "{finished:?}"
    );
    assert_eq!(finished.stderr.lines().count(), 1);
}

/// The log must not be redirected by whoever can write into the directory.
#[test]
fn the_log_is_no_symbolic_link() {
    let tree = Tree::new();
    tree.shell("poststop", 1, "exit 0", &[]);
    let target = tree.join("target");
    std::os::unix::fs::symlink(&target, tree.join("hooks.jsonl")).unwrap();
    let finished = tree.run("poststop");
    assert!(finished.status.success() && !target.exists());
    assert!(finished.stderr.contains("(ELOOP)"), "{finished:?}");
}
