//! Makes a superblock for the runtime, inside the container's namespaces.
//!
//! proc belongs to the pid namespace of whoever makes it, mqueue to its IPC namespace, sysfs to its network namespace,
//! and all of them to its user namespace. The runtime lives in none of these, the launcher in all.

use crate::fail::{Arg, describe_call};
use crate::sys::{self, Buf, Fd, Ret, Str};
use hook_tree::{Strings, find};

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
    let mut fstype = Buf::new();
    fstype.push(strings.next_bytes()?);
    let made = sys::fsopen(fstype.text());
    let Some(context) = made.fd() else {
        explain(why, text!("fsopen"), &mut fstype, None, made);
        return None;
    };
    let mut option = Buf::new();
    let mut call = text!("fsconfig");
    let mut result;
    loop {
        option.clear();
        option.push(strings.next_bytes()?);
        if option.bytes().is_empty() {
            result = sys::fsconfig_create(context);
            break;
        }
        result = set(context, &mut option);
        if result.is_err() {
            fstype.push(b", ");
            fstype.push(option.bytes());
            break;
        }
    }
    if !result.is_err() {
        let attributes = hook_tree::number(strings.next_bytes()?, 10)?;
        call = text!("fsmount");
        result = sys::fsmount(context, attributes as usize);
    }
    if result.is_err() {
        explain(why, call, &mut fstype, Some(context), result);
    }
    context.close();
    result.fd()
}

/// Sets `key` or `key=value`.
fn set(context: Fd, option: &mut Buf) -> Ret {
    let mut key = Buf::new();
    let equals = find(option.bytes(), b'=');
    key.push(
        option
            .bytes()
            .get(..equals.unwrap_or(usize::MAX))
            .unwrap_or(option.bytes()),
    );
    let mut value = Buf::new();
    let value: Option<Str> = equals.map(|equals| {
        value.push(option.bytes().get(equals + 1..).unwrap_or_default());
        value.text()
    });
    sys::fsconfig_set(context, key.text(), value)
}

/// Describes a failed call. A file system explains its refusals in the context: a letter, a blank, and the text.
fn explain(why: &mut Buf, call: Str, argument: &mut Buf, context: Option<Fd>, result: Ret) {
    describe_call(why, call, Arg::Text(argument.text()), result.errno());
    let mut message = Buf::new();
    if let Some(context) = context
        && !message.read_from(context, 256).is_err()
    {
        why.push(b": ");
        message.discard_front(2);
        why.push(message.bytes().trim_ascii_end());
    }
}
