//! The hooks of one phase: finds them, checks them, runs them in order.

use crate::dir::{Dir, open_place};
use crate::errno::Errno;
use crate::fail;
use crate::hook::Hook;
use crate::report;
use crate::sys::{self, Buf, Fd, Str, open};
use hook_tree::{Numbering, Phase, Strings, find, hook_number};

/// The hooks of one phase on disk.
pub struct Tree<'a> {
    phase: Phase,
    dir: &'a Dir<'a>,
    hooks: Dir<'a>,
}

/// Runs the hooks of a phase below `dir`, which is the guest directory for start-container. Missing directories mean
/// that there are none.
///
/// The working directory is what the runtime says, else what the tree says, else what LXC says, else the root. The first
/// failure ends the phase and the launcher, except in poststop. Every file is checked before the first hook runs.
pub fn run(dir: &Dir, phase: Phase, from_runtime: Option<Str>, from_lxc: Option<Str>) {
    let Some(all) = dir.below(text!("hooks"), open::PATH) else {
        return;
    };
    let mut name = Buf::new();
    name.push(phase.dir_name().as_bytes());
    let Some(hooks) = all.below(name.text(), open::READ) else {
        return;
    };
    let tree = Tree { phase, dir, hooks };
    let count = tree.count();
    if count == 0 {
        return;
    }
    let mut hook = Hook::new(phase);
    let mut number = Buf::new();
    let mut index = 0;
    while index < count {
        index += 1;
        tree.load(index, &mut number, &mut hook);
    }
    tree.open_state().close();
    hook.cwd = Some(tree.open_cwd(from_runtime, from_lxc));
    report::open_log(dir);
    index = 0;
    while index < count {
        index += 1;
        tree.load(index, &mut number, &mut hook);
        let state = tree.open_state();
        hook.run(state);
        state.close();
        hook.report();
    }
}

impl Tree<'_> {
    /// Lists the directory of the phase: every name is a hook's number or `cwd`.
    fn count(&self) -> u32 {
        let mut numbering = Numbering::default();
        let mut entries = Buf::new();
        loop {
            let read = entries.read_entries(self.hooks.fd);
            if read.is_err() {
                self.hooks.failed(text!(""), read.errno());
            }
            if read.number() == 0 {
                break;
            }
        }
        let mut rest = entries.bytes();
        // struct linux_dirent64: inode 8, offset 8, record length 2, type 1, name.
        while let Some((header, after)) = rest.split_at_checked(19) {
            let name = find(after, 0).and_then(|end| after.get(..end));
            let name = name.unwrap_or_default();
            if !matches!(name, b"." | b".." | b"cwd") {
                match hook_number(name) {
                    Ok(number) => numbering.add(number),
                    Err(error) => {
                        let mut text = Buf::new();
                        text.push(name);
                        self.hooks.defect(text.text(), error);
                    }
                }
            }
            let length = match header {
                [.., low, high, _] => usize::from(u16::from_ne_bytes([*low, *high])),
                _ => 0,
            };
            rest = rest.get(length.max(19)..).unwrap_or_default();
        }
        match numbering.finish() {
            Ok(count) => count,
            Err(error) => self.hooks.defect(text!(""), error),
        }
    }

    /// Reads and checks the files of a hook. A missing environ is an empty environment.
    fn load(&self, index: u32, number: &mut Buf, into: &mut Hook) {
        number.clear();
        fail::push_number(number, index.into());
        into.index = index;
        let hook = self.hooks.require(number.text());
        hook.read_required(text!("cmdline"), &mut into.cmdline);
        hook.read(text!("environ"), &mut into.environ);
        hook.check(
            text!("cmdline"),
            hook_tree::check_hook(into.cmdline.bytes()),
        );
        let timeout = hook_tree::check_hook_environ(into.environ.bytes(), &mut into.timeout);
        hook.check(text!("environ"), timeout);
        hook.fd.close();
    }

    /// Opens state.json for one hook's stdin.
    ///
    /// The file itself rather than a pipe: reading it never blocks, a hook that does not read it costs nothing, no
    /// process has to feed it, and its descriptor is read-only. Each hook gets an open file of its own, so that one
    /// hook's reading position is not the next one's start.
    ///
    /// createContainer reads the guest's state, whose pid is that of the container's namespace. A container that LXC
    /// alone manages may have a single state.json beside its configuration.
    fn open_state(&self) -> Fd {
        let name = text!("state.json");
        let mut file = None;
        if self.phase == Phase::CreateContainer
            && let Some(guest) = self.dir.below(text!("guest"), open::PATH)
        {
            file = guest.file(name);
            guest.fd.close();
        }
        let Some(file) = file.or_else(|| self.dir.file(name)) else {
            self.dir
                .failed_as(fail::NO_STATE, text!("open"), name, Errno::ENOENT)
        };
        // A hook must not see that it was opened non-blocking.
        sys::clear_status_flags(file).or_die(fail::SYSTEM, text!("fcntl"), None);
        file
    }

    fn open_cwd(&self, from_runtime: Option<Str>, from_lxc: Option<Str>) -> Fd {
        let mut file = Buf::new();
        let mut path = from_lxc.unwrap_or(text!("/"));
        let name = text!("cwd");
        if let Some(from_runtime) = from_runtime {
            path = from_runtime;
        } else if self.hooks.read(name, &mut file) {
            self.hooks.check(name, Strings::check_path(file.bytes()));
            path = file.text();
        }
        // A bundle may be gone when the container is deleted; its hooks have to clean up all the same.
        if self.phase == Phase::Poststop
            && sys::openat(None, path, open::PATH | open::DIRECTORY).is_err()
        {
            path = text!("/");
        }
        open_place(path)
    }
}
