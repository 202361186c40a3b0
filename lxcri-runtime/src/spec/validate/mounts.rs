//! `root`, `mounts`, masked and read-only paths, propagation of the rootfs.

use oci_spec::runtime::Spec;

use super::super::pointer::Pointer;
use super::Report;
use super::absolute;

/// What `linux.rootfsPropagation` may be; the spec's four and their recursive forms, which engines write.
const PROPAGATIONS: [&str; 8] = [
    "private",
    "rprivate",
    "slave",
    "rslave",
    "shared",
    "rshared",
    "unbindable",
    "runbindable",
];

pub(super) fn root(spec: &Spec, report: &mut Report) {
    let at = Pointer::at("/root");
    match spec.root() {
        None => report.problems.add(at, "missing"),
        Some(root) if root.path().as_os_str().is_empty() => {
            report.problems.add(at.key("path"), "missing or empty");
        }
        Some(_) => {}
    }
    let propagation = spec
        .linux()
        .as_ref()
        .and_then(|linux| linux.rootfs_propagation().as_deref())
        .unwrap_or("");
    if !propagation.is_empty() && !PROPAGATIONS.contains(&propagation) {
        report.problems.add(
            Pointer::at("/linux/rootfsPropagation"),
            format!("{propagation:?} is none of {}", PROPAGATIONS.join(", ")),
        );
    }
}

pub(super) fn mounts(spec: &Spec, report: &mut Report) {
    for (i, mount) in spec.mounts().iter().flatten().enumerate() {
        let at = Pointer::at("/mounts").index(i);
        absolute(
            mount.destination(),
            at.key("destination"),
            &mut report.problems,
        );
        let options = mount.options().as_deref().unwrap_or_default();
        let is_bind = options.iter().any(|o| o == "bind" || o == "rbind");
        let source_empty = mount
            .source()
            .as_ref()
            .is_none_or(|source| source.as_os_str().is_empty());
        if is_bind && source_empty {
            report
                .problems
                .add(at.key("source"), "a bind mount needs a source");
        }
    }
}

/// "The values MUST be absolute paths in the container namespace" (config-linux.md, Masked Paths and
/// Readonly Paths).
pub(super) fn covered_paths(spec: &Spec, report: &mut Report) {
    let Some(linux) = spec.linux() else { return };
    for (name, paths) in [
        ("maskedPaths", linux.masked_paths()),
        ("readonlyPaths", linux.readonly_paths()),
    ] {
        for (i, path) in paths.iter().flatten().enumerate() {
            let at = Pointer::at("/linux").key(name).index(i);
            absolute(path.as_ref(), at, &mut report.problems);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{base, problems, with};
    use super::*;
    use serde_json::json;

    #[test]
    fn root_is_required() {
        let mut raw = base();
        raw.as_object_mut().unwrap().remove("root");
        assert_eq!(problems(&raw), ["/root: missing"]);
        for root in [json!({}), json!({"path": ""})] {
            assert_eq!(
                problems(&with("/root", root)),
                ["/root/path: missing or empty"]
            );
        }
    }

    #[test]
    fn propagation_is_one_of_eight() {
        for propagation in PROPAGATIONS.iter().chain(&[""]) {
            let raw = with("/linux/rootfsPropagation", json!(propagation));
            assert!(problems(&raw).is_empty(), "{propagation}");
        }
        let found = problems(&with("/linux/rootfsPropagation", json!("master")));
        assert!(
            found[0].starts_with("/linux/rootfsPropagation: \"master\" is none of private"),
            "{found:?}"
        );
    }

    #[test]
    fn destinations_and_sources() {
        let raw = with(
            "/mounts",
            json!([
                {"destination": "", "type": "proc"},
                {"destination": "/a", "type": "none", "options": ["rbind"]},
                {"destination": "/b", "type": "bind", "source": "", "options": ["bind"]},
                {"destination": "/c", "source": "c", "options": ["bind"]},
                {"destination": "/proc", "type": "proc"},
            ]),
        );
        assert_eq!(
            problems(&raw),
            [
                "/mounts/0/destination: empty",
                "/mounts/1/source: a bind mount needs a source",
                "/mounts/2/source: a bind mount needs a source",
            ]
        );
    }

    #[test]
    fn covered_paths_are_absolute() {
        let mut raw = with("/linux/maskedPaths", json!(["/proc/kcore", "proc/keys"]));
        raw["linux"]["readonlyPaths"] = json!([""]);
        assert_eq!(
            problems(&raw),
            [
                "/linux/maskedPaths/1: \"proc/keys\" is not an absolute path",
                "/linux/readonlyPaths/0: empty",
            ]
        );
    }
}
