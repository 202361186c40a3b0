//! Makes a superblock for the runtime, inside the container's namespaces.
//!
//! proc belongs to the pid namespace of whoever makes it, mqueue to its IPC namespace, sysfs to its network namespace,
//! and all of them to its user namespace. The runtime lives in none of these, the launcher in all.

use crate::fail;
use crate::sys::{self, Buf, Fd};
use core::ffi::CStr;
use hook_tree::Strings;

/// Serves one request: type, options, an empty string, attributes. `None` when that failed, and `why` then names the
/// call with its arguments and, where the file system left one, its own message.
pub fn make(request: &[u8], why: &mut Buf) -> Option<Fd> {
    let mount = attempt(request, why);
    if mount.is_none() && why.bytes().is_empty() {
        why.push(b"malformed request for a mount");
    }
    mount
}

fn attempt(request: &[u8], why: &mut Buf) -> Option<Fd> {
    let mut strings = Strings::parse(request).ok()?;
    let fstype = strings.next()?;
    let name = fstype.to_bytes();
    let mut failed = |call: &[u8], argument: &[u8], context: Option<Fd>, errno| {
        let comma: &[u8] = if argument.is_empty() { b"" } else { b", " };
        fail::push_call(
            why,
            call,
            Buf::concat(&[name, comma, argument]).bytes(),
            errno,
        );
        // A file system explains its refusals in the context: a letter, a blank, and the text.
        let mut message = Buf::new();
        if let Some(context) = context
            && message.read_from(context, 256).is_ok()
        {
            let text = message.bytes().get(2..).unwrap_or_default();
            why.append(&[b": ", text.trim_ascii_end()]);
        }
    };
    let context = match sys::fsopen(fstype) {
        Ok(context) => context,
        Err(errno) => {
            failed(b"fsopen", b"", None, errno);
            return None;
        }
    };
    let mut key = Buf::new();
    let result = loop {
        let option = strings.next()?;
        if option.is_empty() {
            break sys::fsconfig_create(context).map_err(|errno| (&b"create"[..], errno));
        }
        if let Err(errno) = set(context, option, &mut key) {
            break Err((option.to_bytes(), errno));
        }
    };
    let mount = match result {
        Ok(()) => {
            let attributes = hook_tree::number(strings.next()?.to_bytes(), 10)?;
            sys::fsmount(context, attributes as usize)
                .map_err(|errno| failed(b"fsmount", b"", Some(context), errno))
        }
        Err((argument, errno)) => {
            failed(b"fsconfig", argument, Some(context), errno);
            Err(())
        }
    };
    context.close();
    mount.ok()
}

fn set(context: Fd, option: &CStr, key: &mut Buf) -> sys::Result<()> {
    let bytes = option.to_bytes_with_nul();
    let Some(equals) = bytes.iter().position(|byte| *byte == b'=') else {
        return sys::fsconfig_set(context, option, None);
    };
    key.clear();
    key.append(&[bytes.get(..equals).unwrap_or_default(), b"\0"]);
    let value = bytes.get(equals + 1..).unwrap_or_default();
    let value = CStr::from_bytes_until_nul(value).unwrap_or_default();
    sys::fsconfig_set(context, key.string(), Some(value))
}
