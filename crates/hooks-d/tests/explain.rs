//! Each file and each condition is explained.
#![forbid(unsafe_code)]

mod common;

use common::{Tree, always, container};
use hooks_d::{Combine, Container, Outcome};
use serde_json::json;

fn lines(tree: &Tree, container: &Container) -> Vec<String> {
    let mut lines = Vec::new();
    for file in tree.load(&["usr", "etc"]).explain(container) {
        let name = file.file.file_name().unwrap().to_str().unwrap();
        lines.push(format!("{name}: {}", file.outcome));
        for judged in file.conditions {
            lines.push(format!(
                "{} {:?} {}",
                judged.condition, judged.holds, judged.why
            ));
        }
    }
    lines
}

#[test]
fn every_file_and_every_condition_is_explained() {
    let tree = Tree::new();
    let mut file = always(&[]);
    tree.write("usr/always.json", file.to_string());
    file["when"] = json!({
        "hasBindMounts": true,
        "annotations": {"a": "^1$", "b": "", "c": ""},
        "commands": ["^bash$", "s"],
    });
    tree.write("usr/many.json", file.to_string());
    tree.write("usr/off.json", file.to_string());
    tree.write("etc/off.json", "");
    tree.write("etc/bad.json", "{");
    file["when"] = json!({"commands": ["x"]});
    tree.write("etc/one.json", file.to_string());
    assert_eq!(
        lines(&tree, &container(&[("a", "2"), ("b", "3")], &["sh"])),
        [
            "always.json: matched",
            "always: true Some(true) it is for every container",
            "bad.json: bad",
            "many.json: not matched",
            "hasBindMounts: true Some(false) there is no bind mount",
            r#"annotation "a": "^1$" Some(false) "a": "2" has another value"#,
            r#"annotation "b": "" Some(true) "b": "3" matches"#,
            r#"annotation "c": "" Some(false) no annotation has such a key"#,
            r#"commands: ["^bash$", "s"] Some(true) "sh" matches "s""#,
            "off.json: disabled",
            "one.json: not matched",
            r#"commands: ["x"] Some(false) "sh" matches none of the patterns"#,
        ]
    );
    let without_process = lines(&tree, &Container::default());
    assert!(without_process.contains(&r#"commands: ["x"] None there is no process"#.to_owned()));
}

#[test]
fn what_is_explained_is_what_is_selected() {
    let tree = Tree::new();
    let file =
        json!({"hook": "/bin/true", "stages": ["poststop"], "cmds": ["x"], "annotations": ["1"]});
    tree.write("usr/a.json", file.to_string());
    let files = tree.load(&["usr"]);
    for (container, outcome) in [
        (container(&[("a", "1")], &["sh"]), Outcome::Matched),
        (container(&[], &["x"]), Outcome::Matched),
        (container(&[], &["sh"]), Outcome::NotMatched),
    ] {
        let explained = files.explain(&container).remove(0);
        assert_eq!(explained.outcome, outcome);
        assert_eq!(explained.combine, Combine::Any);
        let selected = !files.select(&container).hooks.is_empty();
        assert_eq!(selected, outcome == Outcome::Matched);
    }
}
