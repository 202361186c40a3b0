//! The commands of a container's life: create, start, state, kill, delete, list and run.

use lxcri_tests::bundle::{Bundle, Image, PATIENT};
use lxcri_tests::command::{PATIENCE, wait_until};
use lxcri_tests::container::Container;
use lxcri_tests::runtime::{Kind, Runtime};
use lxcri_tests::scratch::Scratch;
use lxcri_tests::{leaks, need};
use serde_json::{Value, json};

#[test]
fn whole_life() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.config["annotations"] = json!({"org.lxcri.test": "value"});
    bundle.process(
        &bundle
            .orders("process")
            .with("wait-for", scratch.join("out/go").display()),
    );
    let container = Container::new(runtime, &scratch, &mut bundle, "c");

    container.create().success();
    let state = container.state().expect("a state after create");
    assert_eq!(state["status"], "created");
    assert_eq!(state["id"], container.id.as_str());
    assert_eq!(
        state["bundle"],
        container
            .bundle_path()
            .to_str()
            .expect("a path that is text")
    );
    assert_eq!(state["annotations"]["org.lxcri.test"], "value");
    assert!(
        state["ociVersion"]
            .as_str()
            .is_some_and(|v| v.starts_with("1.")),
        "{state}"
    );
    assert_eq!(state["pid"].as_i64(), container.pid().map(i64::from));
    assert!(
        bundle_records(&scratch).is_empty(),
        "the process ran before start"
    );

    container.start().success();
    container.record("process");
    assert_eq!(container.status(), "running");
    scratch.write("out/go", "");
    assert!(
        container.wait_for("stopped"),
        "status is {}",
        container.status()
    );

    container.delete().success();
    let after = container.verb("state").run().failure();
    assert!(
        runtime.kind == Kind::Crun || after.stderr.contains("does not exist"),
        "{after}"
    );
    assert!(!container.is_on_disk());
    leaks::assert_none(scratch.marker());
}

fn bundle_records(scratch: &Scratch) -> String {
    std::fs::read_to_string(scratch.join("out/records.jsonl")).unwrap_or_default()
}

#[test]
fn pid_file_and_state_name_init_and_nothing_else_stays() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.process(&bundle.orders("process").with("wait-for", "/never"));
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    container.create().success();
    container.start().success();
    let process = container.record("process");
    let pid = container.pid().expect("a pid file");
    for (kind, link) in process.0["ns"].as_object().expect("namespaces") {
        let outside =
            std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).expect("a namespace link");
        assert_eq!(
            link.as_str(),
            outside.to_str(),
            "{kind} namespace of the pid in the pid file"
        );
    }
    // No monitor, no shim: the container is the one process that there is.
    let processes = leaks::processes(scratch.marker());
    assert_eq!(
        processes.iter().map(|(pid, _)| *pid).collect::<Vec<_>>(),
        [pid],
        "{processes:?}"
    );
}

#[test]
fn a_process_that_ends_at_once() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    for _ in 0..10 {
        let scratch = Scratch::new();
        let mut bundle = Bundle::new(&scratch, Image::Busybox);
        let container = Container::new(runtime, &scratch, &mut bundle, "c");
        container.create().success();
        container.start().success();
        assert!(container.wait_for("stopped"));
        container.delete().success();
    }
}

#[test]
fn kill_takes_names_and_numbers() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    for signal in ["TERM", "SIGTERM", "15"] {
        let scratch = Scratch::new();
        let mut bundle = Bundle::new(&scratch, Image::Busybox);
        bundle.shell(PATIENT);
        let container = Container::new(runtime, &scratch, &mut bundle, "c");
        let running = container.running().spawn();
        assert!(wait_until(PATIENCE, || running.stdout_so_far() == "ready\n"));
        container.kill(signal).success();
        assert_eq!(running.wait().code(), 42, "{signal}");
    }
}

#[test]
fn kill_all_reaches_every_process() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    // Without a pid namespace the death of init is nobody else's.
    bundle.without_namespace("pid");
    bundle.shell("sleep 61 & sleep 62 & echo ready; wait");
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let create = container.create().success();
    container.start().success();
    assert!(wait_until(PATIENCE, || create.output_now()[0] == "ready\n"));
    let kill_all = |signal: &str| {
        let command = container.command().args(["kill", "--all"]);
        command.arg(&container.id).arg(signal).run()
    };
    // That of a real-time signal; the shell has no handler for it, and dies as well.
    match runtime.kind {
        Kind::Lxcri => kill_all("SIGRTMIN+1"),
        _ => kill_all("KILL"),
    }
    .success();
    assert!(container.wait_for("stopped"));
    let gone = wait_until(PATIENCE, || leaks::processes(scratch.marker()).is_empty());
    assert!(gone, "{:?}", leaks::processes(scratch.marker()));
    container.delete().success();
}

#[test]
fn a_created_container_can_be_killed_and_deleted() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    // Init must not be deaf to the polite signals although it is process 1: only lxcri promises them.
    let signals: &[&str] = if runtime.is_lxcri() {
        &["KILL", "TERM", "INT", "HUP"]
    } else {
        &["KILL"]
    };
    for signal in signals {
        let scratch = Scratch::new();
        let mut bundle = Bundle::new(&scratch, Image::Busybox);
        let container = Container::new(runtime, &scratch, &mut bundle, "c");
        container.create().success();
        container.kill(signal).success();
        assert!(
            container.wait_for("stopped"),
            "{signal}: status is {}",
            container.status()
        );
        container.start().failure();
        container.delete().success();
        leaks::assert_none(scratch.marker());
    }
}

#[test]
fn delete_force_ends_what_runs() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.shell("trap '' TERM; sleep 600 & wait");
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    container.create().success();
    container.start().success();
    container.delete_force().success();
    container.verb("state").run().failure();
    leaks::assert_none(scratch.marker());
}

#[test]
fn list_shows_every_container() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.shell("sleep 600");
    let first = Container::new(runtime, &scratch, &mut bundle, "first");
    let empty = first
        .command()
        .args(["list", "--format", "json"])
        .run()
        .success();
    let empty: Value = serde_json::from_str(&empty.stdout).expect("JSON");
    assert!(empty.as_array().is_none_or(Vec::is_empty), "{empty}");
    first.create().success();
    first.start().success();
    list_of_two(runtime, &scratch, &first);
}

fn list_of_two(runtime: &Runtime, scratch: &Scratch, first: &Container<'_>) {
    let mut bundle = Bundle::named(scratch, Image::Busybox, "other");
    let second = Container::new(runtime, scratch, &mut bundle, "second");
    second.create().success();
    let json = first
        .command()
        .args(["list", "--format", "json"])
        .run()
        .success();
    let all: Vec<Value> = serde_json::from_str(&json.stdout).expect("a JSON array");
    let status = |id: &str| {
        all.iter()
            .find(|c| c["id"] == id)
            .map(|c| c["status"].clone())
            .unwrap_or_default()
    };
    assert_eq!(
        (status(&first.id), status(&second.id)),
        (json!("running"), json!("created"))
    );
    let table = first.command().arg("list").run().success();
    let row = table
        .stdout
        .lines()
        .find(|line| line.starts_with(&first.id))
        .unwrap_or_default();
    assert!(
        row.contains("running") && row.contains(&first.pid().unwrap_or(-1).to_string()),
        "{}",
        table.stdout
    );
    let quiet = first.command().args(["list", "--quiet"]).run().success();
    let mut ids: Vec<&str> = quiet.stdout.lines().collect();
    ids.sort_unstable();
    assert_eq!(ids, [first.id.as_str(), second.id.as_str()]);
}

#[test]
fn a_program_that_cannot_be_executed() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    for (program, word) in [
        ("/no/such-program", "no such file"),
        ("/etc/passwd", "permission denied"),
        ("missing-in-path", "missing-in-path"),
    ] {
        let scratch = Scratch::new();
        let mut bundle = Bundle::new(&scratch, Image::Busybox);
        bundle.config["process"]["args"] = json!([program]);
        let container = Container::new(runtime, &scratch, &mut bundle, "c");
        // Some runtimes notice at create, others at start.
        let create = container.create();
        let outcome = if create.ok() {
            container.start()
        } else {
            create
        }
        .failure();
        let text = outcome.stderr.to_lowercase();
        assert!(text.contains(program) && text.contains(word), "{outcome}");
        container.delete_force();
        leaks::assert_none(scratch.marker());
    }
}

#[test]
fn options_stand_before_or_after_the_id() {
    let Some(runtime) = need::lxcri() else { return };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.shell("sleep 600");
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let create = container
        .command()
        .arg("create")
        .arg(&container.id)
        .arg("--bundle")
        .arg(container.bundle_path());
    create
        .arg("--pid-file")
        .arg(&container.pid_file)
        .run()
        .success();
    assert!(container.pid().is_some());
    container
        .command()
        .arg("start")
        .arg(&container.id)
        .run()
        .success();
    container
        .command()
        .arg("kill")
        .arg(&container.id)
        .args(["KILL", "--all"])
        .run()
        .success();
    assert!(container.wait_for("stopped"));
    container
        .command()
        .arg("delete")
        .arg(&container.id)
        .arg("--force")
        .run()
        .success();
}

#[test]
fn spec_writes_a_bundle_that_runs() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    let directory = bundle.path.clone();
    let spec = || {
        runtime
            .command(&scratch.join("run"))
            .arg("spec")
            .cwd(&directory)
            .run()
    };
    spec().success();
    // An existing file is not overwritten.
    spec().failure();
    let text = std::fs::read(directory.join("config.json")).expect("config.json");
    bundle.config = serde_json::from_slice(&text).expect("JSON");
    bundle.config["process"]["terminal"] = json!(false);
    bundle.shell("echo hello; cat /proc/self/mountinfo");
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let outcome = container.running().run().success();
    assert!(outcome.stdout.starts_with("hello\n"), "{}", outcome.stdout);
    for point in [
        "/proc",
        "/dev",
        "/dev/pts",
        "/dev/shm",
        "/dev/mqueue",
        "/sys",
        "/sys/fs/cgroup",
    ] {
        assert!(
            outcome.stdout.contains(&format!(" {point} ")),
            "{point} is not mounted: {}",
            outcome.stdout
        );
    }
}

#[test]
fn features_names_the_six_phases() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    if runtime.kind == Kind::Crun {
        // crun 1.8 has no such command.
        return;
    }
    let outcome = runtime
        .command(&scratch.join("run"))
        .arg("features")
        .run()
        .success();
    let document: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    let names: Vec<&str> = lxcri_tests::phase::PHASES.iter().map(|p| p.name).collect();
    assert_eq!(document["hooks"], json!(names));
    assert!(
        document["ociVersionMin"].is_string() && document["ociVersionMax"].is_string(),
        "{document}"
    );
    assert!(
        document["mountOptions"]
            .as_array()
            .is_some_and(|o| o.contains(&json!("ro"))),
        "{document}"
    );
}

/// The directory of a pid file may be one in which others can write.
#[test]
fn a_pid_file_is_written_through_no_link() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let victim = scratch.write("victim", "untouched");
    let name = container.pid_file.file_name().expect("a name");
    for name in [format!(".{}", name.display()), name.display().to_string()] {
        std::os::unix::fs::symlink(&victim, container.pid_file.with_file_name(name))
            .expect("a link");
    }
    container.create().success();
    assert_eq!(
        std::fs::read_to_string(&victim).expect("a file"),
        "untouched"
    );
    assert!(container.pid_file.is_file() && !container.pid_file.is_symlink());
}
