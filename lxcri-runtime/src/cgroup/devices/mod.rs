//! `linux.resources.devices`: which device nodes a container may open and make.
//!
//! Rules hold in their order: for each kind of access to a device the last rule that covers it decides, and a rule of
//! type `a` forgets all before it. Nothing is allowed that no rule allows. After the spec's rules come those every
//! container gets ([`DEFAULTS`]), as in runc; so /dev/null works whatever the spec says.

pub(super) mod bpf;
#[allow(unsafe_code)]
mod sys;
pub(super) mod v1;

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType};

use super::error::Problem;

/// JSON pointer of the rules.
pub(super) const POINTER: &str = "/linux/resources/devices";

/// Kinds of access, as bits of `BPF_DEVCG_ACC_*` (include/uapi/linux/bpf.h).
pub(super) const MKNOD: u8 = 1;
pub(super) const READ: u8 = 2;
pub(super) const WRITE: u8 = 4;
pub(super) const ALL: u8 = MKNOD | READ | WRITE;

/// Block or character device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Block,
    Char,
}

/// A rule about the devices of one kind; `None` stands for every number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    pub allow: bool,
    pub kind: Kind,
    pub major: Option<u32>,
    pub minor: Option<u32>,
    pub access: u8,
    /// Its place in the spec, for messages; `None` for a default.
    pub index: Option<usize>,
}

/// What the rules come to: the answer for a device that none covers, and the rules after the last one of type `a`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Policy {
    pub default_allow: bool,
    pub rules: Vec<Rule>,
}

/// What every container may use: any mknod, and the devices that the runtime-spec asks for ("Default Devices"), terminals
/// among them, but not 5:1, which is the console of the machine: a container's /dev/console is a pty; /dev/net/tun because
/// engines rely on runc for it.
const DEFAULTS: [(Kind, Option<u32>, Option<u32>, u8); 11] = [
    (Kind::Char, None, None, MKNOD),
    (Kind::Block, None, None, MKNOD),
    (Kind::Char, Some(1), Some(3), ALL),    // null
    (Kind::Char, Some(1), Some(5), ALL),    // zero
    (Kind::Char, Some(1), Some(7), ALL),    // full
    (Kind::Char, Some(1), Some(8), ALL),    // random
    (Kind::Char, Some(1), Some(9), ALL),    // urandom
    (Kind::Char, Some(5), Some(0), ALL),    // tty
    (Kind::Char, Some(5), Some(2), ALL),    // ptmx
    (Kind::Char, Some(136), None, ALL),     // pts/*
    (Kind::Char, Some(10), Some(200), ALL), // net/tun
];

impl Policy {
    /// The policy of a spec's rules.
    pub fn new(rules: &[LinuxDeviceCgroup]) -> Result<Self, Vec<Problem>> {
        let mut policy = Policy {
            default_allow: false,
            rules: Vec::new(),
        };
        let mut problems = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            match parse(rule, index) {
                Ok(None) => {
                    policy.default_allow = rule.allow();
                    policy.rules.clear();
                }
                Ok(Some(rule)) => policy.rules.push(rule),
                Err((field, reason)) => problems.push(Problem {
                    pointer: format!("{POINTER}/{index}/{field}"),
                    reason,
                }),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        policy
            .rules
            .extend(DEFAULTS.map(|(kind, major, minor, access)| Rule {
                allow: true,
                kind,
                major,
                minor,
                access,
                index: None,
            }));
        Ok(policy)
    }

    /// Whether nothing at all is forbidden.
    pub fn allows_everything(&self) -> bool {
        self.default_allow && self.rules.iter().all(|rule| rule.allow)
    }
}

/// `None` is a rule for every device.
fn parse(rule: &LinuxDeviceCgroup, index: usize) -> Result<Option<Rule>, (&'static str, String)> {
    let number = |field, value: Option<i64>, largest: u32| match value {
        None | Some(-1) => Ok(None),
        Some(n) => match u32::try_from(n) {
            Ok(n) if n <= largest => Ok(Some(n)),
            _ => Err((field, format!("invalid: -1 to {largest}"))),
        },
    };
    // dev_t has 12 and 20 bits (include/linux/kdev_t.h).
    let major = number("major", rule.major(), 0xfff)?;
    let minor = number("minor", rule.minor(), 0xf_ffff)?;
    let mut access = 0;
    for c in rule.access().as_deref().unwrap_or_default().chars() {
        access |= match c {
            'r' => READ,
            'w' => WRITE,
            'm' => MKNOD,
            _ => return Err(("access", "invalid: letters of \"rwm\"".to_owned())),
        };
    }
    let kind = match rule.typ().unwrap_or(LinuxDeviceType::A) {
        LinuxDeviceType::C | LinuxDeviceType::U => Kind::Char,
        LinuxDeviceType::B => Kind::Block,
        LinuxDeviceType::P => {
            return Err(("type", "not supported: a fifo is no device".to_owned()));
        }
        LinuxDeviceType::A => {
            // Both versions of cgroups would read more into it than it says.
            return match (major, minor, access) {
                (Some(_), _, _) => Err((
                    "major",
                    "not supported: type a stands for every device".to_owned(),
                )),
                (_, Some(_), _) => Err((
                    "minor",
                    "not supported: type a stands for every device".to_owned(),
                )),
                (None, None, 0 | ALL) => Ok(None),
                _ => Err((
                    "access",
                    "not supported: type a stands for every access".to_owned(),
                )),
            };
        }
    };
    if access == 0 {
        return Err(("access", "invalid: empty".to_owned()));
    }
    Ok(Some(Rule {
        allow: rule.allow(),
        kind,
        major,
        minor,
        access,
        index: Some(index),
    }))
}

impl Rule {
    /// Whether this rule covers every device that `other` covers.
    pub fn covers(&self, other: &Rule) -> bool {
        let wide = |mine: Option<u32>, theirs: Option<u32>| mine.is_none() || mine == theirs;
        self.kind == other.kind && wide(self.major, other.major) && wide(self.minor, other.minor)
    }

    /// Whether some device is covered by both.
    pub fn meets(&self, other: &Rule) -> bool {
        let meet = |mine: Option<u32>, theirs: Option<u32>| {
            mine.is_none() || theirs.is_none() || mine == theirs
        };
        self.kind == other.kind && meet(self.major, other.major) && meet(self.minor, other.minor)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn rules(json: &str) -> Vec<LinuxDeviceCgroup> {
        serde_json::from_str(json).unwrap()
    }

    fn problems(json: &str) -> Vec<String> {
        let problems = Policy::new(&rules(json)).unwrap_err();
        problems.iter().map(ToString::to_string).collect()
    }

    /// What the module's first paragraph says, in the plainest way.
    pub(in super::super) fn allowed(
        policy: &Policy,
        kind: Kind,
        major: u32,
        minor: u32,
        access: u8,
    ) -> bool {
        [MKNOD, READ, WRITE]
            .iter()
            .filter(|bit| access & **bit != 0)
            .all(|bit| {
                policy
                    .rules
                    .iter()
                    .rev()
                    .find(|r| {
                        r.kind == kind
                            && r.major.is_none_or(|m| m == major)
                            && r.minor.is_none_or(|m| m == minor)
                            && r.access & bit != 0
                    })
                    .map_or(policy.default_allow, |r| r.allow)
            })
    }

    #[test]
    fn without_rules_only_the_defaults_are_allowed() {
        let policy = Policy::new(&[]).unwrap();
        assert!(allowed(&policy, Kind::Char, 1, 3, READ | WRITE));
        assert!(allowed(&policy, Kind::Char, 136, 7, READ | WRITE));
        assert!(allowed(&policy, Kind::Block, 8, 0, MKNOD));
        assert!(!allowed(&policy, Kind::Block, 8, 0, READ));
        assert!(!allowed(&policy, Kind::Char, 1, 1, READ));
        assert!(!policy.allows_everything());
    }

    #[test]
    fn the_last_rule_decides_each_access() {
        let policy = Policy::new(&rules(
            r#"[{"allow":false,"access":"rwm"},{"allow":true,"type":"b","major":8,"access":"rw"},
                {"allow":false,"type":"b","major":8,"minor":1,"access":"w"}]"#,
        ))
        .unwrap();
        assert!(allowed(&policy, Kind::Block, 8, 0, READ | WRITE));
        assert!(allowed(&policy, Kind::Block, 8, 1, READ));
        assert!(!allowed(&policy, Kind::Block, 8, 1, WRITE));
        assert!(!allowed(&policy, Kind::Block, 8, 1, READ | WRITE));
    }

    #[test]
    fn type_a_forgets_what_was_before() {
        let policy = Policy::new(&rules(
            r#"[{"allow":false,"type":"c","major":1,"access":"r"},{"allow":true,"type":"a","access":"rwm"}]"#,
        ))
        .unwrap();
        assert!(policy.allows_everything());
        assert!(allowed(&policy, Kind::Char, 1, 1, READ));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        assert_eq!(
            problems(
                r#"[{"allow":true,"type":"c"},{"allow":true,"type":"c","access":"rx"},
                    {"allow":true,"type":"c","major":4096,"access":"r"},{"allow":true,"type":"b","minor":-2,"access":"r"},
                    {"allow":true,"type":"p","access":"r"},{"allow":true,"type":"a","major":5,"access":"rwm"},
                    {"allow":false,"access":"w"}]"#
            ),
            [
                "/linux/resources/devices/0/access: invalid: empty",
                "/linux/resources/devices/1/access: invalid: letters of \"rwm\"",
                "/linux/resources/devices/2/major: invalid: -1 to 4095",
                "/linux/resources/devices/3/minor: invalid: -1 to 1048575",
                "/linux/resources/devices/4/type: not supported: a fifo is no device",
                "/linux/resources/devices/5/major: not supported: type a stands for every device",
                "/linux/resources/devices/6/access: not supported: type a stands for every access",
            ]
        );
    }
}
