//! Checks of what the properties mean, after their types fit: all problems at once, each with its place.

mod cgroups;
mod devices;
mod mounts;
mod namespaces;
mod process;
mod seccomp;
pub mod sysctl;

use std::path::Path;

use oci_spec::runtime::Spec;

use super::check::{Context, Report};
use super::namespaces::Namespaces;
use super::pointer::Pointer;
use super::problem::Problems;

/// Adds what is wrong with `spec` to the report.
pub(super) fn validate(spec: &Spec, context: &Context, report: &mut Report) {
    let mut namespaces = Namespaces::of(spec);
    namespaces.inherit(&context.own_namespaces);
    mounts::root(spec, report);
    mounts::mounts(spec, report);
    mounts::covered_paths(spec, report);
    namespaces::validate(spec, &namespaces, report);
    namespaces::host_names(spec, &namespaces, report);
    process::validate(spec, report);
    sysctl::validate(spec, &namespaces, report);
    devices::validate(spec, report);
    seccomp::validate(spec, report);
    cgroups::validate(spec, context, report);
    annotations(spec, report);
}

/// "Keys MUST NOT be an empty string" (config.md, Annotations).
fn annotations(spec: &Spec, report: &mut Report) {
    if spec
        .annotations()
        .as_ref()
        .is_some_and(|annotations| annotations.contains_key(""))
    {
        report
            .problems
            .add(Pointer::at("/annotations"), "a key is empty");
    }
}

/// Complains unless `path` is absolute.
fn absolute(path: &Path, at: Pointer, problems: &mut Problems) {
    if path.as_os_str().is_empty() {
        problems.add(at, "empty");
    } else if !path.is_absolute() {
        problems.add(at, format!("{path:?} is not an absolute path"));
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::super::{Context, HostFacts, Report, check, parse};
    use oci_spec::runtime::LinuxNamespaceType;
    use serde_json::{Value, json};
    use std::path::Path;

    /// A small bundle without fault.
    pub(crate) fn base() -> Value {
        json!({
            "ociVersion": "1.0.2",
            "root": {"path": "rootfs"},
            "process": {"cwd": "/", "args": ["sh"], "user": {"uid": 0, "gid": 0}},
            "linux": {"namespaces": [{"type": "mount"}, {"type": "pid"}]},
        })
    }

    /// The small bundle with one value put in, objects on the way included.
    pub(crate) fn with(pointer: &str, value: Value) -> Value {
        let mut raw = base();
        put(&mut raw, pointer, value);
        raw
    }

    pub(crate) fn put(raw: &mut Value, pointer: &str, value: Value) {
        let mut at = raw;
        for name in pointer.split('/').skip(1) {
            at = &mut at[name.replace("~1", "/").replace("~0", "~")];
        }
        *at = value;
    }

    pub(crate) fn report_with(raw: &Value, context: &Context) -> Report {
        let loaded = parse(raw.to_string().as_bytes(), Path::new("/b/config.json")).unwrap();
        check(&loaded, context)
    }

    pub(crate) fn report(raw: &Value) -> Report {
        let host = HostFacts::plain();
        report_with(
            raw,
            &Context {
                host,
                systemd_cgroup: false,
                own_namespaces: Vec::new(),
            },
        )
    }

    /// What is wrong when the paths of these namespaces lead to the runtime's own.
    pub(crate) fn problems_with_own(raw: &Value, own: &[LinuxNamespaceType]) -> Vec<String> {
        let context = Context {
            host: HostFacts::plain(),
            systemd_cgroup: false,
            own_namespaces: own.to_vec(),
        };
        let report = report_with(raw, &context);
        report.problems.iter().map(ToString::to_string).collect()
    }

    pub(crate) fn problems(raw: &Value) -> Vec<String> {
        let report = report(raw);
        report.problems.iter().map(ToString::to_string).collect()
    }

    /// What is warned about in a bundle in which nothing is wrong.
    #[track_caller]
    pub(crate) fn warnings(raw: &Value) -> Vec<String> {
        let report = report(raw);
        assert!(report.problems.is_empty(), "{}", report.problems);
        report.warnings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_small_bundle_has_no_fault() {
        let report = report(&base());
        assert_eq!(report, Report::default());
    }

    #[test]
    fn empty_annotation_key() {
        assert_eq!(
            problems(&with("/annotations", json!({"": "x"}))),
            ["/annotations: a key is empty"]
        );
        assert!(problems(&with("/annotations", json!({"a.b": ""}))).is_empty());
    }
}
