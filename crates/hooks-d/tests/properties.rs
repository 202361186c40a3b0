//! Properties of the reader of hook files: nothing panics, and a file is bad exactly when an error is reported.
#![forbid(unsafe_code)]

mod common;

use common::always;
use hooks_d::{Container, Content, HookFile, Severity, Source};
use proptest::prelude::*;
use serde_json::{Value, json};

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "/bin/true",
            "poststop",
            "1.0.0",
            "0.1.0",
            "a=b",
            "(",
            "\n",
            "/missing"
        ])
        .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key(), inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "version",
            "hook",
            "Hook",
            "when",
            "stages",
            "stage",
            "path",
            "args",
            "env",
            "timeout",
            "always",
            "annotations",
            "commands",
            "hasBindMounts",
            "cmd",
            "hooks",
            "poststop",
            "lxcri",
            "sha256",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ]
}

/// A good file with up to three members replaced or added.
fn spoilt_file() -> impl Strategy<Value = Value> {
    let places = ["", "/hook", "/when"];
    let change = (prop::sample::select(places.to_vec()), key(), any_json());
    prop::collection::vec(change, 0..4).prop_map(|changes| {
        let mut file = always(&["x"]);
        for (place, key, value) in changes {
            if let Some(Value::Object(object)) = file.pointer_mut(place) {
                object.insert(key, value);
            }
        }
        file
    })
}

fn check(content: &[u8]) -> Result<(), TestCaseError> {
    for source in [
        Source::Dir("/h".into()),
        Source::HooksJson("/h/x.json".into()),
    ] {
        let file = HookFile::parse("/h/x.json".into(), source, content, None);
        let has_errors = file
            .problems()
            .iter()
            .any(|p| p.severity == Severity::Error);
        prop_assert_eq!(matches!(file.content(), Content::Bad), has_errors);
        for problem in file.problems() {
            let line = problem.to_string();
            prop_assert!(line.starts_with("/h/x.json:"), "{}", line);
            prop_assert!(!line.chars().any(char::is_control), "{}", line);
        }
        for definition in file.definitions() {
            prop_assert!(definition.hook.env.is_some());
            prop_assert!(definition.hook.problems("").is_empty());
            definition.when.matches(&Container::default());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_good_or_bad(content in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&content)?;
    }

    #[test]
    fn any_json_is_good_or_bad(value in any_json()) {
        check(value.to_string().as_bytes())?;
    }

    #[test]
    fn a_spoilt_file_is_good_or_bad(file in spoilt_file()) {
        check(file.to_string().as_bytes())?;
    }

    #[test]
    fn a_cut_file_is_bad(file in spoilt_file(), at in any::<prop::sample::Index>()) {
        let text = file.to_string();
        let cut = &text.as_bytes()[..at.index(text.len())];
        let file = HookFile::parse("/h/x.json".into(), Source::Dir("/h".into()), cut, None);
        prop_assert_eq!(matches!(file.content(), Content::Bad), !cut.is_empty());
    }

    #[test]
    fn any_configuration_is_read_or_refused(value in any_json()) {
        let config = json!({"process": value.clone(), "mounts": value.clone(), "annotations": value});
        if let Ok(container) = Container::from_config(config.to_string().as_bytes()) {
            prop_assert_ne!(container.args, Some(vec![]));
        }
    }
}
