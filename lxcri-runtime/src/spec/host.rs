//! What the checks of a bundle must know about this host; everything else in `spec` is pure.

use std::fs;
use std::path::Path;

use super::capabilities;

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
        Self {
            apparmor: Path::new("/sys/kernel/security/apparmor").is_dir()
                && fs::read("/sys/module/apparmor/parameters/enabled")
                    .is_ok_and(|text| text.first() == Some(&b'Y')),
            selinux: Path::new("/sys/fs/selinux/enforce").exists(),
            last_capability: fs::read_to_string("/proc/sys/kernel/cap_last_cap")
                .ok()
                .and_then(|text| text.trim().parse().ok())
                .unwrap_or(capabilities::LAST),
            bounding: fs::read_to_string("/proc/thread-self/status")
                .ok()
                .and_then(|text| bounding_of(&text))
                .unwrap_or(u64::MAX),
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

/// The line `CapBnd:` of a /proc/…/status file.
fn bounding_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|l| l.strip_prefix("CapBnd:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounding_set_is_parsed() {
        let status = "Name:\tx\nCapEff:\t0000000000000001\nCapBnd:\t000001fffeffffff\nCapAmb:\t0\n";
        assert_eq!(bounding_of(status), Some(0x1ff_feff_ffff));
        assert_eq!(bounding_of("Name:\tx\n"), None);
    }

    #[test]
    fn this_host_can_be_read() {
        let host = HostFacts::read();
        assert!(host.last_capability >= 36, "{host:?}");
        assert_ne!(host.bounding, 0, "{host:?}");
    }
}
