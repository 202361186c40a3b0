//! Properties of the edit: whatever the document, only hooks and the record change.

use std::fmt::Write;

use hook_model::{Hook, Phase};
use inject::config::{ANNOTATION, inject};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::value::RawValue;

/// White space as JSON has it.
fn space() -> impl Strategy<Value = String> {
    "[ \n\t\r]{0,2}"
}

/// A string as people and programs spell it, quotes included.
fn string() -> impl Strategy<Value = String> {
    prop_oneof![
        "\"[a-z./{}\\[\\],: ]{0,6}\"",
        Just(r#""\u0041\ud83d\ude00\/\n""#.to_owned()),
        Just(format!("\"{ANNOTATION}\"")),
    ]
}

/// Any JSON value in any spelling.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,4})?",
        string(),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec((space(), inner.clone(), space()), 0..4).prop_map(|list| {
                let list: Vec<_> = list.iter().map(|(a, v, b)| format!("{a}{v}{b}")).collect();
                format!("[{}]", list.join(","))
            }),
            vec((string(), space(), inner), 0..4).prop_map(|members| object(&members)),
        ]
    })
}

fn object(members: &[(String, String, String)]) -> String {
    let mut text = String::from("{");
    for (i, (key, space, value)) in members.iter().enumerate() {
        let comma = if i > 0 { "," } else { "" };
        let _ = write!(text, "{comma}{space}{key}{space}:{value}{space}");
    }
    text + "}"
}

/// One value for each of some of the keys.
fn some_of(keys: Vec<&'static str>, value: BoxedStrategy<String>) -> BoxedStrategy<String> {
    let count = keys.len();
    (
        proptest::sample::subsequence(keys, 0..=count).prop_shuffle(),
        vec((space(), value), count),
    )
        .prop_map(|(keys, values)| {
            let members = keys.iter().zip(values);
            let members: Vec<_> = members
                .map(|(key, (s, v))| (format!("\"{key}\""), s, v))
                .collect();
            object(&members)
        })
        .boxed()
}

fn or_null(value: BoxedStrategy<String>) -> BoxedStrategy<String> {
    prop_oneof![4 => value, 1 => Just("null".to_owned())].boxed()
}

/// A document whose hooks and annotations can be edited.
fn document() -> impl Strategy<Value = String> {
    let list = or_null(
        vec(value(), 0..3)
            .prop_map(|l| format!("[{}]", l.join(" ,")))
            .boxed(),
    );
    let hooks = or_null(some_of(
        vec!["prestart", "poststop", "createRuntime", "vendor", "x"],
        list,
    ));
    let annotations = or_null(some_of(vec!["a", "b.c", ANNOTATION], string().boxed()));
    let members = (
        vec((string(), space(), value()), 0..4),
        hooks,
        annotations,
        any::<[bool; 2]>(),
        space(),
    );
    members.prop_map(|(mut members, hooks, annotations, with, space)| {
        members.retain(|(key, _, _)| key != "\"hooks\"" && key != "\"annotations\"");
        let middle = members.len() / 2;
        if with[0] {
            members.insert(middle, ("\"hooks\"".into(), space.clone(), hooks));
        }
        if with[1] {
            members.insert(
                middle,
                ("\"annotations\"".into(), space.clone(), annotations),
            );
        }
        format!("{space}{}{space}", object(&members))
    })
}

fn hooks() -> impl Strategy<Value = Vec<(Phase, Hook)>> {
    let phase = proptest::sample::select(Phase::ALL.to_vec());
    let hook =
        ("/[a-c]", proptest::option::of(vec("[a-b\"]{0,3}", 0..2))).prop_map(|(path, args)| Hook {
            args,
            env: Some(vec!["A=1".into()]),
            ..Hook::new(path)
        });
    vec((phase, hook), 0..5)
}

fn run(text: &str, hooks: &[(Phase, Hook)], source: &str) -> String {
    let hooks: Vec<_> = hooks.iter().map(|(phase, hook)| (*phase, hook)).collect();
    let result = inject(text.as_bytes(), &hooks, source).expect("can be edited");
    String::from_utf8(result.into_owned()).expect("UTF-8")
}

fn members(text: &str) -> Vec<(String, &RawValue)> {
    struct Members<'a>(Vec<(String, &'a RawValue)>);
    impl<'de: 'a, 'a> serde::Deserialize<'de> for Members<'a> {
        fn deserialize<D: serde::Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
            struct Collect;
            impl<'de> serde::de::Visitor<'de> for Collect {
                type Value = Members<'de>;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }
                fn visit_map<A: serde::de::MapAccess<'de>>(
                    self,
                    mut map: A,
                ) -> Result<Members<'de>, A::Error> {
                    let mut members = Vec::new();
                    while let Some(member) = map.next_entry()? {
                        members.push(member);
                    }
                    Ok(Members(members))
                }
            }
            json.deserialize_map(Collect)
        }
    }
    serde_json::from_str::<Members<'_>>(text)
        .expect("an object")
        .0
}

/// The text without the members hooks and annotations and without the commas between members.
fn outside(text: &str) -> String {
    let open = text.find('{').expect("an object") + 1;
    let mut rest = text[..open].to_owned();
    let mut done = open;
    for (key, value) in members(text) {
        let start = value.get().as_ptr().addr() - text.as_ptr().addr();
        let end = start + value.get().len();
        if key != "hooks" && key != "annotations" {
            rest.push_str(text[done..end].trim_start_matches(','));
        }
        done = end;
    }
    rest + &text[done..]
}

/// The hooks of all phases as they are spelled.
fn lists(text: &str) -> [Vec<String>; 6] {
    let hooks = members(text).into_iter().find(|(key, _)| key == "hooks");
    let lists = match hooks {
        Some((_, hooks)) if hooks.get() != "null" => members(hooks.get()),
        _ => Vec::new(),
    };
    Phase::ALL.map(|phase| {
        let list = lists.iter().find(|(key, _)| key == phase.oci_name());
        let list: Option<Vec<&RawValue>> =
            list.and_then(|(_, list)| serde_json::from_str(list.get()).expect("a list or null"));
        list.unwrap_or_default()
            .iter()
            .map(|raw| raw.get().to_owned())
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everything_outside_of_hooks_and_annotations_stays_byte_equal(text in document(), hooks in hooks()) {
        let result = run(&text, &hooks, "s");
        prop_assert_eq!(outside(&text), outside(&result));
    }

    #[test]
    fn annotations_but_the_record_and_hooks_that_were_there_stay_byte_equal(text in document(), hooks in hooks()) {
        let result = run(&text, &hooks, "s");
        for (key, old) in members(&text) {
            let new = members(&result).into_iter().find(|(k, _)| *k == key).map(|(_, v)| v.get());
            if key == "annotations" && old.get() != "null" {
                let new = members(new.expect("annotations"));
                for (key, value) in members(old.get()).iter().filter(|(k, _)| k != ANNOTATION) {
                    prop_assert!(new.iter().any(|(k, v)| k == key && v.get() == value.get()));
                }
            }
            if key == "hooks" && old.get() != "null" {
                let new = members(new.expect("hooks"));
                for (phase, list) in members(old.get()).iter().filter(|(_, l)| l.get() != "null") {
                    let new = new.iter().find(|(k, _)| k == phase).expect("the list").1;
                    // Nothing but an insertion at the end.
                    let body = list.get().trim_end_matches(']').trim_end();
                    prop_assert!(new.get().starts_with(body), "{} {}", list.get(), new.get());
                }
            }
        }
    }

    #[test]
    fn all_wanted_hooks_are_there_with_their_environment(text in document(), hooks in hooks()) {
        let lists = lists(&run(&text, &hooks, "s"));
        for (phase, hook) in &hooks {
            let begin = format!("{{\"path\":\"{}\",", hook.path_str());
            let is_it = |h: &String| h.starts_with(&begin) && h.contains("\"env\":[\"A=1\"]");
            let at_prestart = *phase == Phase::CreateRuntime && lists[Phase::Prestart as usize].iter().any(is_it);
            let found = at_prestart || lists[*phase as usize].iter().any(is_it);
            prop_assert!(found);
        }
    }

    #[test]
    fn twice_is_once(text in document(), hooks in hooks()) {
        let once = run(&text, &hooks, "s");
        prop_assert_eq!(run(&once, &hooks, "s"), once);
    }

    #[test]
    fn wrappers_with_other_sources_compose(text in document(), first in hooks(), second in hooks()) {
        let both = run(&run(&text, &first, "1"), &second, "2");
        prop_assert_eq!(run(&both, &first, "1"), both.clone());
        prop_assert_eq!(run(&both, &second, "2"), both);
    }

    #[test]
    fn an_update_ends_like_a_first_run(text in document(), first in hooks(), second in hooks()) {
        let updated = run(&run(&text, &first, "s"), &second, "s");
        prop_assert_eq!(lists(&updated), lists(&run(&text, &second, "s")));
    }

    #[test]
    fn any_bytes_are_edited_or_refused(bytes in vec(any::<u8>(), 0..64), hooks in hooks()) {
        let hooks: Vec<_> = hooks.iter().map(|(phase, hook)| (*phase, hook)).collect();
        if let Ok(result) = inject(&bytes, &hooks, "s") {
            prop_assert!(serde_json::from_slice::<&RawValue>(&result).is_ok());
        }
    }
}
