//! hooks.json of container-hooks-toolkit.
#![forbid(unsafe_code)]

mod common;

use std::os::unix::fs::PermissionsExt;

use common::{Tree, always, container, need_root, order};
use hook_model::Phase;
use hooks_d::{HookFiles, OnError, Source, load};

const STAGES: &str = r#"{"prestart": [{"path": "/bin/true", "args": ["1"]}, {"path": "/bin/true", "args": ["2"]}],
    "poststop": [{"path": "/bin/true", "args": ["3"], "env": [], "timeout": 5}], "poststart": null}"#;

fn selected(files: &HookFiles) -> Vec<(Phase, String)> {
    files.verdict().unwrap();
    let hooks = files.select(&container(&[], &["sh"])).hooks;
    hooks
        .iter()
        .map(|s| (s.phase, s.hook.argv().join(" ")))
        .collect()
}

#[test]
fn stages_are_bare_or_under_hooks() {
    let expected = [
        (Phase::Prestart, "1".to_owned()),
        (Phase::Prestart, "2".to_owned()),
        (Phase::Poststop, "3".to_owned()),
    ];
    let tree = Tree::new();
    assert_eq!(selected(&tree.hooks_json(STAGES)), expected);
    assert_eq!(
        selected(&tree.hooks_json(format!(r#"{{"hooks": {STAGES}}}"#))),
        expected
    );
    assert!(tree.hooks_json("{}").verdict().is_ok());
}

#[test]
fn keys_are_accepted_in_any_case_but_not_twice() {
    let tree = Tree::new();
    let expected = [(Phase::Poststop, "x".to_owned())];
    for text in [
        r#"{"PostStop": [{"Path": "/bin/true", "ARGS": ["x"]}]}"#,
        r#"{"Hooks": {"poststop": [{"path": "/bin/true", "args": ["x"]}]}}"#,
        r#"{"hooks": null, "poststop": [{"path": "/bin/true", "args": ["x"]}]}"#,
    ] {
        assert_eq!(selected(&tree.hooks_json(text)), expected, "{text}");
    }
    let files = tree.hooks_json(r#"{"poststop": [], "Poststop": []}"#);
    assert_eq!(
        tree.problems(&files),
        ["hooks.json: /poststop: is given twice, also at /Poststop"]
    );
}

#[test]
fn hooks_match_containers_without_a_process_and_have_an_explicit_env() {
    let files = Tree::new().hooks_json(STAGES);
    let hooks = files.select(&Default::default()).hooks;
    assert_eq!(hooks.len(), 3);
    assert!(hooks.iter().all(|s| s.hook.env.is_some()));
}

#[test]
fn the_marker_is_accepted_and_not_required() {
    let tree = Tree::new();
    let files = tree.hooks_json(
        r#"{"prestart": [{"path": "/usr/local/bin/container-hooks"}, {"path": "/bin/true", "args": ["1"]}]}"#,
    );
    assert_eq!(selected(&files), [(Phase::Prestart, "1".to_owned())]);
    assert!(files.problems().next().is_none());
}

#[test]
fn what_is_wrong_is_reported_with_its_place() {
    for (text, problem) in [
        (r#"{"beforeStart": []}"#, ": /beforeStart: unknown stage"),
        (
            r#"{"hooks": {"hooks": {}}}"#,
            ": /hooks/hooks: unknown stage",
        ),
        (
            r#"{"prestart": {}}"#,
            ": /prestart: expected an array, found an object",
        ),
        (
            r#"{"hooks": {"prestart": [{}]}}"#,
            ": /hooks/prestart/0/path: is missing",
        ),
        (
            r#"{"hooks": {}, "prestart": []}"#,
            r#": /prestart: stands beside "hooks", where the stages are"#,
        ),
        (
            r#"{"poststop": [{"path": "/missing"}]}"#,
            r#": /poststop/0/path: "/missing" does not exist"#,
        ),
        (
            r#"{"poststop": [{"path": "/bin/true", "timeout": 0}]}"#,
            ": /poststop/0/timeout: 0 is not greater than zero",
        ),
        (
            r#"{"poststop": [{"path": "/bin/true", "lxcri": {"sha256": "x"}}]}"#,
            ": /poststop/0/lxcri/sha256: expected 64 hexadecimal digits",
        ),
        (
            r#"{"poststop": [], "poststop": []}"#,
            ":1:27: /poststop: duplicate key",
        ),
        ("[]", ": expected an object, found an array"),
    ] {
        let tree = Tree::new();
        let files = tree.hooks_json(text);
        assert_eq!(tree.problems(&files), [format!("hooks.json{problem}")]);
        assert!(files.verdict().is_err(), "{text}");
    }
}

#[test]
fn an_unknown_key_of_a_hook_is_a_warning() {
    let tree = Tree::new();
    let files = tree.hooks_json(r#"{"poststop": [{"path": "/bin/true", "x": 1}]}"#);
    assert_eq!(
        tree.problems(&files),
        ["hooks.json: /poststop/0/x: unknown key, ignored"]
    );
    assert_eq!(selected(&files).len(), 1);
}

#[test]
fn a_missing_file_is_an_error_unless_the_source_skips() {
    let tree = Tree::new();
    let mut sources = tree.sources(&[]);
    let path = tree.path("nowhere/hooks.json");
    sources.list.push((Source::HooksJson(path), OnError::Fail));
    let files = load(&sources);
    assert_eq!(
        tree.problems(&files),
        ["nowhere/hooks.json: does not exist"]
    );
    assert!(files.verdict().is_err());
    sources.list[0].1 = OnError::Skip;
    assert!(load(&sources).verdict().is_ok());
}

#[test]
fn a_directory_writable_by_others_than_root_is_refused() {
    if !need_root() {
        return;
    }
    let tree = Tree::new();
    let path = tree.write("d/hooks.json", STAGES);
    std::fs::set_permissions(tree.path("d"), std::fs::Permissions::from_mode(0o777)).unwrap();
    let mut sources = tree.sources(&[]);
    sources.list.push((Source::HooksJson(path), OnError::Fail));
    let problems = tree.problems(&load(&sources));
    assert!(
        problems[0].starts_with("d/hooks.json: the directory ")
            && problems[0].ends_with(": can be written to by others than root (mode 0777)"),
        "{problems:?}"
    );
}

#[test]
fn its_hooks_run_after_those_of_directories() {
    let tree = Tree::new();
    tree.write(
        "a/hooks.json",
        r#"{"poststart": [{"path": "/bin/true", "args": ["json"]}]}"#,
    );
    tree.write("d/z.json", always(&["z"]).to_string());
    let mut sources = tree.sources(&[]);
    sources
        .list
        .push((Source::HooksJson(tree.path("a/hooks.json")), OnError::Fail));
    sources
        .list
        .push((Source::Dir(tree.path("d")), OnError::Fail));
    let hooks = load(&sources).select(&container(&[], &["sh"])).hooks;
    assert_eq!(order(&hooks), ["z", "json"]);
}
