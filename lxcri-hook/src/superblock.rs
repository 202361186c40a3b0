//! Makes a superblock for the runtime, inside the container's namespaces.
//!
//! proc belongs to the pid namespace of whoever makes it, mqueue to its IPC namespace, sysfs to its network namespace,
//! and all of them to its user namespace. The runtime lives in none of these, the launcher in all.

use crate::fail::{self, Failure, Result};
use crate::sys::{self, Buf, Fd};
use core::ffi::CStr;
use hook_tree::Strings;

/// Serves one request: type, options, an empty string, attributes.
///
/// # Errors
/// The failed call with its arguments and, where the file system left one, its own message.
pub fn make(request: &[u8]) -> Result<Fd> {
    let malformed = || Failure::new(fail::SYNC_UNEXPECTED, &[b"malformed request for a mount"]);
    let mut strings = Strings::parse(request).map_err(|_| malformed())?;
    let fstype = strings
        .next()
        .filter(|fstype| !fstype.is_empty())
        .ok_or_else(malformed)?;
    let name = fstype.to_bytes();
    let context = sys::fsopen(fstype)
        .map_err(|errno| Failure::of_call(fail::SYSTEM, b"fsopen", name, errno))?;
    let mut key = Buf::new();
    loop {
        let option = strings.next().ok_or_else(malformed)?;
        if option.is_empty() {
            break;
        }
        set(&context, option, &mut key)
            .map_err(|errno| explained(&context, &[name, b", ", option.to_bytes()], errno))?;
    }
    let attributes = strings
        .next()
        .and_then(|text| decimal(text.to_bytes()))
        .ok_or_else(malformed)?;
    sys::fsconfig_create(&context)
        .map_err(|errno| explained(&context, &[name, b", create"], errno))?;
    sys::fsmount(&context, attributes)
        .map_err(|errno| Failure::of_call(fail::SYSTEM, b"fsmount", name, errno))
}

fn set(context: &Fd, option: &CStr, key: &mut Buf) -> sys::Result<()> {
    let bytes = option.to_bytes_with_nul();
    let Some(equals) = bytes.iter().position(|byte| *byte == b'=') else {
        return sys::fsconfig_set(context, option, None);
    };
    key.clear();
    key.push(bytes.get(..equals).unwrap_or_default())?;
    key.push(b"\0")?;
    let key = CStr::from_bytes_until_nul(key.bytes()).unwrap_or_default();
    let value = bytes
        .get(equals + 1..)
        .and_then(|value| CStr::from_bytes_until_nul(value).ok())
        .unwrap_or_default();
    sys::fsconfig_set(context, key, Some(value))
}

/// A file system explains its refusals in the context: a letter, a blank, and the text.
fn explained(context: &Fd, arguments: &[&[u8]], errno: crate::errno::Errno) -> Failure {
    let mut failure = Failure::of_call(
        fail::SYSTEM,
        b"fsconfig",
        Buf::concat(arguments).bytes(),
        errno,
    );
    let mut message = [0; 256];
    if let Ok(count) = sys::read(context, &mut message)
        && let Some(text) = message.get(2..count)
    {
        failure.append(&[b": ", text.trim_ascii()]);
    }
    failure
}

fn decimal(text: &[u8]) -> Option<usize> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0usize, |value, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        value.checked_mul(10)?.checked_add(digit.into())
    })
}
