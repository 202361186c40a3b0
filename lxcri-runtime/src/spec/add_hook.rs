//! Hooks that come from elsewhere than config.json.

use hook_model::{Hook, Phase};
use serde_json::{Value, json};

use super::load::LoadedSpec;

impl LoadedSpec {
    /// Adds a hook after those of its phase, as if it stood in config.json. Where that holds something else than hooks,
    /// nothing is added there: it is refused for that.
    pub fn add_hook(&mut self, phase: Phase, hook: Hook) {
        let Value::Object(config) = &mut self.raw else {
            return;
        };
        let hooks = config.entry("hooks").or_insert(Value::Null);
        if let Some(phases) = entry(hooks, || json!({})).as_object_mut() {
            let list = phases.entry(phase.oci_name()).or_insert(Value::Null);
            if let Some(list) = entry(list, || json!([])).as_array_mut() {
                list.push(to_value(&hook));
            }
        }
        self.hooks.push(phase, hook);
    }
}

/// A value that may be null, which is the same as an empty one.
fn entry(value: &mut Value, empty: impl FnOnce() -> Value) -> &mut Value {
    if value.is_null() {
        *value = empty();
    }
    value
}

fn to_value(hook: &Hook) -> Value {
    let mut value = json!({ "path": hook.path_str() });
    if let Some(args) = &hook.args {
        value["args"] = json!(args);
    }
    if let Some(env) = &hook.env {
        value["env"] = json!(env);
    }
    if let Some(timeout) = hook.timeout {
        value["timeout"] = json!(timeout);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::super::validate::testing::with;
    use super::*;
    use std::path::Path;

    #[test]
    fn an_added_hook_stands_after_the_others() {
        for hooks in [
            json!(null),
            json!({"poststop": null}),
            json!({"poststop": [{"path": "/bin/a"}]}),
        ] {
            let raw = with("/hooks", hooks.clone());
            let mut loaded = parse(raw.to_string().as_bytes(), Path::new("f")).unwrap();
            let hook = Hook {
                args: Some(vec!["b".to_owned()]),
                env: Some(vec!["A=1".to_owned()]),
                timeout: std::num::NonZeroU64::new(3),
                ..Hook::new("/bin/b")
            };
            loaded.add_hook(Phase::Poststop, hook.clone());
            assert_eq!(
                loaded.hooks.get(Phase::Poststop).last(),
                Some(&hook),
                "{hooks}"
            );
            let added = json!({"path": "/bin/b", "args": ["b"], "env": ["A=1"], "timeout": 3});
            let list = loaded.raw["hooks"]["poststop"].as_array().unwrap();
            assert_eq!(list.last(), Some(&added), "{hooks}");
            let again = parse(loaded.raw.to_string().as_bytes(), Path::new("f")).unwrap();
            assert_eq!(again.hooks, loaded.hooks);
        }
    }
}
