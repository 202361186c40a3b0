//! `lxcri-ctl hooks`

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::run;

const GOOD: &str = r#"{"version": "1.0.0", "hook": {"path": "/bin/true", "timeout": 3},
    "when": {"annotations": {"^gpu$": "."}}, "stages": ["createRuntime", "poststop"]}"#;
const WARNED: &str = r#"{"version": "1.0.0", "hook": {"path": "/bin/true"},
    "when": {"always": true}, "stages": ["poststart"], "x": 1}"#;
const BAD: &str = r#"{"version": "1.0.0", "hook": {"path": "true"},
    "when": {"commands": ["("]}, "stages": ["later"]}"#;

/// A directory `d` with these files, and a bundle `b`.
fn scene(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("d")).unwrap();
    for (name, text) in files {
        fs::write(directory.path().join("d").join(name), text).unwrap();
    }
    fs::create_dir(directory.path().join("b")).unwrap();
    let config = "{\n  \"process\": {\"args\": [\"sh\"]},\n  \"annotations\": {\"gpu\": \"1\"},\n  \"big\": 123456789012345678901234567890\n}\n";
    fs::write(directory.path().join("b/config.json"), config).unwrap();
    directory
}

/// The text with the directory left out of all paths.
fn short(directory: &Path, text: &str) -> String {
    text.replace(&*format!("{}/", directory.display()), "")
}

#[test]
fn validate_tells_all_errors_at_once() {
    let scene = scene(&[("1.json", GOOD), ("2.json", BAD), ("3.json", "{\"a\":1,}")]);
    let done = run(scene.path(), &["hooks", "validate", "--any-owner", "d"]);
    assert_eq!(
        short(scene.path(), &done.stdout),
        "error: d/2.json: /hook/path: \"true\" is not an absolute path\n\
         error: d/2.json: /stages/0: unknown stage \"later\"\n\
         error: d/2.json: /when/commands/0: pattern \"(\": a parenthesis \"(\" is not closed\n\
         error: d/3.json:1:8: trailing comma\n\
         3 files, 4 errors, 0 warnings\n"
    );
    assert_eq!(done.status, 1);
}

#[test]
fn validate_with_strict_makes_warnings_errors() {
    let scene = scene(&[("1.json", WARNED)]);
    let args = ["hooks", "validate", "--any-owner", "d/1.json"];
    let done = run(scene.path(), &args);
    let expected = "warning: d/1.json: /x: unknown key, ignored\n1 file, 0 errors, 1 warning\n";
    assert_eq!(short(scene.path(), &done.stdout), expected);
    assert_eq!(done.status, 0);
    let strict = run(scene.path(), &[&args[..], &["--strict"]].concat());
    assert_eq!((strict.status, strict.stdout), (1, done.stdout));
}

#[test]
fn validate_speaks_json() {
    let scene = scene(&[("1.json", WARNED), ("2.json", "{")]);
    let args = ["hooks", "validate", "--any-owner", "--format", "json", "d"];
    let done = run(scene.path(), &args);
    let report: Value = serde_json::from_str(&short(scene.path(), &done.stdout)).unwrap();
    assert_eq!(report["files"], 2);
    assert_eq!(
        report["problems"][0],
        json!({"file": "d/1.json", "pointer": "/x", "severity": "warning", "reason": "unknown key, ignored"})
    );
    assert_eq!(report["problems"][1]["line"], 1);
    assert_eq!(report["problems"][1]["severity"], "error");
    assert_eq!(done.status, 1);
}

#[test]
fn validate_takes_single_files_of_both_kinds_and_misses_none() {
    let scene = scene(&[
        ("1.json", GOOD),
        ("2.json", BAD),
        (
            "hooks.json",
            "{\"hooks\": {\"prestart\": [{\"path\": \"/bin/true\"}]}}",
        ),
        ("x.txt", GOOD),
    ]);
    let args = ["hooks", "validate", "--any-owner"];
    let good = run(
        scene.path(),
        &[&args[..], &["d/1.json", "d/hooks.json"]].concat(),
    );
    assert_eq!(good.success(), "2 files, 0 errors, 0 warnings\n");
    let wrong = run(
        scene.path(),
        &[&args[..], &["d/x.txt", "none", "d/none.json"]].concat(),
    );
    assert_eq!(
        short(scene.path(), &wrong.stdout),
        "error: d/none.json: does not exist\n\
         error: d/x.txt: is no hook file: the name does not end in .json\n\
         error: none: does not exist\n\
         0 files, 3 errors, 0 warnings\n"
    );
    assert_eq!(wrong.status, 1);
}

/// They are loaded so.
#[test]
fn validate_takes_hooks_json_with_keys_in_any_case() {
    let list = r#"[{"path": "/bin/true"}]"#;
    let scene = scene(&[
        (
            "wrapped.json",
            &format!(r#"{{"Hooks": {{"Prestart": {list}}}}}"#),
        ),
        ("bare.json", &format!(r#"{{"POSTSTOP": {list}}}"#)),
    ]);
    for file in ["d/wrapped.json", "d/bare.json"] {
        let done = run(scene.path(), &["hooks", "validate", "--any-owner", file]);
        assert_eq!(done.success(), "1 file, 0 errors, 0 warnings\n", "{file}");
    }
}

#[test]
fn files_that_others_can_write_to_are_refused() {
    use std::os::unix::fs::PermissionsExt;
    let scene = scene(&[("1.json", GOOD)]);
    let file = scene.path().join("d/1.json");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    let strict = run(scene.path(), &["hooks", "validate", "d/1.json"]);
    assert_eq!(strict.status, 1, "{}", strict.stdout);
    run(
        scene.path(),
        &["hooks", "validate", "--any-owner", "d/1.json"],
    )
    .success();
}

#[test]
fn list_shows_order_overrides_and_what_is_switched_off() {
    let scene = scene(&[
        ("2.json", GOOD),
        ("B.json", ""),
        ("a.json", WARNED),
        ("3.json", BAD),
    ]);
    fs::create_dir(scene.path().join("e")).unwrap();
    fs::write(scene.path().join("e/2.json"), WARNED).unwrap();
    let args = [
        "hooks",
        "list",
        "--any-owner",
        "--hooks-dir",
        "d",
        "--hooks-dir",
        "e",
    ];
    let text = run(scene.path(), &args).success();
    assert_eq!(
        short(scene.path(), &text),
        "e/2.json\n    instead of d/2.json\n    poststart: /bin/true\n        when always: true\n\
         d/3.json (bad: see `lxcri-ctl hooks validate`)\n\
         d/a.json\n    poststart: /bin/true\n        when always: true\n\
         d/B.json (disabled)\n"
    );
    let json = run(scene.path(), &[&args[..], &["--format", "json"]].concat()).success();
    let list: Value = serde_json::from_str(&short(scene.path(), &json)).unwrap();
    assert_eq!(list[0]["overrides"], json!(["d/2.json"]));
    assert_eq!(list[1]["state"], "bad");
    assert_eq!(list[2]["hooks"][0]["when"], json!(["always: true"]));
}

#[test]
fn explain_tells_each_condition_and_the_hooks_in_order() {
    let scene = scene(&[
        ("1.json", GOOD),
        ("2.json", WARNED),
        ("3.json", &GOOD.replace("gpu", "npu")),
        ("4.json", ""),
    ]);
    let args = [
        "hooks",
        "explain",
        "--any-owner",
        "--hooks-dir",
        "d",
        "b/config.json",
    ];
    let text = run(scene.path(), &args).success();
    assert_eq!(
        short(scene.path(), &text),
        "d/1.json: matched\n    yes     annotation \"^gpu$\": \".\": \"gpu\": \"1\" matches\n\
         d/2.json: matched\n    yes     always: true: it is for every container\n\
         d/3.json: not matched\n    no      annotation \"^npu$\": \".\": no annotation has such a key\n\
         d/4.json: disabled\n\
         hooks, in this order:\n    createRuntime #1 /bin/true (d/1.json)\n    poststart #1 /bin/true (d/2.json)\n    poststop #1 /bin/true (d/1.json)\n"
    );
    let json = run(scene.path(), &[&args[..], &["--format", "json"]].concat()).success();
    let explained: Value = serde_json::from_str(&short(scene.path(), &json)).unwrap();
    assert_eq!(explained["files"][2]["conditions"][0]["holds"], false);
    assert_eq!(
        explained["hooks"][1],
        json!({"stage": "poststart", "number": 1, "path": "/bin/true", "file": "d/2.json"})
    );
    fs::write(scene.path().join("b/config.json"), "{} x").unwrap();
    let done = run(scene.path(), &args);
    assert!(
        done.stderr.starts_with("lxcri-ctl: b/config.json: "),
        "{}",
        done.stderr
    );
    assert_eq!(done.status, 1);
}

#[test]
fn inject_shows_the_difference_and_then_makes_it_once() {
    let scene = scene(&[("1.json", GOOD)]);
    let config = scene.path().join("b/config.json");
    let before = fs::read_to_string(&config).unwrap();
    let args = [
        "hooks",
        "inject",
        "--any-owner",
        "--hooks-dir",
        "d",
        "b/config.json",
    ];
    let dry = [&args[..], &["--dry-run"]].concat();
    let diff = run(scene.path(), &dry).success();
    let added: Vec<&str> = diff.lines().filter(|l| l.starts_with('+')).collect();
    assert!(
        added
            .iter()
            .any(|l| l.contains("\"createRuntime\":[{\"path\":\"/bin/true\"")),
        "{diff}"
    );
    assert_eq!(fs::read_to_string(&config).unwrap(), before);
    assert_eq!(
        run(scene.path(), &args).success(),
        format!("changed {}\n", config.display())
    );
    let after = fs::read_to_string(&config).unwrap();
    assert!(
        after.contains("\"big\": 123456789012345678901234567890"),
        "{after}"
    );
    assert_eq!(run(scene.path(), &dry).success(), "");
    assert_eq!(run(scene.path(), &args).success(), "nothing to change\n");
    assert_eq!(fs::read_to_string(&config).unwrap(), after);
    fs::rename(&config, scene.path().join("b/other.json")).unwrap();
    let other = [&args[..args.len() - 1], &["b/other.json"]].concat();
    let error = format!(
        "{}/b/other.json: not the config.json of a bundle",
        scene.path().display()
    );
    run(scene.path(), &other).refused(&error);
}

#[test]
fn inject_does_nothing_when_a_file_is_bad() {
    let scene = scene(&[("1.json", GOOD), ("2.json", BAD)]);
    let before = fs::read_to_string(scene.path().join("b/config.json")).unwrap();
    for dry in [&[][..], &["--dry-run"]] {
        let args = [
            "hooks",
            "inject",
            "--any-owner",
            "--hooks-dir",
            "d",
            "b/config.json",
        ];
        let done = run(scene.path(), &[&args[..], dry].concat());
        assert!(
            done.stderr.contains("2.json: /hook/path: "),
            "{}",
            done.stderr
        );
        assert_eq!((done.status, done.stdout.as_str()), (1, ""));
    }
    let after = fs::read_to_string(scene.path().join("b/config.json")).unwrap();
    assert_eq!(after, before);
}

#[test]
fn settings_that_lxcri_inject_refuses_are_refused_here() {
    let scene = scene(&[]);
    let done = run(scene.path(), &["hooks", "list"]);
    assert!(
        done.stderr.starts_with("lxcri-ctl: /dev/null/none: "),
        "{}",
        done.stderr
    );
    assert_eq!(done.status, 1);
}
