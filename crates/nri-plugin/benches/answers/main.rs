//! Measures the program: time from CreateContainer to its answer, resident memory, and what it does while nothing happens.
//!
//! The engine of the tests asks over a real socket, one request after the other, as an engine does.
#![forbid(unsafe_code)]

#[path = "../../tests/protocol/engine.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod engine;
#[path = "../../../../tests/bench/goals.rs"]
#[allow(dead_code, reason = "shared with the other benchmark")]
mod goals;
#[path = "../../tests/protocol/plugin.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod plugin;

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nri_plugin::wire::messages::CreateContainerRequest;
use serde_json::json;

use engine::{Engine, Peer};
use plugin::{Place, Plugin, container, hooks_of};

const WARM_UP: usize = 200;
const REQUESTS: usize = 5000;
const SETTLE: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(10);

fn main() {
    // `cargo test --benches` only wants to know that it builds.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    println!("lxcri-nri: {REQUESTS} requests, one hook file in ten matches");
    println!(
        "{:>6} {:>10} {:>10} {:>12} {:>12} {:>8}",
        "files", "p50 µs", "p99 µs", "resident KiB", "wake-ups", "idle s"
    );
    let [_, hundred, thousand] = [10, 100, 1000].map(measure);
    goals::at_most("p99 in ms at 100 files", 2.0, Some(hundred.p99_ms));
    goals::at_most(
        "resident MiB at 1000 files",
        8.0,
        Some(thousand.resident_mib),
    );
    goals::at_most(
        "wake-ups while idle",
        0.0,
        Some(hundred.idle + thousand.idle),
    );
}

/// What has a goal.
struct Figures {
    p99_ms: f64,
    resident_mib: f64,
    idle: f64,
}

fn measure(files: usize) -> Figures {
    // Not in the system's temporary directory: whatever is made there by others wakes who watches a path through it.
    let place = Place::below(Path::new(env!("CARGO_TARGET_TMPDIR")));
    for number in 0..files {
        place.hook_file(&format!("{number:04}.json"), hook_file(number));
    }
    let engine = Engine::listen(&place.socket());
    let plugin = place.plugin(&[]);
    let mut peer = engine.start();
    let request = request();
    let count = hooks_of(&mut peer, &request).create_runtime.len();
    assert_eq!(count, files / 10, "the hooks that match");
    let mut times = answers(&mut peer, &request);
    times.sort();
    let percentile = |p: usize| times[times.len() * p / 100].as_micros();
    let memory = resident(&plugin);
    // The last log line may still be on its way.
    sleep(SETTLE);
    let before = wake_ups(&plugin);
    sleep(IDLE);
    let idle = wake_ups(&plugin) - before;
    println!(
        "{files:>6} {:>10} {:>10} {memory:>12} {idle:>12} {:>8}",
        percentile(50),
        percentile(99),
        IDLE.as_secs()
    );
    Figures {
        p99_ms: percentile(99) as f64 / 1000.0,
        resident_mib: memory as f64 / 1024.0,
        idle: idle as f64,
    }
}

/// As they are written: a condition on an annotation and one on the command.
fn hook_file(number: usize) -> serde_json::Value {
    let value = if number.is_multiple_of(10) {
        "^(true|yes|1)$"
    } else {
        "^never$"
    };
    json!({
        "version": "1.0.0",
        "hook": {"path": "/bin/true", "args": ["true", number.to_string()], "env": ["PATH=/bin"], "timeout": 5},
        "when": {"annotations": {"^com\\.example\\.hook$": value}, "commands": [".*/app$"]},
        "stages": ["createRuntime"],
    })
}

/// A container with as many annotations as Kubernetes gives to one.
fn request() -> CreateContainerRequest {
    let mut request = container("0123456789abcdef");
    if let Some(container) = &mut request.container {
        let names = (0..20).map(|number| {
            (
                format!("io.kubernetes.example/{number}"),
                "value".to_owned(),
            )
        });
        container.annotations = names.collect();
        container
            .annotations
            .insert("com.example.hook".to_owned(), "true".to_owned());
    }
    request
}

fn answers(peer: &mut Peer, request: &CreateContainerRequest) -> Vec<Duration> {
    let mut ask = || {
        let began = Instant::now();
        peer.create(request).expect("an answer");
        began.elapsed()
    };
    for _ in 0..WARM_UP {
        ask();
    }
    (0..REQUESTS).map(|_| ask()).collect()
}

/// Resident memory in KiB.
fn resident(plugin: &Plugin) -> u64 {
    field(&format!("/proc/{}/status", plugin.pid()), "VmRSS:")
}

/// How often the threads of the program have been given a processor after they had slept.
fn wake_ups(plugin: &Plugin) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{}/task", plugin.pid())).expect("tasks");
    let status = tasks.flatten().map(|task| task.path().join("status"));
    status
        .map(|path| field(&path.to_string_lossy(), "voluntary_ctxt_switches:"))
        .sum()
}

fn field(file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(file).expect("a running program");
    let line = text
        .lines()
        .find(|line| line.starts_with(name))
        .expect("a field");
    line.split_whitespace()
        .nth(1)
        .and_then(|value| value.parse().ok())
        .expect("a number")
}
