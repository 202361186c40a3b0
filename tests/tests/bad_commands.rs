//! Ids, command lines and moments that must be refused, and surroundings that are not as usual.

use std::fs::{self, File};
use std::path::Path;

use lxcri_tests::bundle::{Bundle, Image};
use lxcri_tests::command::Cmd;
use lxcri_tests::container::Container;
use lxcri_tests::judge::Judge;
use lxcri_tests::need;
use lxcri_tests::phase::{PHASES, Phase};
use lxcri_tests::scratch::Scratch;
use nix::fcntl::{FcntlArg, fcntl};
use serde_json::json;

fn saved(scratch: &Scratch) -> Bundle<'_> {
    let bundle = Bundle::new(scratch, Image::Busybox);
    bundle.save();
    bundle
}

#[test]
fn ids() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let mut judge = Judge::new(runtime);
    let scratch = Scratch::new();
    let bundle = saved(&scratch);
    let long = "x".repeat(1025);
    let bad = [
        "",
        ".",
        "..",
        "a/b",
        "/a",
        "../a",
        "a b",
        " a",
        "a\n",
        "a\tb",
        "a;b",
        "a$b",
        "a`b",
        "a'b",
        "a\"b",
        "a*b",
        "a\\b",
        "gr\u{fc}n",
        &long,
    ];
    for id in bad {
        for verb in ["create", "run"] {
            let command = runtime
                .command(&scratch.join("run"))
                .args([verb, "--bundle"])
                .arg(&bundle.path);
            let case = format!("{verb} {:?}", &id[..id.len().min(20)]);
            judge.refused(&case, &command.args(["--", id]).run(), &["id"]);
            judge.nothing_left(&case, &scratch);
        }
        for verb in ["start", "state", "kill", "delete"] {
            let outcome = runtime
                .command(&scratch.join("run"))
                .args([verb, "--", id])
                .run();
            judge.check(
                &format!("{verb} {:?}", &id[..id.len().min(20)]),
                outcome.code() != 0 && !outcome.timed_out,
                outcome.brief(),
            );
        }
    }
}

#[test]
fn a_duplicate_id() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let mut judge = Judge::new(runtime);
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    container.create().success();
    let pid = container.pid();
    judge.refused(
        "create twice",
        &container.create(),
        &[&container.id, "exist"],
    );
    judge.refused(
        "run of an existing id",
        &container.running().run(),
        &[&container.id, "exist"],
    );
    // The first one has not been touched.
    assert_eq!(
        (container.status().as_str(), container.pid()),
        ("created", pid)
    );
    container.start().success();
}

#[test]
fn unknown_containers() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let mut judge = Judge::new(runtime);
    let scratch = Scratch::new();
    scratch.mkdir("run");
    for args in [
        &["start"][..],
        &["state"],
        &["kill"],
        &["delete"],
        &["hooks"],
    ] {
        let outcome = runtime
            .command(&scratch.join("run"))
            .args(args)
            .arg("nobody")
            .run();
        judge.refused(&args.join(" "), &outcome, &["nobody", "does not exist"]);
    }
    // The directory of the runtime itself may be missing as well.
    let outcome = runtime
        .command(&scratch.join("missing/run"))
        .args(["state", "nobody"])
        .run();
    judge.refused(
        "state without a runtime directory",
        &outcome,
        &["nobody", "does not exist"],
    );
    judge.nothing_left("unknown containers", &scratch);
}

#[test]
fn command_lines() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let mut judge = Judge::new(runtime);
    let scratch = Scratch::new();
    let lines: [&[&str]; 8] = [
        &["no-such-command"],
        &["create"],
        &["state"],
        &["state", "--no-such-option", "x"],
        &["kill", "x", "TERM", "surplus"],
        &["start", "x", "surplus"],
        &["list", "--format", "xml"],
        &["create", "--preserve-fds", "many", "x"],
    ];
    for line in lines {
        let outcome = runtime.command(&scratch.join("run")).args(line).run();
        let bad = outcome.ok() || outcome.timed_out || outcome.stderr.is_empty();
        judge.check(&line.join(" "), !bad, outcome.brief());
    }
}

#[test]
fn commands_in_the_wrong_state() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let mut judge = Judge::new(runtime);
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.shell("sleep 600");
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    container.create().success();
    container.start().success();
    judge.refused("start while running", &container.start(), &["running"]);
    judge.refused("delete while running", &container.delete(), &["running"]);
    judge.refused("an unknown signal", &container.kill("NOSUCH"), &["NOSUCH"]);
    judge.refused("signal 0 is none", &container.kill("999"), &["999"]);
    assert_eq!(container.status(), "running");
    container.kill("KILL").success();
    assert!(container.wait_for("stopped"));
    judge.refused("kill after the end", &container.kill("TERM"), &["stopped"]);
    judge.refused("start after the end", &container.start(), &["stopped"]);
    container.delete().success();
    judge.refused("delete twice", &container.delete(), &["does not exist"]);
    judge.nothing_left("wrong state", &scratch);
}

#[test]
fn a_directory_left_by_a_crash() {
    let Some(runtime) = need::lxcri() else { return };
    let mut judge = Judge::new(runtime);
    let contents: [(&str, &[(&str, &str)]); 4] = [
        ("empty", &[]),
        ("state.json is empty", &[("state.json", "")]),
        (
            "state.json is truncated",
            &[
                ("state.json", "{\"ociVersion\": \"1.0"),
                ("record.json", "{"),
            ],
        ),
        (
            "garbage",
            &[
                ("state.json", "garbage"),
                ("record.json", "garbage"),
                ("config", "garbage"),
                ("config.json", "garbage"),
            ],
        ),
    ];
    for (case, files) in contents {
        let scratch = Scratch::new();
        let mut bundle = Bundle::new(&scratch, Image::Busybox);
        let container = Container::new(runtime, &scratch, &mut bundle, "c");
        let directory = scratch.mkdir(format!("run/{}", container.id));
        for (name, text) in files {
            fs::write(directory.join(name), text).expect("a file");
        }
        // It may be unknown or broken, but it is no container that runs, and nobody is misled or stuck.
        let state = container.verb("state").run();
        let alive =
            state.ok() && (state.stdout.contains("running") || state.stdout.contains("created"));
        judge.check(case, !alive && !state.timed_out, state.brief());
        let list = container.command().args(["list", "--format", "json"]).run();
        judge.check(case, list.ok(), list.brief());
        let force = container.delete_force();
        judge.check(case, force.ok(), force.brief());
        judge.nothing_left(case, &scratch);
        let again = container.create();
        judge.check(case, again.ok(), again.brief());
        let force = container.delete_force();
        judge.check(case, force.ok(), force.brief());
    }
}

#[test]
fn no_lxc_installed() {
    let Some(runtime) = need::lxcri() else { return };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    let empty = scratch.mkdir("empty");
    // A mount namespace in which neither /usr/bin nor /usr/sbin holds anything.
    let thread = std::thread::spawn(move || -> std::io::Result<std::os::fd::OwnedFd> {
        use nix::mount::{MsFlags, mount};
        let none = None::<&str>;
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS)?;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
        for directory in ["/usr/bin", "/usr/sbin", "/usr/local/bin"] {
            mount(Some(&empty), directory, none, MsFlags::MS_BIND, none)?;
        }
        Ok(fs::File::open("/proc/thread-self/ns/mnt")?.into())
    });
    let view = thread.join().expect("a thread").expect("a mount namespace");
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let outcome = container
        .creation()
        .view(Some(std::sync::Arc::new(view)))
        .run();
    let mut judge = Judge::new(runtime);
    judge.refused("create without LXC", &outcome, &["lxc-start", "package"]);
    judge.nothing_left("create without LXC", &scratch);
}

#[test]
fn a_runtime_directory_that_does_not_execute() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    if runtime.has_view() {
        return need::skip("LXCRI_TEST_CGROUPS hides the mounts of the test from the runtime");
    }
    use nix::mount::{MsFlags, mount};
    let scratch = Scratch::new();
    let root = scratch.mkdir("run");
    let flags = MsFlags::MS_NOEXEC | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(
        Some("tmpfs"),
        &root,
        Some("tmpfs"),
        flags,
        Some("mode=755,size=10m"),
    )
    .expect("a tmpfs");
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    let record = lxcri_tests::container::observe(runtime, &scratch, &mut bundle, |o| o);
    assert_eq!(record.number("pid"), 1);
}

#[test]
fn a_runtime_directory_with_odd_characters_and_a_bundle_too() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::named(&scratch, Image::Busybox, "b u'n\"d$l;e #1");
    for phase in &PHASES {
        let path = bundle.probe_as(phase.name, |o| o);
        bundle.hook(phase, json!({"path": path}));
    }
    let mut container = Container::new(runtime, &scratch, &mut bundle, "c");
    container.root = scratch.join("r u'n\"$;#\\");
    let outcome = container.running().run();
    assert!(outcome.ok(), "{outcome}");
    assert_eq!(
        lxcri_tests::probe::Records::read(&scratch.join("out/records.jsonl"))
            .labels("start")
            .len(),
        6
    );
}

/// LXC names the socket of its monitor after the container, in the abstract namespace: anybody in the network namespace could
/// take the name, and whoever asks there would wait for ever.
#[test]
fn a_stranger_at_the_socket_of_lxc_is_never_asked() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixListener};
    let Some(runtime) = need::lxcri() else { return };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.without_namespace("network");
    let path = bundle.probe_as("hook", |orders| orders);
    bundle.hook(poststop(), serde_json::json!({"path": path}));
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let name = format!("{}/{}/command", scratch.join("run").display(), container.id);
    let address = SocketAddr::from_abstract_name(name).expect("an address");
    let stranger = UnixListener::bind_addr(&address).expect("a listener");
    container.create().success();
    container.start().success();
    let outcome = container.delete_force().success();
    assert_eq!(outcome.stderr, "", "lxc-destroy came to its end");
    drop(container);
    assert!(bundle.records().started("host:hook").is_some());
    stranger.set_nonblocking(true).expect("a listener");
    let asked = stranger.accept().map(drop).map_err(|error| error.kind());
    assert_eq!(asked, Err(std::io::ErrorKind::WouldBlock));
}

/// Whoever holds LXC's lock on the container keeps lxc-destroy waiting.
#[test]
fn an_lxc_destroy_that_does_not_end_delays_delete_only() {
    let Some(runtime) = need::lxcri() else { return };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    // A hook without a timeout may take as long as it likes, LXC may not.
    let path = bundle.probe_as("hook", |orders| orders);
    bundle.hook(poststop(), serde_json::json!({"path": path}));
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    container.create().success();
    let root = scratch.join("run");
    let locks = Path::new("/run/lxc/lock").join(root.strip_prefix("/").expect("an absolute path"));
    let lock = File::options()
        .write(true)
        .open(locks.join(format!(".{}", container.id)))
        .expect("LXC's lock");
    let all = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(&lock, FcntlArg::F_OFD_SETLK(&all)).expect("F_OFD_SETLK");
    // The engine may have taken the bundle away; its hooks run all the same, then in /.
    let away = scratch.join("away");
    std::fs::rename(container.bundle_path(), &away).expect("rename");
    let outcome = container.delete_force().success();
    assert!(outcome.stderr.contains("lxc-destroy: "), "{outcome}");
    std::fs::rename(&away, container.bundle_path()).expect("rename");
    drop(container);
    assert!(
        bundle.records().started("host:hook").is_some(),
        "the poststop hook has run all the same"
    );
}

fn poststop() -> &'static Phase {
    let mut phases = PHASES.iter();
    phases.find(|p| p.name == "poststop").expect("poststop")
}

#[test]
fn a_full_stdout() {
    let Some(runtime) = need::lxcri() else {
        return;
    };
    for command in ["list", "features", "completions bash"] {
        let script = format!("exec \"$1\" {command} > /dev/full");
        let outcome = Cmd::new("/bin/sh")
            .args(["-c", &script, "sh"])
            .arg(&runtime.program)
            .run();
        assert_eq!(outcome.code(), 1, "{command}: {outcome}");
        let expected = "lxcri: write to stdout: no space left on device (ENOSPC)";
        assert!(outcome.stderr.starts_with(expected), "{outcome}");
    }
}

#[test]
fn a_log_that_nobody_reads() {
    let Some(runtime) = need::lxcri() else { return };
    let scratch = Scratch::new();
    let fifo = scratch.join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("mkfifo");
    let outcome = Cmd::new(&runtime.program)
        .arg("--log")
        .arg(&fifo)
        .arg("list")
        .run();
    let expected = format!(
        "lxcri: open log file {}: no such device or address (ENXIO)\n",
        fifo.display()
    );
    assert_eq!(
        (outcome.code(), outcome.stderr.as_str()),
        (1, expected.as_str())
    );
}

#[test]
fn no_file_may_be_written() {
    let Some(runtime) = need::lxcri() else { return };
    let scratch = Scratch::new();
    let bundle = saved(&scratch);
    let root = scratch.join("run");
    // Through a pipe: the output of a command under test is a file, which may not be written either.
    let script = "{ (ulimit -f 0; exec \"$@\") 2>&1; echo $?; } | cat";
    let create = Cmd::new("/bin/sh").args(["-c", script, "sh"]);
    let create = create.arg(&runtime.program).arg("--root").arg(&root);
    let create = create.args(["create", "--bundle"]).arg(&bundle.path);
    let outcome = create.arg(scratch.id("c")).run();
    assert!(outcome.stdout.contains("(EFBIG)"), "{}", outcome.stdout);
    assert!(outcome.stdout.ends_with("\n1\n"), "{}", outcome.stdout);
    let left = fs::read_dir(&root).expect("the runtime directory");
    assert_eq!(left.count(), 0, "{outcome}");
}
