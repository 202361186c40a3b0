//! What the checks of a bundle must know about this host; everything else in `spec` is pure.

use std::fs;
use std::path::Path;

use super::capabilities;
use crate::sys;

/// Facts about the host that decide whether a bundle can be run on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFacts {
    /// AppArmor is built in, switched on, and its file system is there.
    pub apparmor: bool,
    /// SELinux is on, enforcing or permissive.
    pub selinux: bool,
    /// Number of the highest capability that the kernel knows.
    pub last_capability: u32,
    /// Mask of the capabilities that this process can hand on: its bounding set.
    pub bounding: u64,
}

impl HostFacts {
    /// Reads the facts of the running host. What cannot be read counts as absent for the security
    /// modules and as unlimited for capabilities, so that the kernel has the last word.
    pub fn read() -> Self {
        let (bounding, last_capability) =
            sys::bounding_capabilities().unwrap_or((u64::MAX, capabilities::LAST));
        Self {
            apparmor: Path::new("/sys/kernel/security/apparmor").is_dir()
                && fs::read("/sys/module/apparmor/parameters/enabled")
                    .is_ok_and(|text| text.first() == Some(&b'Y')),
            selinux: Path::new("/sys/fs/selinux/enforce").exists(),
            last_capability,
            bounding,
        }
    }

    /// A host with every capability and no security module, for tests.
    pub fn plain() -> Self {
        Self {
            apparmor: false,
            selinux: false,
            last_capability: capabilities::LAST,
            bounding: u64::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_can_be_read() {
        let host = HostFacts::read();
        let status = fs::read_to_string("/proc/thread-self/status").unwrap();
        let mask = status.lines().find_map(|l| l.strip_prefix("CapBnd:"));
        let mask = u64::from_str_radix(mask.unwrap().trim(), 16).unwrap();
        assert_eq!(host.bounding, mask, "{host:?}");
        let last = fs::read_to_string("/proc/sys/kernel/cap_last_cap").unwrap();
        assert_eq!(host.last_capability.to_string(), last.trim(), "{host:?}");
    }
}
