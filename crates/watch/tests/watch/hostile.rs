//! Bundles made to do harm cost a bounded time, are reported, and delay no other container.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use nix::sys::stat::{Mode, SFlag, makedev, mknod};

use crate::fake::Fake;
use crate::watcher::Watcher;

/// A start that is not held, on a loaded machine.
const AT_ONCE: Duration = Duration::from_secs(20);

fn device(path: &Path) {
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    mknod(path, SFlag::S_IFCHR, mode, makedev(1, 5)).expect("mknod /dev/zero");
}

fn fifo(path: &Path) {
    nix::unistd::mkfifo(path, Mode::S_IRWXU).expect("mkfifo");
}

fn sparse(path: &Path) {
    let file = fs::File::create(path).expect("create");
    file.set_len(1 << 30).expect("ftruncate");
}

/// A container whose config.json is what `make` makes of it: how it is reported.
fn reported(name: &str, make: impl Fn(&Path)) -> Option<String> {
    let fake = Fake::new()?;
    let log = fake.log().display().to_string();
    let hook = fake.hook("hook", &format!("echo \"$ID\" >> {log}"));
    // A quarter of a minute is not waited for: a reader that hangs would be let go at the deadline only.
    let watcher = Watcher::start(fake.with(&["--timeout", "50s", "--prestart", &hook]));
    let bad = fake.container(name);
    let config = bad.bundle.join("config.json");
    fs::remove_file(&config).expect("remove");
    make(&config);
    let took = bad.start().expect("execve");
    assert!(took < AT_ONCE, "start: {took:?}");
    let bundle = bad.bundle.display().to_string();
    let id = fake.scratch.id("run");
    let took = fake
        .call(&["run", "--bundle", &bundle, &id])
        .expect("execve");
    assert!(took < AT_ONCE, "run: {took:?}");
    let good = fake.container("good");
    good.start().expect("execve");
    watcher.await_event("added", &good.id);
    assert!(fake.lines().contains(&good.id), "{:?}", fake.lines());
    let errors = watcher.end();
    let said = |id: &str| {
        let line = errors.lines().find(|line| line.contains(id));
        line.unwrap_or_else(|| panic!("nothing about {id}: {errors}"))
            .to_owned()
    };
    assert!(said(&id).contains("config.json"), "{errors}");
    Some(said(&bad.id))
}

#[test]
fn config_is_a_fifo() {
    if let Some(line) = reported("fifo", fifo) {
        assert!(line.contains("not a regular file"), "{line}");
    }
}

#[test]
fn config_is_a_device() {
    if let Some(line) = reported("device", device) {
        assert!(line.contains("not a regular file"), "{line}");
    }
}

#[test]
fn config_is_a_symlink_out_of_the_bundle() {
    if let Some(line) = reported("symlink", |path| {
        symlink("/etc/shadow", path).expect("symlink")
    }) {
        assert!(line.contains("not a regular file"), "{line}");
    }
}

#[test]
fn config_has_a_gigabyte() {
    if let Some(line) = reported("large", sparse) {
        assert!(line.contains("larger than"), "{line}");
    }
}

#[test]
fn config_is_no_json() {
    if let Some(line) = reported("text", |path| {
        fs::write(path, "{\"process\":").expect("write")
    }) {
        assert!(line.contains("config.json: EOF"), "{line}");
    }
}

#[test]
fn config_nests_without_end() {
    let deep = "[".repeat(8 << 20);
    if let Some(line) = reported("deep", |path| fs::write(path, &deep).expect("write")) {
        assert!(line.contains("config.json: "), "{line}");
    }
}

/// What was promised to run before the program cannot be run, so the program is not either. A `start` only misses the
/// hooks that are chosen by the configuration.
#[test]
fn without_a_configuration_it_is_denied_where_failures_are() {
    let Some(fake) = Fake::new() else { return };
    let hooks_dir = fake.scratch.mkdir("hooks.d").display().to_string();
    let denied = |arguments: &[&str]| match fake.call(arguments) {
        Ok(_) => false,
        Err(e) if e.kind() == ErrorKind::PermissionDenied => true,
        Err(e) => panic!("{e}"),
    };
    for (hooks, start_denied) in [
        (["--hooks-dir", &hooks_dir], true),
        (["--prestart", "/bin/true"], false),
    ] {
        let options = [&["--timeout", "50s", "--on-failure", "deny"], &hooks[..]].concat();
        let watcher = Watcher::start(fake.with(&options));
        for (name, make) in [
            ("fifo", fifo as fn(&Path)),
            ("device", device),
            ("symlink", |path| {
                symlink("/etc/shadow", path).expect("link")
            }),
            ("large", sparse),
            ("text", |path| fs::write(path, "{").expect("write")),
            ("missing", |_| {}),
        ] {
            let id = fake.scratch.id("run");
            let container = fake.container(name);
            let bundle = container.bundle.display().to_string();
            let run = ["run", "--bundle", &bundle, &id];
            assert!(!denied(&run), "{name}: as it should be");
            let config = container.bundle.join("config.json");
            fs::remove_file(&config).expect("remove");
            make(&config);
            assert!(denied(&run), "{hooks:?}: run with {name}");
            let start = ["start", &container.id];
            assert_eq!(denied(&start), start_denied, "{hooks:?}: start with {name}");
            // Neither starts anything.
            assert!(!denied(&["create", "--bundle", &bundle, &id]), "{name}");
            assert!(!denied(&["state", &container.id]), "{name}");
            let _ = fs::remove_file(&config);
        }
        let errors = watcher.end();
        assert_eq!(errors.matches("; denied").count(), 6, "{errors}");
    }
}

/// The record is the runtime's, whose root directory may lie where others can write.
#[test]
fn record_is_a_fifo() {
    let Some(fake) = Fake::new() else { return };
    let watcher = Watcher::start(fake.with(&["--timeout", "50s"]));
    let bad = fake.container("c");
    let state = fake.root.join(&bad.id).join("state.json");
    fs::remove_file(&state).expect("remove");
    fifo(&state);
    let took = bad.start().expect("execve");
    assert!(took < AT_ONCE, "{took:?}");
    let errors = watcher.end();
    assert!(
        errors.contains("state.json: not a regular file"),
        "{errors}"
    );
}

/// Arguments beyond what a runtime is given.
#[test]
fn arguments_without_end() {
    let Some(fake) = Fake::new() else { return };
    // They may be those of a call that starts nothing, so they are no reason to deny it.
    let deny = ["--on-failure", "deny", "--prestart", "/bin/true"];
    let watcher = Watcher::start(fake.with(&[&["--timeout", "50s"], &deny[..]].concat()));
    let long = "x".repeat(100 << 10);
    let many = vec![&*long; 10];
    let took = fake.call(&many).expect("execve");
    assert!(took < AT_ONCE, "{took:?}");
    watcher.end();
}
