//! Applies the settings of the container process, in an order in which each is still permitted.

use super::descriptors::{Stdio, malformed};
use crate::errno::Errno;
use crate::fail::{self, Decimal, OrDie, die, die_of};
use crate::sys::{self, Buf, STDIO, open};
use core::ffi::CStr;
use hook_tree::Settings;

/// Capabilities are bits of a 64-bit mask.
const CAPABILITIES: u32 = u64::BITS;

/// The value of a call that applies a setting, or the end of the launcher.
trait Applied<T> {
    fn applied(self, call: &[u8], number: u64) -> T;
}

impl<T> Applied<T> for sys::Result<T> {
    #[inline(always)]
    fn applied(self, call: &[u8], number: u64) -> T {
        match self {
            Ok(value) => value,
            Err(errno) => die_of(fail::SETTING, call, Decimal::new(number).bytes(), errno),
        }
    }
}

/// Session and terminal, which the startContainer hooks already belong to.
pub fn take_session(settings: &Settings, stdio: Stdio) {
    if settings.terminal != matches!(stdio, Stdio::Console(_)) {
        malformed();
    }
    if settings.session || settings.terminal {
        // Fails where LXC has already made one.
        let _ = sys::setsid();
    }
    let fds = match stdio {
        Stdio::Keep => return,
        Stdio::Console(console) => {
            sys::set_controlling_terminal(console).or_die(fail::SETTING, b"ioctl", b"TIOCSCTTY");
            [console; STDIO.len()]
        }
        Stdio::Three(fds) => fds,
    };
    for (number, fd) in fds.iter().enumerate() {
        sys::duplicate_to(*fd, number, false).applied(b"dup3", number as u64);
    }
}

/// Everything else, right before the program is executed.
pub fn apply(settings: &Settings, seccomp: &[u8]) {
    if let Some(value) = settings.personality {
        sys::personality(value).applied(b"personality", value.into());
    }
    if let Some(mask) = settings.umask {
        sys::umask(mask);
    }
    for limit in settings.rlimits() {
        sys::set_rlimit(limit).applied(b"setrlimit", limit.resource.into());
    }
    // Without no_new_privs a filter needs CAP_SYS_ADMIN, which is about to go; with it, the filter comes last so that
    // it need not allow the calls in between.
    if !settings.no_new_privs {
        load_filter(settings, seccomp);
    }
    if settings.has_capabilities() {
        sys::keep_capabilities().or_die(fail::SETTING, b"prctl", b"PR_SET_KEEPCAPS");
    }
    if let Some(keep) = settings.bounding {
        drop_from_bounding(keep);
    }
    // Some directories only the user may enter, for example on a FUSE or root-squashed NFS mount.
    let entered = change_directory(settings, Some(Errno::EACCES));
    change_user(settings);
    if !entered {
        change_directory(settings, None);
    }
    set_capabilities(settings);
    if settings.no_new_privs {
        sys::set_no_new_privs().or_die(fail::SETTING, b"prctl", b"PR_SET_NO_NEW_PRIVS");
    }
    if let Some(name) = settings.apparmor {
        let files = [c"/proc/self/attr/apparmor/exec", c"/proc/self/attr/exec"];
        label(&files, Buf::concat(&[b"exec ", name]).bytes());
    }
    if let Some(name) = settings.selinux {
        label(&[c"/proc/self/attr/exec"], name);
    }
    if settings.no_new_privs {
        load_filter(settings, seccomp);
    }
}

fn load_filter(settings: &Settings, seccomp: &[u8]) {
    if !seccomp.is_empty() {
        let flags = settings.seccomp_flags.unwrap_or(0);
        sys::seccomp(seccomp, flags).or_die(fail::SETTING, b"seccomp", b"SECCOMP_SET_MODE_FILTER");
    }
}

fn drop_from_bounding(keep: u64) {
    for capability in 0..CAPABILITIES {
        match sys::bounding_has(capability) {
            Ok(true) if keep & (1 << capability) == 0 => {
                sys::bounding_drop(capability)
                    .applied(b"prctl(PR_CAPBSET_DROP)", capability.into());
            }
            Ok(_) => {}
            // Beyond the last capability of this kernel.
            Err(_) => break,
        }
    }
}

/// Enters the working directory. False when that failed with the error that is tolerated.
fn change_directory(settings: &Settings, tolerated: Option<Errno>) -> bool {
    let Some(cwd) = settings.cwd else { return true };
    match sys::chdir(cwd) {
        // Outside of the root, reached through an inherited descriptor, would be a way out (CVE-2024-21626).
        Ok(()) if sys::cwd_is_reachable() => true,
        Ok(()) => die(
            fail::SETTING,
            &[b"chdir(", cwd.to_bytes(), b"): outside of the root"],
        ),
        Err(errno) if Some(errno) == tolerated => false,
        Err(errno) => die_of(fail::SETTING, b"chdir", cwd.to_bytes(), errno),
    }
}

fn change_user(settings: &Settings) {
    if let Some(uid) = settings.uid {
        own_stdio(uid);
    }
    if let Some(groups) = settings.groups {
        let mut ids = Buf::new();
        groups.iter().for_each(|id| ids.push(&id.to_ne_bytes()));
        sys::setgroups(ids.bytes()).or_die(fail::SETTING, b"setgroups", b"");
    }
    if let Some(gid) = settings.gid {
        sys::setgid(gid).applied(b"setresgid", gid.into());
    }
    if let Some(uid) = settings.uid {
        sys::setuid(uid).applied(b"setresuid", uid.into());
    }
}

/// Lets the user reopen /dev/stdout and its like when they are a terminal or a pipe. A file that the caller redirected to
/// stays the caller's, and /dev/null everybody's. Where it is not possible the program still has the open descriptors.
fn own_stdio(uid: u32) {
    for fd in STDIO {
        if let Ok(stat) = sys::fstat(fd)
            && stat.uid != uid
            && !stat.is_regular()
            && !stat.is_null()
        {
            let _ = sys::chown(fd, uid);
        }
    }
}

fn set_capabilities(settings: &Settings) {
    if !settings.has_capabilities() {
        return;
    }
    let set = |set: Option<u64>| set.unwrap_or(0);
    sys::capset(
        set(settings.effective),
        set(settings.permitted),
        set(settings.inheritable),
    )
    .or_die(fail::SETTING, b"capset", b"");
    sys::ambient_clear().or_die(fail::SETTING, b"prctl", b"PR_CAP_AMBIENT_CLEAR_ALL");
    for capability in 0..CAPABILITIES {
        if set(settings.ambient) & (1 << capability) != 0 {
            let raised = sys::ambient_raise(capability);
            raised.applied(b"prctl(PR_CAP_AMBIENT_RAISE)", capability.into());
        }
    }
}

/// Writes a label of a security module to the first of these files that exists.
fn label(files: &[&CStr], text: &[u8]) {
    let mut missing = (&b""[..], Errno::ENOENT);
    for file in files {
        let name = file.to_bytes();
        match sys::openat(None, file, open::WRITE) {
            Ok(attribute) => {
                // An image may have put a file of its own in the way (CVE-2019-16884).
                if sys::filesystem_magic(attribute) != Ok(sys::PROC_MAGIC) {
                    die(fail::SETTING, &[name, b": not on procfs"]);
                }
                return sys::write_all(attribute, text).or_die(fail::SETTING, b"write", name);
            }
            Err(errno) => missing = (name, errno),
        }
    }
    die_of(fail::SETTING, b"open", missing.0, missing.1)
}
