//! Command lines as engines write them, and as people do.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use inject::argv::{Action, Call, LogFormat};
use proptest::collection::vec;
use proptest::prelude::*;

fn call(line: &str) -> Call {
    Call::parse(&line.split_whitespace().collect::<Vec<_>>())
}

/// The bundle of a call that creates a container, "-" for any other.
fn bundle(line: &str) -> String {
    match call(line).action {
        Action::Create { bundle, .. } => bundle.display().to_string(),
        Action::PassOn => "-".to_owned(),
    }
}

#[test]
fn golden_containerd_shim() {
    let shim = "--root R --log P --log-format json";
    let create = "create --bundle B --pid-file F";
    for line in [
        format!("{shim} {create} ID"),
        format!("{shim} --systemd-cgroup {create} ID"),
        format!("{shim} {create} --console-socket S ID"),
        format!("{shim} --systemd-cgroup {create} --console-socket S ID"),
    ] {
        let call = call(&line);
        assert_eq!(bundle(&line), "B", "{line}");
        assert_eq!(call.log.as_deref(), Some(Path::new("P")));
        assert_eq!(call.log_format, LogFormat::Json);
    }
    for rest in [
        "start ID",
        "state ID",
        "kill --all ID 9",
        "delete --force ID",
        "exec --process P --detach ID",
    ] {
        assert_eq!(bundle(&format!("{shim} {rest}")), "-", "{rest}");
    }
}

#[test]
fn golden_podman_through_conmon() {
    let globals = "--log-format=json --log=/l --root=/r";
    let line = format!("{globals} create --bundle B --pid-file F ID");
    assert_eq!(bundle(&line), "B");
    let call = call(&line);
    assert_eq!(
        (call.log.as_deref(), call.log_format),
        (Some(Path::new("/l")), LogFormat::Json)
    );
    assert_eq!(bundle(&format!("{globals} start ID")), "-");
    assert_eq!(
        bundle("--systemd-cgroup --root=/r create --bundle /b ID"),
        "/b"
    );
}

#[test]
fn golden_cri_o() {
    for globals in ["--root R", "--root R --systemd-cgroup"] {
        for verb in ["start", "kill", "delete", "exec", "state"] {
            assert_eq!(bundle(&format!("{globals} {verb} ID")), "-");
        }
        assert_eq!(
            bundle(&format!("{globals} create --bundle B --pid-file F ID")),
            "B"
        );
    }
}

/// Peers take these for verbs of their own.
#[test]
fn words_that_look_like_a_command_are_none() {
    for line in [
        "kill create",
        "exec c x start",
        "exec c service nginx start",
        "exec c ls --version",
        "exec c tool --bundle D",
        "exec --bundle D create run",
        "delete run",
        "--root create state c",
        "--log run --root create list",
        "state -- create",
        "spec --bundle D",
        "restore --bundle D c",
    ] {
        assert_eq!(bundle(line), "-", "{line}");
    }
    assert_eq!(bundle("create --bundle B start"), "B");
    assert_eq!(bundle("--root run create -b B create"), "B");
}

#[test]
fn all_forms_of_the_bundle_and_the_last_one_wins() {
    for form in [
        "--bundle X",
        "--bundle=X",
        "-b X",
        "-bX",
        "-b=X",
        "-bundle X",
        "-bundle=X",
        "--bun X",
        "--b=X",
        "-db X",
        "-dbX",
    ] {
        assert_eq!(bundle(&format!("create {form} ID")), "X", "{form}");
        assert_eq!(bundle(&format!("run -b Y {form} ID")), "X", "{form}");
        assert_eq!(bundle(&format!("run ID {form}")), "X", "{form}");
    }
    for line in [
        "create ID",
        "run ID",
        "create --bundle= ID",
        "create -b X --bundle= ID",
        "create -- --bundle",
    ] {
        assert_eq!(bundle(line), ".", "{line}");
    }
    for line in [
        "create --pid-file --bundle --console-socket -b ID",
        "create --preserve-fds 1 --no-pivot --no-new-keyring ID",
        "create -- -b X",
        "create ID -",
    ] {
        assert_eq!(bundle(line), ".", "{line}");
    }
}

#[test]
fn global_options_of_all_runtimes() {
    for globals in [
        "-root R -log=L -systemd-cgroup=true --criu C --rootless auto",
        "--cgroup-manager cgroupfs --log-level debug",
        "-r R -l L -s",
        "-rR -lL",
        "-sr R",
        "--config C --hooks-log H --hooks-dir D --debug",
        "--roo R --log-f json",
        "--platform=ptrace --network=none",
        "--unknown value",
        "-x value --unknown=a",
        "--unknown --root R",
        "--",
    ] {
        assert_eq!(
            bundle(&format!("{globals} create -b B ID")),
            "B",
            "{globals}"
        );
        assert_eq!(bundle(&format!("{globals} start create")), "-", "{globals}");
    }
    assert_eq!(bundle("--unknown create -b B ID"), "B");
    assert_eq!(bundle("--unknown=x create -b B ID"), "B");
}

#[test]
fn calls_that_no_runtime_takes_are_passed_on() {
    for line in [
        "",
        "--root",
        "--debug",
        "--",
        "create --bundle",
        "create ID -b",
        "run --help",
        "create -h",
        "create -b B --usage",
        "--version create",
        "--help create",
        "-v create -b B ID",
        "-h run",
        "-V create",
        "--root R -version create ID",
        "-sv create ID",
    ] {
        assert_eq!(bundle(line), "-", "{line}");
    }
    assert_eq!(bundle("--version=false create -b B ID"), "B");
    assert_eq!(bundle("create --help=false -b B ID"), "B");
}

#[test]
fn another_file_than_config_json_is_noticed() {
    let other = |line: &str| match call(line).action {
        Action::Create { other_config, .. } => other_config,
        Action::PassOn => None,
    };
    for line in [
        "create -f c.json ID",
        "run --config=c.json ID",
        "create --conf c.json ID",
        "run -fc.json ID",
    ] {
        assert_eq!(other(line).as_deref(), Some(OsStr::new("c.json")), "{line}");
    }
    // Only the long option is lxcri's; what the letter names is read by crun, whatever it is called.
    for line in [
        "create -f x.toml ID",
        "run -fx.toml ID",
        "create ID -f=x.toml",
        "create -df x.toml ID",
        "create --config lxcri.toml -f x.toml ID",
    ] {
        assert_eq!(other(line).as_deref(), Some(OsStr::new("x.toml")), "{line}");
    }
    for line in [
        "create --config /etc/lxcri/lxcri.toml ID",
        "--config c.json create ID",
        "create ID",
    ] {
        assert_eq!(other(line), None, "{line}");
    }
}

#[test]
fn the_engines_log() {
    for (line, log, format) in [
        ("--log=L --log=M state x", Some("M"), LogFormat::Text),
        ("-l L --log-format text state x", Some("L"), LogFormat::Text),
        (
            "--log file:L --log-format=json state x",
            Some("L"),
            LogFormat::Json,
        ),
        ("--log journald:x state x", None, LogFormat::Text),
        (
            "--log syslog:x --log-format json --log-format text state x",
            None,
            LogFormat::Text,
        ),
        ("--log= state x", None, LogFormat::Text),
        (
            "create --log L --log-format json x",
            Some("L"),
            LogFormat::Json,
        ),
    ] {
        let call = call(line);
        assert_eq!(
            (call.log.as_deref(), call.log_format),
            (log.map(Path::new), format),
            "{line}"
        );
    }
}

#[test]
fn bytes_that_are_no_text_are_kept() {
    let bundle = OsString::from_vec(b"/b\xff\xfe".to_vec());
    let call = Call::parse(&["create".into(), "-b".into(), bundle.clone(), "ID".into()]);
    let expected = Action::Create {
        bundle: bundle.into(),
        other_config: None,
    };
    assert_eq!(call.action, expected);
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z/.=-]{0,5}",
        proptest::sample::select(vec![
            "create", "run", "start", "--bundle", "-b", "--", "-", "--root", "--help", "--log=x"
        ])
        .prop_map(str::to_owned),
    ]
}

fn globals() -> impl Strategy<Value = Vec<String>> {
    let value = word().boxed();
    let option = prop_oneof![
        proptest::sample::select(vec!["--debug", "--systemd-cgroup", "-s", "-debug"])
            .prop_map(|o| vec![o.to_owned()]),
        (
            proptest::sample::select(vec!["--root", "--log", "-root", "-l", "--criu"]),
            value.clone()
        )
            .prop_map(|(o, v)| vec![o.to_owned(), v]),
        (
            proptest::sample::select(vec!["--root", "--log-level", "-log"]),
            value
        )
            .prop_map(|(o, v)| vec![format!("{o}={v}")]),
    ];
    vec(option, 0..4).prop_map(|options| options.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_a_call(args in vec(vec(any::<u8>(), 0..6), 0..6)) {
        let args: Vec<OsString> = args.into_iter().map(OsString::from_vec).collect();
        let _ = Call::parse(&args);
    }

    #[test]
    fn only_the_first_word_after_global_options_is_the_command(
        globals in globals(),
        verb in proptest::sample::select(vec!["start", "state", "kill", "delete", "exec", "list", "other"]),
        rest in vec(word(), 0..6),
    ) {
        let line = [globals, vec![verb.to_owned()], rest].concat();
        prop_assert_eq!(Call::parse(&line).action, Action::PassOn);
    }

    #[test]
    fn a_bundle_is_found_whatever_the_values_of_other_options(
        globals in globals(),
        pid_file in word(),
        socket in word(),
        first in any::<bool>(),
    ) {
        let bundle = ["--bundle".to_owned(), "B".to_owned()];
        let others = ["--pid-file".to_owned(), pid_file, "--console-socket".to_owned(), socket];
        let options = if first { [&bundle[..], &others].concat() } else { [&others[..], &bundle].concat() };
        let line = [globals, vec!["create".to_owned()], options, vec!["ID".to_owned()]].concat();
        let expected = Action::Create { bundle: "B".into(), other_config: None };
        prop_assert_eq!(Call::parse(&line).action, expected);
    }
}
