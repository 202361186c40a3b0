//! What an injection does to a config.json, byte by byte.

use std::borrow::Cow;
use std::num::NonZeroU64;

use hook_model::{Hook, Phase};
use inject::config::{ANNOTATION, inject};

const SOURCE: &str = "/etc/hooks.d";

fn hook(path: &str) -> Hook {
    Hook {
        env: Some(vec!["A=1".into()]),
        ..Hook::new(path)
    }
}

/// The result as text, the digest of the record left out.
fn injected(config: &str, hooks: &[(Phase, &Hook)]) -> String {
    let result = inject(config.as_bytes(), hooks, SOURCE).unwrap();
    let text = String::from_utf8(result.into_owned()).unwrap();
    match text.split_once(";sha256=") {
        Some((before, after)) => format!("{before}#{}", &after[64..]),
        None => text,
    }
}

fn again(config: &[u8], hooks: &[(Phase, &Hook)], source: &str) -> Vec<u8> {
    inject(config, hooks, source).unwrap().into_owned()
}

#[test]
fn hooks_go_to_the_ends_of_their_lists() {
    let (a, b) = (hook("/a"), hook("/b"));
    let one = [(Phase::CreateRuntime, &a)];
    let written = r#"{"path":"/a","env":["A=1"]}"#;
    let note = r##""org.lxcri.inject":"createRuntime=1#""##;
    for (before, after) in [
        (
            "{}".to_owned(),
            format!(r#"{{"hooks":{{"createRuntime":[{written}]}},"annotations":{{{note}}}}}"#),
        ),
        (
            "{ \"x\" : 1.50\n}\n".to_owned(),
            format!(
                "{{ \"x\" : 1.50,\"hooks\":{{\"createRuntime\":[{written}]}},\"annotations\":{{{note}}}\n}}\n"
            ),
        ),
        (
            r#"{"hooks": null, "annotations": null}"#.to_owned(),
            format!(r#"{{"hooks": {{"createRuntime":[{written}]}}, "annotations": {{{note}}}}}"#),
        ),
        (
            r#"{"annotations": { }, "hooks": { "createRuntime": null , "poststop": [ ] } }"#
                .to_owned(),
            format!(
                r#"{{"annotations": {{{note} }}, "hooks": {{ "createRuntime": [{written}] , "poststop": [ ] }} }}"#
            ),
        ),
        (
            r#"{"annotations": {"k": "v" }, "hooks": {"createRuntime": [ {"path": "/x"} ]}}"#
                .to_owned(),
            format!(
                r#"{{"annotations": {{"k": "v",{note} }}, "hooks": {{"createRuntime": [ {{"path": "/x"}},{written} ]}}}}"#
            ),
        ),
        (
            r#"{"hooks": {"poststop": [], "vendor": 1}}"#.to_owned(),
            format!(
                r#"{{"hooks": {{"poststop": [], "vendor": 1,"createRuntime":[{written}]}},"annotations":{{{note}}}}}"#
            ),
        ),
    ] {
        assert_eq!(injected(&before, &one), after);
    }
    let several = [
        (Phase::Poststop, &b),
        (Phase::CreateRuntime, &b),
        (Phase::CreateRuntime, &a),
    ];
    let result = injected("{}", &several);
    let b = written.replace("/a", "/b");
    assert!(
        result.starts_with(&format!(
            r#"{{"hooks":{{"createRuntime":[{b},{written}],"poststop":[{b}]}}"#
        )),
        "{result}"
    );
    assert!(result.contains("createRuntime=2,poststop=1"), "{result}");
}

#[test]
fn a_whole_hook_is_written() {
    let hook = Hook {
        path: "/x".into(),
        args: Some(vec!["x".into(), "\"\u{1}".into()]),
        env: Some(vec!["A=\\".into()]),
        timeout: NonZeroU64::new(u64::MAX >> 1),
    };
    let result = injected("{}", &[(Phase::StartContainer, &hook)]);
    let wanted =
        r#"[{"path":"/x","args":["x","\"\u0001"],"env":["A=\\"],"timeout":9223372036854775807}]"#;
    assert!(result.contains(wanted), "{result}");
}

#[test]
fn nothing_changes_without_hooks() {
    for text in [
        "{}",
        " {\"a\": 1e999 , \"annotations\":{\"x\":1}}\n",
        "{\"hooks\":{\"prestart\":[1]}}",
    ] {
        let result = inject(text.as_bytes(), &[], SOURCE).unwrap();
        assert!(matches!(result, Cow::Borrowed(_)), "{text}");
    }
}

#[test]
fn hooks_of_an_engine_that_reads_the_same_files_run_once() {
    let hook = Hook::new("/usr/bin/x");
    for list in ["createRuntime", "prestart"] {
        let config = format!(r#"{{"hooks":{{"{list}":[{{"path":"/usr/bin/x"}}]}}}}"#);
        assert_eq!(injected(&config, &[(Phase::CreateRuntime, &hook)]), config);
    }
    let config = r#"{"hooks":{"prestart":[{"path":"/usr/bin/x"}]}}"#;
    assert_ne!(injected(config, &[(Phase::CreateContainer, &hook)]), config);
}

#[test]
fn twice_is_once() {
    let (a, b) = (hook("/a"), hook("/b"));
    let hooks = [
        (Phase::Prestart, &a),
        (Phase::Prestart, &a),
        (Phase::Poststop, &b),
    ];
    for text in [
        "{}",
        r#"{"hooks":{"prestart":[{"path":"/x"} ]},"annotations":{"a":"b"}}"#,
    ] {
        let once = again(text.as_bytes(), &hooks, SOURCE);
        let twice = inject(&once, &hooks, SOURCE).unwrap();
        assert!(matches!(twice, Cow::Borrowed(_)), "{text}");
    }
}

#[test]
fn later_hooks_replace_earlier_ones() {
    let (a, b) = (hook("/a"), hook("/b"));
    let text = br#"{"hooks":{"prestart":[{"path":"/x"}]},"annotations":{"a":"b"}}"#;
    let first = again(
        text,
        &[(Phase::Prestart, &a), (Phase::Poststop, &a)],
        SOURCE,
    );
    let second = again(&first, &[(Phase::Prestart, &b)], SOURCE);
    let direct = again(text, &[(Phase::Prestart, &b)], SOURCE);
    let second = String::from_utf8(second).unwrap();
    assert!(!second.contains("\"/a\""), "{second}");
    assert!(
        second.contains(r#"[{"path":"/x"},{"path":"/b","env":["A=1"]}],"poststop":[]"#),
        "{second}"
    );
    // Without any, only an empty list is left.
    let third = again(second.as_bytes(), &[], SOURCE);
    assert_eq!(
        String::from_utf8(third).unwrap(),
        r#"{"hooks":{"prestart":[{"path":"/x"}],"poststop":[]},"annotations":{"a":"b"}}"#
    );
    assert_eq!(again(&direct, &[], SOURCE), text);
}

#[test]
fn several_different_wrappers_compose() {
    let (a, b) = (hook("/a"), hook("/b"));
    let own = [(Phase::Prestart, &a)];
    let once = again(b"{}", &own, SOURCE);
    // Another wrapper writes the same document in its own way and adds something.
    let mut value: serde_json::Value = serde_json::from_slice(&once).unwrap();
    let list = value["hooks"]["prestart"].as_array_mut().unwrap();
    list.push(serde_json::json!({"path": "/other"}));
    let foreign = serde_json::to_vec_pretty(&value).unwrap();
    assert_eq!(
        again(&foreign, &own, SOURCE),
        foreign,
        "the hook is there already"
    );
    // The same program with other directories takes nothing away, and neither undoes the other.
    let both = again(&once, &[(Phase::Prestart, &b)], "/other/hooks.d");
    let text = String::from_utf8(both.clone()).unwrap();
    assert!(text.contains("\"/a\"") && text.contains("\"/b\""), "{text}");
    assert_eq!(again(&both, &own, SOURCE), both);
    assert_eq!(
        again(&both, &[(Phase::Prestart, &b)], "/other/hooks.d"),
        both
    );
}

/// An annotation can be set by whoever may ask an engine for a container.
#[test]
fn a_forged_record_takes_no_hook_away() {
    let zeros = "0".repeat(64);
    let forged = format!(
        r#"{{"hooks":{{"prestart":[{{"path":"/guard"}}]}},"annotations":{{"{ANNOTATION}":"prestart=1;sha256={zeros}"}}}}"#
    );
    let own = hook("/a");
    for hooks in [&[][..], &[(Phase::Prestart, &own)]] {
        let result = again(forged.as_bytes(), hooks, SOURCE);
        let text = String::from_utf8(result).unwrap();
        assert!(text.contains("/guard"), "{text}");
        assert_eq!(text.contains("\"/a\""), !hooks.is_empty(), "{text}");
    }
}

#[test]
fn what_cannot_be_edited_is_refused_with_its_place() {
    let own = hook("/a");
    for (text, error) in [
        (&b""[..], "empty"),
        (b"[]", "not a JSON object"),
        (b"{\"a\":\xff}", "not UTF-8: invalid byte at offset 5"),
        (b"{\"a\":1,}", "not JSON: trailing comma at line 1 column 8"),
        (b"{\"hooks\":[]}", "/hooks: expected an object"),
        (
            b"{\"hooks\":{\"prestart\":{}}}",
            "/hooks/prestart: expected an array",
        ),
        (b"{\"hooks\":{},\"hooks\":{}}", "/hooks: duplicate key"),
        (
            b"{\"hooks\":{\"prestart\":[],\"prestart\":[]}}",
            "/hooks/prestart: duplicate key",
        ),
        (
            b"{\"hooks\":{\"Poststop\":[]}}",
            "/hooks/Poststop: some runtimes read this as \"poststop\"",
        ),
        (
            b"{\"Hooks\":{}}",
            "/Hooks: some runtimes read this as \"hooks\"",
        ),
        (
            b"{\"process\":{\"args\":[\"a\"]},\"Process\":{\"args\":[\"b\"]}}",
            "/Process: some runtimes read this as \"process\"",
        ),
        (
            b"{\"MOUNTS\":[]}",
            "/MOUNTS: some runtimes read this as \"mounts\"",
        ),
        (b"{\"mounts\":[],\"mounts\":[]}", "/mounts: duplicate key"),
        (
            b"{\"annotations\":\"\"}",
            "/annotations: expected an object",
        ),
        (
            b"{\"annotations\":{},\"annotations\":{}}",
            "/annotations: duplicate key",
        ),
        (
            b"{\"annotations\":{\"org.lxcri.inject\":1,\"org.lxcri.inject\":2}}",
            "/annotations/org.lxcri.inject: duplicate key",
        ),
    ] {
        for hooks in [&[][..], &[(Phase::Prestart, &own)]] {
            let result = inject(text, hooks, SOURCE).unwrap_err().to_string();
            assert_eq!(result, error);
        }
    }
}

/// Peers drop these or refuse them.
#[test]
fn unknown_fields_and_large_integers_survive() {
    let text = r#"{"execCPUAffinity":{"initial":"0"},"linux":{"netDevices":{"eth0":{}},"memoryPolicy":{},
        "resources":{"memory":{"limit":18446744073709551616123,"swap":-0.0e-1}}},"com.vendor":[1.0,1,"\u0041\/"] }"#;
    let own = hook("/a");
    let result = again(text.as_bytes(), &[(Phase::Prestart, &own)], SOURCE);
    let end = text.len() - 2;
    assert_eq!(&result[..end], &text.as_bytes()[..end]);
    assert!(result.ends_with(b" }"));
}
