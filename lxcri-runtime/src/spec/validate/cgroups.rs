//! `linux.cgroupsPath` in both notations, and names in `linux.resources` that become file names.

use std::path::{Component, Path};

use oci_spec::runtime::{LinuxResources, Spec};

use super::super::pointer::Pointer;
use super::super::problem::Problems;
use super::{Context, Report};

pub(super) fn validate(spec: &Spec, context: &Context, report: &mut Report) {
    let Some(linux) = spec.linux() else { return };
    if let Some(path) = linux
        .cgroups_path()
        .as_deref()
        .filter(|p| !p.as_os_str().is_empty())
    {
        let wrong = if context.systemd_cgroup {
            systemd_path(path)
        } else {
            plain_path(path)
        };
        if let Some(why) = wrong {
            report.problems.add(
                Pointer::at("/linux/cgroupsPath"),
                format!("{:?} {why}", path.display().to_string()),
            );
        }
    }
    let Some(resources) = linux.resources() else {
        return;
    };
    let at = Pointer::at("/linux/resources");
    let mut names: Vec<&String> = resources
        .unified()
        .iter()
        .flatten()
        .map(|(k, _)| k)
        .collect();
    names.sort();
    for name in names {
        // The key is the name of a file in the cgroup's directory and nothing else.
        if !is_file_name(name) || !name.contains('.') {
            report
                .problems
                .add(at.key("unified").key(name), "not the name of a cgroup file");
        }
    }
    at_least_one(resources, &at, &mut report.problems);
    for (i, limit) in resources.hugepage_limits().iter().flatten().enumerate() {
        if !is_page_size(limit.page_size()) {
            report.problems.add(
                at.key("hugepageLimits").index(i).key("pageSize"),
                format!("{:?} is not a size like \"2MB\"", limit.page_size()),
            );
        }
    }
}

/// "You MUST specify at least one of weight or leafWeight in a given entry", and likewise of hcaHandles or hcaObjects
/// (config-linux.md, Block IO and RDMA).
fn at_least_one(resources: &LinuxResources, at: &Pointer, problems: &mut Problems) {
    let devices = resources.block_io().as_ref();
    let devices = devices.and_then(|block_io| block_io.weight_device().as_ref());
    for (i, device) in devices.into_iter().flatten().enumerate() {
        if device.weight().is_none() && device.leaf_weight().is_none() {
            let at = at.key("blockIO").key("weightDevice").index(i);
            problems.add(at, "has neither weight nor leafWeight");
        }
    }
    let mut entries: Vec<_> = resources.rdma().iter().flatten().collect();
    entries.sort_by_key(|(device, _)| *device);
    for (device, limits) in entries {
        if limits.hca_handles().is_none() && limits.hca_objects().is_none() {
            let at = at.key("rdma").key(device);
            problems.add(at, "has neither hcaHandles nor hcaObjects");
        }
    }
}

fn plain_path(path: &Path) -> Option<&'static str> {
    if path.components().any(|c| c == Component::ParentDir) {
        Some("must not contain \"..\"")
    } else if path.components().eq([Component::RootDir]) {
        Some("is the root of a hierarchy, which cannot be a container's cgroup")
    } else {
        None
    }
}

/// `slice:prefix:name`, as engines write it for `--systemd-cgroup`: an empty slice means the default
/// one, and the unit is `prefix-name.scope`.
fn systemd_path(path: &Path) -> Option<&'static str> {
    let parts: Vec<&str> = path.to_str().unwrap_or("").split(':').collect();
    let &[slice, prefix, name] = parts.as_slice() else {
        return Some("is not of the form \"slice:prefix:name\", as --systemd-cgroup needs it");
    };
    if !slice.is_empty() && !slice.ends_with(".slice") {
        Some("has a slice that does not end with \".slice\"")
    } else if name.is_empty() {
        Some("has an empty name")
    } else if [slice, prefix, name].iter().any(|part| part.contains('/')) {
        Some("has a '/' in the name of a unit")
    } else {
        None
    }
}

fn is_file_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains('/')
}

fn is_page_size(text: &str) -> bool {
    let digits = ["KB", "MB", "GB"]
        .iter()
        .find_map(|unit| text.strip_suffix(unit));
    digits.is_some_and(|digits| {
        !digits.starts_with('0') && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::HostFacts;
    use super::super::testing::{problems, report_with, with};
    use super::*;
    use serde_json::json;

    fn systemd(path: &str) -> String {
        let context = Context {
            host: HostFacts::plain(),
            systemd_cgroup: true,
            own_namespaces: Vec::new(),
        };
        report_with(&with("/linux/cgroupsPath", json!(path)), &context)
            .problems
            .to_string()
    }

    #[test]
    fn plain_paths() {
        for path in ["/a/b", "a/b", "", "/machine.slice/libpod-1.scope", "/a..b"] {
            let raw = with("/linux/cgroupsPath", json!(path));
            assert!(problems(&raw).is_empty(), "{path}");
        }
        assert_eq!(
            problems(&with("/linux/cgroupsPath", json!("/a/../../b"))),
            ["/linux/cgroupsPath: \"/a/../../b\" must not contain \"..\""]
        );
        for root in ["/", "//", "/./"] {
            assert_eq!(
                problems(&with("/linux/cgroupsPath", json!(root))),
                [format!(
                    "/linux/cgroupsPath: {root:?} is the root of a hierarchy, which cannot be a container's cgroup"
                )]
            );
        }
    }

    #[test]
    fn systemd_paths() {
        for path in ["system.slice:runc:abc", ":lxcri:x", "a-b.slice::x", ""] {
            assert_eq!(systemd(path), "", "{path}");
        }
        for (path, why) in [
            ("/a/b", "is not of the form"),
            ("a:b", "is not of the form"),
            ("a.slice:b:c:d", "is not of the form"),
            ("a:b:c", "does not end with \".slice\""),
            ("a.slice:b:", "has an empty name"),
            ("a.slice:b/c:d", "has a '/'"),
            ("a.slice:b:../d", "has a '/'"),
        ] {
            let text = systemd(path);
            assert!(
                text.starts_with("/linux/cgroupsPath: ") && text.contains(why),
                "{text}"
            );
        }
    }

    #[test]
    fn names_of_cgroup_files() {
        let raw = with(
            "/linux/resources/unified",
            json!({"memory.high": "1", "../cgroup.procs": "1", "..": "1", "cpu": "1", "hugetlb.2MB.max": "0"}),
        );
        assert_eq!(
            problems(&raw),
            [
                "/linux/resources/unified/..: not the name of a cgroup file",
                "/linux/resources/unified/..~1cgroup.procs: not the name of a cgroup file",
                "/linux/resources/unified/cpu: not the name of a cgroup file",
            ]
        );
    }

    #[test]
    fn entries_that_limit_nothing() {
        let raw = with(
            "/linux/resources",
            json!({
                "blockIO": {"weightDevice": [
                    {"major": 8, "minor": 0, "leafWeight": 10},
                    {"major": 8, "minor": 16, "weight": null},
                ]},
                "rdma": {"mlx5_1": {"hcaObjects": 0}, "b": {}, "a/0": {}},
            }),
        );
        assert_eq!(
            problems(&raw),
            [
                "/linux/resources/blockIO/weightDevice/1: has neither weight nor leafWeight",
                "/linux/resources/rdma/a~10: has neither hcaHandles nor hcaObjects",
                "/linux/resources/rdma/b: has neither hcaHandles nor hcaObjects",
            ]
        );
    }

    #[test]
    fn page_sizes() {
        let raw = with(
            "/linux/resources/hugepageLimits",
            json!([
                {"pageSize": "2MB", "limit": 0}, {"pageSize": "64KB", "limit": 0},
                {"pageSize": "1GB", "limit": 0}, {"pageSize": "2M", "limit": 0},
                {"pageSize": "../x.2MB", "limit": 0}, {"pageSize": "", "limit": 0},
            ]),
        );
        assert_eq!(
            problems(&raw),
            [
                "/linux/resources/hugepageLimits/3/pageSize: \"2M\" is not a size like \"2MB\"",
                "/linux/resources/hugepageLimits/4/pageSize: \"../x.2MB\" is not a size like \"2MB\"",
                "/linux/resources/hugepageLimits/5/pageSize: \"\" is not a size like \"2MB\"",
            ]
        );
    }
}
