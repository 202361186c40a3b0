//! `lxcri-ctl install` and `uninstall`

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Done, run_program};

const REQUIRED: [&str; 3] = ["lxcri", "lxcri-inject", "lxcri-hook"];

/// A directory `from` with copies of this program under all names that are needed, and `to`, which does not exist.
fn scene() -> tempfile::TempDir {
    let scene = tempfile::tempdir().unwrap();
    fs::create_dir(scene.path().join("from")).unwrap();
    for name in REQUIRED.iter().chain(&["lxcri-ctl"]) {
        copy(&source(&scene, name));
    }
    scene
}

/// Another program copies: what is open for writing here, or in the child of another test, cannot be executed.
fn copy(to: &Path) {
    let from = env!("CARGO_BIN_EXE_lxcri-ctl");
    let copied = Command::new("cp").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

fn source(scene: &tempfile::TempDir, name: &str) -> PathBuf {
    scene.path().join("from").join(name)
}

fn run(scene: &tempfile::TempDir, verb: &str) -> Done {
    let mut args = vec![verb, "--prefix", "to"];
    if verb == "uninstall" {
        args.extend(["--state", "state"]);
    }
    run_program(&source(scene, "lxcri-ctl"), scene.path(), &args)
}

/// All files below `to`.
fn installed(scene: &tempfile::TempDir) -> Vec<String> {
    let mut found = Vec::new();
    let mut directories = vec![scene.path().join("to")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                let path = path.strip_prefix(scene.path().join("to")).unwrap();
                found.push(path.display().to_string());
            }
        }
    }
    found.sort();
    found
}

const ALL: [&str; 4] = [
    "bin/lxcri",
    "bin/lxcri-ctl",
    "bin/lxcri-inject",
    "libexec/lxcri/lxcri-hook",
];

#[test]
fn install_puts_all_programs_in_place_and_uninstall_removes_them_alone() {
    let scene = scene();
    let said = run(&scene, "install").success();
    assert_eq!(said.lines().count(), 4, "{said}");
    assert_eq!(installed(&scene), ALL);
    for file in ALL {
        let mode = scene
            .path()
            .join("to")
            .join(file)
            .metadata()
            .unwrap()
            .mode();
        assert_eq!(mode & 0o7777, 0o755, "{file}");
    }
    fs::write(scene.path().join("to/bin/other"), "").unwrap();
    run(&scene, "uninstall").success();
    assert_eq!(installed(&scene), ["bin/other"]);
    assert!(!scene.path().join("to/libexec/lxcri").exists());
    assert_eq!(run(&scene, "uninstall").success(), "nothing to remove\n");
}

#[test]
fn programs_that_are_optional_are_installed_when_they_are_there() {
    let scene = scene();
    for (name, place) in [
        ("lxcri-nri", "bin/lxcri-nri"),
        ("liblxc_gate.so", "libexec/lxcri/liblxc_gate.so"),
    ] {
        copy(&source(&scene, name));
        run(&scene, "install").success();
        assert!(installed(&scene).contains(&place.to_owned()), "{name}");
    }
    run(&scene, "uninstall").success();
    assert!(installed(&scene).is_empty());
}

#[test]
fn a_source_that_is_missing_or_no_program_changes_nothing() {
    for name in REQUIRED {
        let scene = scene();
        run(&scene, "install").success();
        let inode = |file: &str| scene.path().join("to").join(file).metadata().unwrap().ino();
        let before: Vec<u64> = ALL.iter().map(|f| inode(f)).collect();
        let file = source(&scene, name);
        let shown = file.display();
        let refused = |error: String| {
            let done = run(&scene, "install");
            assert_eq!(
                (done.status, done.stderr),
                (1, format!("lxcri-ctl: {error}\n"))
            );
            assert_eq!(ALL.iter().map(|f| inode(f)).collect::<Vec<_>>(), before);
            assert_eq!(installed(&scene), ALL, "no temporary file");
        };
        fs::write(&file, "#!/bin/sh\necho a script of some length\n").unwrap();
        refused(format!("{shown}: not a program for this machine"));
        fs::write(&file, "").unwrap();
        refused(format!(
            "{shown}: too short for a program: failed to fill whole buffer"
        ));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        refused(format!("{shown}: not an executable file"));
        fs::remove_file(&file).unwrap();
        refused(format!(
            "{name}: not beside {}",
            source(&scene, "lxcri-ctl").display()
        ));
    }
}

#[test]
fn a_destination_that_cannot_be_made_leaves_nothing() {
    let scene = scene();
    let to = scene.path().join("to");
    fs::create_dir(&to).unwrap();
    fs::write(to.join("bin"), "a file").unwrap();
    let done = run(&scene, "install");
    assert_eq!((done.status, &*done.stdout), (1, ""));
    let named = format!("to {}: ", to.join("bin/lxcri").display());
    assert!(done.stderr.contains(&named), "{}", done.stderr);
    assert_eq!(fs::read_dir(&to).unwrap().count(), 1, "only the file");
    fs::remove_dir_all(&to).unwrap();
    fs::write(&to, "a file").unwrap();
    assert_eq!(run(&scene, "install").status, 1);
}

#[test]
fn what_was_replaced_before_an_error_is_said() {
    let scene = scene();
    let directory = scene.path().join("to/bin/lxcri-inject");
    fs::create_dir_all(&directory).unwrap();
    let done = run(&scene, "install");
    let places = ["libexec/lxcri/lxcri-hook", "bin/lxcri"];
    let said: String = places
        .map(|place| {
            format!(
                "installed {}\n",
                scene.path().join("to").join(place).display()
            )
        })
        .concat();
    assert_eq!((done.status, done.stdout), (1, said));
    let named = format!("lxcri-ctl: replace {}: ", directory.display());
    assert!(done.stderr.starts_with(&named), "{}", done.stderr);
    assert_eq!(installed(&scene), ["bin/lxcri", places[0]]);
    assert!(directory.is_dir());
}

#[test]
fn a_program_that_runs_keeps_its_file() {
    let scene = scene();
    run(&scene, "install").success();
    let program = scene.path().join("to/bin/lxcri");
    let open = fs::File::open(&program).unwrap();
    let before = open.metadata().unwrap().ino();
    run(&scene, "install").success();
    assert_ne!(
        program.metadata().unwrap().ino(),
        before,
        "it is another file now"
    );
    assert_eq!(open.metadata().unwrap().nlink(), 0);
}

#[test]
fn installing_from_where_it_is_installed_is_no_work() {
    let scene = scene();
    run(&scene, "install").success();
    let program = scene.path().join("to/bin/lxcri-ctl");
    let said = run_program(&program, scene.path(), &["install", "--prefix", "to"]).success();
    assert_eq!(
        said,
        "nothing to install: these are the installed programs\n"
    );
}

#[test]
fn a_program_that_an_engine_uses_is_not_removed() {
    let scene = scene();
    run(&scene, "install").success();
    let inject = scene.path().join("to/bin/lxcri-inject");
    let configure = |verb: &str| {
        let files = [
            "--engine",
            "docker",
            "--config",
            "daemon.json",
            "--state",
            "state",
        ];
        let ctl = Path::new("to/bin/lxcri-ctl");
        run_program(
            &scene.path().join(ctl),
            scene.path(),
            &[&["runtime", verb], &files[..]].concat(),
        )
    };
    configure("configure").success();
    run(&scene, "uninstall").refused(&format!(
        "{} is a runtime of docker: lxcri-ctl runtime unconfigure --engine docker --name lxcri-inject",
        inject.display()
    ));
    assert_eq!(installed(&scene), ALL);
    configure("unconfigure").success();
    run(&scene, "uninstall").success();
    assert!(!scene.path().join("daemon.json").exists());
}
