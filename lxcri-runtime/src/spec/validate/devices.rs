//! `linux.devices` and the rules of `linux.resources.devices`.

use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxDevice, LinuxDeviceType as Type, Spec};

use super::super::pointer::Pointer;
use super::super::problem::Problem;
use super::{Report, absolute};
use crate::mounts::{DEFAULT_DEVICES, clean};

/// The bits of `fileMode` that chmod(2) takes.
const MODE_BITS: u32 = 0o7777;

/// Where `terminal` asks for it, the terminal is put on this one (config-linux.md, Default Devices).
const CONSOLE: (&str, u64, u64) = ("/dev/console", 5, 1);

/// The device behind the link that the spec wants.
const PTMX: (&str, u64, u64) = ("/dev/ptmx", 5, 2);

pub(super) fn validate(spec: &Spec, report: &mut Report) {
    nodes(spec, report);
    same_path(spec, report);
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

/// "If a file already exists at path that does not match the requested device, the runtime MUST generate an error"
/// (config-linux.md, Devices): one of another entry, or of the default devices.
fn same_path(spec: &Spec, report: &mut Report) {
    let terminal = spec.process().as_ref().and_then(|p| p.terminal());
    let console = terminal.unwrap_or(false).then_some(&CONSOLE);
    let defaults = DEFAULT_DEVICES.iter().chain([&PTMX]).chain(console);
    let defaults: Vec<_> = defaults
        .map(|(path, major, minor)| (Path::new(path), format!("c {major}:{minor}")))
        .collect();
    let devices = spec.linux().as_ref().and_then(|l| l.devices().as_ref());
    let mut seen: Vec<(PathBuf, String)> = Vec::new();
    for (i, device) in devices.into_iter().flatten().enumerate() {
        if !device.path().is_absolute() || device.typ() == Type::A {
            // No device node at all, as said elsewhere.
            seen.push(Default::default());
            continue;
        }
        let (path, wanted) = (clean(device.path()), shown(device));
        let at = || Pointer::at("/linux/devices").index(i);
        let default = defaults.iter().find(|(default, _)| *default == path);
        let earlier = seen.iter().position(|(earlier, _)| *earlier == path);
        if let Some((_, default)) = default.filter(|(_, default)| *default != wanted) {
            let path = path.display();
            report.problems.add(
                at(),
                format!("{path} is a default device, {default}, and cannot be {wanted}"),
            );
        } else if let Some(j) = earlier.filter(|j| seen[*j].1 != wanted) {
            report.problems.add(
                at(),
                format!(
                    "{} cannot be {wanted}, it is {} in {}",
                    path.display(),
                    seen[j].1,
                    Pointer::at("/linux/devices").index(j)
                ),
            );
        }
        seen.push((path, wanted));
    }
}

/// Type and numbers of a device, as ls(1) shows them.
fn shown(device: &LinuxDevice) -> String {
    let kind = match device.typ() {
        Type::P => return "p".to_owned(),
        // Unbuffered character devices are character devices.
        Type::C | Type::U => "c",
        Type::B => "b",
        Type::A => "a",
    };
    format!("{kind} {}:{}", device.major(), device.minor())
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
    fn a_path_is_one_device() {
        let raw = with(
            "/linux/devices",
            json!([
                {"path": "/dev/x", "type": "c", "major": 1, "minor": 5},
                {"path": "/dev/./x", "type": "u", "major": 1, "minor": 5, "fileMode": 384},
                {"path": "/dev//x", "type": "c", "major": 1, "minor": 3},
                {"path": "/dev/y", "type": "p"},
                {"path": "/dev/y", "type": "p", "major": 0, "minor": 0},
                {"path": "/dev/y", "type": "b", "major": 0, "minor": 0},
            ]),
        );
        assert_eq!(
            problems(&raw),
            [
                "/linux/devices/2: /dev/x cannot be c 1:3, it is c 1:5 in /linux/devices/0",
                "/linux/devices/5: /dev/y cannot be b 0:0, it is p in /linux/devices/3",
            ]
        );
    }

    #[test]
    fn default_devices_are_what_they_are() {
        // A privileged container gets the host's nodes, as podman and containerd list them.
        let mut raw = with(
            "/linux/devices",
            json!([
                {"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 384, "uid": 7},
                {"path": "/dev/tty", "type": "c", "major": 5, "minor": 0},
                {"path": "/dev/ptmx", "type": "c", "major": 5, "minor": 2},
                {"path": "/dev/console", "type": "c", "major": 5, "minor": 1},
            ]),
        );
        raw["process"]["terminal"] = json!(true);
        assert_eq!(problems(&raw), [""; 0]);
        let mut raw = with(
            "/linux/devices",
            json!([
                {"path": "/dev/null", "type": "c", "major": 1, "minor": 5},
                {"path": "/dev/../dev/zero", "type": "b", "major": 1, "minor": 5},
                {"path": "/dev/ptmx", "type": "p"},
                {"path": "/dev/console", "type": "c", "major": 1, "minor": 3},
            ]),
        );
        let mut wanted = vec![
            "/linux/devices/0: /dev/null is a default device, c 1:3, and cannot be c 1:5",
            "/linux/devices/1: /dev/zero is a default device, c 1:5, and cannot be b 1:5",
            "/linux/devices/2: /dev/ptmx is a default device, c 5:2, and cannot be p",
        ];
        assert_eq!(problems(&raw), wanted);
        raw["process"]["terminal"] = json!(true);
        wanted
            .push("/linux/devices/3: /dev/console is a default device, c 5:1, and cannot be c 1:3");
        assert_eq!(problems(&raw), wanted);
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
