//! `init`: what becomes of it, of its descriptors and of the hooks that it runs.
#![deny(unsafe_code)]

mod support;

use call_list::Process;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use support::container::{Container, at, possible, user};
use support::{eventually, finish};

#[test]
fn the_program_is_executed_with_its_environment_and_nothing_else() {
    if !possible() {
        return;
    }
    let script = "busybox tr '\\0' '\\n' < /proc/self/environ; busybox ls /proc/self/fd; busybox ls -A /.lxcri; \
                  busybox readlink /proc/self/cwd; busybox cat /proc/mounts; echo pid $$";
    let container = Container::with_program(
        &["/bin/busybox", "sh", "-c", script],
        &["PATH=/bin", "A=b", "OCI_HOOK_TIMEOUT=not mine"],
        at("/work"),
    );
    let output = container.run().output();
    assert!(
        output.contains("A=b\nOCI_HOOK_TIMEOUT=not mine\n"),
        "{output}"
    );
    assert!(
        !output.contains("LEAK") && !output.contains(".lxcri"),
        "{output}"
    );
    assert!(output.contains("\n0\n1\n2\n3\n/work\n"), "{output}");
    assert!(output.ends_with("pid 1\n"), "{output}");
}

#[test]
fn hooks_run_inside_and_before_the_settings() {
    if !possible() {
        return;
    }
    let settings = Process {
        umask: Some(0o77),
        ..user(1000)
    };
    let container = Container::new("echo program", settings);
    let hook = "busybox id -u; busybox cat; busybox ls -A /.lxcri; busybox pwd; busybox ls /proc/$$/fd; true";
    container.guest.hook(
        "start-container",
        1,
        &["/bin/busybox", "sh", "-c", hook],
        &["PATH=/bin"],
    );
    container
        .guest
        .hook("start-container", 2, &["/bin/busybox", "true"], &[]);
    container.guest.write("state.json", b"{}");
    let ended = container.run();
    assert_eq!(ended.finished.stdout, "program\n", "{:?}", ended.finished);
    let records: Vec<serde_json::Value> = ended
        .fifo
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(records.len(), 2, "{}", ended.fifo);
    assert_eq!(records[0]["stdout"], "0\n{}/\n0\n1\n2\n");
    assert_eq!(records[0]["phase"], "startContainer");
    let pid = records[0]["pid"].as_u64().unwrap();
    assert!((2..100).contains(&pid), "not a pid of the container: {pid}");
}

#[test]
fn a_failing_hook_keeps_the_program_from_running() {
    if !possible() {
        return;
    }
    let container = Container::new("echo program", Process::default());
    container.guest.hook(
        "start-container",
        1,
        &["/bin/busybox", "sh", "-c", "echo no >&2; exit 5"],
        &[],
    );
    let ended = container.run();
    ended.fails_with(
        11,
        "!startContainer hook #1 (/bin/busybox): exit status 5 after ",
    );
    assert!(
        ended.fifo.starts_with('{') && ended.fifo.ends_with(" ms: no\n"),
        "{}",
        ended.fifo
    );
    assert_eq!(ended.finished.stdout, "");
}

#[test]
fn malformed_files_are_named() {
    if !possible() {
        return;
    }
    let with = |name: &str, bytes: &[u8]| {
        let container = Container::new("echo program", Process::default());
        container.guest.write(name, bytes);
        container.run()
    };
    let whole = Container::new("echo program", Process::default());
    let whole = fs::read(whole.guest.join("init/calls")).unwrap();
    let unended = [&whole[..], &[1; 8]].concat();
    let older = [b"Pcalls\0\0", &whole[8..]].concat();
    for bytes in [&b""[..], b"Pcalls\0\x01", &unended, &older] {
        with("init/calls", bytes)
            .fails_with(30, "/.lxcri/init/calls: malformed list of system calls");
    }
    with("hooks/start-container/1/cmdline", b"x\0x\0")
        .fails_with(22, "/.lxcri/hooks/start-container/1/cmdline: ");
    // A list that is right but for its size: nothing but NUL follows.
    let container = Container::new("echo program", Process::default());
    let file = fs::OpenOptions::new()
        .write(true)
        .open(container.guest.join("init/calls"));
    file.unwrap()
        .set_len(hook_tree::calls::LIMIT as u64 + 8)
        .unwrap();
    container
        .run()
        .fails_with(30, "/.lxcri/init/calls: malformed list of system calls");
    let container = Container::new("echo program", Process::default());
    fs::remove_file(container.guest.join("init/calls")).unwrap();
    fs::create_dir(container.guest.join("init/calls")).unwrap();
    container
        .run()
        .fails_with(9, "/.lxcri/init/calls: not a regular file");
    let container = Container::new("echo program", Process::default());
    fs::remove_file(container.guest.join("init/calls")).unwrap();
    container.run().fails_with(
        8,
        "open(/.lxcri/init/calls): no such file or directory (ENOENT)",
    );
}

#[test]
fn a_list_that_is_overwritten_while_hooks_run_is_carried_out_as_it_was() {
    if !possible() {
        return;
    }
    // Pages of it are looked at by nobody before the hook has ended.
    let long = "x".repeat(100_000);
    let container = Container::with_program(
        &["/bin/busybox", "sh", "-c", "echo $1", "sh", &long],
        &[],
        Process::default(),
    );
    let hook = "echo > /tmp/here; until [ -e /tmp/go ]; do busybox sleep 0.01; done";
    container.guest.hook(
        "start-container",
        1,
        &["/bin/busybox", "sh", "-c", hook],
        &["PATH=/bin", "OCI_HOOK_TIMEOUT=20"],
    );
    let list = container.guest.join("init/calls");
    let (here, go) = (container.rootfs("tmp/here"), container.rootfs("tmp/go"));
    let writer = std::thread::spawn(move || {
        eventually("the hook runs", || here.exists());
        let size = fs::metadata(&list).unwrap().len() as usize;
        let mut file = fs::OpenOptions::new().write(true).open(&list).unwrap();
        file.write_all(&vec![b'y'; size]).unwrap();
        fs::write(go, "").unwrap();
    });
    let ended = container.run();
    writer.join().unwrap();
    assert!(ended.executed, "{} {:?}", ended.fifo, ended.finished);
    assert!(ended.finished.stdout.trim_end() == long);
}

#[test]
fn preserved_descriptors_and_no_others() {
    if !possible() {
        return;
    }
    let script = "busybox ls /proc/$$/fd; busybox cat <&3; busybox cat <&4; busybox cat <&5";
    let container = Container::new(
        script,
        Process {
            preserve: 3,
            ..Process::default()
        },
    );
    container.guest.hook(
        "start-container",
        1,
        &["/bin/busybox", "sh", "-c", "busybox ls /proc/$$/fd; true"],
        &["PATH=/bin"],
    );
    let texts: Vec<PathBuf> = (0..4)
        .map(|n| container.rootfs(&format!("tmp/{n}")))
        .collect();
    let files: Vec<fs::File> = texts
        .iter()
        .enumerate()
        .map(|(n, path)| {
            fs::write(path, format!("text {n}\n")).unwrap();
            fs::File::open(path).unwrap()
        })
        .collect();
    let (created, connection) = container.create();
    let fds: Vec<_> = files.iter().map(AsRawFd::as_raw_fd).collect();
    connection.release(&fds[..3]);
    drop(connection);
    let ended = created.start();
    assert_eq!(
        ended.finished.stdout, "0\n1\n2\n3\n4\n5\ntext 0\ntext 1\ntext 2\n",
        "{:?}",
        ended.finished
    );
    let record: serde_json::Value = serde_json::from_str(&ended.fifo).unwrap();
    assert_eq!(record["stdout"], "0\n1\n2\n");
}

#[test]
fn the_mount_point_is_held_until_it_is_free() {
    if !possible() {
        return;
    }
    let (created, connection) = Container::new("echo", Process::default()).create();
    let (read, write) = nix::unistd::pipe().unwrap();
    connection.send('G', b"", &[write.as_raw_fd()]);
    drop((connection, write));
    let mut set = [nix::poll::PollFd::new(
        std::os::fd::AsFd::as_fd(&read),
        nix::poll::PollFlags::POLLIN,
    )];
    assert_eq!(
        nix::poll::poll(&mut set, 200u16).unwrap(),
        0,
        "init has dropped the descriptor"
    );
    created.start().output();
    assert_eq!(
        nix::poll::poll(&mut set, 10_000u16).unwrap(),
        1,
        "the program holds the descriptor"
    );
}

#[test]
fn a_terminal_becomes_stdio() {
    if !possible() {
        return;
    }
    let script = "busybox tty; busybox test -t 1 && echo terminal; busybox ps -o pid,tty,sid";
    let container = Container::new(
        script,
        Process {
            stdio: call_list::Stdio::Terminal,
            ..user(1000)
        },
    );
    let pty = nix::pty::openpty(None, None).unwrap();
    let (created, connection) = container.create();
    connection.release(&[pty.slave.as_raw_fd()]);
    drop((connection, pty.slave));
    let mut master = fs::File::from(pty.master);
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        let mut piece = [0; 1024];
        // EIO when the last slave is closed.
        while let Ok(count @ 1..) = master.read(&mut piece) {
            text.extend_from_slice(&piece[..count]);
        }
        String::from_utf8_lossy(&text).into_owned()
    });
    let ended = created.start();
    assert_eq!(
        (ended.fifo.as_str(), ended.finished.status.code()),
        ("", Some(0)),
        "{:?}",
        ended.finished
    );
    let text = reader.join().unwrap();
    assert!(text.contains("terminal\r\n"), "{text}");
    assert!(text.contains("136,"), "no controlling terminal: {text}");
}

/// LXC's own stdio is never the container's.
#[test]
fn three_descriptors_become_stdio() {
    if !possible() {
        return;
    }
    let container = Container::new(
        "busybox cat; echo out; exec >&2; echo err; busybox ls /proc/$$/fd; true",
        Process {
            stdio: call_list::Stdio::Three,
            ..Process::default()
        },
    );
    let file = |name: &str| container.rootfs(&format!("tmp/{name}"));
    let (input, out, err) = (file("in"), file("out"), file("err"));
    fs::write(&input, "input\n").unwrap();
    let fds = [
        fs::File::open(&input).unwrap(),
        fs::File::create(&out).unwrap(),
        fs::File::create(&err).unwrap(),
    ];
    let (created, connection) = container.create();
    connection.release(&fds.each_ref().map(AsRawFd::as_raw_fd));
    drop((connection, fds));
    let fifo = created.container.guest.join("syncfifo");
    let reader = std::thread::spawn(move || fs::read_to_string(fifo).unwrap());
    let child = created.child;
    assert!(finish(child, created.begin).status.success());
    assert_eq!(reader.join().unwrap().trim(), ">");
    assert_eq!(fs::read_to_string(out).unwrap(), "input\nout\n");
    assert_eq!(fs::read_to_string(err).unwrap(), "err\n0\n1\n2\n");
}

/// Pid 1 of a pid namespace is spared by signals with the default disposition.
#[test]
fn signals_end_an_init_that_waits() {
    if !possible() {
        return;
    }
    for signal in [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGQUIT,
        Signal::SIGUSR1,
        Signal::SIGALRM,
    ] {
        let (created, connection) = Container::new("echo", Process::default()).create();
        connection.release(&[]);
        let init = child_of(created.child.id());
        kill(Pid::from_raw(init), signal).unwrap();
        let finished = finish(created.child, created.begin);
        assert_eq!(
            finished.status.code(),
            Some(128 + signal as i32),
            "{signal}"
        );
    }
}

#[test]
fn signals_that_are_ignored_by_default_do_not() {
    if !possible() {
        return;
    }
    let (created, connection) = Container::new("echo alive", Process::default()).create();
    connection.release(&[]);
    let init = child_of(created.child.id());
    for signal in [
        Signal::SIGCHLD,
        Signal::SIGWINCH,
        Signal::SIGURG,
        Signal::SIGCONT,
        Signal::SIGPIPE,
    ] {
        kill(Pid::from_raw(init), signal).unwrap();
    }
    assert_eq!(created.start().output(), "alive\n");
}

fn child_of(pid: u32) -> i32 {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let mut children = String::new();
    support::eventually("init exists", || {
        children = fs::read_to_string(&path).unwrap_or_default();
        !children.trim().is_empty()
    });
    children.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn a_dead_runtime_ends_init() {
    if !possible() {
        return;
    }
    let (created, connection) = Container::new("echo", Process::default()).create();
    drop(connection);
    finish(created.child, created.begin).fails_with(15, "the runtime went away");
    let (created, connection) = Container::new("echo", Process::default()).create();
    connection.send('C', b"", &[]);
    finish(created.child, created.begin).fails_with(16, "unexpected packet 67");
}
