//! lxcri-inject as a program: what the runtime gets, what a failure is, whatever stands in config.json.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use lxcri_tests::command::{Cmd, Outcome, quiet};
use lxcri_tests::probe::{Record, Records};
use lxcri_tests::scratch::Scratch;
use lxcri_tests::wrapper::{Wrapper, calls, probe_as_runtime, script};
use serde_json::{Value, json};

const COMMANDS: [&[&str]; 6] = [
    &["state", "c"],
    &["kill", "c", "KILL"],
    &["delete", "--force", "c"],
    &["list"],
    &["start", "c"],
    &["exec", "c", "create"],
];

fn bundle(scratch: &Scratch, config: &str) -> PathBuf {
    let path = scratch.mkdir("bundle");
    scratch.write("bundle/config.json", config);
    path
}

fn always(stages: &[&str]) -> Value {
    json!({"version": "1.0.0", "hook": {"path": "/bin/true"}, "when": {"always": true}, "stages": stages})
}

/// Runs a command whose last program is the probe, and returns what that saw.
fn observed(scratch: &Scratch, command: &Cmd) -> (i32, Record) {
    let _ = fs::remove_file(calls(scratch));
    let running = command.spawn();
    let pid = running.pid();
    running.wait().success();
    let records = Records::read(&calls(scratch));
    (
        pid,
        records
            .started("runtime")
            .cloned()
            .unwrap_or_else(|| panic!("no record of {command}")),
    )
}

/// The open descriptors; the files of stdio are others for each command.
fn descriptors(record: &Record) -> Value {
    let mut all = record.0["fds"].clone();
    for descriptor in all.as_array_mut().into_iter().flatten() {
        if descriptor["target"]
            .as_str()
            .is_some_and(|target| target.ends_with(" (deleted)"))
        {
            descriptor["target"] = "stdio".into();
        }
    }
    all
}

/// What must be the same whoever calls the runtime.
fn inherited(record: &Record) -> Value {
    let fields = [
        "argv",
        "sig_blocked",
        "sig_ignored",
        "sig_caught",
        "cwd",
        "umask",
        "rlimits",
    ];
    let mut all: Vec<Value> = fields
        .iter()
        .map(|field| record.0[*field].clone())
        .collect();
    let env = record.texts("env").into_iter();
    all.push(
        env.filter(|entry| !entry.starts_with("LXCRI_INJECT_"))
            .collect(),
    );
    all.push(descriptors(record));
    Value::Array(all)
}

#[test]
fn the_runtime_gets_what_a_direct_call_would_give_it() {
    let scratch = Scratch::new();
    let runtime = probe_as_runtime(&scratch);
    let Some(wrapper) = Wrapper::new(&scratch, &runtime) else {
        return;
    };
    wrapper.hook_file("a.json", &always(&["createRuntime"]));
    let bundle = bundle(&scratch, "{\"process\":{\"args\":[\"x\"]}}");
    let file = fs::File::open("/dev/null").expect("/dev/null");
    let unusual = |command: Cmd| {
        command
            .signals(
                &[libc::SIGUSR1, libc::SIGCHLD],
                &[libc::SIGPIPE, libc::SIGCHLD, libc::SIGHUP],
            )
            .descriptor(&file, 3)
            .descriptor(&file, 7)
            .env("LD_LIBRARY_PATH", "")
            .env("EMPTY", "")
    };
    for args in [
        &["--root=R", "state", "", "--bundle", "\u{e9}"][..],
        &["create", "-b", &bundle.to_string_lossy(), "c"],
    ] {
        for prepare in [&unusual as &dyn Fn(Cmd) -> Cmd, &|command| command] {
            let direct = prepare(Cmd::new(&runtime).args(args));
            let (_, direct) = observed(&scratch, &direct);
            let (pid, through) = observed(&scratch, &prepare(wrapper.command().args(args)));
            assert_eq!(inherited(&through), inherited(&direct), "{args:?}");
            assert_eq!(
                through.number("pid"),
                i64::from(pid),
                "the process is the same"
            );
        }
    }
    let config = fs::read_to_string(bundle.join("config.json")).unwrap_or_default();
    assert!(config.contains("/bin/true"), "{config}");
}

#[test]
fn closed_descriptors_stay_closed() {
    let scratch = Scratch::new();
    let runtime = probe_as_runtime(&scratch);
    let Some(wrapper) = Wrapper::new(&scratch, &runtime) else {
        return;
    };
    wrapper.hook_file("a.json", &always(&["createRuntime"]));
    let bundle = bundle(&scratch, "{}");
    for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        let line = format!("exec \"$@\" {closed}");
        let shell = |program: &Path| {
            wrapper.command().args(["state", "c"]).with_program(
                "/bin/sh",
                &["-c", &line, "sh"],
                program,
            )
        };
        let (_, direct) = observed(&scratch, &shell(&runtime));
        let (_, through) = observed(&scratch, &shell(&wrapper.program));
        assert_eq!(descriptors(&through), descriptors(&direct), "{closed}");
    }
    let all_closed = wrapper
        .command()
        .args(["create", "--bundle"])
        .arg(&bundle)
        .arg("c")
        .with_program(
            "/bin/sh",
            &["-c", "exec \"$@\" <&- >&- 2>&-", "sh"],
            &wrapper.program,
        );
    observed(&scratch, &all_closed);
    let config = fs::read_to_string(bundle.join("config.json")).unwrap_or_default();
    assert!(
        config.ends_with('}') && config.contains("/bin/true"),
        "{config}"
    );
}

#[test]
fn arguments_are_passed_on_byte_for_byte() {
    let scratch = Scratch::new();
    let seen = scratch.join("seen");
    let text = format!("#!/bin/sh\nprintf '%s\\0' \"$@\" > {}\n", seen.display());
    let runtime = script(&scratch, "runtime", &text);
    let Some(wrapper) = Wrapper::new(&scratch, &runtime) else {
        return;
    };
    let args = [
        &b"--log=x"[..],
        b"",
        b"exec",
        b"\xff\xfe",
        b"a b\n",
        b"--",
        b"-",
        b"\"$x\\",
    ]
    .map(OsStr::from_bytes);
    wrapper.command().args(args).run().success();
    let expected: Vec<u8> = args
        .iter()
        .flat_map(|arg| [arg.as_bytes(), b"\0"].concat())
        .collect();
    assert_eq!(fs::read(seen).unwrap_or_default(), expected);
}

#[test]
fn only_a_lone_version_is_answered() {
    let scratch = Scratch::new();
    let runtime = script(&scratch, "runtime", "#!/bin/sh\necho \"runtime $*\"\n");
    let Some(wrapper) = Wrapper::new(&scratch, &runtime) else {
        return;
    };
    let stdout = |args: &[&str]| wrapper.command().args(args).run().success().stdout;
    assert!(stdout(&["--version"]).starts_with("lxcri-inject version "));
    for args in [
        &["--version", "x"][..],
        &["--debug", "--version"],
        &["exec", "c", "ls", "--version"],
        &["-v"],
        &[],
    ] {
        assert_eq!(
            stdout(args).trim_end(),
            format!("runtime {}", args.join(" ")).trim_end()
        );
    }
}

/// Every call, and what it prints and returns.
fn refused(wrapper: &Wrapper<'_>, bundle: &Path, reason: &str) {
    for verb in ["create", "run"] {
        let outcome = wrapper
            .command()
            .args([verb, "--bundle"])
            .arg(bundle)
            .arg("c")
            .run();
        assert_eq!(
            (outcome.code(), outcome.stdout.as_str()),
            (1, ""),
            "{outcome}"
        );
        assert!(outcome.stderr.starts_with("lxcri-inject: "), "{outcome}");
        assert_eq!(outcome.stderr.lines().count(), 1, "{outcome}");
        assert!(outcome.stderr.contains(reason), "{reason}: {outcome}");
    }
    for args in COMMANDS {
        let outcome = wrapper.command().args(args).run().success();
        assert_eq!(
            outcome.stdout,
            format!("runtime {}\n", args.join(" ")),
            "{outcome}"
        );
        assert_eq!(outcome.stderr, "", "{outcome}");
    }
}

#[test]
fn a_broken_configuration_fails_create_and_run_only() {
    let scratch = Scratch::new();
    let runtime = script(&scratch, "runtime", "#!/bin/sh\necho \"runtime $*\"\n");
    let Some(wrapper) = Wrapper::new(&scratch, &runtime) else {
        return;
    };
    let config = "{\"process\":{\"args\":[\"x\"]}}";
    let bundle = bundle(&scratch, config);
    wrapper.settings(&[&runtime], "no-such-key = 1\n");
    refused(
        &wrapper,
        &bundle,
        "inject.toml: line 3: unknown field `no-such-key`",
    );
    wrapper.settings(&[&runtime], "on-error = 1\n");
    refused(&wrapper, &bundle, "inject.toml: line 3: ");
    wrapper.settings(&[&runtime], "");
    scratch.mode("inject.toml", 0o666);
    let variable = |outcome: Cmd| outcome.env("LXCRI_INJECT_RUNTIME", &runtime).run();
    let outcome = variable(
        wrapper
            .command()
            .args(["create", "-b"])
            .arg(&bundle)
            .arg("c"),
    );
    assert!(
        outcome
            .stderr
            .contains("can be written to by others than root"),
        "{outcome}"
    );
    variable(wrapper.command().args(["state", "c"])).success();
    wrapper.settings(&[&runtime], "");
    scratch.write("hooks.d/bad.json", "{\"version\": ");
    refused(&wrapper, &bundle, "hooks.d/bad.json");
    scratch.write("hooks.d/bad.json", always(&["no-such-stage"]).to_string());
    refused(&wrapper, &bundle, "hooks.d/bad.json");
    assert_eq!(
        fs::read_to_string(bundle.join("config.json")).unwrap_or_default(),
        config
    );
}

#[test]
fn a_bad_hook_file_can_be_skipped() {
    let scratch = Scratch::new();
    let runtime = script(&scratch, "runtime", "#!/bin/sh\n");
    let Some(wrapper) = Wrapper::new(&scratch, &runtime) else {
        return;
    };
    wrapper.settings(&[&runtime], "on-error = \"skip\"\n");
    wrapper.hook_file("good.json", &always(&["poststop"]));
    scratch.write("hooks.d/bad.json", "{");
    let bundle = bundle(&scratch, "{\"process\":{\"args\":[\"x\"]}}");
    let create = || wrapper.command().args(["create", "-b"]).arg(&bundle);
    let outcome = create().arg("c").run().success();
    assert!(
        outcome.stderr.starts_with("lxcri-inject: warning: ")
            && outcome.stderr.contains("bad.json"),
        "{outcome}"
    );
    // An engine's stderr may be the container's, so with a log that alone has it.
    let log = scratch.join("log");
    let outcome = create().arg("--log").arg(&log).arg("c").run().success();
    assert_eq!(outcome.stderr, "", "{outcome}");
    let text = fs::read_to_string(log).unwrap_or_default();
    assert!(
        text.contains("level=warning") && text.contains("bad.json"),
        "{text}"
    );
    let config = fs::read_to_string(bundle.join("config.json")).unwrap_or_default();
    assert!(config.contains("poststop"), "{config}");
}

#[test]
fn errors_are_in_the_engines_log_in_its_format() {
    let scratch = Scratch::new();
    let Some(wrapper) = Wrapper::new(&scratch, Path::new("/bin/true")) else {
        return;
    };
    let bundle = bundle(&scratch, "[]");
    let run = |options: &[&str]| {
        let log = scratch.join("log");
        let _ = fs::remove_file(&log);
        let command = wrapper
            .command()
            .arg(format!("--log={}", log.display()))
            .args(options);
        let outcome = command
            .args(["create", "--bundle"])
            .arg(&bundle)
            .arg("c")
            .run();
        assert_eq!(outcome.code(), 1, "{outcome}");
        (outcome, fs::read_to_string(log).unwrap_or_default())
    };
    let message = |outcome: &Outcome| outcome.stderr.trim_end().to_owned();
    let (outcome, log) = run(&["--log-format", "json"]);
    let line: Value = serde_json::from_str(&log).expect("one line of JSON");
    assert_eq!(line["level"], "error");
    assert_eq!(line["msg"], message(&outcome));
    assert!(
        line["time"]
            .as_str()
            .is_some_and(|time| time.ends_with('Z')),
        "{log}"
    );
    let (outcome, log) = run(&[]);
    assert!(
        log.starts_with("time=\"")
            && log.ends_with(&format!("level=error msg={:?}\n", message(&outcome))),
        "{log}"
    );
}

#[test]
fn a_wrapper_that_names_itself_ends() {
    let scratch = Scratch::new();
    let Some(wrapper) = Wrapper::new(&scratch, Path::new("/bin/true")) else {
        return;
    };
    let link = scratch.join("runc");
    std::os::unix::fs::symlink(&wrapper.program, &link).expect("symlink");
    for path in [&wrapper.program, &link] {
        wrapper.settings(&[path], "");
        let outcome = wrapper.command().args(["state", "c"]).run();
        assert_eq!(outcome.code(), 126, "{outcome}");
        assert!(
            outcome.stderr.ends_with("is lxcri-inject itself\n"),
            "{outcome}"
        );
    }
    // A script that leads back is another file.
    wrapper.settings(&[&wrapper.script("loop")], "");
    let outcome = wrapper.command().args(["state", "c"]).run();
    assert_eq!(outcome.code(), 126, "{outcome}");
    assert!(
        outcome.stderr.contains("lead back to lxcri-inject"),
        "{outcome}"
    );
    // So is a copy, which finds that out by itself.
    let copy = scratch.join("copy");
    let (from, to) = (wrapper.program.to_string_lossy(), copy.to_string_lossy());
    assert!(quiet("cp", &[&from, &to]), "cp {from} {to}");
    wrapper.settings(&[&copy], "");
    assert_eq!(wrapper.command().args(["state", "c"]).run().code(), 126);
    let command = wrapper.command().args(["state", "c"]);
    let last = command.env("LXCRI_INJECT_DEPTH", u32::MAX.to_string());
    assert_eq!(last.run().code(), 126);
}

#[test]
fn the_depth_is_there_once() {
    let scratch = Scratch::new();
    let Some(wrapper) = Wrapper::new(&scratch, Path::new("/usr/bin/env")) else {
        return;
    };
    let command = wrapper.command().env("LXCRI_INJECT_DEPTH", "3");
    let outcome = command.run().success();
    let lines = outcome.stdout.lines();
    let depths: Vec<_> = lines.filter(|l| l.contains("_DEPTH=")).collect();
    assert_eq!(depths, ["LXCRI_INJECT_DEPTH=4"]);
}

#[test]
fn a_runtime_that_is_not_there_or_no_program() {
    let scratch = Scratch::new();
    let Some(wrapper) = Wrapper::new(&scratch, Path::new("/nonexistent/runtime")) else {
        return;
    };
    let outcome = wrapper.command().args(["state", "c"]).run();
    assert_eq!(outcome.code(), 127, "{outcome}");
    let text = script(&scratch, "text", "no program\n");
    wrapper.settings(&[&text], "");
    let outcome = wrapper.command().args(["state", "c"]).run();
    assert_eq!(outcome.code(), 126, "{outcome}");
    assert!(
        outcome.stderr.contains("execve(") && outcome.stderr.contains("(ENOEXEC)"),
        "{outcome}"
    );
    // PATH is the caller's and has no say.
    wrapper.settings(&[Path::new("text")], "");
    let outcome = wrapper
        .command()
        .env("PATH", scratch.path())
        .args(["state", "c"])
        .run();
    assert_eq!(outcome.code(), 127, "{outcome}");
    // The first that can be executed wins.
    wrapper.settings(
        &[Path::new("/nonexistent/runtime"), Path::new("true"), &text],
        "",
    );
    wrapper.command().args(["state", "c"]).run().success();
}

#[test]
fn a_reader_of_stderr_that_is_gone_changes_no_status() {
    let scratch = Scratch::new();
    let Some(wrapper) = Wrapper::new(&scratch, Path::new("/bin/true")) else {
        return;
    };
    let line = "{ sleep 0.1; \"$@\"; echo $? > status; } 2>&1 | true";
    let command = wrapper
        .command()
        .args(["create", "-b", "/nonexistent", "c"])
        .cwd(scratch.path());
    command
        .with_program("/bin/sh", &["-c", line, "sh"], &wrapper.program)
        .run()
        .success();
    assert_eq!(
        fs::read_to_string(scratch.join("status")).unwrap_or_default(),
        "1\n"
    );
}
