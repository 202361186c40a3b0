//! What a hook gets, how long it may take, and what is recorded of it.
#![deny(unsafe_code)]

mod support;

use serde_json::{Value, json};
use std::fs;
use std::process::Command;
use std::time::Duration;
use support::{LAUNCHER, Tree, eventually, is_alive, run};

/// Runs a single poststop hook and returns its record.
fn record(command: &[&str], environ: &[&str]) -> Value {
    let tree = Tree::new();
    tree.hook("poststop", 1, command, environ);
    let finished = tree.run("poststop");
    assert!(finished.status.success(), "{finished:?}");
    assert_eq!(finished.stdout, "");
    tree.records().remove(0)
}

fn stdout(command: &[&str], environ: &[&str]) -> String {
    let record = record(command, environ);
    assert_eq!(record["exit_status"], 0, "{record}");
    record["stdout"].as_str().unwrap().to_owned()
}

#[test]
fn hooks_run_in_the_order_of_their_numbers() {
    let tree = Tree::new();
    let log = tree.join("log");
    for n in 1..=12 {
        tree.shell(
            "poststop",
            n,
            &format!("echo {n} >> {}", log.display()),
            &[],
        );
    }
    tree.run("poststop").succeeds();
    let expected: Vec<String> = (1..=12).map(|n| n.to_string()).collect();
    assert_eq!(
        fs::read_to_string(log)
            .unwrap()
            .split_whitespace()
            .collect::<Vec<_>>(),
        expected
    );
    let indices: Vec<Value> = tree
        .records()
        .iter()
        .map(|record| record["index"].clone())
        .collect();
    assert_eq!(indices, (1..=12).map(|n| json!(n)).collect::<Vec<_>>());
}

#[test]
fn the_record_has_every_field_in_order() {
    let tree = Tree::new();
    tree.shell(
        "poststop",
        1,
        "printf out; printf 'err\\n' >&2; exit 3",
        &["A=b"],
    );
    let before = std::time::SystemTime::now();
    assert!(tree.run("poststop").status.success());
    let text = fs::read_to_string(tree.join("hooks.jsonl")).unwrap();
    let keys = [
        "phase",
        "index",
        "path",
        "argv",
        "pid",
        "start_ns",
        "duration_ns",
        "exit_status",
        "signal",
        "timed_out",
        "error",
        "stdout",
        "stderr",
    ];
    let places: Vec<usize> = keys
        .iter()
        .map(|key| text.find(&format!("\"{key}\":")).expect(key))
        .collect();
    assert!(places.is_sorted());
    let record = tree.records().remove(0);
    assert_eq!(record.as_object().unwrap().len(), keys.len());
    assert_eq!(record["phase"], "poststop");
    assert_eq!(record["path"], "/bin/sh");
    assert_eq!(
        record["argv"],
        json!(["sh", "-c", "printf out; printf 'err\\n' >&2; exit 3"])
    );
    assert!(record["pid"].as_u64().unwrap() > 1);
    let start = Duration::from_nanos(record["start_ns"].as_u64().unwrap());
    let before = before.duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!(start >= before && start < before + Duration::from_secs(30));
    assert!((1..30_000_000_000).contains(&record["duration_ns"].as_u64().unwrap()));
    assert_eq!(
        (&record["exit_status"], &record["signal"]),
        (&json!(3), &Value::Null)
    );
    assert_eq!(
        (&record["timed_out"], &record["error"]),
        (&json!(false), &Value::Null)
    );
    assert_eq!(
        (&record["stdout"], &record["stderr"]),
        (&json!("out"), &json!("err\n"))
    );
}

#[test]
fn argv0_may_differ_from_the_path() {
    let argv = stdout(
        &["/bin/cat", "not cat", "/proc/self/cmdline", "/dev/null"],
        &[],
    );
    assert_eq!(argv, "not cat\0/proc/self/cmdline\0/dev/null\0");
}

#[test]
fn the_environment_is_exact() {
    let environ = [
        "B=2",
        "A=1",
        "A=again",
        "EMPTY=",
        "=odd",
        "OCI_HOOK_TIMEOUT=9",
        "U=\u{e9}",
    ];
    let tree = Tree::new();
    tree.hook(
        "poststop",
        1,
        &["/bin/cat", "cat", "/proc/self/environ"],
        &environ,
    );
    tree.hook(
        "poststop",
        2,
        &["/bin/cat", "cat", "/proc/self/environ"],
        &[],
    );
    tree.hook(
        "poststop",
        3,
        &["/bin/cat", "cat", "/proc/self/environ"],
        &[],
    );
    fs::remove_file(tree.join("hooks/poststop/3/environ")).unwrap();
    let mut command = tree.command("poststop");
    // CVE-2025-23266: what the container or its caller sets must not steer a hook.
    command
        .env("LD_PRELOAD", "/nonexistent.so")
        .env("LXC_NAME", "c1")
        .env("SECRET", "x");
    run(&mut command).succeeds();
    let records = tree.records();
    assert_eq!(
        records[0]["stdout"],
        environ.map(|entry| format!("{entry}\0")).concat()
    );
    assert_eq!(records[1]["stdout"], "");
    assert_eq!(records[2]["stdout"], "");
}

#[test]
fn stdin_is_the_state_from_its_start_for_each_hook() {
    let tree = Tree::new();
    let state = r#"{"ociVersion":"1.0.2","id":"c1","status":"stopped","bundle":"/b"}"#;
    tree.write("state.json", state.as_bytes());
    for n in 1..=3 {
        tree.hook("poststop", n, &["/bin/cat", "cat"], &[]);
    }
    tree.shell("poststop", 4, "cat /proc/self/fdinfo/0", &[]);
    tree.shell("poststop", 5, "echo x >&0", &[]);
    tree.run("poststop");
    let records = tree.records();
    assert!(records[..3].iter().all(|record| record["stdout"] == state));
    let flags = records[3]["stdout"].as_str().unwrap();
    let flags = flags
        .lines()
        .find_map(|line| line.strip_prefix("flags:"))
        .unwrap()
        .trim();
    let flags = u32::from_str_radix(flags, 8).unwrap();
    assert_eq!(flags & 0o4003, 0, "read-only and blocking, not {flags:o}");
    assert_ne!(records[4]["exit_status"], 0, "stdin can be written");
    assert_eq!(fs::read_to_string(tree.join("state.json")).unwrap(), state);
}

#[test]
fn only_stdio_is_open() {
    let tree = Tree::new();
    tree.shell("poststop", 1, "ls /proc/$$/fd; ls /proc/$$/fd >&2", &[]);
    tree.shell("poststop", 2, "ls /proc/$$/fd", &[]);
    let script = "exec 3</etc/passwd 7</etc/passwd 99>/dev/null; exec \"$@\"";
    let mut command = Command::new("bash");
    command
        .args(["-c", script, "bash", LAUNCHER, "poststop"])
        .arg(tree.path());
    run(&mut command).succeeds();
    for record in tree.records() {
        let fds: Vec<&str> = record["stdout"]
            .as_str()
            .unwrap()
            .split_whitespace()
            .collect();
        assert_eq!(fds, ["0", "1", "2"]);
    }
}

/// liblxc may start hooks with stdio closed; nothing of the launcher's may then land on 0, 1 or 2.
#[test]
fn closed_stdio_is_no_harm() {
    let tree = Tree::new();
    tree.shell(
        "poststop",
        1,
        "cat; echo to stderr >&2; ls /proc/$$/fd",
        &[],
    );
    let mut command = Command::new("bash");
    command
        .args([
            "-c",
            "exec \"$@\" <&- >&- 2>&-",
            "bash",
            LAUNCHER,
            "poststop",
        ])
        .arg(tree.path());
    run(&mut command).succeeds();
    let record = tree.records().remove(0);
    assert!(
        record["stdout"]
            .as_str()
            .unwrap()
            .ends_with("\"stopped\"}0\n1\n2\n"),
        "{record}"
    );
    assert_eq!(record["stderr"], "to stderr\n");
}

#[test]
fn signals_are_default_and_unblocked() {
    let tree = Tree::new();
    tree.hook(
        "poststop",
        1,
        &["/bin/cat", "cat", "/proc/self/status"],
        &[],
    );
    let mut command = Command::new("env");
    command
        .args(["--ignore-signal", "--block-signal", LAUNCHER, "poststop"])
        .arg(tree.path());
    run(&mut command).succeeds();
    let status = tree.records()[0]["stdout"].as_str().unwrap().to_owned();
    for key in ["SigBlk", "SigIgn", "SigCgt", "SigPnd"] {
        assert!(
            status.contains(&format!("{key}:\t0000000000000000\n")),
            "{key} in {status}"
        );
    }
}

#[test]
fn each_hook_leads_its_own_process_group() {
    let stat = stdout(&["/bin/cat", "cat", "/proc/self/stat"], &[]);
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let (pid, group) = (stat.split(' ').next().unwrap(), fields[2]);
    assert_eq!(pid, group);
}

#[test]
fn the_working_directory_is_what_the_tree_says() {
    let tree = Tree::new();
    let bundle = tempfile::tempdir().unwrap();
    tree.shell("poststop", 1, "pwd -P", &[]);
    let cwd = format!("{}\0", bundle.path().display());
    tree.write("hooks/poststop/cwd", cwd.as_bytes());
    tree.run("poststop").succeeds();
    let bundle_path = bundle.path().canonicalize().unwrap();
    // The bundle is gone: poststop hooks run all the same.
    bundle.close().unwrap();
    tree.run("poststop").succeeds();
    fs::remove_file(tree.join("hooks/poststop/cwd")).unwrap();
    tree.run("poststop").succeeds();
    let cwds: Vec<Value> = tree
        .records()
        .iter()
        .map(|record| record["stdout"].clone())
        .collect();
    assert_eq!(
        cwds,
        [
            json!(format!("{}\n", bundle_path.display())),
            json!("/\n"),
            json!("/\n")
        ]
    );
}

#[test]
fn create_container_runs_in_the_rootfs_that_lxc_names() {
    let tree = Tree::new();
    tree.shell("create-container", 1, "pwd -P; cat", &[]);
    tree.write("guest/state.json", b"guest state");
    let rootfs = tempfile::tempdir().unwrap();
    run(tree
        .command("create-container")
        .env("LXC_ROOTFS_MOUNT", rootfs.path()))
    .succeeds();
    run(tree
        .command("create-container")
        .env("LXC_ROOTFS_MOUNT", "/nonexistent"))
    .fails_with(6, "open(/nonexistent): no such file or directory (ENOENT)");
    let records = tree.records();
    let expected = format!(
        "{}\nguest state",
        rootfs.path().canonicalize().unwrap().display()
    );
    assert_eq!(
        (records.len(), &records[0]["stdout"]),
        (1, &json!(expected))
    );
    assert_eq!(records[0]["phase"], "createContainer");
}

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
        &["PATH=/bin:/usr/bin", "OCI_HOOK_TIMEOUT=1"],
    );
    let finished = tree.run("create-container");
    finished.fails_with(
        13,
        "createContainer hook #1 (/bin/sh): timed out after 1 s\n",
    );
    assert!(
        (1.0..4.0).contains(&finished.took.as_secs_f64()),
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
    assert!(record["duration_ns"].as_u64().unwrap() >= 1_000_000_000);
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
        &["PATH=/bin:/usr/bin", "OCI_HOOK_TIMEOUT=1"],
    );
    tree.run("create-container")
        .fails_with(13, "timed out after 1 s");
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
    tree.shell("create-container", 2, "exit 0", &["OCI_HOOK_TIMEOUT=5"]);
    let finished = tree.run("create-container");
    finished.succeeds();
    assert!(finished.took < Duration::from_secs(5));
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
    assert!(
        finished.took < Duration::from_secs(5),
        "{:?}",
        finished.took
    );
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
    assert!(
        finished.took < Duration::from_secs(5),
        "{:?}",
        finished.took
    );
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
