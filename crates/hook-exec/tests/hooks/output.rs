//! Output of any amount, from anyone, is drained and its end is kept.

use std::path::Path;
use std::time::{Duration, Instant};

use hook_exec::Context;
use hook_model::Phase;

use crate::support::*;

#[test]
fn both_outputs_are_kept_apart() {
    let record = succeeded(run(sh("echo out; echo err >&2; echo more")));
    assert_eq!(
        (record.stdout.as_str(), record.stderr.as_str()),
        ("out\nmore\n", "err\n")
    );
}

#[test]
fn a_hundred_megabytes_do_not_block() {
    let script = "head -c 100000000 /dev/zero | tr '\\0' x; echo out; \
                  head -c 1000000 /dev/zero | tr '\\0' y >&2; echo err >&2";
    let record = succeeded(run_within(
        Duration::from_secs(300),
        sh(script),
        STATE,
        Path::new("/"),
    ));
    assert!(record.stdout.len() >= 4096 && record.stdout.ends_with("xxxout\n"));
    assert!(record.stderr.len() >= 4096 && record.stderr.ends_with("yyyerr\n"));
    assert!(record.stdout.len() < 10_000, "only the end is kept");
}

#[test]
fn output_right_before_the_end_is_not_lost() {
    for _ in 0..50 {
        let record = succeeded(run(sh(
            "head -c 5000 /dev/zero | tr '\\0' z; printf last >&2",
        )));
        assert!(record.stdout.len() >= 4096 && record.stderr == "last");
    }
}

#[test]
fn a_grandchild_with_open_output_is_not_waited_for() {
    let start = Instant::now();
    let record = succeeded(run(sh("sleep 600 & echo $!")));
    assert!(
        start.elapsed() < Duration::from_secs(60),
        "{:?}",
        start.elapsed()
    );
    let grandchild = Reaper(record.stdout.trim().parse().unwrap());
    assert!(alive(grandchild.0), "it is left alone");
}

#[test]
fn a_grandchild_that_writes_for_ever_is_not_drained_for_ever() {
    let record = succeeded(run(sh("yes & echo $! >&2")));
    let grandchild = Reaper(record.stderr.trim().parse().unwrap());
    assert!(ends_soon(grandchild.0), "nobody reads, so SIGPIPE ends it");
}

#[test]
fn closed_outputs_are_no_trouble() {
    let (start, cpu) = (Instant::now(), cpu_time());
    let hook = sh("exec 0<&- 1>&- 2>&-; sleep 0.5");
    succeeded(run_hook(
        &hook,
        Phase::Prestart,
        1,
        &Context::new(STATE, Path::new("/")),
    ));
    assert!(start.elapsed() >= Duration::from_millis(500));
    assert!(
        cpu_time() - cpu < Duration::from_millis(250),
        "the wait is busy"
    );
}

#[test]
fn bytes_that_are_no_text_are_replaced() {
    let record = succeeded(run(sh("printf 'a\\377b\\000c'")));
    assert_eq!(record.stdout, "a\u{fffd}b\0c");
}

/// What this thread has used so far.
fn cpu_time() -> Duration {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_THREAD).unwrap();
    let of = |time: nix::sys::time::TimeVal| {
        Duration::from_micros(u64::try_from(time.tv_sec() * 1_000_000 + time.tv_usec()).unwrap())
    };
    of(usage.user_time()) + of(usage.system_time())
}

#[test]
fn a_filter_gives_all_of_its_output() {
    let filter = |script: &str| {
        let context = Context::new(STATE, Path::new("/"));
        run_filter(&sh(script), &context, 1_000_000)
    };
    let (record, output) = filter("cat; echo err >&2; head -c 999900 /dev/zero");
    assert_eq!(record.exit_status, Some(0));
    assert_eq!(record.stderr, "err\n");
    let output = output.unwrap();
    assert!(output.starts_with(STATE));
    assert_eq!(output.len(), STATE.len() + 999_900);
    assert_eq!(filter("exit 3").1.unwrap(), b"");
}

#[test]
fn a_filter_that_writes_too_much_is_killed() {
    let context = Context::new(STATE, Path::new("/"));
    let (record, output) = run_filter(&sh("exec yes"), &context, 1_000_000);
    assert_eq!(
        (record.signal, record.timed_out, output),
        (Some(9), false, None)
    );
    let (record, output) = run_filter(&sh("head -c 1000001 /dev/zero"), &context, 1_000_000);
    assert!(record.error.is_none());
    assert_eq!(output, None);
}
