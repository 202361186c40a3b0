//! The runtime directory: one directory per container, its files, its lock.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use hook_model::{State, Status};
use hook_tree::names;
use nix::fcntl::{Flock, FlockArg};

use crate::access::Access;
use crate::record::Record;

/// How long somebody may look whether a lock that has just been made is held.
const LOOK_AT_LOCK: Duration = Duration::from_millis(500);
/// How long a command waits for another one that works on the same container.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// Name of the lock file in a container's directory.
pub const LOCK: &str = "lock";

/// A container's directory.
#[derive(Clone, Debug)]
pub struct Container {
    /// Id of the container.
    pub id: String,
    /// `<root>/<id>`.
    pub dir: PathBuf,
}

/// An exclusive lock on a container; dropping it unlocks.
pub struct Lock(#[allow(dead_code)] Flock<File>);

/// A container that nobody else works on, with what is written about it.
pub struct Locked {
    /// The lock.
    pub lock: Lock,
    /// The state.
    pub state: State,
    /// The record.
    pub record: Record,
}

impl Container {
    /// The container with this id, whether it exists or not.
    pub fn at(root: &Path, id: &str) -> Container {
        Container {
            id: id.to_owned(),
            dir: root.join(id),
        }
    }

    /// A file of the directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A file of the part that the container sees.
    pub fn guest(&self, name: &str) -> PathBuf {
        self.dir.join(names::GUEST).join(name)
    }

    /// Whether there is such a container.
    pub fn exists(&self) -> bool {
        self.dir.symlink_metadata().is_ok_and(|m| m.is_dir())
    }

    /// An error unless there is such a container.
    pub fn must_exist(&self) -> Result<()> {
        if !self.exists() {
            bail!("container {} does not exist", self.id);
        }
        Ok(())
    }

    /// Makes the directory and takes the lock.
    ///
    /// The root of the container's user namespace may pass through it, which it must to reach the sync socket.
    pub fn make(&self, root: &Path, access: Access) -> Result<Lock> {
        make_root(root, access)?;
        match DirBuilder::new().mode(0o700).create(&self.dir) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                bail!("container {} already exists", self.id)
            }
            Err(e) => {
                return Err(anyhow!(e)).with_context(|| format!("make {}", self.dir.display()));
            }
        }
        access.passage(&self.dir)?;
        self.first_lock()
    }

    /// Takes the lock of a directory that has just been made. A `delete --force` may have seen it before: then one of the
    /// two has the lock file, and if that is not this one, the directory is no longer this one's either.
    fn first_lock(&self) -> Result<Lock> {
        let path = self.file(LOCK);
        let gone = || anyhow!("container {} was deleted while it was created", self.id);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(&path)
            .map_err(|e| match e.kind() {
                io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound => gone(),
                _ => anyhow!(e).context(format!("open {}", path.display())),
            })?;
        // `state` and `list` hold it for a moment to see whether anybody works on the container.
        let end = Instant::now() + LOOK_AT_LOCK;
        let mut file = file;
        loop {
            file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) if same_file(&lock, &path) => return Ok(held(lock)),
                Err((file, nix::errno::Errno::EWOULDBLOCK))
                    if same_file(&file, &path) && Instant::now() < end =>
                {
                    std::thread::sleep(Duration::from_millis(1));
                    file
                }
                Ok(_) | Err((_, nix::errno::Errno::EWOULDBLOCK)) => return Err(gone()),
                Err((_, e)) => {
                    return Err(anyhow!(e).context(format!("flock({}, LOCK_EX)", path.display())));
                }
            };
        }
    }

    /// Waits for the lock, a bounded time, and says who has it when the time is over.
    pub fn lock(&self) -> Result<Lock> {
        self.lock_within(LOCK_PATIENCE, false)
    }

    /// The same for who deletes: makes the lock file if whoever made the directory has not come so far.
    pub fn lock_to_delete(&self) -> Result<Lock> {
        self.lock_within(LOCK_PATIENCE, true)
    }

    fn lock_within(&self, patience: Duration, make: bool) -> Result<Lock> {
        let path = self.file(LOCK);
        let end = Instant::now() + patience;
        let mut pause = Duration::from_millis(1);
        loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(make)
                .truncate(false)
                .mode(0o600)
                .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
                .open(&path);
            let file = match file {
                Ok(file) => file,
                Err(e) if e.kind() == io::ErrorKind::NotFound && self.exists() => {
                    if Instant::now() >= end {
                        bail!("container {} was never finished: delete it", self.id);
                    }
                    std::thread::sleep(pause);
                    continue;
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    bail!("container {} does not exist", self.id)
                }
                Err(e) => {
                    return Err(anyhow!(e)).with_context(|| format!("open {}", path.display()));
                }
            };
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => {
                    // Whoever had the lock may have removed the directory meanwhile.
                    if !same_file(&lock, &path) {
                        continue;
                    }
                    return Ok(held(lock));
                }
                Err((file, nix::errno::Errno::EWOULDBLOCK)) if Instant::now() >= end => {
                    bail!(
                        "container {} is busy: {} works on it",
                        self.id,
                        holder(file)
                    )
                }
                Err((_, nix::errno::Errno::EWOULDBLOCK | nix::errno::Errno::EINTR)) => {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(50));
                }
                Err((_, e)) => {
                    return Err(anyhow!(e))
                        .with_context(|| format!("flock({}, LOCK_EX)", path.display()));
                }
            }
        }
    }

    /// Whether another command works on the container now.
    fn is_locked(&self) -> bool {
        let Ok(file) = File::open(self.file(LOCK)) else {
            return false;
        };
        matches!(
            Flock::lock(file, FlockArg::LockSharedNonblock),
            Err((_, nix::errno::Errno::EWOULDBLOCK))
        )
    }

    /// Replaces the state.
    pub fn write_state(&self, state: &State) -> Result<()> {
        self.replace(&self.file(names::STATE), &state.to_json()?, 0o600)
    }

    /// Replaces the record.
    pub fn write_record(&self, record: &Record) -> Result<()> {
        self.replace(
            &self.file(names::RECORD),
            &serde_json::to_vec(record)?,
            0o600,
        )
    }

    /// Replaces a file by way of a temporary one, so that nobody ever sees half of it.
    pub fn replace(&self, path: &Path, content: &[u8], mode: u32) -> Result<()> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".tmp");
        let temporary = PathBuf::from(temporary);
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(mode)
                .open(&temporary)?;
            file.set_permissions(fs::Permissions::from_mode(mode))?;
            file.write_all(content)?;
            fs::rename(&temporary, path)
        };
        write().with_context(|| format!("write {}", path.display()))
    }

    /// Reads the record. `None` when creation was cut short before it was written.
    pub fn read_record(&self) -> Result<Option<Record>> {
        self.read_json(names::RECORD)
    }

    /// The state as it is now, not only as it was written last.
    ///
    /// A container whose init is gone is stopped. So is one whose creation was cut short: nobody holds its lock, and
    /// it will never become anything else.
    pub fn state(&self) -> Result<(State, Option<Record>)> {
        self.must_exist()?;
        self.state_given(self.is_locked())
    }

    /// The same for the holder of the lock.
    pub fn state_locked(&self) -> Result<(State, Option<Record>)> {
        self.state_given(false)
    }

    fn state_given(&self, busy: bool) -> Result<(State, Option<Record>)> {
        // A file that was damaged by a crash of the machine must not keep a container from being deleted.
        let record = self.read_record().unwrap_or_else(warned);
        let written: Option<State> = self.read_json(names::STATE).unwrap_or_else(warned);
        let mut state = written.unwrap_or_else(|| State {
            oci_version: crate::OCI_VERSION.to_owned(),
            id: self.id.clone(),
            status: Status::Creating,
            pid: None,
            bundle: PathBuf::new(),
            annotations: Default::default(),
        });
        let init = record.as_ref().and_then(|r| r.init);
        let alive = init.is_some_and(|init| init.is_alive());
        let real = match state.status {
            Status::Creating if busy => Status::Creating,
            Status::Created if alive => match (&record, init) {
                // Whoever started it was killed before the state could be written.
                (Some(record), Some(init)) if init.executes_another(record.launcher) => {
                    Status::Running
                }
                _ => Status::Created,
            },
            Status::Running if alive => Status::Running,
            _ => Status::Stopped,
        };
        state.status = real;
        if real == Status::Stopped {
            state.pid = None;
        }
        Ok((state, record))
    }

    fn read_json<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let path = self.file(name);
        let mut text = Vec::new();
        match File::open(&path).and_then(|mut f| f.read_to_end(&mut text)) {
            Ok(_) => serde_json::from_slice(&text)
                .map(Some)
                .with_context(|| format!("parse {}", path.display())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(anyhow!(e)).with_context(|| format!("read {}", path.display())),
        }
    }
}

/// The ids of all containers, sorted.
pub fn list(root: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(anyhow!(e)).with_context(|| format!("read {}", root.display())),
    };
    let mut ids = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("read {}", root.display()))?;
        if let (Ok(name), true) = (
            entry.file_name().into_string(),
            entry.file_type().is_ok_and(|t| t.is_dir()),
        ) {
            ids.push(name);
        }
    }
    ids.sort();
    Ok(ids)
}

fn warned<T>(error: anyhow::Error) -> Option<T> {
    log::warn!("{}", crate::errors::one_line(&error));
    None
}

fn make_root(root: &Path, access: Access) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(root);
    made.with_context(|| format!("make {}", root.display()))?;
    if access.group.is_some() {
        let mode = fs::metadata(root)
            .with_context(|| format!("stat {}", root.display()))?
            .permissions()
            .mode();
        if mode & 0o011 != 0o011 {
            fs::set_permissions(root, fs::Permissions::from_mode(mode & 0o7777 | 0o011))
                .with_context(|| format!("set mode of {}", root.display()))?;
        }
    }
    Ok(())
}

fn same_file(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), path.symlink_metadata()) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

/// Says in the lock file who has the lock.
fn held(mut lock: Flock<File>) -> Lock {
    // Only for messages.
    let _ = lock.set_len(0);
    let _ = lock.write_all(std::process::id().to_string().as_bytes());
    Lock(lock)
}

fn holder(mut file: File) -> String {
    let mut text = String::new();
    let _ = file.read_to_string(&mut text);
    match text.parse::<i32>() {
        Ok(pid) => format!("lxcri (pid {pid})"),
        Err(_) => "another command".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Process;

    fn container() -> (tempfile::TempDir, Container) {
        let dir = tempfile::tempdir().unwrap();
        let container = Container::at(dir.path(), "c1");
        (dir, container)
    }

    fn record(init: Option<Process>) -> Record {
        Record {
            created: "2026-01-01T00:00:00Z".into(),
            rootfs: "/b/rootfs".into(),
            own_pid_namespace: true,
            launcher: (0, 0),
            init,
            cgroup: None,
            hooks_log: None,
            pins: Default::default(),
            destroyer: None,
        }
    }

    fn state(status: Status, pid: i32) -> State {
        State {
            oci_version: "1.2.0".into(),
            id: "c1".into(),
            status,
            pid: Some(pid),
            bundle: "/b".into(),
            annotations: Default::default(),
        }
    }

    #[test]
    fn an_id_is_given_once() {
        let (dir, container) = container();
        let lock = container.make(dir.path(), Access::default()).unwrap();
        assert_eq!(
            container
                .make(dir.path(), Access::default())
                .err()
                .unwrap()
                .to_string(),
            "container c1 already exists"
        );
        assert_eq!(
            fs::metadata(&container.dir).unwrap().permissions().mode() & 0o7777,
            0o700
        );
        assert_eq!(list(dir.path()).unwrap(), ["c1"]);
        drop(lock);
    }

    #[test]
    fn a_held_lock_is_an_error_that_names_the_holder() {
        let (dir, container) = container();
        let lock = container.make(dir.path(), Access::default()).unwrap();
        let error = container
            .lock_within(Duration::from_millis(30), false)
            .err()
            .unwrap()
            .to_string();
        assert_eq!(
            error,
            format!(
                "container c1 is busy: lxcri (pid {}) works on it",
                std::process::id()
            )
        );
        drop(lock);
        container
            .lock_within(Duration::from_millis(30), false)
            .unwrap();
    }

    #[test]
    fn the_state_is_what_is_true_and_not_what_was_written() {
        let (dir, container) = container();
        let lock = container.make(dir.path(), Access::default()).unwrap();
        let me = Process::of(std::process::id() as i32).unwrap();
        assert_eq!(
            container.state().unwrap().0.status,
            Status::Creating,
            "the lock is held"
        );
        container
            .write_state(&state(Status::Running, me.pid))
            .unwrap();
        container.write_record(&record(Some(me))).unwrap();
        assert_eq!(container.state().unwrap().0.status, Status::Running);
        let gone = Process {
            start_time: me.start_time + 1,
            ..me
        };
        container.write_record(&record(Some(gone))).unwrap();
        let (now, _) = container.state().unwrap();
        assert_eq!((now.status, now.pid), (Status::Stopped, None));
        container
            .write_state(&state(Status::Creating, me.pid))
            .unwrap();
        assert_eq!(container.state().unwrap().0.status, Status::Creating);
        drop(lock);
        assert_eq!(
            container.state().unwrap().0.status,
            Status::Stopped,
            "its creator is gone"
        );
    }

    #[test]
    fn a_container_that_is_missing_is_said_so() {
        let (_dir, container) = container();
        assert_eq!(
            container.state().err().unwrap().to_string(),
            "container c1 does not exist"
        );
        assert_eq!(
            container.lock().err().unwrap().to_string(),
            "container c1 does not exist"
        );
    }
}
