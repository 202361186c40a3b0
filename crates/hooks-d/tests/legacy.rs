//! Schema 0.1.0.
#![forbid(unsafe_code)]

mod common;

use common::{container, is_good, problems_of, select};
use hooks_d::Container;
use serde_json::{Value, json};

fn file(members: Value) -> String {
    let mut file = json!({"hook": "/bin/true", "stages": ["poststop"]});
    let file = file.as_object_mut().unwrap();
    file.extend(members.as_object().unwrap().clone());
    Value::from(file.clone()).to_string()
}

fn matches(members: Value, container: &Container) -> bool {
    !select(file(members), container).is_empty()
}

#[test]
fn the_version_is_absent_empty_null_or_0_1_0() {
    let container = container(&[], &["sh"]);
    assert!(matches(json!({"cmds": ["sh"]}), &container));
    for version in [json!(""), json!(null), json!("0.1.0")] {
        assert!(
            matches(json!({"cmds": ["sh"], "Version": version}), &container),
            "{version}"
        );
    }
    assert!(!is_good(file(json!({"version": "0.1"}))));
}

#[test]
fn conditions_are_or() {
    let container = container(&[("a", "1")], &["sh"]);
    for (members, expected) in [
        (json!({"cmds": ["sh"], "annotations": ["2"]}), true),
        (json!({"cmds": ["bash"], "annotations": ["1"]}), true),
        (json!({"cmds": ["bash"], "annotations": ["2"]}), false),
        (json!({"cmds": ["sh"], "hasbindmounts": true}), true),
        (json!({"cmds": ["sh"], "hasbindmounts": false}), true),
        (json!({"hasbindmounts": true}), false),
    ] {
        assert_eq!(matches(members.clone(), &container), expected, "{members}");
    }
    let with = Container {
        has_bind_mounts: true,
        ..Container::default()
    };
    assert!(matches(
        json!({"hasbindmounts": true, "cmds": ["x"]}),
        &with
    ));
}

#[test]
fn aliases_are_accepted_but_not_both() {
    let one =
        json!({"hook": "/bin/true", "stage": ["poststop"], "cmd": ["sh"], "annotation": ["1"]});
    assert_eq!(problems_of(one.to_string()), [""; 0]);
    assert_eq!(
        select(one.to_string(), &container(&[("a", "1")], &["x"])).len(),
        1
    );
    for (one, other) in [
        ("stages", "stage"),
        ("cmds", "cmd"),
        ("annotations", "annotation"),
    ] {
        let both = json!({"cmds": ["sh"], one: ["poststop"], other: ["poststop"]});
        assert_eq!(
            problems_of(file(both)),
            [format!("/{other}: cannot be set together with {one:?}")]
        );
    }
}

#[test]
fn annotations_match_any_value_by_one_of_the_patterns() {
    let members = json!({"annotations": ["^a$", "b"]});
    for (value, expected) in [("a", true), ("xbx", true), ("aa", false)] {
        let container = container(&[("other", "x"), ("key", value)], &["sh"]);
        assert_eq!(matches(members.clone(), &container), expected, "{value}");
    }
}

#[test]
fn an_empty_list_of_annotations_matches_a_container_that_has_one() {
    let members = json!({"annotations": []});
    assert!(matches(members.clone(), &container(&[("a", "")], &["sh"])));
    assert!(!matches(members, &container(&[], &["sh"])));
}

#[test]
fn arguments_become_args_after_the_path() {
    let container = container(&[], &["sh"]);
    let hooks = select(
        file(json!({"cmds": [""], "arguments": ["a", "b"]})),
        &container,
    );
    assert_eq!(hooks[0].hook.argv(), ["/bin/true", "a", "b"]);
    let hooks = select(file(json!({"cmds": [""]})), &container);
    assert_eq!(hooks[0].hook.argv(), ["/bin/true"]);
    assert!(hooks[0].hook.env.is_some());
}

#[test]
fn what_is_wrong_is_reported_with_its_place() {
    for (members, problem) in [
        (json!({"hook": null}), "/hook: is missing"),
        (json!({"stages": null}), "/stages: is missing"),
        (
            json!({"hook": {}}),
            "/hook: expected a string, found an object",
        ),
        (
            json!({"hook": "true"}),
            r#"/hook: "true" is not an absolute path"#,
        ),
        (
            json!({"hook": "/missing"}),
            r#"/hook: "/missing" does not exist"#,
        ),
        (json!({"stages": ["x"]}), r#"/stages/0: unknown stage "x""#),
        (
            json!({"annotations": {}}),
            "/annotations: expected an array, found an object",
        ),
        (
            json!({"cmds": null}),
            "has no condition, so no container gets the hook",
        ),
        (
            json!({"hasbindmounts": false}),
            "/hasbindmounts: is false, which matches no container",
        ),
        (json!({"when": {}}), "/when: unknown key, ignored"),
    ] {
        let mut all = json!({"cmds": ["sh"]});
        let all = all.as_object_mut().unwrap();
        all.extend(members.as_object().unwrap().clone());
        assert_eq!(problems_of(file(Value::from(all.clone()))), [problem]);
    }
}
