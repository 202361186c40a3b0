//! What the container's process is given: arguments, environment, user, capabilities, limits, descriptors, terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;

use lxcri_tests::bundle::{Bundle, Image};
use lxcri_tests::container::{Container, observe};
use lxcri_tests::probe::Record;
use lxcri_tests::runtime::{Kind, Runtime};
use lxcri_tests::scratch::Scratch;
use lxcri_tests::{need, terminal};
use serde_json::{Value, json};

/// Changes a bundle's config.json, runs the probe in it, and returns its observations.
#[track_caller]
fn with(runtime: &Runtime, change: impl FnOnce(&mut Value)) -> Record {
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    change(&mut bundle.config);
    observe(runtime, &scratch, &mut bundle, |orders| orders)
}

#[test]
fn arguments_and_environment_are_exact() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.process(&bundle.orders("process"));
    let args = [
        "/probe",
        "",
        "two words",
        "line1\nline2",
        "gr\u{fc}n",
        "$HOME 'q' \"d\" \\",
    ];
    // Some runtimes add HOME if it is missing.
    let env = [
        "PATH=/bin",
        "HOME=/x",
        "EMPTY=",
        "EQUALS=a=b",
        "LINES=line1\nline2",
        "UTF=gr\u{fc}n",
    ];
    bundle.config["process"]["args"] = json!(args);
    bundle.config["process"]["env"] = json!(env);
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    container.running().run().success();
    let record = container.record("process");
    assert_eq!(record.texts("argv"), args);
    assert_eq!(record.texts("env"), env);
    assert_eq!(record.text("execfn"), "/probe");
}

#[test]
fn the_program_is_looked_up_in_the_containers_path() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.process(&bundle.orders("process"));
    bundle.config["process"]["args"] = json!(["probe", "x"]);
    bundle.config["process"]["env"] = json!(["PATH=/nowhere:/bin:/"]);
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    container.running().run().success();
    assert_eq!(container.record("process").texts("argv"), ["probe", "x"]);
}

#[test]
fn a_clean_process() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let record = with(runtime, |_| ());
    assert_eq!(record.number("pid"), 1);
    assert_eq!(record.number("sid"), 1, "a session of its own");
    let numbers: Vec<i64> = record.0["fds"]
        .as_array()
        .expect("descriptors")
        .iter()
        .filter_map(|d| d["fd"].as_i64())
        .collect();
    assert_eq!(numbers, [0, 1, 2], "{}", record.0["fds"]);
    assert!(
        record.numbers("sig_blocked").is_empty(),
        "{:?}",
        record.numbers("sig_blocked")
    );
    assert!(
        record.numbers("sig_ignored").is_empty(),
        "{:?}",
        record.numbers("sig_ignored")
    );
    assert_eq!(record.0["seccomp"], 0);
    assert_eq!(record.text("cwd"), "/");
}

#[test]
fn cwd_is_entered_and_made_if_missing() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    assert_eq!(
        with(runtime, |config| config["process"]["cwd"] = json!("/var")).text("cwd"),
        "/var"
    );
    assert_eq!(
        with(runtime, |config| config["process"]["cwd"] =
            json!("/made/for/this"))
        .text("cwd"),
        "/made/for/this"
    );
}

#[test]
fn user_groups_and_umask() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let user = json!({"uid": 1000, "gid": 1001, "umask": 0o027, "additionalGids": [5, 6]});
    let record = with(runtime, |config| config["process"]["user"] = user);
    assert_eq!(
        (record.numbers("uid"), record.numbers("gid")),
        (vec![1000; 3], vec![1001; 3])
    );
    let mut groups = record.numbers("groups");
    // The kernel does not mind whether the primary group is listed as well.
    groups.retain(|&g| g != 1001);
    assert_eq!(groups, [5, 6]);
    assert_eq!(record.number("umask"), 0o027);
}

#[test]
fn an_ordinary_user_has_no_groups_of_the_caller() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let record = with(runtime, |config| {
        config["process"]["user"] = json!({"uid": 1000, "gid": 1001})
    });
    assert!(
        record.numbers("groups").iter().all(|&g| g == 1001),
        "{:?}",
        record.numbers("groups")
    );
    assert_eq!(record.number("umask"), 0o022);
}

const KILL: u64 = 1 << 5;
const NET_BIND: u64 = 1 << 10;
const CHROOT: u64 = 1 << 18;

#[test]
fn all_five_capability_sets() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let record = with(runtime, |config| {
        config["process"]["capabilities"] = json!({
            "bounding": ["CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT"],
            "permitted": ["CAP_KILL", "CAP_NET_BIND_SERVICE"],
            "effective": ["CAP_KILL", "CAP_NET_BIND_SERVICE"],
            "inheritable": ["CAP_KILL"],
            "ambient": ["CAP_KILL"]
        });
        // An ordinary user: what is left after exec then comes from the ambient set alone.
        config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
    });
    let caps = json!({"bounding": KILL | NET_BIND | CHROOT, "permitted": KILL, "effective": KILL, "inheritable": KILL, "ambient": KILL});
    assert_eq!(record.0["caps"], caps);
}

#[test]
fn root_keeps_what_the_bounding_set_allows() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let record = with(runtime, |config| {
        let set = json!(["CAP_KILL", "CAP_SYS_CHROOT"]);
        config["process"]["capabilities"] =
            json!({"bounding": set, "permitted": set, "effective": set});
    });
    let both = KILL | CHROOT;
    assert_eq!(
        record.0["caps"],
        json!({"bounding": both, "permitted": both, "effective": both, "inheritable": 0, "ambient": 0})
    );
}

#[test]
fn an_unknown_capability_is_a_warning() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let record = with(runtime, |config| {
        let set = json!(["CAP_KILL", "CAP_OF_A_LATER_KERNEL"]);
        config["process"]["capabilities"] =
            json!({"bounding": set, "permitted": set, "effective": set});
    });
    assert_eq!(record.0["caps"]["effective"], KILL);
}

#[test]
fn without_capabilities_there_are_none() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let record = with(runtime, |config| {
        config["process"]["capabilities"] = json!({})
    });
    assert_eq!(
        record.0["caps"],
        json!({"bounding": 0, "permitted": 0, "effective": 0, "inheritable": 0, "ambient": 0})
    );
}

#[test]
fn lower_limits() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let record = with(runtime, |config| {
        config["process"]["rlimits"] = json!([
            {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
            {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
            {"type": "RLIMIT_STACK", "soft": 4_194_304, "hard": 8_388_608}
        ]);
    });
    let limits = &record.0["rlimits"];
    assert_eq!(
        (&limits["NOFILE"], &limits["CORE"]),
        (&json!([100, 200]), &json!([0, 0]))
    );
    assert_eq!(limits["STACK"], json!([4_194_304, 8_388_608]));
}

#[test]
fn no_new_privileges() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    for wanted in [true, false] {
        let record = with(runtime, |config| {
            config["process"]["noNewPrivileges"] = json!(wanted)
        });
        assert_eq!(record.number("no_new_privs"), i64::from(wanted));
    }
}

#[test]
fn oom_score() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.config["process"]["oomScoreAdj"] = json!(321);
    let record = observe(runtime, &scratch, &mut bundle, |orders| {
        orders.with("cat", "/proc/self/oom_score_adj")
    });
    assert_eq!(record.file("/proc/self/oom_score_adj"), Some("321\n"));
}

#[test]
fn seccomp_is_in_force_for_the_program() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    for no_new_privileges in [true, false] {
        let scratch = Scratch::new();
        let mut bundle = Bundle::new(&scratch, Image::Busybox);
        bundle.config["process"]["noNewPrivileges"] = json!(no_new_privileges);
        bundle.config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [
                {"names": ["sched_yield"], "action": "SCMP_ACT_ERRNO", "errnoRet": 42},
                {"names": ["getpriority"], "action": "SCMP_ACT_ERRNO", "errnoRet": 43,
                 "args": [{"index": 1, "value": 7, "op": "SCMP_CMP_EQ"}]},
                {"names": ["no_such_call_of_any_kernel"], "action": "SCMP_ACT_ERRNO"}
            ]
        });
        let calls = [
            (format!("try-call {}", libc::SYS_sched_yield), 42),
            (format!("try-call {} 0 7", libc::SYS_getpriority), 43),
            (format!("try-call {} 0 0", libc::SYS_getpriority), 0),
            (format!("try-call {}", libc::SYS_getppid), 0),
        ];
        let record = observe(runtime, &scratch, &mut bundle, |orders| {
            calls.iter().fold(orders, |orders, (call, _)| {
                let (key, value) = call.split_once(' ').expect("a key and a value");
                orders.with(key, value)
            })
        });
        assert_eq!(record.0["seccomp"], 2, "a filter");
        let records = bundle.records();
        for (call, errno) in &calls {
            assert_eq!(records.attempt("process", call), Some(*errno), "{call}");
        }
    }
}

/// Where the filter forbids what init needs to say why, or even to end, the command fails all the same. With `run`, because
/// nobody else can wait for init before it is looked at.
#[test]
fn seccomp_does_not_hide_that_there_is_no_program() {
    let Some(runtime) = need::lxcri() else { return };
    let nothing_else = |names: &[&str]| {
        json!({
            "defaultAction": "SCMP_ACT_ERRNO",
            "syscalls": [{"names": names, "action": "SCMP_ACT_ALLOW"}]
        })
    };
    for filter in [
        json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["writev", "sendmsg"], "action": "SCMP_ACT_ERRNO"}]
        }),
        nothing_else(&["execve", "exit_group"]),
        nothing_else(&["execve"]),
    ] {
        let scratch = Scratch::new();
        let mut bundle = Bundle::new(&scratch, Image::Busybox);
        bundle.config["process"]["args"] = json!(["/no/such/program"]);
        bundle.config["process"]["noNewPrivileges"] = json!(true);
        bundle.config["linux"]["seccomp"] = filter.clone();
        let container = Container::new(runtime, &scratch, &mut bundle, "c");
        let error = container.running().run().failure().error();
        assert!(
            error.contains("the program was not executed"),
            "{filter}: {error}"
        );
        assert!(!container.is_on_disk(), "{filter}");
    }
}

#[test]
fn preserved_descriptors() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.process(&bundle.orders("process"));
    let first = File::open(scratch.write("first", "1")).expect("a file");
    let second = File::open(scratch.write("second", "2")).expect("a file");
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let open = |cmd: lxcri_tests::command::Cmd| {
        cmd.descriptor(&first, 3)
            .descriptor(&second, 4)
            .descriptor(&second, 5)
    };
    let create = container
        .command()
        .args(["create", "--preserve-fds", "2", "--bundle"])
        .arg(container.bundle_path());
    open(create.arg(&container.id)).run().success();
    container.start().success();
    let record = container.record("process");
    let all = record.0["fds"].as_array().expect("descriptors");
    let of = |n: i64| {
        all.iter()
            .find(|d| d["fd"] == n)
            .and_then(|d| d["target"].as_str())
            .unwrap_or("closed")
    };
    assert!(
        of(3).ends_with("/first") && of(4).ends_with("/second"),
        "{all:?}"
    );
    assert_eq!(all.len(), 5, "{all:?}");
}

#[test]
fn a_terminal_through_the_console_socket() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.config["process"]["terminal"] = json!(true);
    bundle.config["process"]["consoleSize"] = json!({"width": 91, "height": 33});
    bundle.process(
        &bundle
            .orders("process")
            .with("say-stdout", "to-the-terminal")
            .with("wait-for", scratch.join("out/go").display()),
    );
    let socket = scratch.join("console");
    let listener = UnixListener::bind(&socket).expect("a socket");
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let create = container
        .command()
        .args(["create", "--console-socket"])
        .arg(&socket);
    let creating = create
        .arg("--bundle")
        .arg(container.bundle_path())
        .arg(&container.id)
        .spawn();
    let mut terminal = terminal::receive(&listener);
    creating.wait().success();
    container.start().success();
    let record = container.record("process");
    assert_eq!(
        record.number("terminal"),
        record.number("pgid"),
        "it is the controlling terminal"
    );
    for descriptor in record.0["fds"].as_array().expect("descriptors") {
        let target = descriptor["target"].as_str().unwrap_or_default();
        assert!(
            target.starts_with("/dev/pts/") || target == "/dev/console",
            "{}",
            record.0["fds"]
        );
    }
    let mut text = [0; 256];
    let count = terminal.read(&mut text).expect("output");
    let text = String::from_utf8_lossy(&text[..count]);
    assert!(text.starts_with("to-the-terminal"), "{text:?}");
    if runtime.kind != Kind::Crun {
        let (columns, rows) = terminal::size(&terminal);
        assert_eq!((columns, rows), (91, 33));
    }
    terminal.write_all(b"\n").expect("input");
    scratch.write("out/go", "");
    assert!(container.wait_for("stopped"));
}

#[test]
fn terminal_and_console_socket_belong_together() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.config["process"]["terminal"] = json!(true);
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let outcome = container.create().failure();
    assert!(outcome.stderr.contains("console"), "{outcome}");
}

/// Keyrings belong to threads, and children of a thread begin with its own.
#[test]
fn the_session_keyring() {
    let Some(runtime) = need::lxcri() else { return };
    let session = || {
        let scratch = Scratch::new();
        lxcri_tests::keyring::join(scratch.marker()).expect("keyctl");
        let mut bundle = Bundle::new(&scratch, Image::Busybox);
        bundle.config["linux"]["maskedPaths"] = json!([]);
        bundle.shell("cat /proc/keys");
        let container = Container::new(runtime, &scratch, &mut bundle, "c");
        let run = |option: &[&str]| {
            let outcome = container.running().args(option).run().success();
            outcome.stdout.contains(scratch.marker())
        };
        assert!(!run(&[]), "a keyring of its own");
        assert!(run(&["--no-new-keyring"]), "the caller's");
    };
    std::thread::spawn(session)
        .join()
        .expect("the thread's assertions");
}

/// The runtime holds processes on a processor for moments; none of it may be left.
#[test]
fn it_may_run_on_the_processors_of_the_caller() {
    let Some(runtime) = need::lxcri() else { return };
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let own = status.lines().find(|l| l.starts_with("Cpus_allowed_list"));
    let all = own.expect("Cpus_allowed_list").to_owned();
    for (restricted, expected) in [(false, all.as_str()), (true, "Cpus_allowed_list:\t0")] {
        let scratch = Scratch::new();
        let mut bundle = Bundle::new(&scratch, Image::Busybox);
        bundle.shell("grep Cpus_allowed_list /proc/self/status");
        let container = Container::new(runtime, &scratch, &mut bundle, "c");
        let mut command = container.running();
        if restricted {
            command = command.with_program("taskset", &["-c", "0"], &runtime.program);
        }
        let outcome = command.run().success();
        assert_eq!(outcome.stdout.trim_end(), expected);
    }
}
