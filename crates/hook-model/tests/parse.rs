//! Configurations, good and bad, through the public interface.

use std::num::NonZeroU64;

use hook_model::{Hook, HookSet, Phase};
use serde_json::{Value, json};

fn problems(hooks: Value) -> Vec<String> {
    let problems = HookSet::from_value(&hooks).expect_err("the hooks are wrong");
    problems.0.iter().map(ToString::to_string).collect()
}

#[test]
fn a_full_configuration() {
    let set = HookSet::from_value(&json!({
        "prestart": [{"path": "/a"}],
        "createRuntime": [
            {"path": "/b", "args": ["bee", ""], "env": ["A=", "B=x=y"], "timeout": 30},
            {"path": "/c", "args": [], "env": []},
        ],
        "createContainer": [], "startContainer": null, "poststart": [], "poststop": [{"path": "/d"}],
    }))
    .unwrap();
    assert_eq!(set.len(), 4);
    let second = Hook {
        path: "/b".into(),
        args: Some(vec!["bee".into(), String::new()]),
        env: Some(vec!["A=".into(), "B=x=y".into()]),
        timeout: NonZeroU64::new(30),
    };
    assert_eq!(set.get(Phase::CreateRuntime)[0], second);
    assert_eq!(set.get(Phase::CreateRuntime)[1].env, Some(vec![]));
    assert_eq!(set.get(Phase::Poststop), [Hook::new("/d")]);
    assert!(set.get(Phase::StartContainer).is_empty());
}

#[test]
fn nothing_is_no_hooks() {
    assert!(HookSet::from_value(&Value::Null).unwrap().is_empty());
    assert!(HookSet::from_value(&json!({})).unwrap().is_empty());
    let nulls = json!({"poststop": [{"path": "/x", "args": null, "env": null, "timeout": null}]});
    assert_eq!(
        HookSet::from_value(&nulls).unwrap().get(Phase::Poststop),
        [Hook::new("/x")]
    );
}

#[test]
fn every_problem_is_reported_at_once() {
    let found = problems(json!({
        "createRuntime": [
            {"path": "bin/x", "timeout": 0, "env": ["A", "=b"]},
            {"path": "/ok"},
            {"path": "/n\u{0}ul", "args": ["a\u{0}"], "env": ["A=\u{0}"], "timeout": -1},
        ],
        "poststop": [{"args": ["x"]}],
        "pre/start": [],
    }));
    assert_eq!(
        found,
        [
            "/hooks/createRuntime/0/timeout: 0 is not greater than zero",
            "/hooks/createRuntime/0/path: \"bin/x\" is not an absolute path",
            "/hooks/createRuntime/0/env/0: no '='",
            "/hooks/createRuntime/0/env/1: no name before '='",
            "/hooks/createRuntime/2/timeout: -1 is not greater than zero",
            "/hooks/createRuntime/2/path: \"/n\\0ul\" contains a NUL character",
            "/hooks/createRuntime/2/args/0: \"a\\0\" contains a NUL character",
            "/hooks/createRuntime/2/env/0: \"A=\\0\" contains a NUL character",
            "/hooks/poststop/0/path: is missing",
            "/hooks/pre~1start: not supported: no such phase",
        ]
    );
}

#[test]
fn wrong_types_are_named() {
    assert_eq!(
        problems(json!([])),
        ["/hooks: expected an object, found an array"]
    );
    assert_eq!(
        problems(
            json!({"poststart": [null, "x", {"path": 1, "args": "x", "env": [1]}], "prestart": {"path": "/x"}})
        ),
        [
            "/hooks/poststart/0: expected an object, found null",
            "/hooks/poststart/1: expected an object, found a string",
            "/hooks/poststart/2/path: expected a string, found a number",
            "/hooks/poststart/2/args: expected an array, found a string",
            "/hooks/poststart/2/env/0: expected a string, found a number",
            "/hooks/prestart: expected an array, found an object",
        ]
    );
}

#[test]
fn a_timeout_is_a_positive_whole_number() {
    for bad in [
        json!(1.5),
        json!(u64::MAX),
        json!("5"),
        json!(true),
        json!(0),
        json!(i64::MIN),
    ] {
        let found = problems(json!({"prestart": [{"path": "/x", "timeout": bad}]}));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("/hooks/prestart/0/timeout: "),
            "{found:?}"
        );
    }
    let longest = json!({"prestart": [{"path": "/x", "timeout": i64::MAX}]});
    assert_eq!(HookSet::from_value(&longest).unwrap().len(), 1);
}

#[test]
fn an_unknown_member_is_not_dropped() {
    let found = problems(json!({"prestart": [{"path": "/x", "when": {}}]}));
    assert_eq!(
        found,
        ["/hooks/prestart/0/when: not supported: no such member of a hook"]
    );
}

#[test]
fn the_timeout_variable_needs_a_timeout() {
    let entry = "OCI_HOOK_TIMEOUT=3";
    assert_eq!(
        problems(json!({"prestart": [{"path": "/x", "env": [entry]}]})).len(),
        1
    );
    let set =
        HookSet::from_value(&json!({"prestart": [{"path": "/x", "env": [entry], "timeout": 7}]}))
            .unwrap();
    assert_eq!(
        set.get(Phase::Prestart)[0].environ(),
        ["OCI_HOOK_TIMEOUT=7"]
    );
}

#[test]
fn the_spec_types_obey_the_same_rules() {
    let value = json!({"createContainer": [{"path": "/x", "args": ["y"], "timeout": 3}]});
    let hooks: oci_spec::runtime::Hooks = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(HookSet::from_spec(&hooks), HookSet::from_value(&value));
    let hooks =
        serde_json::from_value(json!({"createContainer": [{"path": "x", "timeout": 0}]})).unwrap();
    assert_eq!(HookSet::from_spec(&hooks).unwrap_err().0.len(), 2);
}
