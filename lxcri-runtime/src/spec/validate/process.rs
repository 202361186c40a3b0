//! `process`: arguments, environment, working directory, user, limits.

use oci_spec::runtime::{PosixRlimit, Process, Spec};

use super::super::pointer::Pointer;
use super::super::problem::{Problem, Problems};
use super::{Report, absolute};

/// The most supplementary groups of a process: linux/limits.h.
const NGROUPS_MAX: usize = 65_536;

pub(super) fn validate(spec: &Spec, report: &mut Report) {
    let at = Pointer::at("/process");
    let Some(process) = spec.process() else {
        report.problems.add(at, "missing");
        return;
    };
    arguments(process, &at, &mut report.problems);
    absolute(process.cwd(), at.key("cwd"), &mut report.problems);
    environment(process, &at, &mut report.problems);
    user(process, &at, &mut report.problems);
    rlimits(
        process.rlimits().as_deref().unwrap_or_default(),
        &at.key("rlimits"),
        &mut report.problems,
    );
    if process
        .oom_score_adj()
        .is_some_and(|value| !(-1000..=1000).contains(&value))
    {
        report
            .problems
            .add(at.key("oomScoreAdj"), "must be between -1000 and 1000");
    }
    console_size(process, &at, report);
}

fn arguments(process: &Process, at: &Pointer, problems: &mut Problems) {
    let at = at.key("args");
    match process.args().as_deref().and_then(<[String]>::first) {
        None => problems.add(at, "missing or empty"),
        Some(program) if program.is_empty() => problems.add(at.index(0), "empty"),
        Some(_) => {}
    }
}

fn environment(process: &Process, at: &Pointer, problems: &mut Problems) {
    for (i, entry) in process.env().iter().flatten().enumerate() {
        let at = at.key("env").index(i);
        match entry.find('=') {
            // The entry is not quoted whole: it may be a secret whose name was forgotten.
            None => problems.add(at, "no '='"),
            Some(0) => problems.add(at, "no name before '='"),
            Some(_) => {}
        }
    }
}

fn user(process: &Process, at: &Pointer, problems: &mut Problems) {
    let at = at.key("user");
    let user = process.user();
    if user.umask().is_some_and(|mask| mask > 0o777) {
        problems.add(at.key("umask"), "greater than 511 (octal 777)");
    }
    // The kernel uses the greatest number for "no change".
    for (name, id) in [("uid", user.uid()), ("gid", user.gid())] {
        if id == u32::MAX {
            problems.add(at.key(name), "is no valid id");
        }
    }
    let groups = user.additional_gids().as_ref().map_or(0, Vec::len);
    if groups > NGROUPS_MAX {
        problems.add(
            at.key("additionalGids"),
            format!("{groups} groups; a process has at most {NGROUPS_MAX}"),
        );
    }
    for (i, gid) in user.additional_gids().iter().flatten().enumerate() {
        if *gid == u32::MAX {
            problems.add(at.key("additionalGids").index(i), "is no valid id");
        }
    }
}

/// "If rlimits contains duplicated entries with same type, the runtime MUST generate an error"
/// (config.md, POSIX process).
fn rlimits(rlimits: &[PosixRlimit], at: &Pointer, problems: &mut Problems) {
    let mut seen = Vec::new();
    for (i, limit) in rlimits.iter().enumerate() {
        if !seen.contains(&limit.typ()) {
            seen.push(limit.typ());
        } else {
            problems.add(
                at.index(i).key("type"),
                format!("{} is listed twice", limit.typ()),
            );
        }
        if limit.soft() > limit.hard() {
            problems.add(
                at.index(i).key("soft"),
                format!(
                    "{} is greater than the hard limit {}",
                    limit.soft(),
                    limit.hard()
                ),
            );
        }
    }
}

/// "Runtimes MUST ignore consoleSize if terminal is false or unset" (config.md, Process).
fn console_size(process: &Process, at: &Pointer, report: &mut Report) {
    let Some(size) = process.console_size() else {
        return;
    };
    let at = at.key("consoleSize");
    if !process.terminal().unwrap_or(false) {
        if size.height() != 0 || size.width() != 0 {
            report
                .notes
                .push(Problem::new(at, "ignored without a terminal"));
        }
        return;
    }
    for (name, value) in [("height", size.height()), ("width", size.width())] {
        if value > u64::from(u16::MAX) {
            report
                .problems
                .add(at.key(name), "greater than a terminal can be (65535)");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{base, problems, report, with};
    use serde_json::json;

    #[test]
    fn process_and_arguments_are_required() {
        let mut raw = base();
        raw.as_object_mut().unwrap().remove("process");
        assert_eq!(problems(&raw), ["/process: missing"]);
        for args in [json!([]), json!(null)] {
            assert_eq!(
                problems(&with("/process/args", args)),
                ["/process/args: missing or empty"]
            );
        }
        assert_eq!(
            problems(&with("/process/args", json!(["", "x"]))),
            ["/process/args/0: empty"]
        );
        assert!(problems(&with("/process/args", json!(["x", ""]))).is_empty());
    }

    #[test]
    fn cwd_is_absolute() {
        assert_eq!(
            problems(&with("/process/cwd", json!("tmp"))),
            ["/process/cwd: \"tmp\" is not an absolute path"]
        );
        assert_eq!(
            problems(&with("/process/cwd", json!(""))),
            ["/process/cwd: empty"]
        );
    }

    #[test]
    fn environment_entries_have_a_name() {
        let raw = with("/process/env", json!(["A=", "B", "=C", "D==x", ""]));
        assert_eq!(
            problems(&raw),
            [
                "/process/env/1: no '='",
                "/process/env/2: no name before '='",
                "/process/env/4: no '='",
            ]
        );
    }

    #[test]
    fn user_ranges() {
        let raw = with(
            "/process/user",
            json!({"uid": 4294967295u32, "gid": 0, "umask": 512, "additionalGids": [1, 4294967295u32]}),
        );
        assert_eq!(
            problems(&raw),
            [
                "/process/user/umask: greater than 511 (octal 777)",
                "/process/user/uid: is no valid id",
                "/process/user/additionalGids/1: is no valid id",
            ]
        );
        assert!(problems(&with("/process/user/umask", json!(511))).is_empty());
        let groups = |count| {
            let ids: Vec<u32> = (1..=count).collect();
            problems(&with("/process/user/additionalGids", json!(ids)))
        };
        assert!(groups(65_536).is_empty());
        assert_eq!(
            groups(65_537),
            ["/process/user/additionalGids: 65537 groups; a process has at most 65536"]
        );
    }

    #[test]
    fn rlimits_are_unique_and_ordered() {
        let raw = with(
            "/process/rlimits",
            json!([
                {"type": "RLIMIT_NOFILE", "soft": 2, "hard": 1},
                {"type": "RLIMIT_CORE", "soft": 0, "hard": 18446744073709551615u64},
                {"type": "RLIMIT_NOFILE", "soft": 1, "hard": 1},
            ]),
        );
        assert_eq!(
            problems(&raw),
            [
                "/process/rlimits/0/soft: 2 is greater than the hard limit 1",
                "/process/rlimits/2/type: RLIMIT_NOFILE is listed twice",
            ]
        );
    }

    #[test]
    fn oom_score_range() {
        for good in [-1000, 0, 1000] {
            assert!(problems(&with("/process/oomScoreAdj", json!(good))).is_empty());
        }
        for bad in [-1001, 1001] {
            assert_eq!(
                problems(&with("/process/oomScoreAdj", json!(bad))),
                ["/process/oomScoreAdj: must be between -1000 and 1000"]
            );
        }
    }

    #[test]
    fn console_size_matters_only_with_a_terminal() {
        let mut raw = with(
            "/process/consoleSize",
            json!({"height": 70000, "width": 80}),
        );
        let found = report(&raw);
        assert!(found.problems.is_empty());
        assert_eq!(
            found.notes[0].to_string(),
            "/process/consoleSize: ignored without a terminal"
        );
        raw["process"]["terminal"] = json!(true);
        assert_eq!(
            problems(&raw),
            ["/process/consoleSize/height: greater than a terminal can be (65535)"]
        );
    }
}
