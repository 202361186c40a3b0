//! Hook files that change while the plugin runs, and those that are bad.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::engine::Engine;
use crate::plugin::{Place, always, container, paths, wait_until};

fn text(path: &str) -> serde_json::Value {
    always("createRuntime", json!({"path": path}))
}

#[test]
fn changes_take_effect_without_a_restart() {
    let place = Place::new();
    let engine = Engine::listen(&place.socket());
    let _plugin = place.plugin(&[]);
    let mut peer = engine.start();
    assert!(paths(&mut peer).is_empty());
    let mut expect = |expected: &[&str]| {
        wait_until(
            || paths(&mut peer) == expected,
            || format!("not {expected:?}: {}", place.log()),
        )
    };
    place.hook_file("a.json", text("/bin/true"));
    expect(&["/bin/true"]);
    place.hook_file("b.json", text("/bin/cat"));
    expect(&["/bin/true", "/bin/cat"]);
    place.hook_file("a.json", text("/bin/false"));
    expect(&["/bin/false", "/bin/cat"]);
    fs::remove_file(place.join("hooks.d/a.json")).unwrap();
    expect(&["/bin/cat"]);
    fs::remove_dir_all(place.join("hooks.d")).unwrap();
    expect(&[]);
    // People expect a directory that appears later to count.
    fs::create_dir(place.join("hooks.d")).unwrap();
    place.hook_file("c.json", text("/bin/true"));
    expect(&["/bin/true"]);
}

/// The hook-injector ends at the first bad file; here the last good version stays in force.
#[test]
fn a_file_that_breaks_is_reported_once_and_its_last_good_version_stays() {
    let place = Place::new();
    place.hook_file("a.json", text("/bin/true"));
    place.hook_file("b.json", text("/bin/cat"));
    let engine = Engine::listen(&place.socket());
    let plugin = place.plugin(&[]);
    let mut peer = engine.start();
    let versions = ["{", "[]", "{\"version\": \"2.0.0\"}"];
    for (reported, bad) in (1..).zip(versions) {
        place.hook_file("a.json", bad);
        place.wait_logged("hook file is bad", reported);
        assert_eq!(paths(&mut peer), ["/bin/true", "/bin/cat"]);
    }
    // Another change, after which what is known is not said again.
    place.hook_file("b.json", text("/bin/false"));
    wait_until(
        || paths(&mut peer) == ["/bin/true", "/bin/false"],
        || place.log(),
    );
    place.hook_file("a.json", text("/bin/ls"));
    wait_until(
        || paths(&mut peer) == ["/bin/ls", "/bin/false"],
        || place.log(),
    );
    plugin.stop();
    place.wait_logged("hook file is bad", versions.len());
    assert!(!place.logged("hook file problem is gone").is_empty());
}

#[test]
fn a_bad_file_at_the_start_does_not_hide_the_others() {
    let place = Place::new();
    place.hook_file("0.json", "{");
    place.hook_file("a.json", text("/bin/true"));
    place.hook_file("z.json", text("/nonexistent/hook"));
    let engine = Engine::listen(&place.socket());
    let _plugin = place.plugin(&[]);
    let mut peer = engine.start();
    assert_eq!(paths(&mut peer), ["/bin/true"]);
    let lines = place.wait_logged("hook file is bad", 2);
    assert!(
        lines[0].contains("0.json:1:") && lines[1].contains("z.json: /hook/path"),
        "{lines:?}"
    );
}

#[test]
fn the_closed_policy_refuses_containers_while_a_file_is_bad() {
    let place = Place::new();
    place.hook_file("a.json", text("/bin/true"));
    place.hook_file("b.json", "{");
    let engine = Engine::listen(&place.socket());
    let _plugin = place.plugin(&["--on-error", "closed"]);
    let mut peer = engine.start();
    let status = peer.create(&container("c")).unwrap_err();
    assert!(
        status.message.starts_with("lxcri-nri: ") && status.message.contains("b.json:1:"),
        "{status}"
    );
    assert!(!status.message.contains('\n'));
    place.wait_logged("creation refused", 1);
    place.hook_file("b.json", text("/bin/cat"));
    place.wait_logged("hook file problem is gone", 1);
    assert_eq!(paths(&mut peer), ["/bin/true", "/bin/cat"]);
    // An edit that goes wrong stops nothing: no hook is missing.
    place.hook_file("b.json", "{");
    place.wait_logged("hook file is bad", 2);
    assert_eq!(paths(&mut peer), ["/bin/true", "/bin/cat"]);
}

/// Nobody knows what stands in a directory that cannot be trusted or read.
#[test]
fn the_closed_policy_refuses_containers_while_a_directory_is_bad() {
    let place = Place::new();
    place.hook_file("a.json", text("/bin/true"));
    let set_mode = |mode| {
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(place.join("hooks.d"), permissions).unwrap();
    };
    set_mode(0o777);
    let engine = Engine::listen(&place.socket());
    let _plugin = place.plugin(&["--on-error", "closed"]);
    let mut peer = engine.start();
    let status = peer.create(&container("c")).unwrap_err();
    assert!(status.message.contains("can be written to"), "{status}");
    set_mode(0o755);
    wait_until(|| peer.create(&container("c")).is_ok(), || place.log());
    assert_eq!(paths(&mut peer), ["/bin/true"]);
}

/// The engine goes on without the plugin, and without hooks, when an answer takes longer than its request timeout.
#[test]
fn answers_come_in_time_while_a_thousand_files_are_reloaded() {
    let place = Place::new();
    let write_all =
        |path: &str| (0..1000).for_each(|n| place.hook_file(&format!("{n:04}.json"), text(path)));
    write_all("/bin/true");
    let engine = Engine::listen(&place.socket());
    let _plugin = place.plugin(&[]);
    let mut peer = engine.start();
    let mut answer = || {
        let began = Instant::now();
        let count = paths(&mut peer).len();
        assert_eq!(count, 1000, "no hook may vanish in between");
        began.elapsed()
    };
    let usual = (0..20).map(|_| answer()).max().unwrap_or_default();
    let done = AtomicBool::new(false);
    let slowest = thread::scope(|scope| {
        scope.spawn(|| {
            write_all("/bin/cat");
            done.store(true, Ordering::SeqCst);
        });
        let mut slowest = Duration::ZERO;
        while !done.load(Ordering::SeqCst) {
            slowest = slowest.max(answer());
        }
        slowest
    });
    // Half of the request timeout, a bound of the contract and no measurement, on a machine that is not too busy for it.
    let bound = Duration::from_secs(1) + 10 * usual;
    assert!(slowest < bound, "{slowest:?}, usually {usual:?}");
}

/// The engine must not wait for whoever reads the log.
#[test]
fn a_log_that_nobody_reads_holds_up_no_answer() {
    let place = Place::new();
    place.hook_file("a.json", text("/bin/true"));
    let fifo = place.join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let engine = Engine::listen(&place.socket());
    let mut plugin = place.plugin(&["--log", &fifo.to_string_lossy()]);
    let mut peer = engine.start();
    for _ in 0..1500 {
        assert_eq!(paths(&mut peer), ["/bin/true"]);
    }
    plugin.terminate();
    assert_eq!(plugin.ended().code(), Some(0));
}

#[test]
fn metrics_count_what_happened() {
    let place = Place::new();
    place.hook_file("a.json", text("/bin/true"));
    place.hook_file("b.json", "{");
    let engine = Engine::listen(&place.socket());
    let _plugin = place.plugin(&["--metrics", "0"]);
    let mut peer = engine.start();
    paths(&mut peer);
    let line = &place.wait_logged("serving metrics", 1)[0];
    let address = line
        .split("address=\"")
        .nth(1)
        .unwrap()
        .trim_end_matches('"');
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    for expected in [
        "lxcri_nri_containers_total{result=\"injected\"} 1",
        "lxcri_nri_hooks_total{phase=\"createRuntime\"} 1",
        "lxcri_nri_incomplete_containers_total 1",
        "lxcri_nri_hook_file_problems_total 1",
        "lxcri_nri_hook_file_problems_now 1",
        "lxcri_nri_hook_files 2",
        "lxcri_nri_registrations_total 1",
        "lxcri_nri_connected 1",
        "lxcri_nri_answer_seconds_count 1",
    ] {
        assert!(
            answer.lines().any(|line| line == expected),
            "{expected} is not in:\n{answer}"
        );
    }
}
