//! What a hook gets: order, arguments, environment, descriptors, signals, directory.
#![deny(unsafe_code)]

mod support;

use serde_json::{Value, json};
use std::fs;
use std::process::Command;
use std::time::Duration;
use support::single::stdout;
use support::{LAUNCHER, Tree, run};

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
