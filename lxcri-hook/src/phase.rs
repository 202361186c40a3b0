//! The hooks of one phase: finds them, checks them, runs them in order.

use crate::errno::Errno;
use crate::fail;
use crate::hook::Hook;
use crate::report;
use crate::sys::{self, Buf, Fd, Str, open};
use crate::tree::{Tree, open_place};
use hook_tree::{
    Numbering, Phase, Strings, check_hook, check_hook_environ, find, hook_number, names,
};

/// Runs the hooks of a phase below a directory, which is the guest directory for start-container. Missing directories
/// mean that there are none.
///
/// The working directory is what the tree says, else what LXC says, else the root. The first failure ends the phase and
/// the launcher, except in poststop. Every file is read and checked before the first hook runs.
pub fn run(tree: &mut Tree, phase: Phase, from_lxc: Option<Str>) {
    tree.at(names::HOOKS.as_bytes());
    tree.enter(phase.dir_name().as_bytes());
    let hooks = tree.place();
    let Some(dir) = tree.get(open::READ | open::DIRECTORY) else {
        return;
    };
    let count = count(tree, dir);
    dir.close();
    if count == 0 {
        return;
    }
    let mut files = Files::default();
    files.end();
    let mut index = 0;
    while index < count {
        index += 1;
        tree.back(hooks);
        files.load(tree, index);
    }
    tree.back(hooks);
    let cwd = open_cwd(tree, phase, from_lxc);
    open_state(tree, phase).close();
    report::open_log(tree);
    if phase == Phase::Poststop {
        report::never_wait();
    }
    let mut hook = Hook::new(phase, cwd);
    while hook.index < count {
        let number = 2 * hook.index as usize;
        hook.index += 1;
        let state = open_state(tree, phase);
        hook.run(state, files.file(number), files.file(number + 1));
        state.close();
        hook.report();
    }
}

/// Lists the directory of the phase: every name is a hook's number or `cwd`.
#[inline(never)]
fn count(tree: &mut Tree, dir: Fd) -> u32 {
    let mut numbering = Numbering::default();
    let mut entries = Buf::new();
    loop {
        let read = entries.read_entries(dir);
        if read.is_err() {
            tree.failed(read.errno());
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
                    tree.enter(name);
                    tree.defect(error)
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
        Err(error) => tree.defect(error),
    }
}

/// The files of all hooks, one behind the other, and where each ends.
#[derive(Default)]
struct Files {
    bytes: Buf,
    ends: Buf,
}

impl Files {
    /// Reads and checks the files of a hook. A missing environ is an empty environment.
    #[inline(never)]
    fn load(&mut self, tree: &mut Tree, index: u32) {
        tree.enter_hook(index);
        let hook = tree.place();
        tree.enter(names::CMDLINE.as_bytes());
        let start = self.bytes.len();
        if !tree.read(&mut self.bytes) {
            tree.failed(Errno::ENOENT);
        }
        tree.check(check_hook(self.bytes.from(start)));
        let start = self.end();
        tree.back(hook);
        tree.enter(names::ENVIRON.as_bytes());
        tree.read(&mut self.bytes);
        tree.check(check_hook_environ(self.bytes.from(start), &mut 0));
        self.end();
    }

    /// Notes that a file ends here.
    #[inline(never)]
    fn end(&mut self) -> usize {
        let end = self.bytes.len();
        self.ends.push(&end.to_ne_bytes());
        end
    }

    /// The file with this number.
    #[inline(never)]
    fn file(&self, number: usize) -> &[u8] {
        // The first word is the start of all.
        let end = self.ends.word(number + 1);
        self.bytes
            .bytes()
            .get(self.ends.word(number)..end)
            .unwrap_or_default()
    }
}

/// Opens state.json for one hook's stdin.
///
/// The file itself rather than a pipe: reading it never blocks, a hook that does not read it costs nothing, no process
/// has to feed it, and its descriptor is read-only. Each hook gets an open file of its own, so that one hook's reading
/// position is not the next one's start.
///
/// createContainer reads the guest's state, whose pid is that of the container's namespace. A container that LXC alone
/// manages may have a single state.json beside its configuration.
#[inline(never)]
fn open_state(tree: &mut Tree, phase: Phase) -> Fd {
    let mut file = None;
    if phase == Phase::CreateContainer {
        tree.at(b"guest/state.json");
        file = tree.file();
    }
    if file.is_none() {
        tree.at(names::STATE.as_bytes());
        file = tree.file();
    }
    let Some(file) = file else {
        tree.failed_as(fail::NO_STATE, b"open(", Errno::ENOENT)
    };
    // A hook must not see that it was opened non-blocking.
    sys::clear_status_flags(file).or_die(failure!(fail::SYSTEM, "fcntl(F_SETFL)"));
    file
}

/// Opens the working directory. The phase's own directory is at hand.
#[inline(never)]
fn open_cwd(tree: &mut Tree, phase: Phase, from_lxc: Option<Str>) -> Fd {
    let mut path = Buf::new();
    tree.enter(names::CWD.as_bytes());
    if tree.read(&mut path) {
        tree.check(Strings::check_path(path.bytes()));
        path.truncate(path.len() - 1);
    } else {
        path.push_text(from_lxc.unwrap_or(text!("/")));
    }
    // A bundle may be gone when the container is deleted; its hooks have to clean up all the same.
    if phase == Phase::Poststop && sys::openat(path.text(), open::PATH | open::DIRECTORY).is_err() {
        path.truncate(1);
    }
    open_place(&mut path)
}
