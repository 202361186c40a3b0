//! Properties: whatever the file was, it is the same again after configuring and unconfiguring.

use std::collections::BTreeMap;
use std::fs;

use engine_config::Engine;
use proptest::prelude::*;

use crate::host::Host;

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("12345678901234567890123456789".to_owned()),
        Just("1.50".to_owned()),
        "[a-z\\\\\"\u{e9}]{0,6}".prop_map(|s| serde_json::to_string(&s).unwrap()),
    ];
    let value = leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|v| format!("[ {}]", v.join(" ,"))),
            prop::collection::btree_map("[a-z]{1,4}", inner, 0..4).prop_map(|m| object(&m, "\t")),
        ]
    });
    let runtimes = prop::option::of(prop::collection::btree_map(
        "[a-z]{1,4}",
        Just("{\"path\":\"/x\"}".to_owned()),
        0..3,
    ));
    let default = prop::option::of("[a-z]{1,4}");
    let others = prop::collection::btree_map("[A-Z]{1,4}", value, 0..5);
    (others, runtimes, default, "[ \n]{0,2}", "[ \t\r\n]{0,3}").prop_map(
        |(mut members, runtimes, default, gap, end)| {
            if let Some(runtimes) = runtimes {
                members.insert("runtimes".into(), object(&runtimes, " "));
            }
            if let Some(default) = default {
                members.insert("default-runtime".into(), format!("\"{default}\""));
            }
            object(&members, &gap) + &end
        },
    )
}

fn object(members: &BTreeMap<String, String>, gap: &str) -> String {
    let members: Vec<_> = members
        .iter()
        .map(|(k, v)| format!("\"{k}\":{gap}{v}"))
        .collect();
    format!("{{{gap}{}{gap}}}", members.join(&format!(",{gap}")))
}

fn toml() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("# a comment\n"),
        Just("\n"),
        Just("[debug] # why\n  level = 'info'\n"),
        Just("[plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"x\"\n"),
        Just(
            "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\nruntime_type = \"io.containerd.runc.v2\"\noptions = { SystemdCgroup = true }\n"
        ),
        Just(
            "[plugins.\"io.containerd.grpc.v1.cri\".containerd]\r\n\tdefault_runtime_name = \"runc\"\r\n"
        ),
    ];
    let head = prop_oneof![
        Just(""),
        Just("version = 2\n"),
        Just("version=2\nimports = [ ] # none\n"),
        Just("# top\nversion = 2"),
    ];
    (head, prop::collection::vec(piece, 0..5)).prop_map(|(head, pieces)| {
        let mut seen = Vec::new();
        let mut text = head.to_owned();
        for piece in pieces
            .into_iter()
            .filter(|p| p.len() < 15 || !seen.contains(p))
            .collect::<Vec<_>>()
        {
            if piece.starts_with('[') && seen.contains(&piece) {
                continue;
            }
            seen.push(piece);
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(piece);
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn daemon_json_is_byte_identical_after_configure_and_unconfigure(text in json(), default: bool) {
        let host = Host::with(Engine::Docker, &text);
        host.configure("inject", default).unwrap();
        let after = fs::read_to_string(host.config()).unwrap();
        let now: serde_json::Value = serde_json::from_str(&after).unwrap();
        prop_assert_eq!(&now["runtimes"]["inject"]["path"], "/bin/true");
        prop_assert_eq!(default, now["default-runtime"] == "inject");
        host.unconfigure("inject").unwrap();
        prop_assert_eq!(fs::read_to_string(host.config()).unwrap(), text);
    }

    #[test]
    fn config_toml_is_byte_identical_after_configure_and_unconfigure(text in toml(), second: bool) {
        let host = Host::with(Engine::Containerd, &text);
        let before = host.tree();
        host.configure("inject", true).unwrap();
        if second {
            host.configure("other", false).unwrap();
            host.unconfigure("inject").unwrap();
            host.unconfigure("other").unwrap();
        } else {
            host.unconfigure("inject").unwrap();
        }
        prop_assert_eq!(host.tree(), before);
    }
}
