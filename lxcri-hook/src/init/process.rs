//! Applies the settings of the container process, in an order in which each is still permitted.

use super::descriptors::{Stdio, malformed};
use crate::errno::Errno;
use crate::fail::{self, die};
use crate::sys::{self, Buf, Fd, Ret, Str, open};
use hook_tree::{Key, Values};

/// Capabilities are bits of a 64-bit mask.
const CAPABILITIES: u32 = u64::BITS;

/// Session and terminal, which the startContainer hooks already belong to.
pub fn take_session(settings: &Values, stdio: Stdio) {
    if settings.has(Key::Terminal) != matches!(stdio, Stdio::Console(_)) {
        malformed();
    }
    if settings.has(Key::Session) || settings.has(Key::Terminal) {
        // Fails where LXC has already made one.
        let _ = sys::setsid();
    }
    let fds = match stdio {
        Stdio::Keep => return,
        Stdio::Console(console) => {
            sys::set_controlling_terminal(console).applied(text!("ioctl(TIOCSCTTY)"), 0);
            [console; 3]
        }
        Stdio::Three(fds) => fds,
    };
    for (number, fd) in fds.into_iter().enumerate() {
        sys::duplicate_to(fd, number).applied(text!("dup3"), number as u64);
    }
}

/// Everything else, right before the program is executed.
pub fn apply(settings: &Values, seccomp: &[u8]) {
    apply_number(
        settings,
        Key::Personality,
        sys::personality,
        text!("personality"),
    );
    if let Some(mask) = settings.number(Key::Umask) {
        let _ = sys::umask(mask);
    }
    for limit in settings.rlimits() {
        sys::set_rlimit(limit).applied(text!("setrlimit"), limit.resource.into());
    }
    // Without no_new_privs a filter needs CAP_SYS_ADMIN, which is about to go; with it, the filter comes last so that
    // it need not allow the calls in between.
    let no_new_privs = settings.has(Key::NoNewPrivs);
    if !no_new_privs {
        load_filter(settings, seccomp);
    }
    let sets = [Key::Effective, Key::Permitted, Key::Inheritable];
    let has_capabilities =
        sets.into_iter().any(|key| settings.has(key)) || settings.has(Key::Ambient);
    if has_capabilities {
        sys::keep_capabilities().applied(text!("prctl(PR_SET_KEEPCAPS)"), 1);
    }
    if let Some(keep) = settings.number(Key::Bounding) {
        drop_from_bounding(keep);
    }
    // Some directories only the user may enter, for example on a FUSE or root-squashed NFS mount.
    let entered = change_directory(settings, Errno::EACCES);
    change_user(settings);
    if !entered {
        change_directory(settings, Errno::NONE);
    }
    if has_capabilities {
        let sets = sets.map(|key| settings.number(key).unwrap_or(0));
        sys::capset(sets).applied(text!("capset"), 0);
        raise_ambient(settings.number(Key::Ambient).unwrap_or(0));
    }
    if no_new_privs {
        sys::set_no_new_privs().applied(text!("prctl(PR_SET_NO_NEW_PRIVS)"), 1);
    }
    label(settings);
    if no_new_privs {
        load_filter(settings, seccomp);
    }
}

/// Applies a setting that is one call with one number.
fn apply_number(settings: &Values, key: Key, call: fn(u64) -> Ret, name: Str) {
    if let Some(number) = settings.number(key) {
        call(number).applied(name, number);
    }
}

#[inline(never)]
fn load_filter(settings: &Values, seccomp: &[u8]) {
    if !seccomp.is_empty() {
        let flags = settings.number(Key::SeccompFlags).unwrap_or(0);
        sys::seccomp(seccomp, flags).applied(text!("seccomp"), flags);
    }
}

#[inline(never)]
fn drop_from_bounding(keep: u64) {
    for capability in 0..CAPABILITIES {
        let has = sys::bounding_has(capability as usize);
        if has.is_err() {
            // Beyond the last capability of this kernel.
            break;
        }
        if has.number() == 1 && keep >> capability & 1 == 0 {
            let dropped = sys::bounding_drop(capability as usize);
            dropped.applied(text!("prctl(PR_CAPBSET_DROP)"), capability.into());
        }
    }
}

fn raise_ambient(set: u64) {
    sys::ambient_clear().applied(text!("prctl(PR_CAP_AMBIENT_CLEAR_ALL)"), 0);
    for capability in 0..CAPABILITIES {
        if set >> capability & 1 == 1 {
            let raised = sys::ambient_raise(capability as usize);
            raised.applied(text!("prctl(PR_CAP_AMBIENT_RAISE)"), capability.into());
        }
    }
}

/// Enters the working directory. False when that failed with the error that is tolerated.
#[inline(never)]
fn change_directory(settings: &Values, tolerated: Errno) -> bool {
    let Some(cwd) = settings.text(Key::Cwd) else {
        return true;
    };
    let mut path = Buf::new();
    path.push(cwd);
    let cwd = path.text();
    let path = Some(cwd);
    let result = sys::chdir(cwd);
    if result.errno() == tolerated {
        return false;
    }
    result.or_die(fail::SETTING, text!("chdir"), path);
    // Outside of the root, reached through an inherited descriptor, would be a way out (CVE-2024-21626).
    if !sys::cwd_is_reachable() {
        die(fail::SETTING, text!("chdir(%): outside of the root"), path);
    }
    true
}

#[inline(never)]
fn change_user(settings: &Values) {
    if let Some(uid) = settings.number(Key::Uid) {
        own_stdio(uid as u32);
    }
    if settings.has(Key::Groups) {
        let mut ids = Buf::new();
        settings
            .groups()
            .iter()
            .for_each(|id| ids.push(&id.to_ne_bytes()));
        sys::setgroups(ids.bytes()).applied(text!("setgroups"), 0);
    }
    apply_number(settings, Key::Gid, sys::setgid, text!("setresgid"));
    apply_number(settings, Key::Uid, sys::setuid, text!("setresuid"));
}

/// Lets the user reopen /dev/stdout and its like when they are a terminal or a pipe. A file that the caller redirected to
/// stays the caller's, and /dev/null everybody's. Where it is not possible the program still has the open descriptors.
fn own_stdio(uid: u32) {
    for fd in (0..3).filter_map(Fd::from_number) {
        let stat = sys::fstat(fd);
        if stat.uid() != uid && !stat.is_regular() && !stat.is_null() {
            let _ = sys::chown(fd, uid);
        }
    }
}

/// Tells the security module which profile or label the program is to have.
fn label(settings: &Values) {
    let mut file = text!("/proc/self/attr/apparmor/exec");
    let mut label = Buf::new();
    if let Some(name) = settings.text(Key::Apparmor) {
        label.push(b"exec ");
        label.push(name);
    } else if let Some(name) = settings.text(Key::Selinux) {
        label.push(name);
        file = text!("/proc/self/attr/exec");
    } else {
        return;
    }
    let mut opened = sys::openat(None, file, open::WRITE);
    if opened.errno() == Errno::ENOENT {
        // Before Linux 5.1 AppArmor has no directory of its own.
        file = text!("/proc/self/attr/exec");
        opened = sys::openat(None, file, open::WRITE);
    }
    let Some(attribute) = opened.fd() else {
        opened.or_die(fail::SETTING, text!("open"), Some(file));
        return;
    };
    // An image may have put a file of its own in the way (CVE-2019-16884).
    if !sys::is_on_proc(attribute) {
        die(fail::SETTING, text!("%: not on procfs"), Some(file));
    }
    sys::write(attribute, label.bytes()).or_die(fail::SETTING, text!("write"), Some(file));
}
