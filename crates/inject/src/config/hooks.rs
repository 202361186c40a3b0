//! The lists of hooks in a config.json: what is there, what is to be added, how that is written.

use hook_model::{DEFAULT_PATH, Hook, Phase};
use serde::Serialize;
use serde_json::value::RawValue;

/// A hook as it is written, members in the order of the runtime-spec.
#[derive(Serialize)]
struct Written<'a> {
    path: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    args: &'a [String],
    env: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<u64>,
}

/// The JSON of a hook.
///
/// It always has an environment that is not empty: without one, runc gives a hook its own or even the container's
/// (CVE-2025-23266), and a wrapper written in Go that comes later drops an empty list.
pub(super) fn written(hook: &Hook) -> String {
    let default = [DEFAULT_PATH.to_owned()];
    let written = Written {
        path: &hook.path_str(),
        args: hook.args.as_deref().unwrap_or_default(),
        env: match hook.env.as_deref() {
            None | Some([]) => &default,
            Some(env) => env,
        },
        timeout: hook.timeout.map(Into::into),
    };
    // Strings and numbers, which cannot fail.
    serde_json::to_string(&written).unwrap_or_default()
}

/// The hooks of `phase` that are not among `present`, as they are to be written.
///
/// One that is there stands for one that is wanted, so that nothing is added for the second time, whoever was first.
pub(super) fn missing(
    phase: Phase,
    hooks: &[(Phase, &Hook)],
    present: &[&RawValue],
) -> Vec<String> {
    let mut wanted: Vec<String> = hooks
        .iter()
        .filter(|(other, _)| *other == phase)
        .map(|(_, hook)| written(hook))
        .collect();
    if wanted.is_empty() {
        return wanted;
    }
    for raw in present {
        let text = read(raw).map(|hook| written(&hook));
        if let Some(at) = text.and_then(|text| wanted.iter().position(|other| *other == text)) {
            wanted.remove(at);
        }
    }
    wanted
}

/// A hook that is there, if it has nothing that is not known here. Engines that read hook files themselves write down no
/// environment where the file has none, so such a hook equals one with the default.
fn read(raw: &RawValue) -> Option<Hook> {
    let value = serde_json::from_str(raw.get()).ok()?;
    Hook::from_value(&value, "", &mut Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU64;

    fn raws(text: &str) -> Vec<&RawValue> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_environment_is_always_explicit() {
        let mut hook = Hook::new("/bin/x\"y");
        let path = format!(r#"{{"path":"/bin/x\"y","env":["{DEFAULT_PATH}"]}}"#);
        assert_eq!(written(&hook), path);
        hook.env = Some(vec![]);
        assert_eq!(written(&hook), path);
        hook.env = Some(vec!["A=1".into()]);
        hook.args = Some(vec!["x".into(), "é\n".into()]);
        hook.timeout = NonZeroU64::new(7);
        let all = r#"{"path":"/bin/x\"y","args":["x","é\n"],"env":["A=1"],"timeout":7}"#;
        assert_eq!(written(&hook), all);
    }

    #[test]
    fn a_hook_that_is_there_is_not_missing() {
        let hook = Hook {
            env: Some(vec!["A=1".into()]),
            ..Hook::new("/a")
        };
        let (once, twice) = ([(Phase::Poststop, &hook)], [(Phase::Poststop, &hook); 2]);
        let present = r#"[ {"env" : ["A=1"], "path": "\u002fa", "timeout": null} ]"#;
        assert!(missing(Phase::Poststop, &once, &raws(present)).is_empty());
        assert_eq!(missing(Phase::Poststop, &twice, &raws(present)).len(), 1);
        assert!(missing(Phase::Poststart, &once, &raws("[]")).is_empty());
        // Not the same: with another environment, with an argument, with something unknown.
        let others = r#"[{"path":"/a"}, {"path":"/a","env":["A=1"],"args":["b"]}, {"path":"/a","env":["A=1"],"x":1}]"#;
        assert_eq!(missing(Phase::Poststop, &once, &raws(others)).len(), 1);
    }

    #[test]
    fn a_hook_that_an_engine_wrote_down_without_an_environment_is_not_missing() {
        let hook = Hook::new("/a");
        let wanted = [(Phase::Poststop, &hook)];
        for present in [r#"[{"path":"/a"}]"#, r#"[{"path":"/a","env":[]}]"#] {
            assert!(missing(Phase::Poststop, &wanted, &raws(present)).is_empty());
        }
    }
}
