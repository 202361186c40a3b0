//! Whether this machine and this process can watch, before anything is marked.

use std::fs;

use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::os::fd::AsFd;

use crate::group::Group;

/// Bits of the capabilities in /proc/PID/status (capabilities(7)).
const CAP_SYS_PTRACE: u32 = 19;
const CAP_SYS_ADMIN: u32 = 21;
/// Inode number of the initial pid namespace (PROC_PID_INIT_INO of the kernel).
const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";

/// Why watching is impossible.
#[derive(Debug, thiserror::Error)]
pub enum Unsupported {
    /// A capability is missing.
    #[error("{0} is missing: {1}")]
    Capability(&'static str, &'static str),
    /// Pids of containers would be unknown.
    #[error(
        "not in the initial pid namespace ({0}): the pids of containers elsewhere are unknown here"
    )]
    PidNamespace(String),
    /// /proc is that of another pid namespace.
    #[error("/proc is not that of this pid namespace")]
    Proc,
    /// Memory of others cannot be read, whatever the capabilities.
    #[error("kernel.yama.ptrace_scope is 3: arguments of runtimes cannot be read")]
    Yama,
    /// The kernel refuses a group.
    #[error("fanotify_init(FAN_CLASS_CONTENT): {0}")]
    Group(Errno),
    /// The kernel refuses a mark: it has no permission events.
    #[error("fanotify_mark(FAN_OPEN_EXEC_PERM): {0}: is CONFIG_FANOTIFY_ACCESS_PERMISSIONS set?")]
    Mark(Errno),
}

/// Says why watching is impossible, if it is. Marks nothing that anybody else could execute.
pub fn supported() -> Result<(), Unsupported> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let capabilities = capabilities(&status);
    for (bit, name, purpose) in [
        (CAP_SYS_ADMIN, "CAP_SYS_ADMIN", "fanotify needs it"),
        (
            CAP_SYS_PTRACE,
            "CAP_SYS_PTRACE",
            "arguments of runtimes cannot be read without it",
        ),
    ] {
        if capabilities & (1 << bit) == 0 {
            return Err(Unsupported::Capability(name, purpose));
        }
    }
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let namespace = namespace.to_string_lossy();
    if namespace != INITIAL_PID_NAMESPACE {
        return Err(Unsupported::PidNamespace(namespace.into_owned()));
    }
    let link = fs::read_link("/proc/self").unwrap_or_default();
    if link.to_str() != Some(&*std::process::id().to_string()) {
        return Err(Unsupported::Proc);
    }
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    if scope.trim() == "3" {
        return Err(Unsupported::Yama);
    }
    let group = Group::new().map_err(Unsupported::Group)?;
    let file = memfd_create(c"lxcri-watch", MFdFlags::MFD_CLOEXEC).map_err(Unsupported::Mark)?;
    group.mark(file.as_fd()).map_err(Unsupported::Mark)
}

/// The effective ones.
fn capabilities(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_is_found() {
        let status = "Name:\tx\nCapPrm:\t0000000000000000\nCapEff:\t0000000000280000\n";
        assert_eq!(
            capabilities(status),
            1 << CAP_SYS_ADMIN | 1 << CAP_SYS_PTRACE
        );
        assert_eq!(capabilities(""), 0);
    }
}
