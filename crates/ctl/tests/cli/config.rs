//! `lxcri-ctl config` and `schema`

use std::fs;

use serde_json::Value;

use crate::run;

#[test]
fn set_keeps_comments_and_order_and_show_tells_defaults() {
    let scene = tempfile::tempdir().unwrap();
    let file = scene.path().join("inject.toml");
    fs::write(&file, "# mine\nfsync = true # slow\non-error = \"skip\"\n").unwrap();
    let set = |words: &[&str]| {
        let args = ["config", "set", "inject", "--file", "inject.toml"];
        run(scene.path(), &[&args[..], words].concat())
    };
    let changed = format!("changed {}\n", file.display());
    assert_eq!(set(&["fsync", "false"]).success(), changed);
    assert_eq!(
        set(&["runtimes", "crun", "/usr/bin/lxcri"]).success(),
        changed
    );
    assert_eq!(set(&["on-error"]).success(), changed);
    assert_eq!(set(&["on-error"]).success(), "nothing to change\n");
    let text = "# mine\nfsync = false # slow\nruntimes = [\"crun\", \"/usr/bin/lxcri\"]\n";
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    set(&["fsync"]).success();
    let text = "# mine\nruntimes = [\"crun\", \"/usr/bin/lxcri\"]\n";
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    set(&["runtimes"]).success();
    assert_eq!(fs::read_to_string(&file).unwrap(), "# mine\n");
    set(&["runtimes", "crun", "/usr/bin/lxcri"]).success();
    let shown = run(
        scene.path(),
        &["config", "show", "inject", "--file", "inject.toml"],
    )
    .success();
    assert_eq!(
        shown,
        "# inject.toml\nruntimes = [\"crun\", \"/usr/bin/lxcri\"]\n\
         hooks-dirs = [\"/usr/share/containers/oci/hooks.d\", \"/etc/containers/oci/hooks.d\"]  # default\n\
         # hooks-json is not set\non-error = \"fail\"  # default\naccess = \"root-only\"  # default\nfsync = false  # default\n"
    );
}

#[test]
fn set_makes_a_file_that_is_missing_and_refuses_what_the_program_would() {
    let scene = tempfile::tempdir().unwrap();
    let set = |words: &[&str]| {
        let args = ["config", "set", "inject", "--file", "etc/inject.toml"];
        run(scene.path(), &[&args[..], words].concat())
    };
    for (words, error) in [
        (
            &["colour", "red"][..],
            "colour: unknown key; there are runtimes, hooks-dirs, hooks-json, on-error, access, fsync",
        ),
        (
            &["on-error", "never"],
            "on-error: \"never\" is not one of fail, skip",
        ),
        (
            &["fsync", "yes"],
            "fsync: \"yes\" is neither true nor false",
        ),
        (&["hooks-json", "a", "b"], "hooks-json: takes one value"),
        (
            &["hooks-dirs", "/a", "b"],
            "hooks-dirs: \"b\" is not an absolute path",
        ),
        (
            &["runtimes", "bin/crun"],
            "runtimes: \"bin/crun\" is neither an absolute path nor a bare name",
        ),
    ] {
        set(words).refused(error);
    }
    assert_eq!(set(&["fsync"]).success(), "nothing to change\n");
    assert!(!scene.path().join("etc").exists());
    set(&["hooks-dirs", "/a", "/b"]).success();
    let text = fs::read_to_string(scene.path().join("etc/inject.toml")).unwrap();
    assert_eq!(text, "hooks-dirs = [\"/a\", \"/b\"]\n");
}

/// A lock needs no more than a directory that can be read, so anybody may hold it.
#[test]
fn set_does_not_wait_for_ever_for_a_directory_that_is_locked() {
    let scene = tempfile::tempdir().unwrap();
    let directory = fs::File::open(scene.path()).unwrap();
    directory.lock().unwrap();
    let args = ["config", "set", "inject", "--file", "f", "fsync", "true"];
    run(scene.path(), &args).refused(&format!(
        "{}: locked by another process for more than 10 s",
        scene.path().display()
    ));
    assert!(!scene.path().join("f").exists());
    drop(directory);
    run(scene.path(), &args).success();
}

#[test]
fn check_tells_all_problems() {
    use std::os::unix::fs::PermissionsExt;
    let scene = tempfile::tempdir().unwrap();
    let file = scene.path().join("f");
    let check = |name| run(scene.path(), &["config", "check", name, "--file", "f"]);
    check("lxcri").refused("f: does not exist");
    fs::write(&file, "hooks-log = \"/x\"\n").unwrap();
    assert_eq!(check("lxcri").success(), "f: fine\n");
    fs::write(&file, "hooks-log = 1\nx = 1\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    let done = check("lxcri");
    assert_eq!(
        done.stdout,
        "f: hooks-log: expected a string, found integer\nf: x: unknown key; there are hooks-log, hooks-dirs, hooks-json, hooks-on-error\nf: others than root may write to it\n"
    );
    assert_eq!(done.status, 1);
    fs::write(&file, "a =\n").unwrap();
    let done = check("lxcri");
    assert!(
        done.stderr.starts_with("lxcri-ctl: f: 1:4: "),
        "{}",
        done.stderr
    );
}

#[test]
fn schemas_are_json_and_say_what_they_are_of() {
    let scene = tempfile::tempdir().unwrap();
    for (name, title, key) in [
        ("hooks", "hook file, schema 1.0.0", "stages"),
        ("inject", "/etc/lxcri/inject.toml", "runtimes"),
        ("lxcri", "/etc/lxcri/lxcri.toml", "hooks-log"),
    ] {
        let text = run(scene.path(), &["schema", name]).success();
        let schema: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(schema["title"], title);
        assert!(schema["properties"][key].is_object(), "{text}");
        assert_eq!(
            schema["$schema"],
            "https://json-schema.org/draft/2020-12/schema"
        );
    }
}
