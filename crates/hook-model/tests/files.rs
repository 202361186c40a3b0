//! Hook trees and executables on a real file system.

use std::fs;
use std::num::NonZeroU64;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use hook_model::check::check_executables;
use hook_model::tree::{self, Options};
use hook_model::{Hook, HookSet, NotExecutable, Phase, check_executable};
use tempfile::tempdir;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn sample() -> HookSet {
    let mut set = HookSet::default();
    let full = Hook {
        path: "/bin/with blank".into(),
        args: Some(vec!["a0".into(), String::new(), "ünï\n".into()]),
        env: Some(vec!["A=1".into(), "B=".into()]),
        timeout: NonZeroU64::new(12),
    };
    set.push(Phase::CreateContainer, full);
    set.push(
        Phase::CreateContainer,
        Hook {
            args: Some(vec![]),
            env: Some(vec![]),
            ..Hook::new("/second")
        },
    );
    set.push(Phase::StartContainer, Hook::new("/inside"));
    set.push(
        Phase::Poststop,
        Hook {
            timeout: NonZeroU64::new(1),
            ..Hook::new("/last")
        },
    );
    set
}

/// What a tree holds: the defaults are resolved.
fn resolved(hook: &Hook) -> Hook {
    let timeout = hook.timeout;
    let env = Hook {
        timeout: None,
        ..hook.clone()
    }
    .environ();
    Hook {
        path: hook.path.clone(),
        args: Some(hook.argv()),
        env: Some(env),
        timeout,
    }
}

#[test]
fn a_tree_has_the_bytes_of_the_format() {
    let dir = tempdir().unwrap();
    let hooks = dir.path().join("hooks");
    tree::write(
        &hooks,
        &sample(),
        &[Phase::Prestart, Phase::CreateContainer],
        &Options::default(),
    )
    .unwrap();
    let at = |name: &str| fs::read(hooks.join(name)).unwrap();
    assert_eq!(
        at("create-container/1/cmdline"),
        "/bin/with blank\0a0\0\0ünï\n\0".as_bytes()
    );
    assert_eq!(
        at("create-container/1/environ"),
        b"A=1\0B=\0OCI_HOOK_TIMEOUT=12\0"
    );
    assert_eq!(at("create-container/2/cmdline"), b"/second\0/second\0");
    assert_eq!(at("create-container/2/environ"), b"");
    assert_eq!(
        fs::read_dir(&hooks).unwrap().count(),
        1,
        "a phase without hooks or not asked for has no directory"
    );
    assert_eq!(mode(&hooks), 0o700);
    assert_eq!(mode(&hooks.join("create-container/2")), 0o700);
    assert_eq!(mode(&hooks.join("create-container/2/environ")), 0o600);
}

#[test]
fn a_tree_is_read_back() {
    let dir = tempdir().unwrap();
    let set = sample();
    let cwd = [(Phase::Poststop, Path::new("/some/bundle"))];
    tree::write(
        dir.path(),
        &set,
        &Phase::ALL,
        &Options {
            cwd: &cwd,
            ..Options::default()
        },
    )
    .unwrap();
    let mut expected = HookSet::default();
    for (phase, _, hook) in set.iter() {
        expected.push(phase, resolved(hook));
    }
    assert_eq!(tree::read(dir.path(), &Phase::ALL).unwrap(), expected);
    let cwd = fs::read(dir.path().join("poststop/cwd")).unwrap();
    assert_eq!(cwd, b"/some/bundle\0");
    assert!(!dir.path().join("prestart/cwd").exists());
    assert!(
        tree::read(&dir.path().join("none"), &Phase::ALL)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn start_container_gets_the_environment_of_the_process() {
    let dir = tempdir().unwrap();
    let process_env = ["P=1".to_owned(), "OCI_HOOK_TIMEOUT=1".to_owned()];
    let options = Options {
        process_env: Some(&process_env),
        ..Options::default()
    };
    tree::write(dir.path(), &sample(), &Phase::ALL, &options).unwrap();
    let at = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!(at("start-container/1/environ"), "P=1\0");
    assert!(
        at("poststop/1/environ").starts_with("PATH="),
        "the container's environment is for startContainer only"
    );
}

#[test]
fn modes_hold_whatever_the_umask() {
    let dir = tempdir().unwrap();
    // The usual umask takes the write bits of others away.
    let options = Options {
        dir_mode: 0o777,
        file_mode: 0o666,
        ..Options::default()
    };
    tree::write(
        &dir.path().join("t"),
        &sample(),
        &[Phase::Poststop],
        &options,
    )
    .unwrap();
    for name in ["t", "t/poststop", "t/poststop/1"] {
        assert_eq!(mode(&dir.path().join(name)), 0o777, "{name}");
    }
    assert_eq!(mode(&dir.path().join("t/poststop/1/cmdline")), 0o666);
}

#[test]
fn a_tree_is_not_written_over() {
    let dir = tempdir().unwrap();
    fs::create_dir(dir.path().join("poststop")).unwrap();
    let error = tree::write(
        dir.path(),
        &sample(),
        &[Phase::Poststop],
        &Options::default(),
    )
    .unwrap_err();
    assert!(error.to_string().starts_with("mkdir("), "{error}");
}

#[test]
fn a_hook_that_the_launcher_would_refuse_is_not_written() {
    let dir = tempdir().unwrap();
    let mut set = HookSet::default();
    set.push(
        Phase::Poststop,
        Hook {
            args: Some(vec!["x".repeat(3 << 20)]),
            ..Hook::new("/x")
        },
    );
    let error = tree::write(dir.path(), &set, &[Phase::Poststop], &Options::default()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("poststop/1/cmdline\": file is larger"),
        "{error}"
    );
}

#[test]
fn malformed_trees_are_named() {
    let cases: [(&str, &[u8], &[u8], &str); 6] = [
        ("1", b"/x\0", b"", "1/cmdline\": argv is empty"),
        ("1", b"x\0x\0", b"", "1/cmdline\": path is not absolute"),
        (
            "1",
            b"/x\0x\0",
            b"A\0",
            "1/environ\": environment entry without '='",
        ),
        ("1", b"/x\0\xff\0", b"", "1/cmdline\": not UTF-8"),
        ("2", b"/x\0x\0", b"", "poststop\": hooks are not numbered"),
        ("x", b"/x\0x\0", b"", "poststop/x\": unknown name"),
    ];
    for (name, cmdline, environ, expected) in cases {
        let dir = tempdir().unwrap();
        let hook = dir.path().join("poststop").join(name);
        fs::create_dir_all(&hook).unwrap();
        fs::write(hook.join("cmdline"), cmdline).unwrap();
        fs::write(hook.join("environ"), environ).unwrap();
        let error = tree::read(dir.path(), &Phase::ALL).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn executables_are_looked_at() {
    let dir = tempdir().unwrap();
    let at = |name: &str| Hook::new(dir.path().join(name));
    let check = |name: &str| check_executable(&at(name));
    fs::write(dir.path().join("plain"), "").unwrap();
    fs::write(dir.path().join("tool"), "").unwrap();
    fs::set_permissions(dir.path().join("plain"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(dir.path().join("tool"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("tool", dir.path().join("link")).unwrap();
    symlink("nowhere", dir.path().join("dangling")).unwrap();
    symlink("loop", dir.path().join("loop")).unwrap();
    assert!(matches!(check("missing"), Err(NotExecutable::Missing(_))));
    assert!(matches!(
        check("tool/below"),
        Err(NotExecutable::Missing(_))
    ));
    assert!(matches!(check("dangling"), Err(NotExecutable::Missing(_))));
    assert!(matches!(check("loop"), Err(NotExecutable::Stat(..))));
    assert!(matches!(check("."), Err(NotExecutable::Directory(_))));
    assert!(matches!(
        check("plain"),
        Err(NotExecutable::NotExecutable(_))
    ));
    assert!(matches!(
        check_executable(&Hook::new("/dev/null")),
        Err(NotExecutable::NotRegular(_))
    ));
    check("tool").unwrap();
    check("link").unwrap();

    let mut set = HookSet::default();
    set.push(Phase::Prestart, at("tool"));
    set.push(Phase::Prestart, at("plain"));
    set.push(Phase::Poststop, at("missing"));
    check_executables(&set, &[Phase::StartContainer]).unwrap();
    let found = check_executables(&set, &Phase::ALL).unwrap_err();
    let pointers: Vec<_> = found
        .0
        .iter()
        .map(|problem| problem.pointer.as_str())
        .collect();
    assert_eq!(
        pointers,
        ["/hooks/prestart/1/path", "/hooks/poststop/0/path"]
    );
}

#[test]
fn what_was_written_is_removed_and_nothing_else() {
    let dir = tempdir().unwrap();
    let tree_dir = dir.path().join("hooks");
    tree::remove(&tree_dir);
    tree::write(&tree_dir, &sample(), &Phase::ALL, &Options::default()).unwrap();
    fs::write(tree_dir.join("poststop/1/other"), "").unwrap();
    tree::remove(&tree_dir);
    let entries = |name: &str| -> Vec<_> {
        let entries = fs::read_dir(tree_dir.join(name)).unwrap();
        entries.map(|e| e.unwrap().file_name()).collect()
    };
    assert!(entries("create-container").is_empty());
    assert!(entries("start-container").is_empty());
    assert_eq!(entries("poststop"), ["1"]);
    assert_eq!(entries("poststop/1"), ["other"]);
}
