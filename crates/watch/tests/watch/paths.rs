//! A runtime is held under whatever name it is executed, and after an upgrade.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use lxcri_tests::command::wait_until;

use crate::fake::{Fake, copy};
use crate::watcher::{PATIENCE, Role, Watcher, marks};

/// How often a program comes and goes: whoever looks for it meets it in every state.
const ROUNDS: usize = 20;

fn start_with(program: &Path, fake: &Fake, id: &str) {
    let status = Command::new(program)
        .arg("--root")
        .arg(&fake.root)
        .args(["start", id])
        .stderr(Stdio::null())
        .status();
    status.unwrap_or_else(|e| panic!("{}: {e}", program.display()));
}

#[test]
fn hard_link_and_symlink() {
    let Some(fake) = Fake::new() else { return };
    let watcher = Watcher::start(fake.options());
    let (hard, soft) = (fake.scratch.join("hard"), fake.scratch.join("soft"));
    fs::hard_link(&fake.runtime, &hard).expect("link");
    symlink("runc", &soft).expect("symlink");
    for (name, program) in [("hard", &hard), ("soft", &soft)] {
        let container = fake.container(name);
        start_with(program, &fake, &container.id);
        let event = watcher.await_event("added", &container.id);
        assert_eq!(event["gated"], true, "{event}");
    }
    watcher.end();
}

#[test]
fn bind_mount_in_another_namespace() {
    let Some(fake) = Fake::new() else { return };
    let watcher = Watcher::start(fake.options());
    let container = fake.container("c");
    let there = fake.scratch.write("there", "");
    // busybox has no applet of the runtime's name, so the command's own status says nothing.
    let script = format!(
        "mount --bind {} {} && {{ {} --root {} start {}; true; }}",
        fake.runtime.display(),
        there.display(),
        there.display(),
        fake.root.display(),
        container.id
    );
    let status = Command::new("unshare")
        .args(["-m", "sh", "-c", &script])
        .status();
    assert!(status.expect("unshare").success());
    let event = watcher.await_event("added", &container.id);
    assert_eq!(event["gated"], true, "{event}");
    watcher.end();
}

#[test]
fn upgrade_by_rename() {
    let Some(fake) = Fake::new() else { return };
    let watcher = Watcher::start(fake.options());
    for round in 0..3 {
        let before = marks(watcher.pid(Role::Responder));
        let new = fake.scratch.join("new");
        copy(&fake.runtime, &new);
        fs::rename(&new, &fake.runtime).expect("rename");
        let remarked = || {
            let now = marks(watcher.pid(Role::Responder));
            now.len() == 1 && now != before
        };
        assert!(
            wait_until(PATIENCE, remarked),
            "the new file is marked and the old one is not"
        );
        let container = fake.container(&format!("c{round}"));
        container.start().expect("execve");
        let event = watcher.await_event("added", &container.id);
        assert_eq!(event["gated"], true, "{event}");
    }
    watcher.end();
}

#[test]
fn upgrade_by_a_symlink_on_the_way() {
    let Some(fake) = Fake::new() else { return };
    let top = fake.scratch.mkdir("data");
    let version = |name: &str| {
        fake.scratch.mkdir(format!("data/{name}/bin"));
        copy(
            &fake.runtime,
            &fake.scratch.join(format!("data/{name}/bin/real")),
        );
        let link = fake.scratch.join(format!("data/{name}/bin/runc"));
        symlink("real", link).expect("symlink");
        let new = top.join("new");
        symlink(name, &new).expect("symlink");
        fs::rename(&new, top.join("current")).expect("rename");
    };
    version("v0");
    let runtime = top.join("current/bin/runc");
    let mut options = fake.options();
    options[1] = runtime.display().to_string();
    let watcher = Watcher::start(options);
    for round in 0..3 {
        let container = fake.container(&format!("c{round}"));
        start_with(&runtime, &fake, &container.id);
        let event = watcher.await_event("added", &container.id);
        assert_eq!(event["gated"], true, "{event}");
        let before = marks(watcher.pid(Role::Responder));
        version(&format!("v{}", round + 1));
        let remarked = || {
            let now = marks(watcher.pid(Role::Responder));
            now.len() == 1 && now != before
        };
        assert!(wait_until(PATIENCE, remarked), "another file is marked");
    }
    watcher.end();
}

#[test]
fn beside_the_records() {
    let Some(fake) = Fake::new() else { return };
    let runtime = fake.root.join("runc");
    let mut options = fake.options();
    options[1] = runtime.display().to_string();
    let watcher = Watcher::start(options);
    copy(&fake.runtime, &runtime);
    let marked = || marks(watcher.pid(Role::Responder)).len() == 1;
    assert!(wait_until(PATIENCE, marked), "marked when it appears");
    // Seen through its record alone: the runtime that is executed is another file.
    let container = fake.container("c");
    container.start().expect("execve");
    container.mark_started();
    let event = watcher.await_event("added", &container.id);
    assert_eq!(event["gated"], false, "{event}");
    watcher.end();
}

#[test]
fn installed_later_and_removed() {
    let Some(fake) = Fake::new() else { return };
    let directory = fake.scratch.join("opt/bin");
    let later = directory.join("runc");
    let mut options = fake.options();
    options[1] = later.display().to_string();
    let watcher = Watcher::start(options);
    let marked = |count: usize| {
        wait_until(PATIENCE, || {
            marks(watcher.pid(Role::Responder)).len() == count
        })
    };
    for round in 0..ROUNDS {
        assert!(marked(0), "nothing is there");
        fs::create_dir_all(&directory).expect("mkdir");
        copy(&fake.runtime, &later);
        assert!(marked(1), "marked when it appears");
        let container = fake.container(&format!("c{round}"));
        start_with(&later, &fake, &container.id);
        watcher.await_event("added", &container.id);
        fs::remove_dir_all(fake.scratch.join("opt")).expect("remove");
    }
    watcher.end();
}
