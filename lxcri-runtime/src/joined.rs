//! The namespaces that a bundle joins by path: whether each file is a namespace, of which type, and whose.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sched::CloneFlags;
use nix::sys::stat::{FileStat, Mode, fstat, stat};
use nix::sys::statfs::{NSFS_MAGIC, fstatfs};
use oci_spec::runtime::{LinuxNamespaceType as Type, Spec};

use crate::mounts::CallError;
use crate::spec::{Pointer, Problem};
use crate::sys;

/// What the files of a bundle's namespaces are.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Joined {
    /// The types whose path leads to the runtime's own namespace. Not the user namespace, which must not be named by path
    /// then (see [`user_namespace`](crate::user_namespace)).
    pub own: Vec<Type>,
    /// "The runtime MUST generate an error if path is not associated with a namespace of type `type`" (config-linux.md,
    /// Namespaces).
    pub problems: Vec<Problem>,
}

impl Joined {
    /// Looks at the files that `linux.namespaces` names.
    pub fn of(spec: &Spec) -> Self {
        let mut joined = Self::default();
        let list = spec.linux().as_ref().and_then(|l| l.namespaces().as_ref());
        for (i, namespace) in list.into_iter().flatten().enumerate() {
            // Mount and time namespaces are refused with a path, and so is what is relative.
            let path = namespace.path().as_deref().filter(|p| p.is_absolute());
            let Some((path, kind)) = path.zip(Kind::of(namespace.typ())) else {
                continue;
            };
            match look(path, &kind) {
                Ok(true) if namespace.typ() != Type::User => joined.own.push(namespace.typ()),
                Ok(_) => {}
                Err(why) => joined.problems.push(Problem::new(
                    Pointer::at("/linux/namespaces").index(i).key("path"),
                    why,
                )),
            }
        }
        joined
    }
}

/// A type of namespace: in the spec, for the kernel, and below /proc/PID/ns.
struct Kind {
    spec: Type,
    /// In config.json.
    name: &'static str,
    flag: CloneFlags,
    link: &'static str,
}

impl Kind {
    fn all() -> [Kind; 6] {
        [
            (Type::Pid, "pid", CloneFlags::CLONE_NEWPID, "pid"),
            (Type::Network, "network", CloneFlags::CLONE_NEWNET, "net"),
            (Type::Ipc, "ipc", CloneFlags::CLONE_NEWIPC, "ipc"),
            (Type::Uts, "uts", CloneFlags::CLONE_NEWUTS, "uts"),
            (Type::User, "user", CloneFlags::CLONE_NEWUSER, "user"),
            (
                Type::Cgroup,
                "cgroup",
                CloneFlags::CLONE_NEWCGROUP,
                "cgroup",
            ),
        ]
        .map(|(spec, name, flag, link)| Kind {
            spec,
            name,
            flag,
            link,
        })
    }

    fn of(spec: Type) -> Option<Kind> {
        Self::all().into_iter().find(|kind| kind.spec == spec)
    }
}

/// Whether the namespace behind `path` is the runtime's own, or why it is none of this kind.
fn look(path: &Path, kind: &Kind) -> Result<bool, String> {
    let shown = path.display();
    let call = |name: &str, errno| CallError::new(format!("{name}({shown})"), errno).to_string();
    // A FIFO or a terminal must neither block the open nor become the controlling terminal.
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file: OwnedFd = open(path, flags, Mode::empty()).map_err(|errno| call("open", errno))?;
    let system = fstatfs(&file).map_err(|errno| call("fstatfs", errno))?;
    if system.filesystem_type() != NSFS_MAGIC {
        return Err(format!("{shown} is not a namespace"));
    }
    let found = sys::namespace_type(file.as_fd()).map_err(|error| {
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
        call("ioctl NS_GET_NSTYPE", errno)
    })?;
    if found != kind.flag.bits() {
        let all = Kind::all();
        let found = all.iter().find(|kind| kind.flag.bits() == found);
        return Err(format!(
            "{shown} is a namespace of type {}, not {}",
            found.map_or("mount or time", |kind| kind.name),
            kind.name
        ));
    }
    let own = format!("/proc/thread-self/ns/{}", kind.link);
    let own = stat(own.as_str())
        .map_err(|errno| CallError::new(format!("stat({own})"), errno).to_string())?;
    let found = fstat(&file).map_err(|errno| call("fstat", errno))?;
    let identity = |stat: &FileStat| (stat.st_dev, stat.st_ino);
    Ok(identity(&own) == identity(&found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn joined(kind: &str, path: &str) -> Joined {
        let spec = json!({"linux": {"namespaces": [
            {"type": "mount", "path": "/nowhere"},
            {"type": kind, "path": path},
            {"type": kind, "path": "relative"},
            {"type": kind},
        ]}});
        Joined::of(&serde_json::from_value(spec).unwrap())
    }

    fn problem(kind: &str, path: &str) -> String {
        let joined = joined(kind, path);
        assert!(joined.own.is_empty());
        let texts: Vec<String> = joined.problems.iter().map(ToString::to_string).collect();
        texts.join("; ")
    }

    #[test]
    fn a_path_must_lead_to_a_namespace_of_its_type() {
        assert_eq!(
            problem("network", "/proc/self/ns/ipc"),
            "/linux/namespaces/1/path: /proc/self/ns/ipc is a namespace of type ipc, not network"
        );
        assert_eq!(
            problem("uts", "/proc/self/ns/mnt"),
            "/linux/namespaces/1/path: /proc/self/ns/mnt is a namespace of type mount or time, not uts"
        );
        assert_eq!(
            problem("user", "/proc/self/ns/pid"),
            "/linux/namespaces/1/path: /proc/self/ns/pid is a namespace of type pid, not user"
        );
        assert_eq!(
            problem("pid", "/proc/version"),
            "/linux/namespaces/1/path: /proc/version is not a namespace"
        );
        assert_eq!(
            problem("ipc", "/nowhere"),
            "/linux/namespaces/1/path: open(/nowhere): no such file or directory (ENOENT)"
        );
    }

    #[test]
    fn the_runtimes_own_namespaces_are_known_by_any_path() {
        for (kind, link) in [
            ("network", "net"),
            ("ipc", "ipc"),
            ("uts", "uts"),
            ("cgroup", "cgroup"),
            ("pid", "pid"),
        ] {
            let own = joined(kind, &format!("/proc/{}/ns/{link}", std::process::id()));
            assert_eq!(own.problems, [], "{kind}");
            let own = own.own.first().and_then(|own| Kind::of(*own));
            assert_eq!(own.map(|own| own.name), Some(kind));
        }
        assert_eq!(joined("user", "/proc/self/ns/user"), Joined::default());
    }
}
