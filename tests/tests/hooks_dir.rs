//! `lxcri create` with hooks that stand in files of their own: `--hooks-dir` and the configuration file.

use std::fs;
use std::path::{Path, PathBuf};

use lxcri_tests::bundle::{Bundle, Image};
use lxcri_tests::command::{Cmd, Outcome, copy_program};
use lxcri_tests::container::Container;
use lxcri_tests::judge::Judge;
use lxcri_tests::need;
use lxcri_tests::phase::PHASES;
use lxcri_tests::scratch::Scratch;
use serde_json::{Value, json};

/// A hook file for every container.
fn hook_file(path: &Path, stages: &[&str]) -> Value {
    json!({
        "version": "1.0.0",
        "hook": {"path": path, "args": ["hook", "file"]},
        "when": {"always": true},
        "stages": stages,
    })
}

/// Writes a file in a directory that need not exist.
fn put(scratch: &Scratch, name: impl AsRef<Path>, text: impl AsRef<[u8]>) -> PathBuf {
    scratch.mkdir(name.as_ref().parent().expect("a directory"));
    scratch.write(name, text)
}

/// An executable script on the host.
fn script(scratch: &Scratch, name: &str, text: &str) -> PathBuf {
    lxcri_tests::wrapper::script(scratch, name, &format!("#!/bin/sh\n{text}\n"))
}

/// The digest of a file as pins have it.
fn sha256(path: &Path) -> String {
    let output = Cmd::new("sha256sum").arg(path).run().success();
    output.stdout.chars().take(64).collect()
}

fn create(container: &Container<'_>, dirs: &[PathBuf]) -> Outcome {
    let options = dirs.iter().map(|dir| [Path::new("--hooks-dir"), dir]);
    container.creation().args(options.flatten()).run()
}

/// What a new container leaves when it must not be created: one line, and nothing else.
fn refused(
    judge: &mut Judge<'_>,
    case: &str,
    scratch: &Scratch,
    outcome: &Outcome,
    words: &[&str],
) {
    judge.refused(case, outcome, words);
    judge.nothing_left(case, scratch);
    let made = fs::metadata(scratch.join("bundle/rootfs/.lxcri")).is_ok();
    judge.check(case, !made, "the mount point was made");
}

#[test]
fn hooks_of_every_stage_run_after_those_of_the_bundle() {
    let Some(runtime) = need::lxcri() else { return };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    let mut expected = Vec::new();
    for phase in &PHASES {
        let own = bundle.probe_as(&format!("own-{}", phase.name), |o| o);
        bundle.hook(phase, json!({ "path": own }));
        let side = match phase.name {
            "startContainer" => "inside",
            _ => "host",
        };
        expected.push(format!("{side}:own-{}", phase.name));
        // Hooks for prestart are written as createRuntime, so they are no different from these.
        if phase.name != "prestart" {
            for n in [1, 2] {
                let name = format!("{n}-{}", phase.name);
                let file = hook_file(&bundle.probe_as(&name, |o| o), &[phase.name]);
                put(&scratch, format!("hooks.d/{name}.json"), file.to_string());
                expected.push(format!("{side}:{name}"));
            }
        }
    }
    let mut other = hook_file(&bundle.probe_as("other", |o| o), &["createRuntime"]);
    other["when"] = json!({"annotations": {"^org\\.example$": "^yes$"}});
    put(&scratch, "hooks.d/other.json", other.to_string());
    bundle.config["annotations"] = json!({"org.example": "no"});
    bundle.shell("sleep 600");
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    create(&container, &[scratch.join("hooks.d")]).success();
    container.start().success();
    container.kill("KILL").success();
    assert!(container.wait_for("stopped"));
    container.delete().success();
    let records = lxcri_tests::probe::Records::read(&scratch.join("out/records.jsonl"));
    assert_eq!(records.labels("start"), expected);
    let hook = records.started("host:1-createRuntime").expect("a record");
    assert_eq!(hook.texts("argv"), ["hook", "file"]);
}

#[test]
fn run_takes_several_directories_and_a_later_one_overrides() {
    let Some(runtime) = need::lxcri() else { return };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    for (dir, name) in [
        ("usr", "a"),
        ("usr", "b"),
        ("usr", "c"),
        ("etc", "a"),
        ("etc", "b"),
    ] {
        let path = bundle.probe_as(&format!("{dir}-{name}"), |o| o);
        let file = hook_file(&path, &["poststop"]).to_string();
        let file = if (dir, name) == ("etc", "b") {
            String::new()
        } else {
            file
        };
        put(&scratch, format!("{dir}/{name}.json"), file);
    }
    bundle.shell("exit 5");
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let [usr, etc, missing] = ["usr", "etc", "missing"].map(|dir| scratch.join(dir));
    let options = [&usr, &etc, &missing].map(|dir| [Path::new("--hooks-dir"), dir]);
    let log = scratch.join("log");
    let cmd = container.running().args(options.iter().flatten());
    let outcome = cmd.arg("--log").arg(&log).run();
    assert_eq!(outcome.code(), 5, "{outcome}");
    let log = fs::read_to_string(log).expect("the log");
    assert!(log.contains("missing: does not exist"), "{log}");
    let records = lxcri_tests::probe::Records::read(&scratch.join("out/records.jsonl"));
    assert_eq!(records.labels("start"), ["host:etc-a", "host:usr-c"]);
}

#[test]
fn a_broken_hook_file_fails_create_and_nothing_is_made() {
    let Some(runtime) = need::lxcri() else { return };
    let mut judge = Judge::new(runtime);
    let good = hook_file(Path::new("/bin/true"), &["poststop"]);
    let with = |pointer: &str, value: Value| {
        let mut file = good.clone();
        *file.pointer_mut(pointer).expect("the member") = value;
        file.to_string()
    };
    for (case, text, words) in [
        (
            "cut",
            good.to_string()[..20].to_owned(),
            ["x.json:1:20: ", "eof"],
        ),
        (
            "path",
            with("/hook/path", json!("/missing")),
            ["x.json: /hook/path: ", "does not exist"],
        ),
        (
            "stage",
            with("/stages/0", json!("never")),
            ["x.json: /stages/0: ", "unknown stage"],
        ),
        (
            "pattern",
            with("/when", json!({"commands": ["a++"]})),
            ["x.json: /when/commands/0: ", "possessive"],
        ),
    ] {
        let scratch = Scratch::new();
        let mut bundle = Bundle::new(&scratch, Image::Busybox);
        put(&scratch, "hooks.d/a.json", good.to_string());
        put(&scratch, "hooks.d/x.json", text);
        let container = Container::new(runtime, &scratch, &mut bundle, "c");
        let outcome = create(&container, &[scratch.join("hooks.d")]);
        refused(&mut judge, case, &scratch, &outcome, &words);
    }
}

#[test]
fn a_directory_that_others_can_write_to_fails_create() {
    let Some(runtime) = need::lxcri() else { return };
    let mut judge = Judge::new(runtime);
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    scratch.mkdir("hooks.d");
    scratch.mode("hooks.d", 0o777);
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let outcome = create(&container, &[scratch.join("hooks.d")]);
    let words = ["hooks.d: can be written to by others than root"];
    refused(&mut judge, "mode", &scratch, &outcome, &words);
}

#[test]
fn the_configuration_names_directories_and_what_a_bad_file_means() {
    let Some(runtime) = need::lxcri() else { return };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    let [dir, json] = ["dir", "json"].map(|name| bundle.probe_as(name, |o| o));
    put(
        &scratch,
        "hooks.d/a.json",
        hook_file(&dir, &["prestart"]).to_string(),
    );
    put(&scratch, "hooks.d/bad.json", "{");
    let hooks_json = put(
        &scratch,
        "c/hooks.json",
        json!({"prestart": [{"path": json}, {"path": "/usr/bin/container-hooks"}]}).to_string(),
    );
    bundle.shell("sleep 600");
    let configuration = |on_error: &str| {
        let text = format!(
            "hooks-dirs = [{:?}]\nhooks-json = {hooks_json:?}\nhooks-on-error = \"{on_error}\"\n",
            scratch.join("hooks.d"),
        );
        scratch.write(format!("{on_error}.toml"), text)
    };
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let create = |on_error: &str| {
        let log = scratch.join("log");
        let cmd = container
            .creation()
            .arg("--config")
            .arg(configuration(on_error));
        cmd.arg("--log").arg(log).run()
    };
    let outcome = create("fail").failure();
    assert!(outcome.stderr.contains("bad.json:1:1: "), "{outcome}");
    create("skip").success();
    let log = fs::read_to_string(scratch.join("log")).expect("the log");
    assert!(
        log.contains("level=warning") && log.contains("bad.json:1:1: "),
        "{log}"
    );
    let records = lxcri_tests::probe::Records::read(&scratch.join("out/records.jsonl"));
    assert_eq!(records.labels("start"), ["host:json", "host:dir"]);
    container.delete_force().success();
}

#[test]
fn precreate_hooks_change_the_configuration_before_it_is_checked() {
    let Some(runtime) = need::lxcri() else { return };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    // Refused as it stands, and the bundle is the working directory.
    bundle.config["process"]["cwd"] = json!("relative");
    bundle.shell("sleep 600");
    let hook = script(&scratch, "fix", "sed s,relative,/tmp, | tee seen");
    put(
        &scratch,
        "hooks.d/a.json",
        hook_file(&hook, &["precreate"]).to_string(),
    );
    let poststop = hook_file(Path::new("/bin/true"), &["poststop"]);
    put(&scratch, "hooks.d/b.json", poststop.to_string());
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    create(&container, &[scratch.join("hooks.d")]).success();
    let seen = fs::read_to_string(scratch.join("bundle/seen")).expect("what the hook saw");
    let seen: Value = serde_json::from_str(&seen).expect("JSON");
    assert_eq!(seen["hooks"]["poststop"][0]["path"], "/bin/true");
    let config = container.root.join(&container.id).join("config.json");
    let config = fs::read_to_string(config).expect("config.json");
    assert!(config.contains(r#""cwd":"/tmp""#), "{config}");
    container.delete_force().success();
}

#[test]
fn a_precreate_hook_that_fails_fails_create_and_nothing_is_made() {
    let Some(runtime) = need::lxcri() else { return };
    let mut judge = Judge::new(runtime);
    for (case, text, words) in [
        (
            "status",
            "cat; echo no >&2; exit 3",
            ["exit status 3", ": no"],
        ),
        ("empty", ":", ["writes nothing", ""]),
        (
            "empty object",
            "echo '{}'",
            ["/ociVersion", "writes no configuration"],
        ),
        ("no JSON", "echo hello", ["writes no JSON", ""]),
        (
            "refused",
            "sed s/1.0.2/9.9.9/",
            ["after its precreate hooks: ", "/ociVersion"],
        ),
        ("timeout", "sleep 600", ["timed out after 1 s", ""]),
    ] {
        let scratch = Scratch::new();
        let mut bundle = Bundle::new(&scratch, Image::Busybox);
        let mut file = hook_file(&script(&scratch, "hook", text), &["precreate"]);
        file["hook"]["timeout"] = json!(if case == "timeout" { 1 } else { 30 });
        put(&scratch, "hooks.d/a.json", file.to_string());
        let container = Container::new(runtime, &scratch, &mut bundle, "c");
        let outcome = create(&container, &[scratch.join("hooks.d")]);
        refused(&mut judge, case, &scratch, &outcome, &words);
    }
}

/// A bundle with a pinned hook in one stage; the hook is a copy of a program.
fn pinned<'a>(scratch: &'a Scratch, stage: &str) -> (Bundle<'a>, PathBuf) {
    let mut bundle = Bundle::new(scratch, Image::Busybox);
    let hook = scratch.join("pinned");
    copy_program(Path::new("/bin/true"), &hook);
    let mut file = hook_file(&hook, &[stage]);
    file["lxcri"] = json!({"sha256": sha256(&hook)});
    put(scratch, "hooks.d/pinned.json", file.to_string());
    bundle.shell("sleep 600");
    (bundle, hook)
}

/// Replaces an executable by another one, as an upgrade does.
fn change(hook: &Path) {
    let temporary = hook.with_extension("new");
    copy_program(Path::new("/bin/false"), &temporary);
    fs::rename(&temporary, hook).expect("rename");
}

#[test]
fn a_pinned_hook_whose_executable_has_changed_is_refused_at_create() {
    let Some(runtime) = need::lxcri() else { return };
    let mut judge = Judge::new(runtime);
    for stage in [
        "createRuntime",
        "createContainer",
        "poststart",
        "poststop",
        "precreate",
    ] {
        let scratch = Scratch::new();
        let (mut bundle, hook) = pinned(&scratch, stage);
        change(&hook);
        let container = Container::new(runtime, &scratch, &mut bundle, "c");
        let outcome = create(&container, &[scratch.join("hooks.d")]);
        let words = ["pinned.json", "its content has changed: sha256 is "];
        refused(&mut judge, stage, &scratch, &outcome, &words);
    }
}

#[test]
fn a_pinned_hook_is_compared_again_when_it_runs() {
    let Some(runtime) = need::lxcri() else { return };
    let scratch = Scratch::new();
    let (mut bundle, hook) = pinned(&scratch, "createRuntime");
    let mut poststart = hook_file(&hook, &["poststart"]);
    poststart["lxcri"] = json!({"sha256": sha256(&hook)});
    put(&scratch, "hooks.d/poststart.json", poststart.to_string());
    // Runs before it.
    let swap = script(
        &scratch,
        "swap",
        &format!("cp /bin/false {0}.new && mv {0}.new {0}", hook.display()),
    );
    let mut first = Container::new(runtime, &scratch, &mut bundle, "c");
    create(&first, &[scratch.join("hooks.d")]).success();
    change(&hook);
    let outcome = first.start().failure();
    let expected = format!(
        "poststart hook #1 ({}): cannot be run: pinned in ",
        hook.display()
    );
    assert!(
        outcome.stderr.contains(&expected) && outcome.stderr.contains("its content has changed"),
        "{outcome}"
    );
    assert!(!first.is_on_disk());
    first.forget();

    copy_program(Path::new("/bin/true"), &scratch.join("back"));
    fs::rename(scratch.join("back"), &hook).expect("rename");
    put(
        &scratch,
        "hooks.d/a.json",
        hook_file(&swap, &["prestart"]).to_string(),
    );
    drop(first);
    let second = Container::new(runtime, &scratch, &mut bundle, "d");
    let outcome = create(&second, &[scratch.join("hooks.d")]).failure();
    let expected = format!(
        "createRuntime hook #2 ({}): cannot be run: pinned in ",
        hook.display()
    );
    assert!(outcome.stderr.contains(&expected), "{outcome}");
    assert!(!second.is_on_disk());
}
