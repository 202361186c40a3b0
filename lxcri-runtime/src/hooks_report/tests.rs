//! Golden tests. To renew the files: `LXCRI_TEST_BLESS=1 cargo test -p lxcri-runtime hooks_report`, and look at the diff.

use std::path::Path;

use hook_model::{Phase, Record};

use super::text::width;
use super::{Options, render};

const MS: u64 = 1_000_000;
const START: u64 = 1_700_000_000_123_000_000;

fn record(phase: Phase, index: u32, path: &str, at: u64, time: u64) -> Record {
    Record {
        phase,
        index,
        path: path.into(),
        argv: vec![path.into()],
        pid: 100 + index,
        start_ns: START + at,
        duration_ns: time,
        exit_status: Some(0),
        signal: None,
        timed_out: false,
        error: None,
        stdout: String::new(),
        stderr: String::new(),
    }
}

/// A life without failures, two hours long.
fn life() -> Vec<Record> {
    const LATER: u64 = 7200 * 1000 * MS;
    vec![
        record(Phase::Prestart, 1, "/usr/bin/net-up", 0, 12 * MS),
        record(
            Phase::CreateRuntime,
            1,
            "/usr/libexec/oci/hooks/nvidia-container-runtime-hook",
            12 * MS,
            31 * MS,
        ),
        record(Phase::CreateRuntime, 2, "/usr/bin/log", 43 * MS, 812_345),
        record(
            Phase::CreateContainer,
            1,
            "/opt/tools/漢字/seccomp-audit",
            44 * MS,
            5 * MS,
        ),
        record(
            Phase::StartContainer,
            1,
            "/bin/init-db",
            310 * MS,
            2200 * MS,
        ),
        record(Phase::Poststart, 1, "/usr/bin/announce", 2515 * MS, 4 * MS),
        record(Phase::Poststop, 1, "/usr/bin/net-down", LATER, 9 * MS),
        record(Phase::Poststop, 2, "/usr/bin/log", LATER + 9 * MS, MS),
    ]
}

/// Every kind of failure, and output that would like to draw on the terminal.
fn failures() -> Vec<Record> {
    let status = Record {
        exit_status: Some(3),
        stdout: "not shown\n".into(),
        stderr: format!(
            "{}second to last\r\n\tno such device: \u{1b}]0;title\u{7}\u{1b}[31meth0\u{9b}0m\n\n",
            "early\n".repeat(12)
        ),
        ..record(Phase::CreateRuntime, 1, "/usr/bin/net-up", 0, 12 * MS)
    };
    let killed = Record {
        exit_status: None,
        signal: Some(9),
        stderr: "x".repeat(100),
        ..record(
            Phase::CreateRuntime,
            2,
            "/usr/bin/evil\u{1b}[2J\u{202e}name",
            12 * MS,
            300 * MS,
        )
    };
    let slow = Record {
        exit_status: None,
        signal: Some(9),
        timed_out: true,
        ..record(
            Phase::CreateContainer,
            1,
            "/usr/bin/slow",
            312 * MS,
            2001 * MS,
        )
    };
    let missing = "/usr/local/lib/a/rather/long/way/to/a/hook/that/is/not/there/at/all/any-more";
    let not_run = Record {
        exit_status: None,
        pid: 0,
        error: Some(format!(
            "execve({missing}): no such file or directory (ENOENT)"
        )),
        ..record(Phase::Poststop, 1, missing, 2400 * MS, 100_000)
    };
    vec![status, killed, slow, not_run]
}

fn check(name: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/hooks_report/golden")
        .join(name);
    if std::env::var_os("LXCRI_TEST_BLESS").is_some() {
        std::fs::write(&file, text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&file).unwrap(), "{name}");
}

/// Colours are the only control characters, and the lines fit.
fn is_harmless(text: &str, limit: usize) {
    let mut plain = text.to_owned();
    for code in ["\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[32m"] {
        plain = plain.replace(code, "");
    }
    for line in plain.lines() {
        assert!(
            !line.chars().any(char::is_control) && !line.contains('\u{202e}'),
            "{line:?}"
        );
        assert!(width(line) <= limit, "{}: {line:?}", width(line));
        assert_eq!(line, line.trim_end(), "blanks at the end");
    }
}

#[test]
fn a_life_in_eighty_columns() {
    let text = render(&life(), &Options::default());
    is_harmless(&text, 80);
    check("life.txt", &text);
}

#[test]
fn failures_show_the_end_of_stderr() {
    let text = render(&failures(), &Options::default());
    is_harmless(&text, 80);
    check("failures.txt", &text);
}

#[test]
fn colours_only_when_told() {
    assert!(!render(&failures(), &Options::default()).contains('\x1b'));
    let text = render(
        &failures(),
        &Options {
            colour: true,
            ..Options::default()
        },
    );
    is_harmless(&text, 80);
    check("colour.txt", &text);
}

#[test]
fn any_width_is_kept() {
    for width in [0, 66, 70, 81, 100, 200] {
        for records in [life(), failures()] {
            is_harmless(
                &render(
                    &records,
                    &Options {
                        width,
                        colour: true,
                    },
                ),
                width.max(Options::NARROWEST),
            );
        }
    }
    let wide = render(
        &life(),
        &Options {
            width: 120,
            colour: false,
        },
    );
    assert!(
        wide.contains("/usr/libexec/oci/hooks/nvidia-container-runtime-hook"),
        "{wide}"
    );
}

#[test]
fn nothing_to_show() {
    assert_eq!(render(&[], &Options::default()), "no hook has run\n");
}

#[test]
fn several_lives_are_kept_apart() {
    let lives = [life(), life()].concat();
    let text = render(&lives, &Options::default());
    assert_eq!(text.matches("create at ").count(), 2);
    let only = [
        record(Phase::Prestart, 1, "/a", 0, MS),
        record(Phase::Prestart, 1, "/a", 5000 * MS, MS),
    ];
    let text = render(&only, &Options::default());
    assert_eq!(
        text.matches("create at ").count(),
        2,
        "the same hook again belongs to another create"
    );
}

#[test]
fn extreme_values_do_no_harm() {
    let odd = Record {
        index: u32::MAX,
        start_ns: u64::MAX,
        duration_ns: u64::MAX,
        exit_status: None,
        ..record(Phase::Poststop, 1, "", 0, 0)
    };
    let text = render(
        &[record(Phase::Poststop, 1, "/", 0, 0), odd],
        &Options::default(),
    );
    is_harmless(&text, 80);
    assert!(text.contains("unknown"), "{text}");
}

#[test]
fn a_flood_of_stderr_is_cut() {
    let noisy = Record {
        exit_status: Some(1),
        stderr: format!("{}the end", "\0".repeat(4096)),
        ..record(Phase::Prestart, 1, "/x", 0, MS)
    };
    let text = render(&[noisy], &Options::default());
    is_harmless(&text, 80);
    assert!(
        text.lines().count() < 16 && text.ends_with("the end\n"),
        "{text}"
    );
}
