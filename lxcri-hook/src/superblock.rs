//! Makes a superblock for the runtime, inside the container's namespaces.
//!
//! proc belongs to the pid namespace of whoever makes it, mqueue to its IPC namespace, sysfs to its network namespace,
//! and all of them to its user namespace. The runtime lives in none of these, the launcher in all.

use crate::fail::describe_call;
use crate::sys::{self, Buf, Fd, Ret, Str};
use hook_tree::Strings;

/// Serves one request: type, options, an empty string, attributes. `None` when that failed, and `why` then names the
/// call with its arguments and, where the file system left one, its own message.
pub fn make(request: &[u8], why: &mut Buf) -> Option<Fd> {
    why.clear();
    let mount = attempt(request, why);
    if mount.is_none() && why.bytes().is_empty() {
        why.push(b"malformed request for a mount");
    }
    mount
}

fn attempt(request: &[u8], why: &mut Buf) -> Option<Fd> {
    let mut strings = Strings::parse(request).ok()?;
    let fstype = Str::next(&mut strings)?;
    let mut step = Step {
        call: text!("fsopen"),
        fstype,
        option: text!(""),
        context: None,
    };
    let context = step.check(sys::fsopen(fstype), why)?;
    step.context = Some(context);
    step.call = text!("fsconfig");
    loop {
        step.option = Str::next(&mut strings)?;
        if step.option.is(text!("")) {
            break;
        }
        step.check(sys::fsconfig_set(context, step.option), why)?;
    }
    step.check(sys::fsconfig_create(context), why)?;
    let attributes = hook_tree::number(strings.next_bytes()?, 10)?;
    step.call = text!("fsmount");
    let mount = step.check(sys::fsmount(context, attributes as usize), why);
    context.close();
    mount
}

/// A call and what it is about.
struct Step<'a> {
    call: Str<'a>,
    fstype: Str<'a>,
    option: Str<'a>,
    context: Option<Fd>,
}

impl Step<'_> {
    /// The descriptor that a call returned, or any for one that returns none.
    #[inline(never)]
    fn check(&self, result: Ret, why: &mut Buf) -> Option<Fd> {
        if !result.is_err() {
            return result.fd();
        }
        let mut argument = Buf::new();
        argument.push_text(self.fstype);
        if !self.option.is(text!("")) {
            argument.push(b", ");
            argument.push_text(self.option);
        }
        describe_call(why, self.call, Some(argument.text()), result.errno());
        // A file system explains its refusals in the context: a letter, a blank, and the text.
        let mut message = Buf::new();
        if let Some(context) = self.context {
            if !message.read_from(context, 256).is_err() {
                let text = message.bytes().get(1..).unwrap_or_default();
                why.push(b":");
                why.push(text.trim_ascii_end());
            }
            context.close();
        }
        None
    }
}
