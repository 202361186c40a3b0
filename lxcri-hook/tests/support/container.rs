//! A container in namespaces of its own whose root file system holds nothing but busybox.

use super::runtime::{Connection, Listener};
use super::{LAUNCHER, Tree, copy_program, finish, has_program, is_root, skip};
use call_list::{Capabilities, Process, Rlimit};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

const BUSYBOX: &str = "/bin/busybox";

/// A guest directory and a root file system.
pub struct Container {
    pub guest: Tree,
    rootfs: tempfile::TempDir,
}

/// An init that has reported itself and waits for `start`.
pub struct Created {
    pub container: Container,
    pub child: Child,
    pub begin: Instant,
}

/// What `start` reads, and how the process ended.
pub struct Ended {
    /// Without the line that says that the program is executed next.
    pub fifo: String,
    /// Whether that line came, and came last.
    pub executed: bool,
    pub finished: super::Finished,
}

/// Whether the machine has what it takes.
pub fn possible() -> bool {
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
    pub fn new(script: &str, settings: Process) -> Container {
        Container::with_program(
            &["/bin/busybox", "sh", "-c", script],
            &["PATH=/bin"],
            settings,
        )
    }

    pub fn with_program(cmdline: &[&str], environ: &[&str], settings: Process) -> Container {
        let owned = |strings: &[&str]| strings.iter().map(ToString::to_string).collect();
        let process = Process {
            program: cmdline[0].to_owned(),
            arguments: owned(&cmdline[1..]),
            environment: owned(environ),
            ..settings
        };
        let guest = Tree::new();
        guest.write("init/calls", &process.compile().unwrap());
        copy_program(LAUNCHER, &guest.join("lxcri-hook"));
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
        copy_program(BUSYBOX, &rootfs.path().join("bin/busybox"));
        Container { guest, rootfs }
    }

    pub fn rootfs(&self, name: &str) -> PathBuf {
        self.rootfs.path().join(name)
    }

    /// Starts init and takes its report.
    pub fn create(self) -> (Created, Connection) {
        self.create_with(Stdio::null())
    }

    pub fn create_with(self, stdin: Stdio) -> (Created, Connection) {
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
    pub fn run(self) -> Ended {
        let (created, connection) = self.create();
        connection.release(&[]);
        created.start()
    }
}

impl Created {
    /// Opens the FIFO as `start` does and reads it to its end.
    pub fn start(self) -> Ended {
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
        super::eventually("the FIFO ends", || reader.is_finished());
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
    pub fn output(self) -> String {
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
    pub fn fails_with(&self, code: i32, text: &str) {
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
pub fn user(uid: u32) -> Process {
    Process {
        uid: Some(uid),
        ..Process::default()
    }
}

/// Settings with nothing but a working directory.
pub fn at(cwd: &str) -> Process {
    Process {
        cwd: Some(cwd.as_bytes().to_vec()),
        ..Process::default()
    }
}

/// A resource limit.
pub fn limit(resource: u32, soft: u64, hard: u64) -> Rlimit {
    Rlimit {
        resource,
        soft,
        hard,
    }
}

/// No capability, with those of this kernel known.
pub fn capabilities() -> Capabilities {
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

/// What a file such as /proc/self/status says behind a key.
pub fn status_line(output: &str, key: &str) -> String {
    let line = output
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .unwrap_or_else(|| panic!("{key} in {output}"));
    line.trim().to_owned()
}
