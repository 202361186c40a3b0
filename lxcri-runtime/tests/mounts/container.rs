//! A container to mount in, seen from the runtime's side.

use std::fs;
use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use lxcri_runtime::mounts::{
    CgroupView, Engine, Error, Facts, Host, IdMap, IdMaps, MakeError, MountPlan, Sources,
    SuperblockMaker,
};
use nix::mount::{MntFlags, umount2};
use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, accept4,
    bind, getsockopt, listen, recv, recvmsg, send, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;
use oci_spec::runtime::Spec;
use tempfile::TempDir;

use crate::role::{PATIENCE, ROLE, ROOTFS, SOCKET, WANT};
use crate::sys::{own, uninterrupted};

/// The host's id of the container's root in tests with a user namespace.
pub const MAPPED_UID: u32 = 100_000;
pub const MAPPED_GID: u32 = 200_000;

/// A bundle: `rootfs`, `data`, the runtime directory's `guest`, and `launcher`.
pub struct Bundle {
    dir: TempDir,
}

impl Bundle {
    pub fn new() -> Self {
        let dir = TempDir::new().unwrap();
        // A mapped root is an ordinary user to the host.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let bundle = Self { dir };
        for name in [
            "rootfs",
            "rootfs/dev",
            "rootfs/proc",
            "rootfs/sys",
            "rootfs.cover",
            "data",
            "guest",
        ] {
            fs::create_dir(bundle.path(name)).unwrap();
        }
        fs::write(bundle.path("guest/lxcri-hook"), "").unwrap();
        fs::write(bundle.path("guest/state.json"), "{}").unwrap();
        fs::write(bundle.path("launcher"), "the launcher").unwrap();
        fs::write(bundle.path("data/file"), "data").unwrap();
        bundle
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn symlink(&self, target: impl AsRef<Path>, name: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
    }

    /// Every path below the bundle's directory with what is there, to see that nothing else has changed.
    pub fn inventory(&self, below: &str) -> Vec<String> {
        fn walk(path: &Path, found: &mut Vec<String>) {
            let stat = fs::symlink_metadata(path).unwrap();
            let kind = if stat.is_dir() { "/" } else { "" };
            found.push(format!("{}{kind}", path.display()));
            if stat.is_dir() {
                let mut entries: Vec<_> = fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path())
                    .collect();
                entries.sort();
                entries.iter().for_each(|entry| walk(entry, found));
            }
        }
        let mut found = Vec::new();
        walk(&self.path(below), &mut found);
        let base = format!("{}/", self.dir.path().display());
        found.iter().map(|path| path.replace(&base, "")).collect()
    }
}

impl Drop for Bundle {
    /// Mounts of the test in its own namespace would keep the directory from being removed.
    fn drop(&mut self) {
        let base = format!("{}/", self.dir.path().display());
        let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap_or_default();
        for line in mounts.lines().rev().map(Line::new) {
            if line.point.starts_with(&base) {
                let _ = umount2(line.point.as_str(), MntFlags::MNT_DETACH);
            }
        }
    }
}

/// The process inside, standing where lxc.hook.mount runs.
pub struct Container {
    child: Child,
    channel: OwnedFd,
    pub pid: i32,
    pub bundle: Bundle,
    want: String,
}

impl Container {
    /// `want` is a list for `role::WANT`.
    pub fn start(bundle: Bundle, want: &str) -> Self {
        let door = Door::open(&bundle);
        let child = role(&bundle, "outer", want)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        if want.split(',').any(|item| item == "user") {
            let (channel, pid) = door.meet();
            assert_eq!(receive(&channel).0, "map");
            fs::write(
                format!("/proc/{pid}/uid_map"),
                format!("0 {MAPPED_UID} 65536"),
            )
            .unwrap();
            fs::write(
                format!("/proc/{pid}/gid_map"),
                format!("0 {MAPPED_GID} 65536"),
            )
            .unwrap();
            send(channel.as_raw_fd(), b"mapped", MsgFlags::empty()).unwrap();
        }
        let (channel, pid) = door.meet();
        assert_eq!(receive(&channel).0, "hook");
        Self {
            child,
            channel,
            pid,
            bundle,
            want: want.to_owned(),
        }
    }

    /// The same with LXC itself, whose mount hook is the process inside; `command` starts it.
    pub fn start_lxc(bundle: Bundle, want: &str, command: &mut Command) -> Self {
        let door = Door::open(&bundle);
        let child = command.stdin(Stdio::null()).spawn().unwrap();
        let (channel, hook) = door.meet();
        assert_eq!(receive(&channel).0, "hook");
        let status = fs::read_to_string(format!("/proc/{hook}/status")).unwrap();
        let parent = status
            .lines()
            .find_map(|line| line.strip_prefix("PPid:"))
            .unwrap();
        let pid = parent.trim().parse().unwrap();
        Self {
            child,
            channel,
            pid,
            bundle,
            want: want.to_owned(),
        }
    }

    fn has(&self, what: &str) -> bool {
        self.want.split(',').any(|item| item == what)
    }

    /// Asks the process inside; an error is its error's text.
    pub fn ask(&self, words: &[&str]) -> Result<String, String> {
        send(
            self.channel.as_raw_fd(),
            words.join("\0").as_bytes(),
            MsgFlags::empty(),
        )
        .unwrap();
        let (text, _) = receive(&self.channel);
        match text.split_at(1) {
            ("=", text) => Ok(text.to_owned()),
            (_, text) => Err(text.to_owned()),
        }
    }

    pub fn get(&self, verb: &str, path: &str) -> String {
        self.ask(&[verb, path])
            .unwrap_or_else(|error| panic!("{verb} {path}: {error}"))
    }

    /// The engine for `config`, an object with parts of a config.json.
    pub fn engine(&self, config: &str) -> Result<Engine, Error> {
        let spec: Spec =
            serde_json::from_str(config).unwrap_or_else(|error| panic!("{error}: {config}"));
        let view = CgroupView::from_mountinfo(&fs::read("/proc/thread-self/mountinfo").unwrap());
        let mut facts = Facts::from_spec(&spec, view);
        facts.cgroup_ns = self.has("cgroup");
        if self.has("user") {
            let map = |host| {
                vec![IdMap {
                    container: 0,
                    host,
                    size: 65536,
                }]
            };
            facts.user_ns = Some(IdMaps {
                uids: map(MAPPED_UID),
                gids: map(MAPPED_GID),
            });
        }
        let plan = MountPlan::new(&spec, &facts)?;
        let sources = Sources::open(
            &plan,
            &Host {
                bundle: &self.bundle.path(""),
                own_cgroups: &fs::read_to_string("/proc/self/cgroup").unwrap(),
                guest: &self.bundle.path("guest"),
                launcher: &self.bundle.path("launcher"),
                covered: Some("/bin/sh".as_ref()),
            },
        )?;
        let namespace = fs::File::open(format!("/proc/{}/ns/mnt", self.pid)).unwrap();
        Ok(Engine::new(
            plan,
            sources,
            namespace.into(),
            self.bundle.path("rootfs"),
            self.has("lxcdev"),
            self.bundle.path("guest"),
        ))
    }

    /// Makes the mounts only.
    pub fn make(&mut self, config: &str) -> Result<Engine, Error> {
        let mut engine = self.engine(config)?;
        let mut maker = Maker {
            channel: self.channel.try_clone().unwrap(),
        };
        engine.make_mounts(&mut maker, || ())?;
        Ok(engine)
    }

    /// The whole way to where the program could run.
    pub fn up(&mut self, config: &str) -> Result<(), Error> {
        let mut engine = self.make(config)?;
        self.pivot();
        finish(&mut engine)
    }

    pub fn pivot(&self) {
        self.ask(&["pivot"]).unwrap();
    }

    /// The lines of the container's mountinfo.
    pub fn mounts(&self) -> Vec<Line> {
        fs::read_to_string(format!("/proc/{}/mountinfo", self.pid))
            .unwrap()
            .lines()
            .map(Line::new)
            .collect()
    }

    /// The topmost mount at `path`.
    pub fn mount_at(&self, path: &str) -> Line {
        let mut lines = self.mounts();
        lines.reverse();
        lines
            .into_iter()
            .find(|line| line.point == path)
            .unwrap_or_else(|| panic!("no mount at {path}"))
    }
}

impl Container {
    /// Waits for the process that was started, a bounded time.
    pub fn wait(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "it does not end");
            sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // Its child inside dies with it, and the namespaces with that one.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One line of mountinfo.
#[derive(Debug, Clone)]
pub struct Line {
    pub point: String,
    pub options: String,
    /// `shared:…`, `master:…`, `unbindable`, without numbers.
    pub propagation: Vec<String>,
    pub fstype: String,
    pub super_options: String,
}

impl Line {
    fn new(text: &str) -> Self {
        let (mount, superblock) = text.split_once(" - ").unwrap();
        let fields: Vec<&str> = mount.split(' ').collect();
        let superblock: Vec<&str> = superblock.split(' ').collect();
        Self {
            point: fields[4].to_owned(),
            options: fields[5].to_owned(),
            propagation: fields[6..]
                .iter()
                .map(|field| field.split(':').next().unwrap().to_owned())
                .collect(),
            fstype: superblock[0].to_owned(),
            super_options: superblock[2].to_owned(),
        }
    }

    pub fn has(&self, option: &str) -> bool {
        self.options.split(',').any(|item| item == option)
    }
}

/// A process of this binary that plays `name`.
pub fn role(bundle: &Bundle, name: &str, want: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .env(ROLE, name)
        .env(SOCKET, bundle.path("sync"))
        .env(ROOTFS, bundle.path("rootfs"))
        .env(WANT, want);
    command
}

/// Where processes inside report.
struct Door {
    listener: OwnedFd,
}

impl Door {
    fn open(bundle: &Bundle) -> Self {
        let address = bundle.path("sync");
        let listener = socket(
            AddressFamily::Unix,
            SockType::SeqPacket,
            SockFlag::SOCK_CLOEXEC,
            None,
        )
        .unwrap();
        patient(&listener);
        bind(listener.as_raw_fd(), &UnixAddr::new(&address).unwrap()).unwrap();
        listen(&listener, Backlog::new(2).unwrap()).unwrap();
        fs::set_permissions(&address, fs::Permissions::from_mode(0o777)).unwrap();
        Self { listener }
    }

    /// The next to report, with its pid.
    fn meet(&self) -> (OwnedFd, i32) {
        let accepted = uninterrupted(|| accept4(self.listener.as_raw_fd(), SockFlag::SOCK_CLOEXEC));
        let channel = own(accepted.unwrap());
        patient(&channel);
        let pid = getsockopt(&channel, sockopt::PeerCredentials)
            .unwrap()
            .pid();
        (channel, pid)
    }
}

fn patient(socket: &OwnedFd) {
    let patience = TimeVal::new(PATIENCE.as_secs() as i64, 0);
    setsockopt(socket, sockopt::ReceiveTimeout, &patience).unwrap();
}

struct Maker {
    channel: OwnedFd,
}

impl SuperblockMaker for Maker {
    fn make(
        &mut self,
        fstype: &str,
        source: Option<&str>,
        options: &[String],
        attrs: u64,
    ) -> Result<OwnedFd, MakeError> {
        let attrs = attrs.to_string();
        let mut words = vec!["make", fstype, source.unwrap_or_default(), &attrs];
        words.extend(options.iter().map(String::as_str));
        send(
            self.channel.as_raw_fd(),
            words.join("\0").as_bytes(),
            MsgFlags::empty(),
        )
        .unwrap();
        match receive(&self.channel) {
            (_, Some(fd)) => Ok(fd),
            (text, None) => Err(MakeError(text.trim_start_matches('!').to_owned())),
        }
    }
}

fn receive(channel: &OwnedFd) -> (String, Option<OwnedFd>) {
    // Waits; after it nothing can interrupt.
    uninterrupted(|| recv(channel.as_raw_fd(), &mut [], MsgFlags::MSG_PEEK)).unwrap();
    let mut buffer = vec![0; 262_144];
    let mut control = nix::cmsg_space!([i32; 1]);
    let mut into = [IoSliceMut::new(&mut buffer)];
    let message = recvmsg::<()>(
        channel.as_raw_fd(),
        &mut into,
        Some(&mut control),
        MsgFlags::MSG_CMSG_CLOEXEC,
    )
    .unwrap();
    let fd = message.cmsgs().unwrap().find_map(|message| match message {
        ControlMessageOwned::ScmRights(fds) => fds.first().map(|fd| own(*fd)),
        _ => None,
    });
    let length = message.bytes;
    assert!(length > 0, "the process inside has ended");
    (String::from_utf8_lossy(&buffer[..length]).into_owned(), fd)
}

/// What is done after the pivot, which has happened.
pub fn finish(engine: &mut Engine) -> Result<(), Error> {
    engine.finish(|begin| {
        begin.now();
        Ok(())
    })
}
