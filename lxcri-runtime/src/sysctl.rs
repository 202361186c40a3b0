//! Host name, domain name and `linux.sysctl` of a container.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sched::CloneFlags;
use oci_spec::runtime::{LinuxNamespaceType, Spec};

use crate::mounts::{CallError, Error, Facts, Identity, in_thread, open_proc, set_domain_name};

/// The sysctls of an IPC namespace, beside fs.mqueue.*; those of a network namespace all begin with net.
const IPC: &[&str] = &[
    "kernel/auto_msgmni",
    "kernel/msg_next_id",
    "kernel/msgmax",
    "kernel/msgmnb",
    "kernel/msgmni",
    "kernel/sem",
    "kernel/sem_next_id",
    "kernel/shm_next_id",
    "kernel/shm_rmid_forced",
    "kernel/shmall",
    "kernel/shmmax",
    "kernel/shmmni",
];

/// One file below /proc/sys.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sysctl {
    path: PathBuf,
    value: String,
}

/// What is set in the container's UTS, IPC and network namespaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KernelSettings {
    hostname: Option<String>,
    domainname: Option<String>,
    sysctls: Vec<Sysctl>,
    identity: Option<Identity>,
}

/// The container's namespaces, as /proc/INIT/ns/… opens them.
#[derive(Debug)]
pub struct Namespaces {
    /// /proc/INIT/ns/uts
    pub uts: OwnedFd,
    /// /proc/INIT/ns/ipc
    pub ipc: OwnedFd,
    /// /proc/INIT/ns/net
    pub net: OwnedFd,
}

impl KernelSettings {
    /// Reads and checks what config.json asks for.
    ///
    /// # Errors
    /// [`Error::Refused`] for a setting that is not the container's alone: it would change the host.
    pub fn new(spec: &Spec, facts: &Facts) -> Result<Self, Error> {
        let linux = spec.linux().as_ref();
        let namespaces = linux
            .and_then(|linux| linux.namespaces().as_deref())
            .unwrap_or_default();
        let has = |kind| namespaces.iter().any(|namespace| namespace.typ() == kind);
        let text = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        let (hostname, domainname) = (text(spec.hostname()), text(spec.domainname()));
        for (pointer, value) in [("/hostname", &hostname), ("/domainname", &domainname)] {
            if value.is_some() && !has(LinuxNamespaceType::Uts) {
                return Err(Error::refused(
                    pointer,
                    "it cannot be set without a uts namespace",
                ));
            }
        }
        let mut sysctls = Vec::new();
        for (key, value) in linux
            .and_then(|linux| linux.sysctl().as_ref())
            .into_iter()
            .flatten()
        {
            let pointer = format!(
                "/linux/sysctl/{}",
                key.replace('~', "~0").replace('/', "~1")
            );
            let path =
                path(key).ok_or_else(|| Error::refused(&pointer, "this is no name of a sysctl"))?;
            let needed = namespace(&path).ok_or_else(|| {
                Error::refused(
                    &pointer,
                    "this sysctl belongs to no namespace and would change the host",
                )
            })?;
            if !has(needed) {
                return Err(Error::refused(
                    &pointer,
                    format!(
                        "it cannot be set without {needed} namespace",
                        needed = article(needed)
                    ),
                ));
            }
            let field = match path.to_str() {
                Some("kernel/hostname") => hostname.as_ref().map(|_| "hostname"),
                Some("kernel/domainname") => domainname.as_ref().map(|_| "domainname"),
                _ => None,
            };
            if let Some(field) = field {
                return Err(Error::refused(
                    &pointer,
                    format!("/{field} sets it already"),
                ));
            }
            sysctls.push(Sysctl {
                path,
                value: value.clone(),
            });
        }
        sysctls.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(Self {
            hostname,
            domainname,
            sysctls,
            identity: facts.identity()?,
        })
    }

    /// Nothing is to be set.
    pub fn is_empty(&self) -> bool {
        self.hostname.is_none() && self.domainname.is_none() && self.sysctls.is_empty()
    }

    /// Sets everything, in a thread that joins `namespaces`.
    ///
    /// # Errors
    /// The first setting that the kernel refuses.
    pub fn apply(&self, namespaces: &Namespaces) -> Result<(), Error> {
        if self.is_empty() {
            return Ok(());
        }
        // The files are found by the namespaces of who looks, so the host's own procfs shows the container's.
        let proc = open_proc()?;
        let joined = [
            (namespaces.uts.as_fd(), CloneFlags::CLONE_NEWUTS),
            (namespaces.ipc.as_fd(), CloneFlags::CLONE_NEWIPC),
            (namespaces.net.as_fd(), CloneFlags::CLONE_NEWNET),
        ];
        // IPC sysctls ask for the root of the namespace's owner, whatever capabilities one has.
        in_thread(&joined, self.identity, || {
            if let Some(name) = &self.hostname {
                nix::unistd::sethostname(name)
                    .map_err(|errno| CallError::new(format!("sethostname({name})"), errno))?;
            }
            if let Some(name) = &self.domainname {
                set_domain_name(name)?;
            }
            self.sysctls
                .iter()
                .try_for_each(|sysctl| write(proc.as_fd(), sysctl))
        })
    }
}

fn write(proc: BorrowedFd<'_>, sysctl: &Sysctl) -> Result<(), Error> {
    let path = Path::new("sys").join(&sysctl.path);
    let how = OpenHow::new()
        .flags(OFlag::O_WRONLY | OFlag::O_CLOEXEC)
        .resolve(
            ResolveFlag::RESOLVE_BENEATH
                | ResolveFlag::RESOLVE_NO_SYMLINKS
                | ResolveFlag::RESOLVE_NO_XDEV,
        );
    let shown = path.display();
    let file = openat2(proc, &path, how)
        .map_err(|errno| CallError::new(format!("openat2(/proc/{shown})"), errno))?;
    // One write: a second would be a new value.
    nix::unistd::write(&file, sysctl.value.as_bytes()).map_err(|errno| {
        CallError::new(format!("write(/proc/{shown}, {:?})", sysctl.value), errno)
    })?;
    Ok(())
}

/// sysctl(8): the first separator decides; after a dot, a slash stands for a dot within a name (`eth0/100`).
fn path(key: &str) -> Option<PathBuf> {
    let slashes = match key.find(['.', '/']).map(|at| key.as_bytes()[at])? {
        b'/' => key.to_owned(),
        _ => key
            .chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                other => other,
            })
            .collect(),
    };
    let fine = slashes
        .split('/')
        .all(|part| !part.is_empty() && part != "." && part != ".." && !part.contains('\0'));
    fine.then(|| PathBuf::from(slashes))
}

/// The namespace that a sysctl belongs to.
fn namespace(path: &Path) -> Option<LinuxNamespaceType> {
    let text = path.to_str()?;
    if text == "kernel/hostname" || text == "kernel/domainname" {
        Some(LinuxNamespaceType::Uts)
    } else if IPC.contains(&text) || path.starts_with("fs/mqueue") {
        Some(LinuxNamespaceType::Ipc)
    } else if path.starts_with("net") {
        Some(LinuxNamespaceType::Network)
    } else {
        None
    }
}

fn article(kind: LinuxNamespaceType) -> &'static str {
    match kind {
        LinuxNamespaceType::Uts => "a uts",
        LinuxNamespaceType::Ipc => "an ipc",
        _ => "a network",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mounts::CgroupView;

    fn settings(json: &str) -> Result<KernelSettings, Error> {
        let spec: Spec = serde_json::from_str(json).unwrap();
        let facts = Facts::from_spec(&spec, CgroupView::default());
        KernelSettings::new(&spec, &facts)
    }

    #[test]
    fn names_are_read_in_both_notations() {
        let settings = settings(
            r#"{"ociVersion":"1.0.2","linux":{
                "namespaces":[{"type":"network"},{"type":"ipc"},{"type":"uts"}],
                "sysctl":{"net.ipv4.conf.eth0/100.rp_filter":"1","net/ipv4/ip_forward":"0","kernel.sem":"1 2 3 4",
                          "fs.mqueue.msg_max":"5","kernel.domainname":"d"}}}"#,
        )
        .unwrap();
        let names: Vec<_> = settings
            .sysctls
            .iter()
            .map(|sysctl| sysctl.path.to_str().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "fs/mqueue/msg_max",
                "kernel/domainname",
                "kernel/sem",
                "net/ipv4/conf/eth0.100/rp_filter",
                "net/ipv4/ip_forward",
            ]
        );
    }

    #[test]
    fn what_would_change_the_host_is_refused() {
        for (config, message) in [
            (
                r#""hostname":"h""#,
                "/hostname: it cannot be set without a uts namespace",
            ),
            (
                r#""domainname":"d""#,
                "/domainname: it cannot be set without a uts namespace",
            ),
            (
                r#""linux":{"sysctl":{"net.core.somaxconn":"1"}}"#,
                "/linux/sysctl/net.core.somaxconn: it cannot be set without a network namespace",
            ),
            (
                r#""linux":{"sysctl":{"kernel/shmmax":"1"}}"#,
                "/linux/sysctl/kernel~1shmmax: it cannot be set without an ipc namespace",
            ),
            (
                r#""linux":{"sysctl":{"kernel.panic":"1"}}"#,
                "/linux/sysctl/kernel.panic: this sysctl belongs to no namespace and would change the host",
            ),
            (
                r#""linux":{"namespaces":[{"type":"network"}],"sysctl":{"net/../kernel/panic":"1"}}"#,
                "/linux/sysctl/net~1..~1kernel~1panic: this is no name of a sysctl",
            ),
            (
                r#""hostname":"h","linux":{"namespaces":[{"type":"uts"}],"sysctl":{"kernel.hostname":"x"}}"#,
                "/linux/sysctl/kernel.hostname: /hostname sets it already",
            ),
        ] {
            let json = format!(r#"{{"ociVersion":"1.0.2",{config}}}"#);
            assert_eq!(settings(&json).unwrap_err().to_string(), message);
        }
    }
}
