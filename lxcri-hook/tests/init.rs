//! `init` in namespaces of its own, with a root file system that holds nothing but busybox.
#![deny(unsafe_code)]

mod support;

use call_list::{Capabilities, Process, Rlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use std::fs;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::runtime::{Connection, Listener};
use support::{LAUNCHER, Tree, finish, has_program, is_root, skip};

const BUSYBOX: &str = "/bin/busybox";

/// A guest directory and a root file system.
struct Container {
    guest: Tree,
    rootfs: tempfile::TempDir,
}

/// An init that has reported itself and waits for `start`.
struct Created {
    container: Container,
    child: Child,
    begin: Instant,
}

/// What `start` reads, and how the process ended.
struct Ended {
    /// Without the line that says that the program is executed next.
    fifo: String,
    /// Whether that line came, and came last.
    executed: bool,
    finished: support::Finished,
}

fn possible() -> bool {
    if !is_root() {
        skip("namespaces and mounts need root");
        return false;
    }
    if !has_program("unshare") || !Path::new(BUSYBOX).exists() {
        skip("unshare or a static busybox is missing");
        return false;
    }
    true
}

impl Container {
    /// A container whose program is shell text, with these settings.
    fn new(script: &str, settings: Process) -> Container {
        Container::with_program(
            &["/bin/busybox", "sh", "-c", script],
            &["PATH=/bin"],
            settings,
        )
    }

    fn with_program(cmdline: &[&str], environ: &[&str], settings: Process) -> Container {
        let owned = |strings: &[&str]| strings.iter().map(ToString::to_string).collect();
        let process = Process {
            program: cmdline[0].to_owned(),
            arguments: owned(&cmdline[1..]),
            environment: owned(environ),
            ..settings
        };
        let guest = Tree::new();
        guest.write("init/calls", &process.compile().unwrap());
        fs::copy(LAUNCHER, guest.join("lxcri-hook")).unwrap();
        mkfifo(&guest.join("syncfifo"), Mode::S_IRWXU).unwrap();
        let rootfs = tempfile::tempdir().unwrap();
        fs::set_permissions(rootfs.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for dir in ["bin", "proc", "tmp", "dev", ".lxcri", "work"] {
            fs::create_dir(rootfs.path().join(dir)).unwrap();
        }
        fs::set_permissions(
            rootfs.path().join("tmp"),
            fs::Permissions::from_mode(0o1777),
        )
        .unwrap();
        fs::copy(BUSYBOX, rootfs.path().join("bin/busybox")).unwrap();
        Container { guest, rootfs }
    }

    fn rootfs(&self, name: &str) -> PathBuf {
        self.rootfs.path().join(name)
    }

    /// Starts init and takes its report.
    fn create(self) -> (Created, Connection) {
        self.create_with(Stdio::null())
    }

    fn create_with(self, stdin: Stdio) -> (Created, Connection) {
        let listener = Listener::bind(&self.guest.join("sync"));
        let script = "mount --bind \"$1\" \"$2/.lxcri\" && mount -o remount,bind,ro \"$2/.lxcri\" && \
                      mount -t proc proc \"$2/proc\" && exec chroot \"$2\" /.lxcri/lxcri-hook init";
        let begin = Instant::now();
        let child = Command::new("unshare")
            .args([
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "sh",
                "-c",
                script,
                "sh",
            ])
            .args([self.guest.path(), self.rootfs.path()])
            .env("LEAK", "x")
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let connection = listener.accept();
        assert_eq!(connection.expect('I').text(), "");
        (
            Created {
                container: self,
                child,
                begin,
            },
            connection,
        )
    }

    /// The whole life with nothing special to hand over.
    fn run(self) -> Ended {
        let (created, connection) = self.create();
        connection.release(&[]);
        created.start()
    }
}

impl Created {
    /// Opens the FIFO as `start` does and reads it to its end.
    fn start(self) -> Ended {
        let path = self.container.guest.join("syncfifo");
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            fs::File::open(path)
                .unwrap()
                .read_to_string(&mut text)
                .unwrap();
            text
        });
        let finished = finish(self.child, self.begin);
        support::eventually("the FIFO ends", || reader.is_finished());
        let told = reader.join().unwrap();
        let rest = told.strip_suffix(">\n");
        Ended {
            executed: rest.is_some(),
            fifo: rest.unwrap_or(&told).to_owned(),
            finished,
        }
    }
}

impl Ended {
    /// Asserts that the program was executed, and returns its output.
    fn output(self) -> String {
        assert_eq!(
            (self.fifo.as_str(), self.executed),
            ("", true),
            "{:?}",
            self.finished
        );
        assert!(self.finished.status.success(), "{:?}", self.finished);
        self.finished.stdout
    }

    /// Asserts that the program was not executed, for this reason.
    fn fails_with(&self, code: i32, text: &str) {
        let lines: Vec<&str> = self
            .fifo
            .lines()
            .filter(|line| line.starts_with('!'))
            .collect();
        assert_eq!(lines.len(), 1, "{:?} {:?}", self.fifo, self.finished);
        assert!(lines[0].contains(text), "{text:?} is not in {:?}", lines[0]);
        assert!(self.fifo.ends_with('\n'));
        assert_eq!(
            self.finished.status.code(),
            Some(code),
            "{:?}",
            self.finished
        );
        assert_eq!(
            self.finished.stderr, "",
            "the reason is for start, not for the program's stderr"
        );
    }
}

/// Settings with nothing but a user.
fn user(uid: u32) -> Process {
    Process {
        uid: Some(uid),
        ..Process::default()
    }
}

/// Settings with nothing but a working directory.
fn at(cwd: &str) -> Process {
    Process {
        cwd: Some(cwd.as_bytes().to_vec()),
        ..Process::default()
    }
}

fn limit(resource: u32, soft: u64, hard: u64) -> Rlimit {
    Rlimit {
        resource,
        soft,
        hard,
    }
}

/// No capability, with those of this kernel known.
fn capabilities() -> Capabilities {
    let last: u32 = fs::read_to_string("/proc/sys/kernel/cap_last_cap")
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    Capabilities {
        known: (1 << (last + 1)) - 1,
        ..Capabilities::default()
    }
}

fn status_line(output: &str, key: &str) -> String {
    let line = output
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .unwrap_or_else(|| panic!("{key} in {output}"));
    line.trim().to_owned()
}

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
fn settings_are_applied() {
    if !possible() {
        return;
    }
    let script = "busybox cat /proc/self/status /proc/self/limits /proc/self/personality; umask; busybox id -G; pwd";
    let settings = Process {
        uid: Some(1000),
        gid: Some(1001),
        groups: Some(vec![5, 4294967294, 7]),
        umask: Some(0o27),
        no_new_privs: true,
        capabilities: Some(Capabilities {
            bounding: 0x2400,
            permitted: 0x2400,
            effective: 0x400,
            inheritable: 0x2000,
            ambient: 0x2000,
            ..capabilities()
        }),
        rlimits: vec![limit(7, 77, 99), limit(4, 0, u64::MAX)],
        session: true,
        personality: Some(8),
        ..at("/work")
    };
    let output = Container::new(script, settings).run().output();
    assert_eq!(status_line(&output, "Uid:"), "1000\t1000\t1000\t1000");
    assert_eq!(status_line(&output, "Gid:"), "1001\t1001\t1001\t1001");
    assert_eq!(status_line(&output, "Groups:"), "5 7 4294967294");
    assert_eq!(status_line(&output, "Umask:"), "0027");
    assert_eq!(status_line(&output, "NoNewPrivs:"), "1");
    // execve as an ordinary user: permitted and effective become the ambient set.
    for (key, value) in [
        ("CapBnd:", 0x2400),
        ("CapInh:", 0x2000),
        ("CapAmb:", 0x2000),
        ("CapPrm:", 0x2000),
    ] {
        assert_eq!(status_line(&output, key), format!("{value:016x}"), "{key}");
    }
    let files = status_line(&output, "Max open files");
    assert_eq!(
        files.split_whitespace().collect::<Vec<_>>(),
        ["77", "99", "files"]
    );
    let core = status_line(&output, "Max core file size");
    assert_eq!(
        core.split_whitespace().collect::<Vec<_>>(),
        ["0", "unlimited", "bytes"]
    );
    assert!(
        output.contains("00000008\n0027\n1001 5 7 4294967294\n/work\n"),
        "{output}"
    );
    for key in ["SigBlk:", "SigIgn:"] {
        assert_eq!(status_line(&output, key), "0000000000000000");
    }
}

#[test]
fn root_keeps_no_more_than_it_was_given() {
    if !possible() {
        return;
    }
    let settings = Process {
        gid: Some(0),
        groups: Some(vec![]),
        capabilities: Some(Capabilities {
            bounding: 0x21,
            permitted: 0x21,
            effective: 0x21,
            ..capabilities()
        }),
        ..user(0)
    };
    let output = Container::new("busybox cat /proc/self/status", settings)
        .run()
        .output();
    assert_eq!(status_line(&output, "CapEff:"), "0000000000000021");
    assert_eq!(status_line(&output, "CapBnd:"), "0000000000000021");
    assert_eq!(status_line(&output, "Groups:"), "");
    assert_eq!(status_line(&output, "NoNewPrivs:"), "0");
}

/// A filter that answers mkdir with EPERM and allows everything else.
#[cfg(target_arch = "x86_64")]
fn filter() -> Vec<u8> {
    const MKDIR: u32 = 83;
    let instructions: [(u16, u8, u8, u32); 4] = [
        (0x20, 0, 0, 0),
        (0x15, 0, 1, MKDIR),
        (0x06, 0, 0, 0x0005_0001),
        (0x06, 0, 0, 0x7fff_0000),
    ];
    instructions
        .iter()
        .flat_map(|(code, yes, no, value)| {
            let mut bytes = code.to_ne_bytes().to_vec();
            bytes.extend([*yes, *no]);
            bytes.extend(value.to_ne_bytes());
            bytes
        })
        .collect()
}

#[test]
#[cfg(target_arch = "x86_64")]
fn seccomp_is_loaded_with_and_without_no_new_privs() {
    if !possible() {
        return;
    }
    let no_new_privs = Process {
        no_new_privs: true,
        ..user(1000)
    };
    let powerless = Process {
        capabilities: Some(Capabilities::default()),
        ..user(1000)
    };
    for settings in [Process::default(), no_new_privs, powerless] {
        let script = "busybox cat /proc/self/status; busybox mkdir /tmp/d 2>&1; busybox touch /tmp/f && echo touched";
        let settings = Process {
            seccomp: filter(),
            ..settings
        };
        let output = Container::new(script, settings).run().output();
        assert_eq!(status_line(&output, "Seccomp:"), "2");
        assert!(
            output.contains("can't create directory '/tmp/d': Operation not permitted"),
            "{output}"
        );
        assert!(output.ends_with("touched\n"), "{output}");
    }
}

#[test]
fn the_program_is_looked_up_like_execvp_does() {
    if !possible() {
        return;
    }
    let with = |name: &str, environ: &[&str]| {
        let container =
            Container::with_program(&[name, "sh", "-c", "echo here"], environ, at("/bin"));
        fs::write(container.rootfs("tmp/notexec"), "x").unwrap();
        fs::create_dir(container.rootfs("tmp/busybox")).unwrap();
        container.run()
    };
    assert_eq!(with("busybox", &["PATH=/nowhere:/bin"]).output(), "here\n");
    assert_eq!(with("busybox", &["PATH=/tmp:/bin"]).output(), "here\n");
    assert_eq!(
        with("busybox", &["PATH=/tmp/notexec:/bin"]).output(),
        "here\n"
    );
    assert_eq!(with("busybox", &["PATH=:"]).output(), "here\n");
    assert_eq!(with("busybox", &[]).output(), "here\n");
    assert_eq!(with("./busybox", &["PATH=/nowhere"]).output(), "here\n");
    with("nonesuch", &["PATH=/bin:/tmp"])
        .fails_with(18, "execve(nonesuch): executable file not found in $PATH");
    with("busybox", &["PATH=/nowhere"]).fails_with(18, "executable file not found in $PATH");
    with("notexec", &["PATH=/bin:/tmp:/nowhere"])
        .fails_with(18, "execve(notexec): permission denied (EACCES)");
    with("/tmp/notexec", &[]).fails_with(18, "execve(/tmp/notexec): permission denied (EACCES)");
    with("/nonesuch", &[]).fails_with(18, "execve(/nonesuch): no such file or directory (ENOENT)");
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
    let container = Container::new("echo program", Process::default());
    fs::remove_file(container.guest.join("init/calls")).unwrap();
    container.run().fails_with(
        8,
        "open(/.lxcri/init/calls): no such file or directory (ENOENT)",
    );
}

#[test]
fn settings_that_cannot_be_applied_are_named() {
    if !possible() {
        return;
    }
    let fails =
        |settings: Process, text: &str| Container::new("echo", settings).run().fails_with(17, text);
    fails(
        at("/nonesuch"),
        "chdir(/nonesuch): no such file or directory (ENOENT)",
    );
    fails(
        at("/bin/busybox"),
        "chdir(/bin/busybox): not a directory (ENOTDIR)",
    );
    let limited = |limit| Process {
        rlimits: vec![limit],
        ..Process::default()
    };
    fails(
        limited(limit(7, 2, 1)),
        "setrlimit(7, [2, 1]): invalid argument (EINVAL)",
    );
    fails(
        limited(limit(60, 1, 1)),
        "setrlimit(60, [1, 1]): invalid argument (EINVAL)",
    );
}

#[test]
fn a_directory_that_only_root_may_enter() {
    if !possible() {
        return;
    }
    let container = Container::new(
        "busybox pwd",
        Process {
            capabilities: Some(Capabilities::default()),
            cwd: Some(b"/work".to_vec()),
            ..user(1000)
        },
    );
    fs::set_permissions(container.rootfs("work"), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(container.run().output(), "/work\n");
}

/// CVE-2024-21626: a descriptor of a directory outside must not become the working directory.
#[test]
fn a_working_directory_outside_of_the_root_is_refused() {
    if !possible() {
        return;
    }
    let outside = fs::File::open("/").unwrap();
    // 5 is the first that the runtime hands over.
    let path = "/proc/self/fd/5";
    let settings = Process {
        preserve: 1,
        ..at(path)
    };
    let (created, connection) = Container::new("busybox pwd", settings).create();
    connection.release(&[outside.as_raw_fd()]);
    drop(connection);
    created
        .start()
        .fails_with(17, &format!("chdir({path}): outside of the root"));
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
        assert!(finished.took < Duration::from_secs(10));
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
