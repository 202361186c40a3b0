//! Poststop hooks that stand in the way of what runs them.

use std::fs;

use lxcri_tests::bundle::{Bundle, Image};
use lxcri_tests::command::{PATIENCE, wait_until};
use lxcri_tests::container::Container;
use lxcri_tests::phase::{PHASES, Phase};
use lxcri_tests::scratch::Scratch;
use lxcri_tests::{leaks, need};
use nix::mount::{MsFlags, mount, umount};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

fn poststop() -> &'static Phase {
    let mut phases = PHASES.iter();
    phases.find(|p| p.name == "poststop").expect("poststop")
}

/// A bundle with poststop hooks that are shell scripts, `$OUT` a file of the test's, `$ROOT` the runtime directory.
fn bundle<'a>(scratch: &'a Scratch, scripts: &[&str]) -> Bundle<'a> {
    let mut bundle = Bundle::new(scratch, Image::Busybox);
    let out = format!("OUT={}", scratch.join("out.txt").display());
    let root = format!("ROOT={}", scratch.join("run").display());
    let path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    for script in scripts {
        bundle.hook(
            poststop(),
            json!({"path": "/bin/sh", "args": ["sh", "-c", script], "env": [out, root, path]}),
        );
    }
    bundle
}

fn ran(scratch: &Scratch) -> Vec<String> {
    let text = fs::read_to_string(scratch.join("out.txt")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// LXC does not read all that a hook of its own writes.
#[test]
fn many_that_fail_with_much_to_say() {
    let Some(runtime) = need::lxcri() else { return };
    let scratch = Scratch::new();
    let script = "echo 1 >> $OUT; head -c 510 /dev/zero | tr '\\0' '\\001' >&2; exit 1";
    let mut bundle = bundle(&scratch, &[script; 60]);
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    container.create().success();
    let outcome = container.delete_force().success();
    assert_eq!(ran(&scratch).len(), 60);
    let warnings = outcome.stderr.lines().count();
    assert_eq!(warnings, 60, "one for each: {outcome}");
}

#[test]
fn one_that_removes_the_records() {
    let Some(runtime) = need::lxcri() else { return };
    let scratch = Scratch::new();
    let scripts = [
        "echo 1 >> $OUT",
        "rm $ROOT/*/hooks.jsonl; echo 2 >> $OUT",
        "echo 3 >> $OUT",
    ];
    let mut bundle = bundle(&scratch, &scripts);
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    container.create().success();
    let outcome = container.delete_force().success();
    assert_eq!(ran(&scratch), ["1", "2", "3"], "each once: {outcome}");
    assert!(outcome.stderr.contains("records of"), "{outcome}");
}

/// Where nothing can be written any more, the file says that the container is created.
#[test]
fn one_that_reads_the_state_when_the_disk_is_full() {
    let Some(runtime) = need::lxcri() else { return };
    let scratch = Scratch::new();
    let mut bundle = bundle(&scratch, &["cat >> $OUT"]);
    let mut container = Container::new(runtime, &scratch, &mut bundle, "c");
    let root = scratch.mkdir("full");
    let (tmpfs, size) = (Some("tmpfs"), Some("size=256k,mode=700"));
    mount(tmpfs, &root, tmpfs, MsFlags::empty(), size).expect("a tmpfs");
    container.root = root.clone();
    container.create().success();
    fs::write(root.join("rest"), vec![0; 256 << 10]).expect_err("a full disk");
    let outcome = container.delete_force().success();
    let state: Value = serde_json::from_str(&ran(&scratch).concat()).expect("a state");
    assert_eq!(state["status"], "stopped", "{outcome}");
    assert!(state["pid"].is_null(), "{state}");
    assert!(!container.is_on_disk());
    drop(container);
    umount(&root).expect("umount");
}

#[test]
fn one_that_kills_its_parent() {
    let Some(runtime) = need::lxcri() else { return };
    let scratch = Scratch::new();
    let scripts = ["echo 1 >> $OUT; kill -9 $PPID", "echo 2 >> $OUT"];
    let mut bundle = bundle(&scratch, &scripts);
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    container.create().success();
    let outcome = container.delete_force().success();
    assert_eq!(
        ran(&scratch).last().map(String::as_str),
        Some("2"),
        "{outcome}"
    );
    assert!(
        outcome.stderr.contains("ended the process that ran it"),
        "{outcome}"
    );
    assert!(!container.is_on_disk());
}

#[test]
fn a_delete_that_is_killed_leaves_its_hooks_to_the_next() {
    let Some(runtime) = need::lxcri() else { return };
    let scratch = Scratch::new();
    let script = "echo $$ >> $OUT; test $(wc -l < $OUT) -gt 1 || { sleep 600 & wait; }";
    let mut bundle = bundle(&scratch, &[script]);
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    container.create().success();
    let mut delete = container.verb("delete").arg("--force").spawn();
    assert!(wait_until(PATIENCE, || ran(&scratch).len() == 1));
    // Until its child is there, too.
    let hook: i32 = ran(&scratch)[0].parse().expect("a pid");
    let children = format!("/proc/{hook}/task/{hook}/children");
    let has_child = || fs::read_to_string(&children).is_ok_and(|c| !c.is_empty());
    assert!(wait_until(PATIENCE, has_child));
    let children = fs::read_to_string(&children).expect("children");
    // Alone: a Running that is dropped ends its process group.
    kill(Pid::from_raw(delete.pid()), Signal::SIGKILL).expect("kill");
    assert!(wait_until(PATIENCE, || delete.ended()));
    let outcome = container.delete_force().success();
    assert_eq!(outcome.stderr, "", "lxc-destroy had to wait for nobody");
    assert_eq!(ran(&scratch).len(), 2, "the hook has been run to its end");
    for pid in children
        .split_whitespace()
        .map(str::to_owned)
        .chain([hook.to_string()])
    {
        let gone =
            || !fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|s| !s.contains(" Z "));
        assert!(wait_until(PATIENCE, gone), "{pid} is left");
    }
    leaks::assert_none(scratch.marker());
}
