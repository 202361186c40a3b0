//! Checks of what a hook inherits as a process: directory, descriptors, signals, user id, process group.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;

use lxcri_tests::bundle::Bundle;
use lxcri_tests::command::CALLER_LEAK;
use lxcri_tests::phase::{PHASES, Phase, Place};
use lxcri_tests::probe::Record;
use lxcri_tests::runtime::Runtime;
use lxcri_tests::scratch::Scratch;

use crate::life::{self, Life};
use crate::table::{Report, hold, ranges, same};

/// Checks of one phase.
pub fn checks(report: &mut Report, life: &Life, phase: &Phase, bundle: &Bundle<'_>) {
    let record = life.hook(phase, 1);
    let mut check = |row, result: &dyn Fn(&Record) -> Result<(), String>| {
        report.check(row, phase, record.clone().and_then(result))
    };
    check("cwd", &|r| cwd(r, phase, bundle));
    check("descriptors", &descriptors);
    check("signal mask", &mask);
    check("dispositions", &dispositions);
    check("user id", &|r| same(r.numbers("uid"), vec![0; 3]));
    check("own process group", &group);
}

fn cwd(record: &Record, phase: &Phase, bundle: &Bundle<'_>) -> Result<(), String> {
    match phase.place {
        Place::Runtime => same(record.text("cwd"), &bundle.path.to_string_lossy()),
        // LXC reaches the same directory by another path.
        Place::Outside => {
            let rootfs = fs::metadata(bundle.rootfs())
                .map(|m| format!("{}:{}", m.dev(), m.ino()))
                .unwrap_or_default();
            hold(record.text("cwd_id") == rootfs, || {
                format!("expected the rootfs, found {:?}", record.text("cwd"))
            })
        }
        Place::Inside => same(record.text("cwd"), "/"),
    }
}

/// Only 0, 1 and 2.
fn descriptors(record: &Record) -> Result<(), String> {
    let all = record.0["fds"].as_array().cloned().unwrap_or_default();
    let more: Vec<String> = all
        .iter()
        .filter(|d| d["fd"].as_i64() > Some(2))
        .map(|d| format!("{}={}", d["fd"], d["target"]))
        .collect();
    hold(all.len() - more.len() == 3, || {
        format!("0 to 2 are not all open: {all:?}")
    })?;
    hold(more.is_empty(), || {
        format!("also open: {}", more.join(", "))
    })
}

fn mask(record: &Record) -> Result<(), String> {
    let blocked = record.numbers("sig_blocked");
    hold(blocked.is_empty(), || {
        format!("blocked: {}", ranges(&blocked))
    })
}

fn dispositions(record: &Record) -> Result<(), String> {
    let ignored = record.numbers("sig_ignored");
    hold(ignored.is_empty(), || {
        format!("ignored: {}", ranges(&ignored))
    })
}

fn group(record: &Record) -> Result<(), String> {
    hold(record.number("pgid") == record.number("pid"), || {
        format!("in process group {}", record.number("pgid"))
    })
}

/// The same hooks called by someone who blocks and ignores signals and keeps descriptors open for everyone.
pub fn hostile_caller(report: &mut Report, runtime: &Runtime) {
    let scratch = Scratch::new();
    let mut bundle = life::bundle(&scratch);
    life::add_everywhere(&mut bundle, 1, |orders| orders);
    let Ok(open) = File::open(bundle.records_file()) else {
        return;
    };
    // 32 is one of the signals that the C library hides: not everyone remembers it.
    let (blocked, ignored) = (
        [libc::SIGUSR1, libc::SIGTERM, libc::SIGHUP],
        [libc::SIGPIPE, libc::SIGUSR2, libc::SIGINT, 32],
    );
    let life = life::live(runtime, &scratch, &mut bundle, &|cmd| {
        cmd.signals(&blocked, &ignored)
            .descriptor(&open, 107)
            .env("LXCRI_TEST_HOSTILE", CALLER_LEAK)
    });
    for phase in &PHASES {
        let record = life.hook(phase, 1);
        report.check(
            "caller's signals",
            phase,
            record
                .clone()
                .and_then(|r| mask(r).and_then(|()| dispositions(r))),
        );
        report.check(
            "caller's descriptors",
            phase,
            record.and_then(descriptors_of_caller),
        );
    }
}

/// Only what the caller holds open counts here; the runtime's own descriptors are another row.
fn descriptors_of_caller(record: &Record) -> Result<(), String> {
    let all = record.0["fds"].as_array().cloned().unwrap_or_default();
    hold(!all.iter().any(|d| d["fd"] == 107), || {
        "the caller's descriptor is open".into()
    })
}
