//! What lxcri-inject does to the files of a bundle: everything or nothing, and nothing else.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use lxcri_tests::command::{Cmd, Outcome};
use lxcri_tests::need;
use lxcri_tests::scratch::Scratch;
use lxcri_tests::wrapper::{Wrapper, script};
use nix::mount::{MsFlags, mount};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use serde_json::json;

/// A wrapper in front of /bin/true that puts one hook in.
fn wrapper(scratch: &Scratch) -> Option<Wrapper<'_>> {
    let wrapper = Wrapper::new(scratch, Path::new("/bin/true"))?;
    hook(&wrapper, "true");
    Some(wrapper)
}

fn hook(wrapper: &Wrapper<'_>, program: &str) {
    let hook = json!({"version": "1.0.0", "hook": {"path": format!("/bin/{program}")}, "when": {"always": true}, "stages": ["poststop"]});
    wrapper.hook_file("a.json", &hook);
}

/// A config.json of about this many bytes.
fn config(size: usize) -> String {
    format!(
        "{{\"process\":{{\"args\":[\"x\"]}},\"padding\":\"{}\"}}",
        "x".repeat(size)
    )
}

fn create(wrapper: &Wrapper<'_>, bundle: &Path) -> Cmd {
    wrapper
        .command()
        .args(["create", "--bundle"])
        .arg(bundle)
        .arg("c")
}

fn read(bundle: &Path) -> String {
    fs::read_to_string(bundle.join("config.json")).unwrap_or_default()
}

fn names(bundle: &Path) -> Vec<String> {
    let entries = fs::read_dir(bundle).expect("bundle").flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// A bundle of its own for each call.
fn bundle(scratch: &Scratch, name: &str, config: &str) -> PathBuf {
    let path = scratch.mkdir(name);
    scratch.write(format!("{name}/config.json"), config);
    path
}

fn refused(outcome: &Outcome, reason: &str) {
    assert_eq!(outcome.code(), 1, "{outcome}");
    assert!(outcome.stderr.contains(reason), "{reason}: {outcome}");
}

#[test]
fn mode_and_owner_are_kept_and_nothing_is_left() {
    let scratch = Scratch::new();
    let Some(wrapper) = wrapper(&scratch) else {
        return;
    };
    let bundle = bundle(&scratch, "b", &config(10));
    let file = bundle.join("config.json");
    chown(&file, Some(1234), Some(2345)).expect("chown");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("chmod");
    for fsync in ["", "fsync = true\n"] {
        scratch.write("b/config.json", config(10));
        wrapper.settings(&[Path::new("/bin/true")], fsync);
        create(&wrapper, &bundle).run().success();
        let metadata = fs::metadata(&file).expect("config.json");
        assert_eq!(
            (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777),
            (1234, 2345, 0o640)
        );
        assert!(read(&bundle).contains("/bin/true"));
        assert_eq!(names(&bundle), ["config.json"]);
    }
}

#[test]
fn nothing_is_written_when_nothing_changes() {
    let scratch = Scratch::new();
    let Some(wrapper) = wrapper(&scratch) else {
        return;
    };
    let bundle = bundle(&scratch, "b", &config(10));
    create(&wrapper, &bundle).run().success();
    let identity = || {
        let metadata = fs::metadata(bundle.join("config.json")).expect("config.json");
        (
            metadata.ino(),
            metadata.mtime_nsec(),
            metadata.ctime_nsec(),
            read(&bundle),
        )
    };
    let before = identity();
    create(&wrapper, &bundle).run().success();
    assert_eq!(identity(), before, "twice is once");
    let _ = fs::remove_file(scratch.join("hooks.d/a.json"));
    create(&wrapper, &bundle).run().success();
    assert!(
        !read(&bundle).contains("/bin/true"),
        "a hook that is no longer wanted is gone"
    );
    let before = identity();
    create(&wrapper, &bundle).run().success();
    assert_eq!(identity(), before, "without hooks");
}

#[test]
fn the_working_directory_is_the_default_bundle() {
    let scratch = Scratch::new();
    let Some(wrapper) = wrapper(&scratch) else {
        return;
    };
    let bundle = bundle(&scratch, "b", &config(10));
    wrapper
        .command()
        .args(["run", "c"])
        .cwd(&bundle)
        .run()
        .success();
    assert!(read(&bundle).contains("/bin/true"));
}

#[test]
fn a_config_that_is_no_regular_file_is_refused() {
    let scratch = Scratch::new();
    let Some(wrapper) = wrapper(&scratch) else {
        return;
    };
    let target = scratch.write("target.json", config(10));
    let bundle = scratch.mkdir("b");
    let file = bundle.join("config.json");
    symlink(&target, &file).expect("symlink");
    refused(
        &create(&wrapper, &bundle).run(),
        "b/config.json: is a symlink",
    );
    assert_eq!(fs::read_to_string(&target).unwrap_or_default(), config(10));
    fs::remove_file(&file).expect("remove");
    refused(&create(&wrapper, &bundle).run(), "(ENOENT)");
    nix::unistd::mkfifo(&file, Mode::from_bits_truncate(0o600)).expect("mkfifo");
    refused(
        &create(&wrapper, &bundle).run(),
        "b/config.json: is not a regular file",
    );
    fs::remove_file(&file).expect("remove");
    fs::create_dir(&file).expect("mkdir");
    refused(
        &create(&wrapper, &bundle).run(),
        "b/config.json: is not a regular file",
    );
    refused(
        &create(&wrapper, &scratch.join("none")).run(),
        "none: open bundle: ",
    );
    fs::remove_dir(&file).expect("rmdir");
    for (content, reason) in [
        ("", "config.json: empty"),
        ("{", "config.json: not JSON: EOF while parsing an object"),
        ("[null,null,null]", "config.json: not a JSON object"),
        (
            "{\"hooks\":[],\"process\":null}",
            "config.json: /hooks: expected an object",
        ),
    ] {
        scratch.write("b/config.json", content);
        refused(&create(&wrapper, &bundle).run(), reason);
        assert_eq!(read(&bundle), content);
    }
    // The last size is one for which there is no memory.
    for size in [(16 << 20) + 1, 1 << 30, 1 << 43] {
        let large = fs::File::create(&file).and_then(|file| file.set_len(size));
        large.expect("a large file");
        refused(&create(&wrapper, &bundle).run(), "is larger than 16 MiB");
    }
    assert_eq!(names(&bundle), ["config.json"]);
}

/// A file system with room for the config.json of 20 KB, and not for a second one.
#[test]
fn enospc_leaves_the_original() {
    if !need::privileged() {
        return;
    }
    let scratch = Scratch::new();
    let bundle = scratch.mkdir("b");
    if mount(
        Some("tmpfs"),
        &bundle,
        Some("tmpfs"),
        MsFlags::empty(),
        Some("size=32k"),
    )
    .is_err()
    {
        return need::skip("no tmpfs can be mounted");
    }
    let Some(wrapper) = wrapper(&scratch) else {
        return;
    };
    scratch.write("b/config.json", config(20_000));
    refused(&create(&wrapper, &bundle).run(), "(ENOSPC)");
    assert_eq!(read(&bundle), config(20_000));
    assert_eq!(names(&bundle), ["config.json"]);
}

#[test]
fn killed_at_any_moment_it_leaves_one_of_both() {
    let scratch = Scratch::new();
    let Some(wrapper) = wrapper(&scratch) else {
        return;
    };
    let original = config(2 << 20);
    let bundle = bundle(&scratch, "b", &original);
    let whole = create(&wrapper, &bundle).run().success();
    let changed = read(&bundle);
    assert_ne!(changed, original);
    let moments = u32::try_from(need::count("LXCRI_TEST_SWEEP", 40)).unwrap_or(40);
    let mut outcomes = [0; 2];
    for moment in 0..moments {
        scratch.write("b/config.json", &original);
        let running = create(&wrapper, &bundle).spawn();
        sleep(whole.took * moment / moments);
        running.signal(Signal::SIGKILL);
        let _ = running.wait();
        let now = read(&bundle);
        assert!(
            now == original || now == changed,
            "moment {moment}: {} bytes",
            now.len()
        );
        outcomes[usize::from(now == changed)] += 1;
    }
    assert!(outcomes[0] > 0, "it was never killed before the end");
    // What a killed one has left does not disturb the next, which takes it away.
    scratch.write("b/.config.json.lxcri-inject", "half");
    scratch.write("b/config.json", &original);
    create(&wrapper, &bundle).run().success();
    assert_eq!(
        (read(&bundle), names(&bundle)),
        (changed, vec!["config.json".to_owned()])
    );
}

#[test]
fn many_at_once_are_one_injection() {
    let scratch = Scratch::new();
    let Some(wrapper) = wrapper(&scratch) else {
        return;
    };
    let bundle = bundle(&scratch, "b", &config(100_000));
    let all: Vec<_> = (0..16).map(|_| create(&wrapper, &bundle).spawn()).collect();
    for running in all {
        running.wait().success();
    }
    assert_eq!(read(&bundle).matches("/bin/true").count(), 1);
    assert_eq!(names(&bundle), ["config.json"]);
}

#[test]
fn a_bundle_that_another_process_holds_is_busy_and_then_free() {
    let scratch = Scratch::new();
    let Some(wrapper) = wrapper(&scratch) else {
        return;
    };
    let bundle = bundle(&scratch, "b", &config(10));
    let dir = fs::File::open(&bundle).expect("bundle");
    let lock = nix::fcntl::Flock::lock(dir, nix::fcntl::FlockArg::LockShared).expect("flock");
    // Held by a reader, it is not free either: calls keep each other out.
    let mut waiting = create(&wrapper, &bundle).spawn();
    sleep(Duration::from_millis(100));
    assert!(!waiting.ended());
    drop(lock);
    waiting.wait().success();
}

#[test]
fn a_pinned_hook_that_has_changed_is_refused() {
    let scratch = Scratch::new();
    let Some(wrapper) = wrapper(&scratch) else {
        return;
    };
    let bundle = bundle(&scratch, "b", &config(10));
    let program = script(&scratch, "hook", "#!/bin/sh\n");
    let digest = Cmd::new("/usr/bin/sha256sum")
        .arg(&program)
        .run()
        .success()
        .stdout;
    let digest = digest.split(' ').next().unwrap_or_default().to_owned();
    let file = json!({
        "version": "1.0.0",
        "hook": {"path": program},
        "when": {"always": true},
        "stages": ["createRuntime"],
        "lxcri": {"sha256": digest}
    });
    wrapper.hook_file("pinned.json", &file);
    create(&wrapper, &bundle).run().success();
    scratch.write("b/config.json", config(10));
    script(&scratch, "hook", "#!/bin/sh\n# other\n");
    refused(&create(&wrapper, &bundle).run(), "its content has changed");
    assert_eq!(read(&bundle), config(10));
}

#[test]
fn precreate_hooks_see_and_change_what_is_written() {
    let scratch = Scratch::new();
    let Some(wrapper) = wrapper(&scratch) else {
        return;
    };
    let bundle = bundle(
        &scratch,
        "b",
        r#"{"ociVersion":"1.0.2","process":{"args":["x"]},"n":1.0,"m":0}"#,
    );
    let text = format!(
        "#!/bin/sh\ntee {0}/in | sed 's/\"n\":1.0,/\"n\":2.50,/'\n",
        scratch.path().display()
    );
    let program = script(&scratch, "hook", &text);
    let file = json!({
        "version": "1.0.0",
        "hook": {"path": program, "env": ["PATH=/usr/bin:/bin"]},
        "when": {"always": true},
        "stages": ["precreate"]
    });
    wrapper.hook_file("pre.json", &file);
    create(&wrapper, &bundle).run().success();
    let seen = fs::read_to_string(scratch.join("in")).unwrap_or_default();
    assert!(
        seen.contains("/bin/true"),
        "other hooks are in place: {seen}"
    );
    assert_eq!(read(&bundle), seen.replace("\"n\":1.0,", "\"n\":2.50,"));
    let once = read(&bundle);
    create(&wrapper, &bundle).run().success();
    assert_eq!(read(&bundle), once, "twice is once");
    script(&scratch, "hook", "#!/bin/sh\necho broken >&2; exit 3\n");
    refused(&create(&wrapper, &bundle).run(), "precreate hook #1 ");
    script(&scratch, "hook", "#!/bin/sh\n");
    refused(&create(&wrapper, &bundle).run(), "writes nothing");
    assert_eq!(
        (read(&bundle), names(&bundle)),
        (once, vec!["config.json".to_owned()])
    );
}

/// A second run selects the same hooks as the first.
#[test]
fn conditions_do_not_see_the_record() {
    let scratch = Scratch::new();
    let Some(wrapper) = wrapper(&scratch) else {
        return;
    };
    let bundle = bundle(&scratch, "b", &config(10));
    let hook = json!({"version": "1.0.0", "hook": {"path": "/bin/false"}, "when": {"annotations": {"": ""}}, "stages": ["poststop"]});
    wrapper.hook_file("b.json", &hook);
    create(&wrapper, &bundle).run().success();
    let once = read(&bundle);
    create(&wrapper, &bundle).run().success();
    assert_eq!(read(&bundle), once);
}

#[test]
fn another_file_than_config_json_is_refused() {
    let scratch = Scratch::new();
    let Some(wrapper) = wrapper(&scratch) else {
        return;
    };
    let bundle = bundle(&scratch, "b", &config(10));
    let outcome = create(&wrapper, &bundle).args(["-f", "other.json"]).run();
    refused(&outcome, "another file than config.json");
    assert_eq!(read(&bundle), config(10));
}

/// Who ignores SIGCHLD gets no exit status of its children.
#[test]
fn precreate_hooks_run_for_a_caller_that_ignores_sigchld() {
    let scratch = Scratch::new();
    let Some(wrapper) = wrapper(&scratch) else {
        return;
    };
    let bundle = bundle(&scratch, "b", r#"{"ociVersion":"1.0.2"}"#);
    let file = json!({"version": "1.0.0", "hook": {"path": "/bin/cat"}, "when": {"always": true}, "stages": ["precreate"]});
    wrapper.hook_file("pre.json", &file);
    let command = create(&wrapper, &bundle).signals(&[], &[Signal::SIGCHLD as i32]);
    command.run().success();
    assert!(read(&bundle).contains("/bin/true"));
}

#[test]
fn settings_of_others_or_in_a_fifo_are_refused() {
    let scratch = Scratch::new();
    let Some(wrapper) = wrapper(&scratch) else {
        return;
    };
    let bundle = bundle(&scratch, "b", &config(10));
    let settings = scratch.join("inject.toml");
    chown(&settings, Some(1000), None).expect("chown");
    refused(
        &create(&wrapper, &bundle).run(),
        "can be written to by others",
    );
    fs::remove_file(&settings).expect("remove");
    nix::unistd::mkfifo(&settings, Mode::from_bits_truncate(0o600)).expect("mkfifo");
    refused(&create(&wrapper, &bundle).run(), "is not a regular file");
    assert_eq!(read(&bundle), config(10));
}
