//! `linux.devices` and the rules of `linux.resources.devices`.

use oci_spec::runtime::{LinuxDeviceType as Type, Spec};

use super::super::pointer::Pointer;
use super::super::problem::Problem;
use super::{Report, absolute};

/// The bits of `fileMode` that chmod(2) takes.
const MODE_BITS: u32 = 0o7777;

pub(super) fn validate(spec: &Spec, report: &mut Report) {
    nodes(spec, report);
    rules(spec, report);
}

fn nodes(spec: &Spec, report: &mut Report) {
    let devices = spec.linux().as_ref().and_then(|l| l.devices().as_ref());
    for (i, device) in devices.into_iter().flatten().enumerate() {
        let at = Pointer::at("/linux/devices").index(i);
        absolute(device.path(), at.key("path"), &mut report.problems);
        match device.typ() {
            Type::A => report
                .problems
                .add(at.key("type"), "\"a\" is no type of a device node"),
            Type::P => {}
            Type::B | Type::C | Type::U => {
                for (name, number) in [("major", device.major()), ("minor", device.minor())] {
                    if u32::try_from(number).is_err() {
                        report
                            .problems
                            .add(at.key(name), format!("{number} is no device number"));
                    }
                }
            }
        }
        // Engines copy st_mode or Go's FileMode here, whose other bits tell the type.
        if device
            .file_mode()
            .is_some_and(|mode| mode & !MODE_BITS != 0)
        {
            report.notes.push(Problem::new(
                at.key("fileMode"),
                "bits beyond the permissions are ignored",
            ));
        }
    }
}

fn rules(spec: &Spec, report: &mut Report) {
    let resources = spec.linux().as_ref().and_then(|l| l.resources().as_ref());
    let rules = resources.and_then(|r| r.devices().as_ref());
    for (i, rule) in rules.into_iter().flatten().enumerate() {
        let at = Pointer::at("/linux/resources/devices").index(i);
        if let Some(Type::U | Type::P) = rule.typ() {
            report
                .problems
                .add(at.key("type"), "must be \"a\", \"b\" or \"c\"");
        }
        for (name, number) in [("major", rule.major()), ("minor", rule.minor())] {
            // -1 is how engines write "any".
            if number.is_some_and(|n| n != -1 && u32::try_from(n).is_err()) {
                report.problems.add(at.key(name), "is no device number");
            }
        }
        let access = rule.access().as_deref().unwrap_or("");
        let twice = |c: char| access.matches(c).count() > 1;
        if access.chars().any(|c| !"rwm".contains(c) || twice(c)) {
            report.problems.add(
                at.key("access"),
                format!("{access:?} is not made of \"r\", \"w\" and \"m\""),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{problems, report, with};
    use serde_json::json;

    #[test]
    fn nodes_need_a_path_a_type_and_numbers() {
        let raw = with(
            "/linux/devices",
            json!([
                {"path": "/dev/x", "type": "c", "major": 10, "minor": 200, "fileMode": 438},
                {"path": "dev/x", "type": "b", "major": -1, "minor": 5000000000u64},
                {"path": "/dev/y", "type": "a", "major": 1, "minor": 1},
                {"path": "/dev/fifo", "type": "p"},
                {"path": "/dev/u", "type": "u", "major": 1, "minor": 3},
            ]),
        );
        assert_eq!(
            problems(&raw),
            [
                "/linux/devices/1/path: \"dev/x\" is not an absolute path",
                "/linux/devices/1/major: -1 is no device number",
                "/linux/devices/1/minor: 5000000000 is no device number",
                "/linux/devices/2/type: \"a\" is no type of a device node",
            ]
        );
    }

    #[test]
    fn modes_with_type_bits_are_noted() {
        let raw = with(
            "/linux/devices",
            json!([{"path": "/dev/x", "type": "c", "major": 1, "minor": 3, "fileMode": 0o20666}]),
        );
        let found = report(&raw);
        assert!(found.problems.is_empty() && found.warnings.is_empty());
        assert_eq!(
            found.notes[0].to_string(),
            "/linux/devices/0/fileMode: bits beyond the permissions are ignored"
        );
    }

    #[test]
    fn rules_are_well_formed() {
        let raw = with(
            "/linux/resources/devices",
            json!([
                {"allow": false, "access": "rwm"},
                {"allow": true, "type": "c", "major": -1, "minor": 5, "access": "m"},
                {"allow": true, "type": "p", "major": -2, "access": "rx"},
                {"allow": true, "type": "a", "access": "rr"},
            ]),
        );
        assert_eq!(
            problems(&raw),
            [
                "/linux/resources/devices/2/type: must be \"a\", \"b\" or \"c\"",
                "/linux/resources/devices/2/major: is no device number",
                "/linux/resources/devices/2/access: \"rx\" is not made of \"r\", \"w\" and \"m\"",
                "/linux/resources/devices/3/access: \"rr\" is not made of \"r\", \"w\" and \"m\"",
            ]
        );
    }
}
