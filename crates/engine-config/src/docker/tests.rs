//! What becomes of a daemon.json: only what must change does, in its own indentation, and is taken away again.

use std::path::Path;

use super::{add, effective, strip};
use crate::runtime::Runtime;

const FILE: &str = "/d.json";

fn runtime(default: bool) -> Runtime {
    Runtime::new("inject", Path::new("/bin/inject"), default).unwrap()
}

fn added(text: &str, default: bool) -> String {
    add(Path::new(FILE), Some(text), &[runtime(default)]).unwrap()
}

#[test]
fn comments_order_and_big_integers_are_kept() {
    let text = "{\n\t\"z\": 123456789012345678901234567890,\n\t\"runtimes\": {\n\t\t\"x\": {\"path\": \"/x\"}\n\t},\n\t\"a\": 1.50\n}\n";
    assert_eq!(
        added(text, true),
        "{\n\t\"z\": 123456789012345678901234567890,\n\t\"runtimes\": {\n\t\t\"x\": {\"path\": \"/x\"},\n\t\t\"inject\": {\n\t\t\t\"path\": \"/bin/inject\"\n\t\t}\n\t},\n\t\"a\": 1.50,\n\t\"default-runtime\": \"inject\"\n}\n"
    );
}

#[test]
fn an_empty_file_is_an_empty_object() {
    let expected =
        "{\n  \"runtimes\": {\n    \"inject\": {\n      \"path\": \"/bin/inject\"\n    }\n  }\n}\n";
    assert_eq!(added("", false), expected);
    assert_eq!(added(" \n", false), expected);
    assert_eq!(
        add(Path::new(FILE), None, &[runtime(false)]).unwrap(),
        expected
    );
}

#[test]
fn what_is_there_already_is_not_touched() {
    let text = "{\"default-runtime\":\"inject\",\"runtimes\":{\"inject\":{\"runtimeArgs\":[\"-x\"],\"path\":\"/bin/inject\"}}}";
    assert_eq!(added(text, true), text);
    let other = text.replace("/bin/inject", "/old");
    assert_eq!(added(&other, true), text);
}

#[test]
fn wrong_types_duplicates_and_trailing_data_are_refused() {
    for (text, error) in [
        ("null", "the whole file: expected an object, found null"),
        ("[]", "the whole file: expected an object, found an array"),
        (
            "{\"runtimes\":[]}",
            "/runtimes: expected an object, found an array",
        ),
        (
            "{\"runtimes\":null}",
            "/runtimes: expected an object, found null",
        ),
        (
            "{\"runtimes\":{\"a/b\":1}}",
            "/runtimes/a~1b: expected an object, found a number",
        ),
        (
            "{\"default-runtime\":1}",
            "/default-runtime: expected a string, found a number",
        ),
        ("{\"a\":1,\n\"a\":2}", "2:3: /a: duplicate key"),
        ("{\"x\":{\"a\":1,\"a\":2}}", "1:15: /x/a: duplicate key"),
        ("{} {}", "1:4: trailing characters"),
        ("{\"a\":1,}", "1:8: trailing comma"),
        ("{} // c", "1:4: trailing characters"),
        ("{", "1:1: EOF while parsing an object"),
        ("\u{feff}{}", "1:1: expected value"),
    ] {
        let said = add(Path::new(FILE), Some(text), &[runtime(true)]).unwrap_err();
        assert_eq!(said.to_string(), format!("{FILE}: {error}"), "{text}");
        let said = strip(Path::new(FILE), text, &["inject"], None).unwrap_err();
        assert_eq!(said.to_string(), format!("{FILE}: {error}"), "{text}");
    }
}

#[test]
fn stripping_brings_the_previous_default_back() {
    let before = "{\n  \"default-runtime\": \"crun\",\n  \"runtimes\": {\n    \"crun\": {\n      \"path\": \"/crun\"\n    }\n  }\n}\n";
    let after = added(before, true);
    let stripped = strip(Path::new(FILE), &after, &["inject"], Some(before)).unwrap();
    assert_eq!(stripped, before);
    let unknown = strip(Path::new(FILE), &after, &["inject"], None).unwrap();
    assert!(!unknown.contains("default-runtime"), "{unknown}");
    assert_eq!(
        strip(Path::new(FILE), before, &["inject"], None).unwrap(),
        before
    );
}

#[test]
fn the_file_tells_default_and_runtimes() {
    let text = "{\"default-runtime\":\"a\",\"runtimes\":{\"a\":{\"path\":\"/a\"},\"b\":{\"runtimeType\":\"io.b.v1\"}}}";
    let effective = effective(Path::new(FILE), Some(text)).unwrap();
    assert_eq!(effective.default.unwrap().value, "a");
    let runtimes: Vec<_> = effective
        .runtimes
        .iter()
        .map(|(name, found)| (name.as_str(), found.value.as_str()))
        .collect();
    assert_eq!(runtimes, [("a", "/a"), ("b", "io.b.v1")]);
}
