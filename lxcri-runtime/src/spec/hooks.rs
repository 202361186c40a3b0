//! `hooks` of a config.json, by the rules of the hook model.

use hook_model::{HookSet, Phase};
use serde_json::Value;

use super::pointer::Pointer;
use super::problem::Problem;

/// Takes the hooks out of a copy of the raw JSON. With problems the set is empty and `hooks` is removed
/// from the copy, so that the other properties can still be read.
///
/// The hook model knows no unknown members; "runtimes MUST NOT generate an error if they encounter an
/// unknown property", so they are left out here, and warned about like everywhere.
pub(super) fn read(value: &mut Value) -> (HookSet, Vec<Problem>) {
    let Some(hooks) = value.get_mut("hooks") else {
        return (HookSet::default(), Vec::new());
    };
    drop_unknown(hooks);
    match HookSet::from_value(hooks) {
        Ok(set) => (set, Vec::new()),
        Err(problems) => {
            if let Some(object) = value.as_object_mut() {
                object.remove("hooks");
            }
            let problems = problems.0.into_iter();
            let problems = problems.map(|p| Problem::new(Pointer::at(&p.pointer), p.reason));
            (HookSet::default(), problems.collect())
        }
    }
}

fn drop_unknown(hooks: &mut Value) {
    let Some(phases) = hooks.as_object_mut() else {
        return;
    };
    phases.retain(|name, _| Phase::from_oci_name(name.as_bytes()).is_some());
    let lists = phases.values_mut().filter_map(Value::as_array_mut);
    for hook in lists.flatten().filter_map(Value::as_object_mut) {
        hook.retain(|name, _| matches!(name.as_str(), "path" | "args" | "env" | "timeout"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::super::validate::testing::{problems, warnings, with};
    use hook_model::Phase;
    use serde_json::json;
    use std::path::Path;

    #[test]
    fn hooks_are_read() {
        let raw = with(
            "/hooks",
            json!({"poststop": [{"path": "/bin/a", "timeout": 2}, {"path": "/bin/b"}], "prestart": null}),
        );
        let loaded = parse(raw.to_string().as_bytes(), Path::new("f")).unwrap();
        assert_eq!(loaded.hooks.get(Phase::Poststop).len(), 2);
        assert_eq!(loaded.hooks.len(), 2);
        assert_eq!(problems(&raw), [""; 0]);
        let typed = loaded.spec.hooks().as_ref().unwrap();
        assert_eq!(typed.poststop().as_ref().unwrap().len(), 2);
    }

    #[test]
    fn all_hook_problems_come_with_the_others() {
        let mut raw = with(
            "/hooks",
            json!({
                "createRuntime": [{"path": "bin/a"}, {"path": "/b", "timeout": 0}, {"env": ["A"]}],
                "poststart": [{"path": "/c", "timeout": "1", "args": [7]}],
            }),
        );
        raw["process"]["cwd"] = json!("x");
        let found = problems(&raw);
        let places: Vec<&str> = found
            .iter()
            .map(|p| p.split(": ").next().unwrap())
            .collect();
        assert_eq!(
            places,
            [
                "/hooks/createRuntime/0/path",
                "/hooks/createRuntime/1/timeout",
                "/hooks/createRuntime/2/path",
                "/hooks/createRuntime/2/env/0",
                "/hooks/poststart/0/args/0",
                "/hooks/poststart/0/timeout",
                "/process/cwd",
            ],
            "{found:?}"
        );
    }

    #[test]
    fn unknown_members_are_warnings() {
        let raw = with(
            "/hooks",
            json!({"precreate": [{"path": "x"}], "poststart": [{"path": "/c", "when": 1}]}),
        );
        assert_eq!(
            warnings(&raw),
            [
                "/hooks/poststart/0/when: unknown property, ignored",
                "/hooks/precreate: unknown property, ignored",
            ]
        );
    }
}
