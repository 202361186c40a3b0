//! Malformed trees end with their exit code and one line that names the file, and run no hook at all.
#![deny(unsafe_code)]

mod support;

use hook_tree::TreeError;
use std::fs;
use std::os::unix::fs::symlink;
use support::{Tree, strings};

/// A poststop tree whose first hook is sound and leaves a mark.
fn tree() -> Tree {
    let tree = Tree::new();
    let mark = tree.join("mark");
    tree.shell(
        "poststop",
        1,
        &format!("echo ran > {}", mark.display()),
        &["A=b"],
    );
    tree
}

/// Asserts the failure and that the first hook has not run.
fn fails(tree: &Tree, code: u8, text: &str) {
    tree.run("poststop").fails_with(code.into(), text);
    assert!(
        !tree.join("mark").exists(),
        "a hook ran in a malformed tree"
    );
    assert!(tree.records().is_empty());
}

fn cmdline(bytes: &[u8], error: TreeError) {
    let tree = tree();
    tree.write("hooks/poststop/2/cmdline", bytes)
        .write("hooks/poststop/2/environ", b"");
    fails(
        &tree,
        error.code(),
        &format!("hooks/poststop/2/cmdline: {}", error.text()),
    );
}

fn environ(bytes: &[u8], error: TreeError) {
    let tree = tree();
    tree.hook("poststop", 2, &["/bin/true", "true"], &[])
        .write("hooks/poststop/2/environ", bytes);
    fails(
        &tree,
        error.code(),
        &format!("hooks/poststop/2/environ: {}", error.text()),
    );
}

#[test]
fn the_base_is_sound() {
    let tree = tree();
    tree.run("poststop").succeeds();
    assert!(tree.join("mark").exists());
}

#[test]
fn cmdline_missing() {
    let tree = tree();
    fs::create_dir_all(tree.join("hooks/poststop/2")).unwrap();
    fails(
        &tree,
        8,
        "hooks/poststop/2/cmdline): no such file or directory (ENOENT)",
    );
}

#[test]
fn cmdline_malformed() {
    cmdline(b"", TreeError::NoPath);
    cmdline(b"\0sh\0", TreeError::NoPath);
    cmdline(b"/bin/true", TreeError::Unterminated);
    cmdline(b"/bin/true\0true", TreeError::Unterminated);
    cmdline(b"/bin/true\0", TreeError::EmptyArgv);
    cmdline(b"bin/true\0true\0", TreeError::RelativePath);
}

#[test]
fn cmdline_of_any_size() {
    let mut bytes = strings(&["/bin/true", "true"]);
    bytes.resize(2 << 20, b'x');
    bytes.push(0);
    cmdline(&bytes, TreeError::TooLarge);
    // A hole of a terabyte is not read.
    let tree = tree();
    tree.hook("poststop", 2, &["/bin/true", "true"], &[]);
    fs::File::options()
        .write(true)
        .open(tree.join("hooks/poststop/2/cmdline"))
        .and_then(|file| file.set_len(1 << 40))
        .unwrap();
    fails(
        &tree,
        TreeError::TooLarge.code(),
        "hooks/poststop/2/cmdline: file is larger than 2 MiB",
    );
}

#[test]
fn cmdline_at_the_limit_is_read_and_refused_by_the_kernel() {
    let tree = Tree::new();
    let mut bytes = strings(&["/bin/true", "true"]);
    bytes.resize(names_limit() - 1, b'x');
    bytes.push(0);
    tree.write("hooks/poststop/1/cmdline", &bytes)
        .write("hooks/poststop/1/environ", b"");
    // poststop: a failure of the hook, not of the tree.
    let finished = tree.run("poststop");
    assert!(finished.status.success());
    let error = tree.records()[0]["error"].as_str().unwrap().to_owned();
    assert_eq!(error, "execve(/bin/true): argument list too long (E2BIG)");
}

fn names_limit() -> usize {
    hook_tree::names::FILE_LIMIT
}

#[test]
fn a_million_empty_arguments() {
    let tree = Tree::new();
    let mut bytes = strings(&["/bin/true"]);
    bytes.resize(1 << 20, 0);
    tree.write("hooks/poststop/1/cmdline", &bytes);
    assert!(tree.run("poststop").status.success());
    assert!(
        tree.records()[0]["error"]
            .as_str()
            .unwrap()
            .contains("E2BIG")
    );
}

#[test]
fn environ_malformed() {
    environ(b"A=b", TreeError::Unterminated);
    environ(b"A=b\0C\0", TreeError::NoEquals);
    environ(b"A=b\0\0", TreeError::NoEquals);
    for timeout in [
        "",
        "0",
        "-1",
        "+1",
        "1.5",
        "x",
        " 1",
        "99999999999999999999",
    ] {
        environ(
            format!("OCI_HOOK_TIMEOUT={timeout}\0").as_bytes(),
            TreeError::BadTimeout,
        );
    }
    environ(
        b"OCI_HOOK_TIMEOUT=1\0OCI_HOOK_TIMEOUT=2\0",
        TreeError::TimeoutTwice,
    );
    environ(&vec![0; (2 << 20) + 1], TreeError::TooLarge);
}

#[test]
fn numbering() {
    let tree = tree();
    tree.hook("poststop", 3, &["/bin/true", "true"], &[]);
    fails(
        &tree,
        TreeError::Gap.code(),
        "hooks/poststop: hooks are not numbered",
    );
    let tree = Tree::new();
    tree.hook("poststop", 2, &["/bin/true", "true"], &[]);
    tree.run("poststop")
        .fails_with(TreeError::Gap.code().into(), "hooks/poststop: ");
    for name in ["0", "01", "x", "1.bak", "-1", "18446744073709551616"] {
        let tree = self::tree();
        fs::create_dir(tree.join("hooks/poststop").join(name)).unwrap();
        fails(
            &tree,
            TreeError::UnknownName.code(),
            &format!("hooks/poststop/{name}: unknown name"),
        );
    }
}

#[test]
fn many_hooks_are_all_found() {
    let tree = Tree::new();
    for n in 1..=300 {
        tree.hook("poststop", n, &["/bin/true", "true"], &[]);
    }
    tree.run("poststop").succeeds();
    let indices: Vec<u64> = tree
        .records()
        .iter()
        .map(|record| record["index"].as_u64().unwrap())
        .collect();
    assert!(indices.into_iter().eq(1..=300));
}

#[test]
fn wrong_types() {
    let tree = self::tree();
    tree.write("hooks/poststop/2", b"");
    fails(
        &tree,
        9,
        "hooks/poststop/2/cmdline): not a directory (ENOTDIR)",
    );

    let tree = self::tree();
    fs::create_dir_all(tree.join("hooks/poststop/2/cmdline")).unwrap();
    fails(&tree, 9, "hooks/poststop/2/cmdline: not a regular file");

    // Nobody ever writes to this FIFO; opening it must not wait.
    let tree = self::tree();
    tree.hook("poststop", 2, &["/bin/true", "true"], &[]);
    fs::remove_file(tree.join("hooks/poststop/2/environ")).unwrap();
    nix::unistd::mkfifo(
        &tree.join("hooks/poststop/2/environ"),
        nix::sys::stat::Mode::S_IRWXU,
    )
    .unwrap();
    fails(&tree, 9, "hooks/poststop/2/environ: not a regular file");

    let tree = self::tree();
    tree.write("elsewhere", &strings(&["/bin/true", "true"]));
    fs::create_dir(tree.join("hooks/poststop/2")).unwrap();
    symlink(
        tree.join("elsewhere"),
        tree.join("hooks/poststop/2/cmdline"),
    )
    .unwrap();
    fails(
        &tree,
        9,
        "hooks/poststop/2/cmdline): too many levels of symbolic links (ELOOP)",
    );
}

#[test]
fn directories() {
    let tree = Tree::new();
    tree.run("poststop").succeeds();
    fs::create_dir(tree.join("hooks")).unwrap();
    tree.run("poststop").succeeds();
    fs::create_dir(tree.join("hooks/poststop")).unwrap();
    tree.run("poststop").succeeds();
    assert!(!tree.join("hooks.jsonl").exists());

    let elsewhere = self::tree();
    fs::remove_dir_all(tree.join("hooks")).unwrap();
    symlink(elsewhere.join("hooks"), tree.join("hooks")).unwrap();
    tree.run("poststop").fails_with(9, "/hooks/poststop): ");
    assert!(!elsewhere.join("mark").exists());

    let missing = tree.join("no such directory");
    let finished = support::run(
        std::process::Command::new(support::LAUNCHER)
            .arg("poststop")
            .arg(&missing),
    );
    finished.fails_with(
        6,
        &format!("open({}): no such file or directory", missing.display()),
    );
}

#[test]
fn state_missing() {
    let tree = self::tree();
    fs::remove_file(tree.join("state.json")).unwrap();
    fails(&tree, 10, "state.json): no such file or directory (ENOENT)");
}

#[test]
fn working_directory_malformed() {
    let tree = self::tree();
    tree.write("hooks/poststop/cwd", b"/");
    fails(
        &tree,
        TreeError::Unterminated.code(),
        "hooks/poststop/cwd: no NUL at the end",
    );
    tree.write("hooks/poststop/cwd", b"/\0/\0");
    fails(
        &tree,
        TreeError::ExtraString.code(),
        "hooks/poststop/cwd: more than one string",
    );
    tree.write("hooks/poststop/cwd", b"tmp\0");
    fails(
        &tree,
        TreeError::RelativePath.code(),
        "hooks/poststop/cwd: path is not absolute",
    );
}

/// Random bytes in every file: an exit code of the table, one line or none, and never a signal.
#[test]
fn random_trees_never_crash() {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let alphabet = b"\0\0\0/==AbOCI_HOOK_TIMEOUT=17-\xff\x80";
    for _ in 0..300 {
        let tree = Tree::new();
        for name in [
            "hooks/poststop/1/cmdline",
            "hooks/poststop/1/environ",
            "hooks/poststop/cwd",
        ] {
            let length = next() % 24;
            let bytes: Vec<u8> = (0..length)
                .map(|_| alphabet[(next() % alphabet.len() as u64) as usize])
                .collect();
            if name.ends_with("cmdline") || next() % 3 == 0 {
                tree.write(name, &bytes);
            }
        }
        let finished = tree.run("poststop");
        let code = finished
            .status
            .code()
            .unwrap_or_else(|| panic!("{finished:?}"));
        assert!(code == 0 || (20..33).contains(&code), "{finished:?}");
        assert!(finished.stderr.lines().count() <= 1, "{finished:?}");
    }
}
