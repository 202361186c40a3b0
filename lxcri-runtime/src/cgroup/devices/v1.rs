//! Device rules for the v1 devices controller (kernel: cgroup-v1/devices.rst).
//!
//! v1 has a default answer and a list of exceptions to it; an exception cannot have exceptions of its own. What the rules
//! come to is therefore worked out here, and refused where v1 cannot say it.

use std::path::Path;

use nix::errno::Errno;

use super::super::error::{Error, Problem};
use super::super::files::{self, Writer};
use super::{Kind, MKNOD, POINTER, Policy, READ, Rule, WRITE};

const ALLOW: &str = "devices.allow";
const DENY: &str = "devices.deny";

/// One write to devices.allow or devices.deny.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    file: &'static str,
    text: String,
    /// The rule it comes from.
    index: Option<usize>,
}

/// Sets the policy of the cgroup at `path`.
pub(in super::super) fn apply(policy: &Policy, path: &Path) -> Result<(), Error> {
    let lines = lines(policy).map_err(|problem| Error::Refused(vec![problem]))?;
    let unrestricted = |text: String| text.lines().eq(["a *:* rwm"]);
    if policy.allows_everything() && unrestricted(files::read(path, "devices.list")?) {
        return Ok(());
    }
    let mut open = None;
    for line in lines {
        match put(&line, path, &mut open) {
            Ok(()) => {}
            // The level above does not have what every container gets, because lxcri runs in a container itself.
            Err(e)
                if line.index.is_none()
                    && line.file == ALLOW
                    && e.errno() == Some(Errno::EPERM) => {}
            Err(source) => {
                return Err(Error::Setting {
                    pointer: match line.index {
                        Some(index) => format!("{POINTER}/{index}"),
                        None => POINTER.to_owned(),
                    },
                    source: Box::new(source),
                });
            }
        }
    }
    Ok(())
}

/// Writes a line, into the file that is open if it is the right one.
fn put(line: &Line, path: &Path, open: &mut Option<(&'static str, Writer)>) -> Result<(), Error> {
    let writer = match open {
        Some((file, writer)) if *file == line.file => writer,
        _ => &mut open.insert((line.file, Writer::open(path, line.file)?)).1,
    };
    writer.write(&line.text)
}

/// Whether v1 can express the policy.
pub(in super::super) fn check(policy: &Policy) -> Option<Problem> {
    lines(policy).err()
}

fn lines(policy: &Policy) -> Result<Vec<Line>, Problem> {
    let (reset, exception) = if policy.default_allow {
        (ALLOW, DENY)
    } else {
        (DENY, ALLOW)
    };
    let mut lines = vec![Line {
        file: reset,
        text: "a".to_owned(),
        index: None,
    }];
    lines.extend(exceptions(policy)?.iter().map(|rule| Line {
        file: exception,
        text: text(rule),
        index: rule.index,
    }));
    Ok(lines)
}

/// The rules that differ from the default answer, after later ones have taken away from earlier ones.
fn exceptions(policy: &Policy) -> Result<Vec<Rule>, Problem> {
    let mut list: Vec<Rule> = Vec::new();
    for rule in &policy.rules {
        if rule.allow != policy.default_allow {
            let same = |e: &&mut Rule| {
                e.kind == rule.kind && e.major == rule.major && e.minor == rule.minor
            };
            match list.iter_mut().find(same) {
                Some(exception) => exception.access |= rule.access,
                None => list.push(*rule),
            }
            continue;
        }
        for exception in &mut list {
            if rule.covers(exception) {
                exception.access &= !rule.access;
            } else if rule.meets(exception) && rule.access & exception.access != 0 {
                return Err(hole(rule, exception));
            }
        }
        list.retain(|exception| exception.access != 0);
    }
    Ok(list)
}

fn hole(rule: &Rule, exception: &Rule) -> Problem {
    let index = rule.index.or(exception.index);
    Problem {
        pointer: index.map_or(POINTER.to_owned(), |index| format!("{POINTER}/{index}")),
        reason: format!(
            "not supported: cgroup v1 cannot {} {} out of {}",
            if rule.allow { "allow" } else { "deny" },
            text(rule),
            text(exception)
        ),
    }
}

fn text(rule: &Rule) -> String {
    let number = |n: Option<u32>| n.map_or("*".to_owned(), |n| n.to_string());
    let mut text = format!(
        "{} {}:{} ",
        match rule.kind {
            Kind::Block => 'b',
            Kind::Char => 'c',
        },
        number(rule.major),
        number(rule.minor)
    );
    text.extend(
        [(READ, 'r'), (WRITE, 'w'), (MKNOD, 'm')]
            .iter()
            .filter(|(bit, _)| rule.access & bit != 0)
            .map(|(_, letter)| letter),
    );
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::rules;
    use super::*;

    fn written(json: &str) -> Vec<String> {
        let policy = Policy::new(&rules(json)).unwrap();
        lines(&policy)
            .unwrap()
            .iter()
            .map(|line| format!("{} {}", line.file.trim_start_matches("devices."), line.text))
            .collect()
    }

    fn refused(json: &str) -> String {
        check(&Policy::new(&rules(json)).unwrap())
            .unwrap()
            .to_string()
    }

    const DEFAULT_LINES: [&str; 11] = [
        "allow c *:* m",
        "allow b *:* m",
        "allow c 1:3 rwm",
        "allow c 1:5 rwm",
        "allow c 1:7 rwm",
        "allow c 1:8 rwm",
        "allow c 1:9 rwm",
        "allow c 5:0 rwm",
        "allow c 5:2 rwm",
        "allow c 136:* rwm",
        "allow c 10:200 rwm",
    ];

    #[test]
    fn deny_all_then_allow() {
        let lines = written(
            r#"[{"allow":false,"access":"rwm"},{"allow":true,"type":"b","major":8,"minor":0,"access":"r"},
                {"allow":true,"type":"b","major":8,"minor":0,"access":"w"}]"#,
        );
        assert_eq!(lines[..2], ["deny a", "allow b 8:0 rw"]);
        assert_eq!(lines[2..], DEFAULT_LINES);
    }

    #[test]
    fn without_rules_all_but_the_defaults_is_denied() {
        let lines = written("[]");
        assert_eq!(lines[0], "deny a");
        assert_eq!(lines[1..], DEFAULT_LINES);
    }

    #[test]
    fn a_later_deny_takes_away_what_it_covers() {
        let lines = written(
            r#"[{"allow":true,"type":"b","major":8,"minor":0,"access":"rw"},
                {"allow":true,"type":"b","major":9,"access":"rw"},{"allow":false,"type":"b","major":8,"access":"w"},
                {"allow":false,"type":"b","major":9,"access":"rwm"}]"#,
        );
        assert_eq!(lines[..2], ["deny a", "allow b 8:0 r"]);
        assert_eq!(lines.len(), 2 + DEFAULT_LINES.len());
    }

    #[test]
    fn allow_all_with_exceptions() {
        assert_eq!(
            written(
                r#"[{"allow":true,"type":"a"},{"allow":false,"type":"b","major":8,"access":"rw"}]"#
            ),
            ["allow a", "deny b 8:* rw"]
        );
        // The defaults win over a deny, as in runc.
        assert_eq!(
            written(
                r#"[{"allow":true,"type":"a"},{"allow":false,"type":"c","major":1,"minor":3,"access":"rwm"}]"#
            ),
            ["allow a"]
        );
    }

    #[test]
    fn holes_are_refused() {
        assert_eq!(
            refused(
                r#"[{"allow":true,"type":"b","major":8,"access":"rw"},
                    {"allow":false,"type":"b","major":8,"minor":1,"access":"w"}]"#
            ),
            "/linux/resources/devices/1: not supported: cgroup v1 cannot deny b 8:1 w out of b 8:* rw"
        );
        assert_eq!(
            refused(
                r#"[{"allow":true,"type":"a"},{"allow":false,"type":"c","major":1,"access":"r"}]"#
            ),
            "/linux/resources/devices/1: not supported: cgroup v1 cannot allow c 1:3 rwm out of c 1:* r"
        );
        // Only the access they share makes a hole.
        assert_eq!(
            written(
                r#"[{"allow":true,"type":"b","major":8,"access":"r"},
                    {"allow":false,"type":"b","major":8,"minor":1,"access":"w"}]"#
            )[1],
            "allow b 8:* r"
        );
    }
}
