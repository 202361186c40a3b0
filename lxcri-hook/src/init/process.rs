//! Applies the settings of the container process, in an order in which each is still permitted.

use super::descriptors::Descriptors;
use crate::errno::Errno;
use crate::fail::{self, Decimal, Failure, Result};
use crate::sys::{self, Buf, open};
use hook_tree::Settings;

/// Capabilities are bits of a 64-bit mask.
const CAPABILITIES: u32 = u64::BITS;

fn failed(call: &'static [u8]) -> impl FnOnce(Errno) -> Failure {
    Failure::call(fail::SETTING, call)
}

fn failed_with(call: &'static [u8], number: u64) -> impl FnOnce(Errno) -> Failure {
    move |errno| Failure::of_call(fail::SETTING, call, Decimal::new(number).bytes(), errno)
}

/// Session and terminal, which the startContainer hooks already belong to.
pub fn take_session(settings: &Settings, descriptors: &Descriptors) -> Result<()> {
    if settings.terminal != descriptors.console.is_some() {
        return Err(Failure::new(
            fail::SYNC_UNEXPECTED,
            &[b"the settings and the runtime disagree about a terminal"],
        ));
    }
    if settings.session || settings.terminal {
        match sys::setsid() {
            // Already the leader of one: LXC has made it.
            Ok(()) | Err(Errno::EPERM) => {}
            Err(errno) => return Err(failed(b"setsid")(errno)),
        }
    }
    if let Some(console) = &descriptors.console {
        sys::set_controlling_terminal(console).map_err(failed(b"ioctl(TIOCSCTTY)"))?;
        for number in 0..3 {
            sys::duplicate_to(console, number, false).map_err(failed(b"dup3"))?;
        }
    }
    Ok(())
}

/// Everything else, right before the program is executed.
pub fn apply(settings: &Settings, seccomp: &[u8]) -> Result<()> {
    if let Some(value) = settings.personality {
        sys::personality(value).map_err(failed_with(b"personality", value.into()))?;
    }
    if let Some(mask) = settings.umask {
        sys::umask(mask);
    }
    for limit in settings.rlimits() {
        sys::set_rlimit(limit).map_err(failed_with(b"setrlimit", limit.resource.into()))?;
    }
    // Without no_new_privs a filter needs CAP_SYS_ADMIN, which is about to go; with it, the filter comes last so that
    // it need not allow the calls in between.
    if !settings.no_new_privs {
        load_filter(settings, seccomp)?;
    }
    if settings.has_capabilities() {
        sys::keep_capabilities().map_err(failed(b"prctl(PR_SET_KEEPCAPS)"))?;
    }
    if let Some(keep) = settings.bounding {
        drop_from_bounding(keep)?;
    }
    let entered = enter(settings)?;
    change_user(settings)?;
    if !entered {
        // Some directories only the user may enter, for example on a FUSE or root-squashed NFS mount.
        change_directory(settings).map_err(|errno| not_entered(settings, errno))?;
    }
    set_capabilities(settings)?;
    if settings.no_new_privs {
        sys::set_no_new_privs().map_err(failed(b"prctl(PR_SET_NO_NEW_PRIVS)"))?;
    }
    if let Some(name) = settings.apparmor {
        let text = Buf::concat(&[b"exec ", name]);
        label(
            &[c"/proc/self/attr/apparmor/exec", c"/proc/self/attr/exec"],
            text.bytes(),
        )?;
    }
    if let Some(name) = settings.selinux {
        label(&[c"/proc/self/attr/exec"], name)?;
    }
    if settings.no_new_privs {
        load_filter(settings, seccomp)?;
    }
    Ok(())
}

fn load_filter(settings: &Settings, seccomp: &[u8]) -> Result<()> {
    if seccomp.is_empty() {
        return Ok(());
    }
    let flags = settings.seccomp_flags.unwrap_or(0);
    sys::seccomp(seccomp, flags).map_err(failed_with(
        b"seccomp(SECCOMP_SET_MODE_FILTER)",
        flags.into(),
    ))
}

fn drop_from_bounding(keep: u64) -> Result<()> {
    for capability in 0..CAPABILITIES {
        match sys::bounding_has(capability) {
            Ok(true) if keep & (1 << capability) == 0 => sys::bounding_drop(capability)
                .map_err(failed_with(b"prctl(PR_CAPBSET_DROP)", capability.into()))?,
            Ok(_) => {}
            // Beyond the last capability of this kernel.
            Err(_) => break,
        }
    }
    Ok(())
}

/// Enters the working directory. False when only the user may.
fn enter(settings: &Settings) -> Result<bool> {
    match change_directory(settings) {
        Ok(()) => Ok(true),
        Err(Errno::EACCES) => Ok(false),
        Err(errno) => Err(not_entered(settings, errno)),
    }
}

fn change_directory(settings: &Settings) -> sys::Result<()> {
    let Some(cwd) = settings.cwd else {
        return Ok(());
    };
    sys::chdir(cwd)?;
    // A directory outside of the root, reached through an inherited descriptor, would be a way out (CVE-2024-21626).
    let mut path = [0; 4096];
    sys::getcwd(&mut path)?;
    if path.starts_with(b"/") {
        Ok(())
    } else {
        Err(Errno::ENOENT)
    }
}

fn not_entered(settings: &Settings, errno: Errno) -> Failure {
    Failure::of_call(
        fail::SETTING,
        b"chdir",
        settings.cwd.unwrap_or_default().to_bytes(),
        errno,
    )
}

fn change_user(settings: &Settings) -> Result<()> {
    if let Some(uid) = settings.uid {
        own_stdio(uid);
    }
    if let Some(groups) = settings.groups {
        let mut ids = Buf::new();
        for id in groups.iter() {
            ids.push(&id.to_ne_bytes())
                .map_err(Failure::call(fail::NO_MEMORY, b"mmap"))?;
        }
        sys::setgroups(ids.bytes()).map_err(failed(b"setgroups"))?;
    }
    if let Some(gid) = settings.gid {
        sys::setgid(gid).map_err(failed_with(b"setresgid", gid.into()))?;
    }
    if let Some(uid) = settings.uid {
        sys::setuid(uid).map_err(failed_with(b"setresuid", uid.into()))?;
    }
    Ok(())
}

/// Lets the user reopen /dev/stdout and its like when they are a terminal or a pipe. A file that the caller redirected to
/// stays the caller's, and /dev/null everybody's. Where it is not possible the program still has the open descriptors.
fn own_stdio(uid: u32) {
    for number in 0..3 {
        if let Ok(stat) = sys::stat_of(number)
            && stat.uid != uid
            && !stat.is_regular()
            && !stat.is_null()
        {
            let _ = sys::chown_stdio(number as usize, uid);
        }
    }
}

fn set_capabilities(settings: &Settings) -> Result<()> {
    if !settings.has_capabilities() {
        return Ok(());
    }
    let set = |set: Option<u64>| set.unwrap_or(0);
    sys::capset(
        set(settings.effective),
        set(settings.permitted),
        set(settings.inheritable),
    )
    .map_err(failed(b"capset"))?;
    sys::ambient_clear().map_err(failed(b"prctl(PR_CAP_AMBIENT_CLEAR_ALL)"))?;
    for capability in
        (0..CAPABILITIES).filter(|capability| set(settings.ambient) & (1 << capability) != 0)
    {
        sys::ambient_raise(capability).map_err(failed_with(
            b"prctl(PR_CAP_AMBIENT_RAISE)",
            capability.into(),
        ))?;
    }
    Ok(())
}

/// Writes a label of a security module to the first of these files that exists.
fn label(files: &[&'static core::ffi::CStr], text: &[u8]) -> Result<()> {
    let mut missing = (&b""[..], Errno::ENOENT);
    for file in files {
        let name = file.to_bytes();
        match sys::openat(None, file, open::WRITE) {
            Ok(attribute) => {
                let call = |call: &'static [u8]| {
                    move |errno| Failure::of_call(fail::SETTING, call, name, errno)
                };
                // An image may have put a file of its own in the way (CVE-2019-16884).
                if sys::filesystem_magic(&attribute).map_err(call(b"fstatfs"))? != sys::PROC_MAGIC {
                    return Err(Failure::new(fail::SETTING, &[name, b": not on procfs"]));
                }
                return sys::write_all(&attribute, text).map_err(call(b"write"));
            }
            Err(errno) => missing = (name, errno),
        }
    }
    Err(Failure::of_call(
        fail::SETTING,
        b"open",
        missing.0,
        missing.1,
    ))
}
