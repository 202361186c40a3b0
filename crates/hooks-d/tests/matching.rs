//! Which containers get a hook.
#![forbid(unsafe_code)]

mod common;

use common::{always, container, select};
use hooks_d::Container;
use serde_json::{Value, json};

/// Whether a hook with these conditions is for the container.
fn matches(when: Value, container: &Container) -> bool {
    let mut file = always(&[]);
    file["when"] = when;
    !select(file.to_string(), container).is_empty()
}

#[test]
fn conditions_of_1_0_0_are_and() {
    let container = container(&[("a", "1")], &["sh"]);
    for (when, expected) in [
        (json!({"always": true}), true),
        (json!({"always": true, "commands": ["^sh$"]}), true),
        (json!({"always": true, "commands": ["^bash$"]}), false),
        (json!({"always": true, "annotations": {"a": "2"}}), false),
        (json!({"always": false, "annotations": {"a": "1"}}), false),
        (json!({"annotations": {"a": "1"}, "commands": ["sh"]}), true),
        (
            json!({"annotations": {"a": "1"}, "hasBindMounts": true}),
            false,
        ),
    ] {
        assert_eq!(matches(when.clone(), &container), expected, "{when}");
    }
}

#[test]
fn has_bind_mounts_holds_only_if_true_is_asked_for() {
    let with = Container {
        has_bind_mounts: true,
        ..container(&[], &["sh"])
    };
    let without = container(&[], &["sh"]);
    assert!(matches(json!({"hasBindMounts": true}), &with));
    assert!(!matches(json!({"hasBindMounts": true}), &without));
    assert!(!matches(json!({"hasBindMounts": false}), &with));
    assert!(!matches(json!({"hasBindMounts": false}), &without));
}

#[test]
fn a_pair_needs_one_annotation_whose_key_and_value_both_match() {
    let container = container(&[("a", "1"), ("b", "2")], &["sh"]);
    for (annotations, expected) in [
        (json!({"a": "1"}), true),
        (json!({"a": "2"}), false),
        (json!({"^a$": "1", "^b$": "2"}), true),
        (json!({"^a$": "1", "^b$": "1"}), false),
        (json!({"[ab]": "2"}), true),
        (json!({"c": ""}), false),
    ] {
        assert_eq!(
            matches(json!({"annotations": annotations.clone()}), &container),
            expected,
            "{annotations}"
        );
    }
}

#[test]
fn one_annotation_may_satisfy_several_pairs() {
    let container = container(&[("ab", "1")], &["sh"]);
    assert!(matches(
        json!({"annotations": {"a": "1", "b": "1"}}),
        &container
    ));
}

#[test]
fn patterns_are_not_anchored() {
    let container = container(&[("org.example.gpu", "yes please")], &["/usr/bin/sh"]);
    assert!(matches(
        json!({"annotations": {"example": "yes"}}),
        &container
    ));
    assert!(!matches(
        json!({"annotations": {"^example": "yes"}}),
        &container
    ));
    assert!(matches(json!({"commands": ["sh"]}), &container));
    assert!(!matches(json!({"commands": ["^sh$"]}), &container));
}

#[test]
fn commands_look_at_the_first_argument_only() {
    let container = container(&[], &["/bin/sh", "-c", "/bin/ls"]);
    assert!(matches(json!({"commands": ["ls$", "sh$"]}), &container));
    assert!(!matches(json!({"commands": ["ls$"]}), &container));
}

#[test]
fn commands_are_skipped_without_a_process() {
    let none = Container::default();
    assert!(!matches(json!({"commands": [".*"]}), &none));
    assert!(matches(json!({"always": true, "commands": ["x"]}), &none));
}

#[test]
fn commands_never_match_a_container_with_empty_args() {
    assert!(!matches(json!({"commands": [""]}), &container(&[], &[])));
}
