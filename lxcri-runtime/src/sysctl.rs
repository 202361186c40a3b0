//! Host name, domain name and `linux.sysctl` of a container.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sched::CloneFlags;
use oci_spec::runtime::Spec;

use crate::mounts::{CallError, Error, Identity, in_thread, open_proc, set_domain_name};
use crate::spec::{Pointer, sysctl_path, sysctl_scope};

/// One file below /proc/sys.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sysctl {
    /// Its place in config.json.
    pointer: String,
    path: PathBuf,
    value: String,
}

/// What is set in the container's UTS, IPC and network namespaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KernelSettings {
    hostname: Option<String>,
    domainname: Option<String>,
    sysctls: Vec<Sysctl>,
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
    /// Reads what config.json asks for; [`spec::check`](crate::spec::check) has refused what would change the host.
    ///
    /// # Errors
    /// [`Error::Refused`] for a sysctl that was not checked: it belongs to no namespace.
    pub fn new(spec: &Spec) -> Result<Self, Error> {
        let text = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        let wanted = spec.linux().as_ref().and_then(|l| l.sysctl().as_ref());
        let mut sysctls = Vec::new();
        for (key, value) in wanted.into_iter().flatten() {
            let pointer = Pointer::at("/linux/sysctl").key(key).to_string();
            let path = sysctl_path(key)
                .filter(|path| sysctl_scope(path).is_some())
                .ok_or_else(|| {
                    Error::refused(
                        &pointer,
                        "this sysctl belongs to no namespace and would change the host",
                    )
                })?;
            sysctls.push(Sysctl {
                pointer,
                path,
                value: value.clone(),
            });
        }
        sysctls.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(Self {
            hostname: text(spec.hostname()),
            domainname: text(spec.domainname()),
            sysctls,
        })
    }

    /// Nothing is to be set.
    pub fn is_empty(&self) -> bool {
        self.hostname.is_none() && self.domainname.is_none() && self.sysctls.is_empty()
    }

    /// Sets everything, in a thread that joins `namespaces` as `identity`, if there is one.
    ///
    /// # Errors
    /// The first setting that the kernel refuses.
    pub fn apply(&self, namespaces: &Namespaces, identity: Option<Identity>) -> Result<(), Error> {
        let joined = [
            (namespaces.uts.as_fd(), CloneFlags::CLONE_NEWUTS),
            (namespaces.ipc.as_fd(), CloneFlags::CLONE_NEWIPC),
            (namespaces.net.as_fd(), CloneFlags::CLONE_NEWNET),
        ];
        // IPC sysctls ask for the root of the namespace's owner, whatever capabilities one has.
        in_thread(&joined, identity, || self.apply_here())
    }

    /// Sets everything in the namespaces of the calling thread.
    ///
    /// # Errors
    /// The first setting that the kernel refuses.
    pub fn apply_here(&self) -> Result<(), Error> {
        if let Some(name) = &self.hostname {
            nix::unistd::sethostname(name)
                .map_err(|errno| CallError::new(format!("sethostname({name})"), errno))
                .map_err(|error| Error::from(error).during("/hostname"))?;
        }
        if let Some(name) = &self.domainname {
            set_domain_name(name).map_err(|error| Error::from(error).during("/domainname"))?;
        }
        if self.sysctls.is_empty() {
            return Ok(());
        }
        // The files are found by the namespaces of who looks, so the host's own procfs shows the container's.
        let proc = open_proc()?;
        self.sysctls.iter().try_for_each(|sysctl| {
            write(proc.as_fd(), sysctl).map_err(|error| error.during(&sysctl.pointer))
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

#[cfg(test)]
mod tests {
    use super::*;
    fn settings(json: &str) -> Result<KernelSettings, Error> {
        let spec: Spec = serde_json::from_str(json).unwrap();
        KernelSettings::new(&spec)
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
    fn what_would_change_the_host_is_refused_even_here() {
        for (key, pointer) in [
            ("kernel.panic", "kernel.panic"),
            ("net/../kernel/panic", "net~1..~1kernel~1panic"),
        ] {
            let json = format!(r#"{{"ociVersion":"1.0.2","linux":{{"sysctl":{{"{key}":"1"}}}}}}"#);
            assert_eq!(
                settings(&json).unwrap_err().to_string(),
                format!(
                    "/linux/sysctl/{pointer}: this sysctl belongs to no namespace and would change the host"
                )
            );
        }
    }
}
