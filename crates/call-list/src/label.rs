//! The profile or label of the program: AppArmor, SELinux.

use crate::Error;
use crate::list::{Argument, List};
use crate::process::Process;

/// `PROC_SUPER_MAGIC` of linux/magic.h.
const PROC_MAGIC: u64 = 0x9fa0;
/// Words of `struct statfs`, with room to spare.
const STATFS_WORDS: usize = 32;

impl Process {
    /// Tells the security module which profile or label the program is to have.
    pub(crate) fn label(&self, list: &mut List) -> Result<(), Error> {
        const ATTRIBUTE: &str = "/proc/self/attr/exec";
        let label = match (&self.apparmor, &self.selinux) {
            (Some(profile), _) => {
                // Before Linux 5.1 AppArmor has no directory of its own.
                let first = list.next();
                open(list, "/proc/self/attr/apparmor/exec")?;
                let found = list.jump();
                list.lead(first, -i64::from(libc::ENOENT), list.next());
                open(list, ATTRIBUTE)?;
                list.lead(found, 0, list.next());
                format!("exec {profile}")
            }
            (None, Some(label)) => {
                open(list, ATTRIBUTE)?;
                label.clone()
            }
            (None, None) => return Ok(()),
        };
        // An image may have put a file of its own in the way (CVE-2019-16884).
        let statfs = list.words(&[0; STATFS_WORDS]);
        let arguments = [Argument::Kept, statfs.into()];
        list.call(
            libc::SYS_fstatfs,
            &arguments,
            format!("fstatfs({ATTRIBUTE})"),
        );
        list.compare(
            statfs,
            u64::MAX,
            PROC_MAGIC,
            format!("{ATTRIBUTE}: not on procfs"),
        );
        let bytes = list.string(label.as_bytes())?;
        let arguments = [Argument::Kept, bytes.into(), label.len().into()];
        list.call(
            libc::SYS_write,
            &arguments,
            format!("write({ATTRIBUTE}, {label})"),
        );
        Ok(())
    }
}

/// Opens an attribute for writing and keeps it.
fn open(list: &mut List, path: &str) -> Result<(), Error> {
    let place = list.string(path.as_bytes())?;
    let arguments = [
        libc::AT_FDCWD.into(),
        place.into(),
        (libc::O_WRONLY | libc::O_CLOEXEC).into(),
    ];
    list.call(libc::SYS_openat, &arguments, format!("open({path})"))
        .keep();
    Ok(())
}
