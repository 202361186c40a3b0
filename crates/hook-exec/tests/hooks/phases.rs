//! Order and failure policy of a phase.

use std::path::Path;

use hook_exec::Context;
use hook_model::{Hook, Phase};

use crate::support::*;

fn run_all(phase: Phase, hooks: &[Hook]) -> (Vec<String>, Vec<String>) {
    let mut seen = Vec::new();
    let context = Context::new(STATE, Path::new("/"));
    let failures = run_phase(hooks, phase, &context, |record| {
        assert_eq!(
            (record.phase, record.index as usize),
            (phase, seen.len() + 1)
        );
        seen.push(record.stdout.clone());
    });
    (seen, failures.iter().map(ToString::to_string).collect())
}

#[test]
fn hooks_run_in_their_order() {
    let (seen, failures) = run_all(
        Phase::Prestart,
        &[sh("printf 1"), sh("printf 2"), sh("printf 3")],
    );
    assert_eq!(
        (seen, failures),
        (vec!["1".into(), "2".into(), "3".into()], vec![])
    );
    assert_eq!(run_all(Phase::Prestart, &[]), (vec![], vec![]));
}

#[test]
fn the_first_failure_ends_a_phase() {
    let hooks = [sh("printf 1"), sh("printf 2; exit 4"), sh("printf 3")];
    for phase in Phase::ALL
        .into_iter()
        .filter(|phase| *phase != Phase::Poststop)
    {
        let (seen, failures) = run_all(phase, &hooks);
        assert_eq!(seen, ["1", "2"]);
        assert_eq!(failures.len(), 1);
        let start = format!(
            "{} hook #2 (/bin/sh): exit status 4 after ",
            phase.oci_name()
        );
        assert!(failures[0].starts_with(&start), "{failures:?}");
    }
}

#[test]
fn poststop_goes_on_after_a_failure() {
    let (seen, failures) = run_all(
        Phase::Poststop,
        &[sh("exit 1"), Hook::new("/no/such"), sh("printf 3")],
    );
    assert_eq!(seen, ["", "", "3"]);
    assert_eq!(failures.len(), 2);
    assert!(
        failures[1].starts_with("poststop hook #2 (/no/such): cannot be run: execve(/no/such): ")
    );
}

#[test]
fn a_record_is_there_before_the_next_hook_begins() {
    let dir = tempfile::tempdir().unwrap();
    let marker = dir.path().join("logged");
    let hooks = [sh("exit 0"), sh("test -e logged")];
    let context = Context::new(STATE, dir.path());
    let failures = run_phase(&hooks, Phase::Poststart, &context, |_| {
        std::fs::write(&marker, "").unwrap()
    });
    assert!(failures.is_empty(), "{failures:?}");
}

#[test]
fn every_hook_of_a_phase_begins_alike() {
    // Its stdin has not been read, its outputs are its own, nothing is open that is made for the next one.
    let script = "cat; ls /proc/self/fd | tr '\\n' ' '; grep SigIgn /proc/self/status; \
                  head -c 100000 /dev/zero | tr '\\0' x >&2";
    let context = Context::new(STATE, Path::new("/"));
    let mut seen = 0;
    let failures = run_phase(
        &[sh(script), sh(script), sh(script)],
        Phase::CreateRuntime,
        &context,
        |record| {
            let expected = format!(
                "{}0 1 2 3 SigIgn:\t0000000000000000\n",
                String::from_utf8_lossy(STATE)
            );
            assert_eq!(record.stdout, expected);
            assert_eq!(record.stderr, "x".repeat(4096));
            seen += 1;
        },
    );
    assert!(failures.is_empty(), "{failures:?}");
    assert_eq!(seen, 3);
}

#[test]
fn the_executable_of_each_hook_is_asked_for() {
    let file = std::fs::File::open("/bin/sh").unwrap();
    let hooks = [
        program("/nonexistent", &["sh", "-c", "echo opened"]),
        sh("echo path"),
        sh("echo refused"),
    ];
    let context = Context::new(STATE, Path::new("/"));
    let mut asked = 0;
    let mut records = Vec::new();
    let open = |_: &Hook| {
        asked += 1;
        match asked {
            1 => Ok(Some(file.try_clone().unwrap().into())),
            2 => Ok(None),
            _ => Err("it has changed".to_owned()),
        }
    };
    let failures = run_phase_with(&hooks, Phase::Prestart, &context, open, |record| {
        records.push(record.stdout.clone());
    });
    assert_eq!(records, ["opened\n", "path\n", ""]);
    assert_eq!(
        failures[0].to_string(),
        "prestart hook #3 (/bin/sh): cannot be run: it has changed"
    );
}
