//! What lxcri-ctl knows of /etc/lxcri/lxcri.toml is what lxcri takes.

use lxcri_tests::command::Cmd;
use lxcri_tests::need;
use lxcri_tests::scratch::Scratch;
use serde_json::Value;

use crate::support::program;

#[test]
fn lxcri_takes_the_keys_of_the_schema_and_no_others() {
    let (Some(runtime), Some(program)) = (need::lxcri(), program()) else {
        return;
    };
    let scratch = Scratch::new();
    // There is no config.json, so with good settings that is the error.
    let create = |text: &str| {
        let file = scratch.write("lxcri.toml", text);
        let command = runtime.command(&scratch.join("root"));
        let command = command.arg("--config").arg(file).arg("create");
        let bundle = scratch.mkdir("none");
        command
            .arg("--bundle")
            .arg(bundle)
            .arg(scratch.id("none"))
            .run()
            .failure()
            .stderr
    };
    let schema = Cmd::new(program).args(["schema", "lxcri"]).run().success();
    let schema: Value = serde_json::from_str(&schema.stdout).expect("the schema is JSON");
    let properties = schema["properties"].as_object().expect("it has keys");
    for (key, property) in properties {
        let value = match (property["type"].as_str(), property["enum"].as_array()) {
            (Some("string"), _) => "\"/x\"".to_owned(),
            (Some("array"), _) => "[\"/x\"]".to_owned(),
            (_, Some(words)) => words.last().expect("it has words").to_string(),
            _ => panic!("{key}: no sample for {property}"),
        };
        let error = create(&format!("{key} = {value}\n"));
        assert!(!error.contains("lxcri.toml"), "{error}");
    }
    // serde names all keys that there are.
    let error = create("no-such-key = 1\n");
    let known = error.split("expected").nth(1).unwrap_or_default();
    let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
    let ours: Vec<&str> = properties.keys().map(String::as_str).collect();
    let sorted = |mut keys: Vec<&str>| {
        keys.sort_unstable();
        keys.join(" ")
    };
    assert_eq!(sorted(known), sorted(ours), "{error}");
}
