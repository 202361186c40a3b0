//! Schema 1.0.0: what is accepted, what is warned about, what is refused, and where.
#![forbid(unsafe_code)]

mod common;

use common::{Tree, always, container, is_good, problems_of, select};
use hook_model::{DEFAULT_PATH, Phase};
use serde_json::{Value, json};

/// The file with one value replaced, or removed by null.
fn with(pointer: &str, value: Value) -> String {
    let mut file = always(&["x"]);
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = file.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    if value.is_null() {
        parent.remove(key);
    } else {
        parent.insert(key.to_owned(), value);
    }
    file.to_string()
}

#[test]
fn keys_are_accepted_in_any_case() {
    let file = r#"{"VERSION": "1.0.0", "Hook": {"Path": "/bin/true", "ARGS": ["a"], "Env": ["A=1"], "timeOut": 3},
        "When": {"ALWAYS": true, "Annotations": {}, "Commands": [], "HASBINDMOUNTS": null}, "stageS": ["poststop"]}"#;
    assert_eq!(problems_of(file), [""; 0]);
    let hooks = select(file, &container(&[], &["sh"]));
    let hook = &hooks[0].hook;
    assert_eq!(hooks[0].phase, Phase::Poststop);
    assert_eq!(hook.path_str(), "/bin/true");
    assert_eq!(hook.args.as_deref(), Some(&["a".to_owned()][..]));
    assert_eq!(hook.env.as_deref(), Some(&["A=1".to_owned()][..]));
    assert_eq!(hook.timeout.unwrap().get(), 3);
}

#[test]
fn a_key_in_two_spellings_is_an_error() {
    assert_eq!(
        problems_of(always(&[]).to_string().replacen(
            '{',
            r#"{"Hook": {"path": "/bin/false"}, "#,
            1
        )),
        [r#"/hook: is given twice, also as "Hook""#]
    );
}

#[test]
fn a_duplicate_key_is_an_error_with_line_and_column() {
    let file = "{\"version\": \"1.0.0\",\n \"hook\": {\"path\": \"/bin/true\", \"path\": \"/x\"}}";
    assert_eq!(problems_of(file), ["2:37: /hook/path: duplicate key"]);
}

#[test]
fn unknown_keys_are_accepted_with_a_warning() {
    for (file, place) in [
        (with("/x", json!(1)), "/x"),
        (with("/hook/x", json!(1)), "/hook/x"),
        (with("/when/x", json!(1)), "/when/x"),
    ] {
        assert!(is_good(&file), "{file}");
        assert_eq!(
            problems_of(&file),
            [format!("{place}: unknown key, ignored")]
        );
    }
}

#[test]
fn a_file_without_stages_to_run_in_is_accepted_with_a_warning() {
    let file = with("/stages", json!([]));
    assert!(is_good(&file));
    assert_eq!(
        problems_of(&file),
        ["/stages: is empty, so the hook never runs"]
    );
    assert!(select(&file, &container(&[], &["sh"])).is_empty());
}

#[test]
fn a_repeated_stage_runs_twice_with_a_warning() {
    let file = with("/stages", json!(["poststop", "poststart", "poststop"]));
    assert_eq!(
        problems_of(&file),
        ["/stages/2: is poststop once more, so the hook runs twice"]
    );
    assert_eq!(select(&file, &container(&[], &["sh"])).len(), 3);
}

#[test]
fn a_timeout_of_zero_or_below_is_refused() {
    for timeout in [0, -1] {
        assert_eq!(
            problems_of(with("/hook/timeout", json!(timeout))),
            [format!("/hook/timeout: {timeout} is not greater than zero")]
        );
    }
}

#[test]
fn a_fractional_timeout_is_refused() {
    for timeout in [json!(1.5), json!(2.0), json!(1e30)] {
        let problems = problems_of(with("/hook/timeout", timeout));
        assert!(
            problems[0].contains("is not a whole number of seconds"),
            "{problems:?}"
        );
    }
}

#[test]
fn a_file_without_when_matches_never_and_says_so() {
    for (file, problem) in [
        (
            with("/when", Value::Null),
            "/when: is missing, so no container gets the hook",
        ),
        (
            with("/when", json!({})),
            "/when: has no condition, so no container gets the hook",
        ),
        (
            with("/when", json!({"annotations": {}, "commands": []})),
            "/when: has no condition, so no container gets the hook",
        ),
        (
            with("/when/always", json!(false)),
            "/when/always: is false, so no container gets the hook",
        ),
        (
            with("/when/hasBindMounts", json!(false)),
            "/when/hasBindMounts: is false, so no container gets the hook",
        ),
    ] {
        assert!(is_good(&file), "{file}");
        assert_eq!(problems_of(&file), [problem]);
        let mut container = container(&[("a", "b")], &["sh"]);
        container.has_bind_mounts = true;
        assert!(select(&file, &container).is_empty(), "{file}");
    }
}

#[test]
fn a_byte_order_mark_is_refused() {
    let file = format!("\u{feff}{}", always(&[]));
    assert_eq!(problems_of(file), ["1:1: begins with a byte order mark"]);
}

#[test]
fn trailing_data_is_refused() {
    let file = format!("{}\n\n {{}}", always(&[]));
    assert_eq!(problems_of(file), ["3:2: trailing characters"]);
}

#[test]
fn a_trailing_comma_is_refused() {
    assert_eq!(
        problems_of("{\n\"version\": \"1.0.0\",\n}"),
        ["3:1: trailing comma"]
    );
}

#[test]
fn what_is_no_json_object_is_refused() {
    assert_eq!(problems_of(" \n"), ["2:1: EOF while parsing a value"]);
    assert_eq!(problems_of("[]"), ["expected an object, found an array"]);
    assert_eq!(problems_of(b"{\n \"\xff"), ["2:3: is not UTF-8"]);
}

#[test]
fn a_condition_of_the_wrong_type_is_refused() {
    for (pointer, value, problem) in [
        (
            "/when/always",
            json!("true"),
            "expected a boolean, found a string",
        ),
        (
            "/when/hasBindMounts",
            json!(1),
            "expected a boolean, found a number",
        ),
        (
            "/when/commands",
            json!("sh"),
            "expected an array, found a string",
        ),
        (
            "/when/annotations",
            json!(["a"]),
            "expected an object, found an array",
        ),
        ("/when", json!([]), "expected an object, found an array"),
        (
            "/stages",
            json!("poststop"),
            "expected an array, found a string",
        ),
        (
            "/hook",
            json!("/bin/true"),
            "expected an object, found a string",
        ),
        (
            "/hook/args",
            json!("a"),
            "expected an array, found a string",
        ),
        ("/version", json!(1), "expected a string, found a number"),
    ] {
        assert_eq!(
            problems_of(with(pointer, value)),
            [format!("{pointer}: {problem}")]
        );
    }
}

#[test]
fn a_version_that_nobody_knows_is_refused() {
    assert_eq!(
        problems_of(with("/version", json!("2.0.0"))),
        [r#"/version: "2.0.0" is no known version, which are 1.0.0 and 0.1.0"#]
    );
}

#[test]
fn all_problems_are_reported_at_once() {
    let file = json!({
        "version": "1.0.0",
        "hook": {"path": "bin/true", "env": ["A"], "TIMEOUT": 0},
        "when": {"annotations": {"(": "a", "b": 1}, "commands": ["(", 2]},
        "stages": ["poststart", "beforeStart"],
    });
    let problems = problems_of(file.to_string());
    let places: Vec<&str> = problems
        .iter()
        .map(|p| p.split(": ").next().unwrap())
        .collect();
    assert_eq!(
        places,
        [
            "/hook/TIMEOUT",
            "/hook/env/0",
            "/hook/path",
            "/stages/1",
            "/when/annotations/(",
            "/when/annotations/b",
            "/when/commands/0",
            "/when/commands/1",
        ]
    );
    assert_eq!(problems[3], r#"/stages/1: unknown stage "beforeStart""#);
}

#[test]
fn a_file_without_hook_path_or_stages_is_refused() {
    assert_eq!(
        problems_of(with("/hook", Value::Null)),
        ["/hook: is missing"]
    );
    assert_eq!(
        problems_of(with("/hook/path", Value::Null)),
        ["/hook/path: is missing"]
    );
    assert_eq!(
        problems_of(with("/stages", Value::Null)),
        ["/stages: is missing"]
    );
}

#[test]
fn a_path_that_does_not_exist_is_refused_and_hides_no_other_file() {
    let tree = Tree::new();
    let text = with("/hook/path", json!("/missing/hook"));
    tree.write("d/a.json", text);
    tree.write("d/b.json", "{");
    let files = tree.load(&["d"]);
    assert_eq!(
        tree.problems(&files),
        [
            r#"d/a.json: /hook/path: "/missing/hook" does not exist"#,
            "d/b.json:1:1: EOF while parsing an object"
        ]
    );
    assert_eq!(files.verdict().unwrap_err().0.len(), 2);
}

#[test]
fn a_path_that_cannot_be_executed_is_refused() {
    for (path, problem) in [
        ("/etc", r#""/etc" is a directory"#),
        ("/etc/passwd", r#""/etc/passwd" is not executable"#),
        ("/dev/null", r#""/dev/null" is not a regular file"#),
        ("bin/true", r#""bin/true" is not an absolute path"#),
    ] {
        assert_eq!(
            problems_of(with("/hook/path", json!(path))),
            [format!("/hook/path: {problem}")]
        );
    }
}

#[test]
fn a_path_for_start_container_alone_is_the_containers() {
    let mut file = always(&[]);
    file["hook"]["path"] = json!("/only/in/the/image");
    file["stages"] = json!(["startContainer"]);
    assert!(is_good(file.to_string()));
    file["stages"] = json!(["startContainer", "poststop"]);
    assert!(!is_good(file.to_string()));
}

#[test]
fn prestart_is_written_as_create_runtime() {
    let stages = [
        "createRuntime",
        "createContainer",
        "startContainer",
        "poststart",
        "poststop",
    ];
    let hooks = select(with("/stages", json!(stages)), &container(&[], &["sh"]));
    let names: Vec<&str> = hooks.iter().map(|s| s.phase.oci_name()).collect();
    assert_eq!(names, stages);
    let hooks = select(
        with("/stages", json!(["prestart"])),
        &container(&[], &["sh"]),
    );
    assert_eq!(hooks[0].phase, Phase::CreateRuntime);
    assert_eq!(
        problems_of(with("/stages", json!(["prestart", "createRuntime"]))),
        ["/stages/1: is createRuntime once more, so the hook runs twice"]
    );
}

#[test]
fn precreate_hooks_are_apart_from_the_others() {
    let tree = Tree::new();
    tree.write(
        "d/a.json",
        with("/stages", json!(["precreate", "poststop"])),
    );
    let selection = tree.load(&["d"]).select(&container(&[], &["sh"]));
    assert_eq!(selection.hooks.len(), 1);
    assert_eq!(selection.precreate.len(), 1);
    assert_eq!(selection.hooks[0].hook, selection.precreate[0].hook);
    assert_eq!(selection.precreate[0].phase, Phase::CreateRuntime);
}

#[test]
fn a_hook_without_env_gets_an_explicit_one() {
    let hooks = select(always(&[]).to_string(), &container(&[], &["sh"]));
    assert_eq!(
        hooks[0].hook.env.as_deref(),
        Some(&[DEFAULT_PATH.to_owned()][..])
    );
    let hooks = select(with("/hook/env", json!([])), &container(&[], &["sh"]));
    assert_eq!(hooks[0].hook.env.as_deref(), Some(&[][..]));
}

#[test]
fn a_pin_is_read_from_the_extension() {
    let digest = "ab".repeat(32);
    let file = with("/lxcri", json!({"sha256": digest}));
    assert_eq!(problems_of(&file), [""; 0]);
    let hooks = select(&file, &container(&[], &["sh"]));
    assert_eq!(hooks[0].sha256.unwrap().to_string(), digest);
    assert_eq!(
        problems_of(with("/lxcri", json!({"sha256": "ab", "x": 1}))),
        [
            "/lxcri/sha256: expected 64 hexadecimal digits",
            "/lxcri/x: unknown key, ignored"
        ]
    );
}

#[test]
fn a_pin_of_a_hook_in_the_container_is_refused() {
    let mut file = always(&[]);
    file["lxcri"] = json!({"sha256": "ab".repeat(32)});
    file["stages"] = json!(["poststop", "startContainer"]);
    assert_eq!(
        problems_of(file.to_string()),
        ["/hook/path: is pinned and for startContainer, where it is a file of the container"]
    );
}
