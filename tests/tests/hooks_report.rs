//! Hooks that can be debugged: records, the command `hooks`, `--hooks-log`, and errors in `--log`. Only lxcri promises these.

use std::fs;

use lxcri_tests::bundle::{Bundle, Image};
use lxcri_tests::command::{PATIENCE, wait_until};
use lxcri_tests::container::Container;
use lxcri_tests::phase::{PHASES, Step};
use lxcri_tests::scratch::Scratch;
use lxcri_tests::{leaks, need};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

/// The keys of a record, in the order in which they are written.
const KEYS: [&str; 12] = [
    "phase",
    "index",
    "path",
    "argv",
    "pid",
    "start_ns",
    "duration_ns",
    "exit_status",
    "signal",
    "timed_out",
    "error",
    "stdout",
];

/// A bundle with two hooks in each phase; the second one speaks.
fn bundle(scratch: &Scratch) -> Bundle<'_> {
    let mut bundle = Bundle::new(scratch, Image::Busybox);
    for phase in &PHASES {
        for n in [1, 2] {
            let path = bundle.probe_as(&format!("{}-{n}", phase.name), |o| match n {
                1 => o,
                _ => o
                    .with("say-stdout", "to \"stdout\"")
                    .with("say-stderr", "to stderr"),
            });
            bundle.hook(phase, json!({"path": path, "args": ["name", "two words"]}));
        }
    }
    bundle.shell("sleep 600");
    bundle
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect()
}

#[test]
fn every_hook_leaves_a_record() {
    let Some(runtime) = need::lxcri() else { return };
    let scratch = Scratch::new();
    let mut bundle = bundle(&scratch);
    let hooks = scratch.join("hooks");
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let log = scratch.join("hooks.log");
    let logged = |cmd: lxcri_tests::command::Cmd| cmd.arg("--hooks-log").arg(&log).run();
    logged(container.creation()).success();
    logged(container.verb("start")).success();

    let file = fs::read_to_string(container.root.join(&container.id).join("hooks.jsonl"))
        .expect("hooks.jsonl");
    let records = lines(&file);
    assert_eq!(records.len(), 10);
    let before: Vec<_> = PHASES.iter().filter(|p| p.step != Step::Delete).collect();
    for (n, record) in records.iter().enumerate() {
        let (phase, index) = (before[n / 2], n % 2 + 1);
        let text = file.lines().nth(n).unwrap_or_default();
        let places: Vec<_> = KEYS
            .iter()
            .map(|key| text.find(&format!("\"{key}\":")))
            .collect();
        assert!(
            places.iter().all(Option::is_some) && places.is_sorted(),
            "{text}"
        );
        assert_eq!(
            (&record["phase"], &record["index"]),
            (&json!(phase.name), &json!(index))
        );
        assert_eq!(
            record["path"],
            json!(hooks.join(format!("{}-{index}", phase.name)))
        );
        assert_eq!(record["argv"], json!(["name", "two words"]));
        assert_eq!(
            (&record["exit_status"], &record["signal"]),
            (&json!(0), &json!(null))
        );
        assert_eq!(
            (&record["timed_out"], &record["error"]),
            (&json!(false), &json!(null))
        );
        assert!(
            record["pid"].as_i64().is_some_and(|pid| pid > 0),
            "{record}"
        );
        assert!(
            record["start_ns"]
                .as_u64()
                .is_some_and(|ns| ns > 1_600_000_000_000_000_000)
        );
        assert!(
            record["duration_ns"].as_u64().is_some_and(|ns| ns > 1000),
            "{record}"
        );
        if index == 2 {
            assert_eq!(record["stdout"], "to \"stdout\"\n");
            assert_eq!(record["stderr"], "to stderr\n");
        }
    }

    table(&container);
    let json = container
        .command()
        .args(["hooks", "--format", "json"])
        .arg(&container.id)
        .run()
        .success();
    let all: Vec<Value> =
        serde_json::from_str(&json.stdout).unwrap_or_else(|_| lines(&json.stdout));
    assert_eq!(all.len(), 10);
    assert!(
        all.iter()
            .zip(&records)
            .all(|(a, b)| a["path"] == b["path"] && a["index"] == b["index"])
    );

    container.kill("KILL").success();
    assert!(container.wait_for("stopped"));
    logged(container.verb("delete")).success();
    // The log outlives the container and holds poststop as well.
    let records = lines(&fs::read_to_string(&log).expect("the log of hooks"));
    assert_eq!(records.len(), 12);
    assert_eq!(records[11]["phase"], "poststop");
    container.verb("hooks").run().failure();
}

/// The table is readable at 80 columns and has no colour when it goes to a file.
fn table(container: &Container<'_>) {
    let table = container.verb("hooks").run().success();
    assert!(!table.stdout.contains('\u{1b}'), "{}", table.stdout);
    for line in table.stdout.lines() {
        assert!(
            line.chars().count() <= 80,
            "{} columns: {line}",
            line.chars().count()
        );
    }
    for phase in PHASES.iter().filter(|p| p.step != Step::Delete) {
        let rows = table
            .stdout
            .lines()
            .filter(|line| line.contains(phase.name))
            .count();
        assert!(rows >= 1, "{}: {}", phase.name, table.stdout);
    }
}

#[test]
fn a_failure_leaves_its_record_in_the_log() {
    let Some(runtime) = need::lxcri() else { return };
    for phase in &PHASES {
        let scratch = Scratch::new();
        let mut bundle = Bundle::new(&scratch, Image::Busybox);
        let path = bundle.probe_as("hook", |o| o.with("say-stderr", "reason").with("exit", 3));
        bundle.hook(phase, json!({ "path": path }));
        let container = Container::new(runtime, &scratch, &mut bundle, "c");
        let (log, hooks) = (scratch.join("log"), scratch.join("hooks.log"));
        let run = |cmd: lxcri_tests::command::Cmd| {
            let cmd = cmd.arg("--log").arg(&log).args(["--log-format", "json"]);
            cmd.arg("--hooks-log").arg(&hooks).run()
        };
        if run(container.creation()).ok() && run(container.verb("start")).ok() {
            assert!(container.wait_for("stopped"));
            run(container.verb("delete")).success();
        }
        let records = lines(&fs::read_to_string(&hooks).expect("the log of hooks"));
        assert_eq!(records.len(), 1, "{}", phase.name);
        assert_eq!(
            (&records[0]["phase"], &records[0]["exit_status"]),
            (&json!(phase.name), &json!(3))
        );
        assert_eq!(records[0]["stderr"], "reason\n");
        // The engine reads the log and not stderr.
        let messages = lines(&fs::read_to_string(&log).expect("the log"));
        let text = format!(
            "{} hook #1 ({}): exit status 3 after ",
            phase.name,
            path.display()
        );
        let found = messages.iter().any(|m| {
            let message = m["msg"].as_str().unwrap_or_default();
            message.contains(&text) && message.ends_with(": reason")
        });
        assert!(found, "no {text:?} in {messages:?}");
        leaks::assert_none(scratch.marker());
    }
}

#[test]
fn a_fatal_error_reaches_stderr_and_the_log() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let (root, log) = (scratch.join("run"), scratch.join("log"));
    for format in ["json", "text"] {
        let command = runtime
            .command(&root)
            .arg("--log")
            .arg(&log)
            .args(["--log-format", format]);
        let outcome = command.args(["state", "nobody"]).run().failure();
        assert!(
            !outcome.stderr.trim().is_empty() || !runtime.is_lxcri(),
            "stderr is empty"
        );
        let text = fs::read_to_string(&log).expect("the log");
        let line = text.lines().last().unwrap_or_default();
        assert!(line.contains("error"), "{text}");
        if format == "json" {
            let message: Value = serde_json::from_str(line).expect("JSON");
            assert_eq!(message["level"], "error");
            assert!(
                message["msg"].is_string() && message["time"].is_string(),
                "{message}"
            );
        }
    }
}

/// What a hook that fails leaves in the file of `--hooks-log`: its container is gone.
#[test]
fn a_container_that_is_gone() {
    let Some(runtime) = need::lxcri() else { return };
    let scratch = Scratch::new();
    let mut bundle = bundle(&scratch);
    let path = bundle.probe_as("fails", |o| o.with("say-stderr", "no luck").with("exit", 3));
    let poststart = PHASES.iter().find(|phase| phase.name == "poststart");
    bundle.hook(poststart.expect("a phase"), json!({"path": path}));
    let log = scratch.join("hooks.log");
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let hooks = |id: &str| {
        let command = container.command().arg("--hooks-log").arg(&log);
        command.args(["hooks", id]).run()
    };
    container
        .creation()
        .arg("--hooks-log")
        .arg(&log)
        .run()
        .success();
    container.start().failure();
    assert!(!container.is_on_disk());

    let text = fs::read_to_string(&log).expect("a log");
    assert_eq!(lines(&text).len(), 13);
    for line in lines(&text) {
        assert_eq!(line["id"], container.id.as_str());
    }
    let table = hooks(&container.id).success().stdout;
    assert!(
        table.contains("exit 3") && table.contains("no luck"),
        "{table}"
    );
    let poststop = table.lines().filter(|line| line.starts_with("poststop"));
    assert_eq!(poststop.count(), 2, "{table}");
    let error = hooks("another").failure().error();
    assert!(error.contains("another does not exist"), "{error}");
    let error = container.verb("hooks").run().failure().error();
    assert!(error.ends_with("does not exist"), "{error}");
}

/// A hook that hangs does not hide those before it.
#[test]
fn records_are_there_while_the_next_hook_runs() {
    let Some(runtime) = need::lxcri() else { return };
    let scratch = Scratch::new();
    let mut bundle = bundle(&scratch);
    let start = PHASES.iter().find(|phase| phase.name == "startContainer");
    let path = bundle.probe_as("hangs", |o| o.with("sleep", 600_000));
    bundle.hook(start.expect("a phase"), json!({"path": path}));
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    container.create().success();
    let running = container.verb("start").spawn();
    let count = || {
        let shown = container.verb("hooks").args(["--format", "json"]).run();
        let records: Value = serde_json::from_str(&shown.stdout).unwrap_or_default();
        records.as_array().map_or(0, Vec::len)
    };
    // Two in each of the four phases up to here.
    let seen = wait_until(PATIENCE, || count() == 8);
    running.signal(Signal::SIGKILL);
    running.wait();
    assert!(seen, "{} records", count());
    assert_eq!(count(), 8);
    container.delete_force().success();
    leaks::assert_none(scratch.marker());
}

/// Whatever a line of the file is: each poststop hook runs once.
#[test]
fn a_line_that_is_no_record_runs_no_hook_twice() {
    let Some(runtime) = need::lxcri() else { return };
    let scratch = Scratch::new();
    let mut bundle = bundle(&scratch);
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    container.create().success();
    container.start().success();
    let file = container.root.join(&container.id).join("hooks.jsonl");
    let text = fs::read_to_string(&file).expect("hooks.jsonl");
    fs::write(&file, format!("{{x\n\n{text}")).expect("hooks.jsonl");
    let log = scratch.join("hooks.log");
    let command = container.command().arg("--hooks-log").arg(&log);
    command
        .args(["delete", "--force", &container.id])
        .run()
        .success();
    let records = lines(&fs::read_to_string(&log).expect("a log"));
    let ran: Vec<_> = records.iter().map(|r| (&r["phase"], &r["index"])).collect();
    let phase = json!("poststop");
    assert_eq!(ran, [(&phase, &json!(1)), (&phase, &json!(2))]);
}

/// A bundle with one hook in startContainer, whose process stays.
fn with_start_container_hook(scratch: &Scratch, hook: Value) -> Bundle<'_> {
    let mut bundle = Bundle::new(scratch, Image::Busybox);
    let phase = PHASES.iter().find(|phase| phase.name == "startContainer");
    bundle.hook(phase.expect("a phase"), hook);
    bundle.shell("sleep 600");
    bundle
}

/// A hook's child finds init's end of the FIFO, and goes on writing.
#[test]
fn nobody_in_the_container_holds_up_a_start_or_forges_a_record() {
    let Some(runtime) = need::lxcri() else { return };
    let scratch = Scratch::new();
    let script = r#"for fd in /proc/1/fd/*; do
            case $(readlink $fd) in *syncfifo*) (while :; do echo; echo '{"a":1}'; sleep 0.05; done) > $fd & sleep 0.5 ;; esac
        done"#;
    let hook = json!({"path": "/bin/sh", "args": ["sh", "-c", script]});
    let mut bundle = with_start_container_hook(&scratch, hook);
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    container.create().success();
    let started = container.start().success();
    assert!(
        started.stderr.contains("are no record of a hook"),
        "{}",
        started.stderr
    );
    let shown = container.verb("hooks").args(["--format", "json"]).run();
    let records: Value = serde_json::from_str(&shown.stdout).unwrap_or_default();
    assert_eq!(records.as_array().map(Vec::len), Some(1), "{records}");
    assert_eq!(container.status(), "running");
    container.delete_force().success();
    leaks::assert_none(scratch.marker());
}

/// The arguments stand in the record, however long they are.
#[test]
fn a_start_container_hook_with_long_arguments_leaves_its_record() {
    let Some(runtime) = need::lxcri() else { return };
    let scratch = Scratch::new();
    let mut args = vec!["true".to_owned()];
    // Each byte takes six in JSON.
    args.extend((0..300).map(|_| "\u{1}".repeat(4096)));
    let hook = json!({"path": "/bin/true", "args": args});
    let mut bundle = with_start_container_hook(&scratch, hook);
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    container.create().success();
    assert_eq!(container.start().success().stderr, "");
    let file = container.root.join(&container.id).join("hooks.jsonl");
    let records = lines(&fs::read_to_string(&file).expect("hooks.jsonl"));
    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["argv"].as_array().map(Vec::len), Some(301));
}
