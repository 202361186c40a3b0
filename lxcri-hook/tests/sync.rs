//! The rendezvous: the launcher against a runtime's end of the socket.
#![deny(unsafe_code)]

mod support;

use call_list::Superblock;
use std::fs;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use support::runtime::{Connection, Listener, Packet};
use support::{Finished, Tree, finish, is_root, run, skip};

/// A tree whose launcher waits at the socket.
struct Rendezvous {
    tree: Tree,
    connection: Connection,
    launcher: Child,
    begin: Instant,
}

fn rendezvous(tree: Tree) -> Rendezvous {
    fs::create_dir_all(tree.join("guest")).unwrap();
    let listener = Listener::bind(&tree.join("guest/sync"));
    let begin = Instant::now();
    let mut command = tree.command("create-container");
    command
        .arg("sync")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let launcher = command.spawn().unwrap();
    let connection = listener.accept();
    assert_eq!(connection.expect('M').text(), "");
    Rendezvous {
        tree,
        connection,
        launcher,
        begin,
    }
}

impl Rendezvous {
    /// Has the phase run, with these descriptors behind that of the log. The records, and the answer.
    fn run_phase(&self, others: &[RawFd]) -> (Vec<serde_json::Value>, Packet) {
        let path = self.tree.join("log");
        let log = fs::File::options()
            .append(true)
            .create(true)
            .open(&path)
            .unwrap();
        let mut fds = vec![log.as_raw_fd()];
        fds.extend(others);
        self.connection.send('C', b"", &fds);
        let answer = self.connection.receive().expect("the launcher answers");
        let text = fs::read_to_string(path).unwrap();
        let records = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        (records, answer)
    }

    fn finish(self) -> Finished {
        drop(self.connection);
        finish(self.launcher, self.begin)
    }
}

fn request(fstype: &str, options: &[&str], attributes: u64) -> Vec<u8> {
    let superblock = Superblock {
        fstype,
        options,
        attributes,
    };
    superblock.packet().unwrap()
}

#[test]
fn in_the_place_of_the_shell_of_lxc() {
    let tree = Tree::new();
    fs::create_dir_all(tree.join("guest")).unwrap();
    let listener = Listener::bind(&tree.join("guest/sync"));
    let begin = Instant::now();
    let launcher = Command::new(support::LAUNCHER)
        .arg0("sh")
        .args(["-c", "exec /usr/libexec/lxcri/lxcri-hook whatever"])
        .env_clear()
        .env("LXC_HOOK_TYPE", "mount")
        .env("LXC_CONFIG_FILE", tree.join("config"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let connection = listener.accept();
    connection.expect('M');
    connection.send('C', b"", &[]);
    connection.expect('D');
    drop(connection);
    finish(launcher, begin).succeeds();
}

#[test]
fn the_runtime_has_the_phase_run() {
    let tree = Tree::new();
    let rootfs = tempfile::tempdir().unwrap();
    tree.shell("create-container", 1, "pwd -P", &[]);
    tree.shell("create-container", 2, "cat", &[]);
    tree.write("guest/state.json", b"{}");
    let cwd = support::strings(&[rootfs.path().to_str().unwrap()]);
    tree.write("hooks/create-container/cwd", &cwd);
    let meeting = rendezvous(tree);
    let (records, last) = meeting.run_phase(&[]);
    assert_eq!((last.kind, last.text().as_str()), ('D', ""));
    let expected = format!("{}\n", rootfs.path().canonicalize().unwrap().display());
    assert_eq!(
        records
            .iter()
            .map(|record| &record["stdout"])
            .collect::<Vec<_>>(),
        [&expected, "{}"]
    );
    assert!(
        !meeting.tree.join("hooks.jsonl").exists(),
        "records belong to the runtime"
    );
    meeting.finish().succeeds();
}

#[test]
fn no_hooks_is_done_at_once() {
    let meeting = rendezvous(Tree::new());
    meeting.connection.send('C', b"", &[]);
    assert_eq!(meeting.connection.expect('D').text(), "");
    meeting.finish().succeeds();
}

#[test]
fn a_failure_is_told_to_the_runtime() {
    let tree = Tree::new();
    tree.shell("create-container", 1, "echo bad luck >&2; exit 4", &[]);
    tree.shell("create-container", 2, "exit 0", &[]);
    let meeting = rendezvous(tree);
    let (records, last) = meeting.run_phase(&[]);
    assert_eq!((records.len(), last.kind), (1, 'X'));
    let text = last.text();
    assert!(
        text.starts_with("createContainer hook #1 (/bin/sh): exit status 4 after "),
        "{text}"
    );
    assert!(text.ends_with(" ms: bad luck"), "{text}");
    meeting.finish().fails_with(11, &text);
}

#[test]
fn a_malformed_tree_is_told_to_the_runtime() {
    let tree = Tree::new();
    tree.write("hooks/create-container/1/cmdline", b"/bin/true");
    let meeting = rendezvous(tree);
    meeting.connection.send('C', b"", &[]);
    let text = meeting.connection.expect('X').text();
    assert!(
        text.ends_with("hooks/create-container/1/cmdline: no NUL at the end"),
        "{text}"
    );
    meeting.finish().fails_with(20, &text);
}

#[test]
fn a_long_record_is_whole() {
    let tree = Tree::new();
    let long = "x".repeat(100_000);
    tree.hook("create-container", 1, &["/bin/true", "true", &long], &[]);
    let meeting = rendezvous(tree);
    let (records, last) = meeting.run_phase(&[]);
    assert_eq!(
        (records[0]["argv"][1].as_str(), last.kind),
        (Some(long.as_str()), 'D')
    );
    meeting.finish().succeeds();
}

#[test]
fn without_a_socket_the_rendezvous_fails() {
    let tree = Tree::new();
    run(tree.command("create-container").arg("sync"))
        .fails_with(8, "/guest): no such file or directory");
    fs::create_dir(tree.join("guest")).unwrap();
    run(tree.command("create-container").arg("sync"))
        .fails_with(14, "/guest/sync): no such file or directory");
    drop(Listener::bind(&tree.join("guest/sync")));
    run(tree.command("create-container").arg("sync"))
        .fails_with(14, "/guest/sync): connection refused");
}

#[test]
fn a_path_longer_than_a_socket_address() {
    let tree = Tree::new();
    let long = tree.join(&"d".repeat(120));
    fs::create_dir_all(long.join("guest")).unwrap();
    // The test's own end must be bound by a short name, too.
    let short = tree.join("s");
    std::os::unix::fs::symlink(long.join("guest"), &short).unwrap();
    let listener = Listener::bind(&short.join("sync"));
    let begin = Instant::now();
    let mut command = std::process::Command::new(support::LAUNCHER);
    command
        .arg("create-container")
        .arg(&long)
        .arg("sync")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let launcher = command.spawn().unwrap();
    let connection = listener.accept();
    connection.expect('M');
    connection.send('C', b"", &[]);
    connection.expect('D');
    finish(launcher, begin).succeeds();
}

#[test]
fn a_dead_runtime_ends_the_launcher() {
    let meeting = rendezvous(Tree::new());
    meeting.finish().fails_with(15, "the runtime went away");
}

#[test]
fn a_dead_runtime_ends_a_running_hook() {
    let tree = Tree::new();
    let pid = tree.join("pid");
    let script = format!(
        "echo $$ > {0}.new; mv {0}.new {0}; exec sleep 300",
        pid.display()
    );
    tree.shell("create-container", 1, &script, &["PATH=/bin:/usr/bin"]);
    let meeting = rendezvous(tree);
    meeting.connection.send('C', b"", &[]);
    support::eventually("the hook runs", || pid.exists());
    let pid: i32 = fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
    meeting
        .finish()
        .fails_with(15, "the runtime went away while a hook ran");
    support::eventually("the hook is gone", || !support::is_alive(pid));
}

#[test]
fn packets_out_of_place() {
    for kind in ['G', 'M', 'D', '\0', 'é'] {
        let meeting = rendezvous(Tree::new());
        meeting.connection.send(kind, b"x", &[]);
        let finished = meeting.finish();
        assert_eq!(finished.status.code(), Some(16), "{finished:?}");
        assert!(
            finished.stderr.contains("unexpected packet"),
            "{finished:?}"
        );
    }
}

#[test]
fn packets_that_are_too_long() {
    let meeting = rendezvous(Tree::new());
    meeting.connection.send('C', &vec![b'x'; 70_000], &[]);
    meeting.finish().fails_with(16, "message too long");
}

#[test]
fn descriptors_that_nobody_asked_for_reach_no_hook() {
    let tree = Tree::new();
    tree.shell(
        "create-container",
        1,
        "ls /proc/$$/fd",
        &["PATH=/bin:/usr/bin"],
    );
    let meeting = rendezvous(tree);
    let file = fs::File::open("/etc/passwd").unwrap();
    let (records, last) = meeting.run_phase(&[file.as_raw_fd(), file.as_raw_fd()]);
    assert_eq!(
        (records[0]["stdout"].as_str(), last.kind),
        (Some("0\n1\n2\n"), 'D')
    );
    meeting.finish().succeeds();
}

#[test]
fn superblocks_are_made_on_request() {
    if !is_root() {
        return skip("mounts need root");
    }
    let meeting = rendezvous(Tree::new());
    let options = ["source=none", "size=64k", "mode=0750"];
    meeting
        .connection
        .send_packet(&request("tmpfs", &options, 14), &[]);
    let mut answer = meeting.connection.expect('F');
    assert_eq!((answer.fds.len(), answer.text().as_str()), (1, ""));
    let mount = answer.fds.remove(0);
    let stat = nix::sys::statfs::fstatfs(&mount).unwrap();
    assert_eq!(stat.filesystem_type(), nix::sys::statfs::TMPFS_MAGIC);
    assert_eq!(stat.blocks() as i64 * stat.block_size(), 64 << 10);
    let mode = fs::metadata(format!("/proc/self/fd/{}", mount.as_raw_fd())).unwrap();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o7777,
        0o750
    );
    let flags = stat.flags();
    // 14 = nosuid, nodev, noexec.
    for flag in [
        nix::sys::statvfs::FsFlags::ST_NOSUID,
        nix::sys::statvfs::FsFlags::ST_NODEV,
    ] {
        assert!(flags.contains(flag), "{flags:?}");
    }
    drop(mount);

    // Failures are answers, and the launcher goes on.
    let whole = request("tmpfs", &[], 0);
    let failures: [(&[u8], &str); 7] = [
        (
            &request("tmpfs", &["size=1x"], 0),
            "fsconfig(tmpfs, size=1x): invalid argument (EINVAL): tmpfs: Bad value for 'size'",
        ),
        (
            &request("tmpfs", &["nonsense"], 0),
            "fsconfig(tmpfs, nonsense): invalid argument (EINVAL)",
        ),
        (
            &request("nonsense", &[], 0),
            "fsopen(nonsense): no such device (ENODEV)",
        ),
        (
            &request("tmpfs", &[], u64::MAX),
            "fsmount(tmpfs): invalid argument (EINVAL)",
        ),
        (b"P", "malformed list of system calls"),
        (&whole[..64], "malformed list of system calls"),
        (
            &[&whole[..], &[1; 8]].concat(),
            "malformed list of system calls",
        ),
    ];
    for (request, text) in failures {
        meeting.connection.send_packet(request, &[]);
        let answer = meeting.connection.expect('E').text();
        assert!(answer.starts_with(text), "{answer}");
    }
    for fstype in ["proc", "sysfs", "mqueue", "devpts"] {
        meeting
            .connection
            .send_packet(&request(fstype, &[], 0), &[]);
        assert_eq!(meeting.connection.expect('F').fds.len(), 1);
    }
    meeting.connection.send('C', b"", &[]);
    meeting.connection.expect('D');
    meeting.finish().succeeds();
}
