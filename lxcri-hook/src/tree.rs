//! The hooks of one phase on disk: how many there are, their files, and the state they read.

use crate::dir::Dir;
use crate::fail::{self, Decimal, OrDie};
use crate::sys::{self, Buf, Fd, open};
use core::ffi::CStr;
use hook_tree::{Cmdline, Environ, Numbering, Phase, Strings, TreeError, hook_number};

/// The hooks of one phase.
pub struct Tree<'a> {
    /// The phase.
    pub phase: Phase,
    /// How many hooks it has.
    pub count: u32,
    hooks: &'a Dir<'a>,
    dir: &'a Dir<'a>,
}

impl<'a> Tree<'a> {
    /// Opens the phase below `dir`, counts its hooks and, when there are any, hands them to `run`. Missing directories
    /// mean that there are none.
    pub fn with(dir: &Dir, phase: Phase, run: impl FnOnce(&Tree)) {
        let name = Buf::concat(&[phase.dir_name().as_bytes(), b"\0"]);
        if let Some(all) = dir.below(c"hooks", open::PATH)
            && let Some(hooks) = all.below(name.string(), open::READ)
            && let count @ 1.. = count_hooks(&hooks)
        {
            run(&Tree {
                phase,
                count,
                hooks: &hooks,
                dir,
            });
        }
    }

    /// Opens state.json for one hook's stdin.
    ///
    /// The file itself rather than a pipe: reading it never blocks, a hook that does not read it costs nothing, no
    /// process has to feed it, and its descriptor is read-only. Each hook gets an open file of its own, so that one
    /// hook's reading position is not the next one's start.
    ///
    /// createContainer reads the guest's state, whose pid is that of the container's namespace. A container that LXC
    /// alone manages may have a single state.json beside its configuration.
    pub fn open_state(&self) -> Fd {
        let mut file = None;
        if self.phase == Phase::CreateContainer
            && let Some(guest) = self.dir.below(c"guest", open::PATH)
        {
            file = guest.file(c"state.json");
            guest.fd.close();
        }
        match file.or_else(|| self.dir.file(c"state.json")) {
            Some(file) => {
                // A hook must not see that it was opened non-blocking.
                sys::clear_status_flags(file).or_die(fail::SYSTEM, b"fcntl", b"");
                file
            }
            None => self.dir.missing(fail::NO_STATE, c"state.json"),
        }
    }

    /// Reads and checks the files of a hook. A missing environ is an empty environment.
    pub fn load<'b>(
        &self,
        index: u32,
        cmdline: &'b mut Buf,
        environ: &'b mut Buf,
    ) -> (Cmdline<'b>, Environ<'b>) {
        let number = Decimal::new(index.into());
        let hook = self.hooks.require(number.string());
        hook.read_required(c"cmdline", cmdline);
        hook.read(c"environ", environ);
        let cmdline = match Cmdline::parse_hook(cmdline.bytes()) {
            Ok(cmdline) => cmdline,
            Err(error) => hook.defect(c"cmdline", error),
        };
        let environ = match Environ::parse_hook(environ.bytes()) {
            Ok(environ) => environ,
            Err(error) => hook.defect(c"environ", error),
        };
        hook.fd.close();
        (cmdline, environ)
    }

    /// Reads the working directory that the tree itself names for the phase, with its NUL. False when it names none.
    pub fn read_cwd(&self, into: &mut Buf) -> bool {
        if !self.hooks.read(c"cwd", into) {
            return false;
        }
        match Strings::single(into.bytes()) {
            Ok(path) if path.to_bytes().starts_with(b"/") => true,
            Ok(_) => self.hooks.defect(c"cwd", TreeError::RelativePath),
            Err(error) => self.hooks.defect(c"cwd", error),
        }
    }
}

/// Lists the directory of a phase: every name is a hook's number or `cwd`.
fn count_hooks(hooks: &Dir) -> u32 {
    let mut numbering = Numbering::default();
    let mut entries = Buf::new();
    loop {
        match entries.read_entries(hooks.fd) {
            Ok(0) => break,
            Ok(_) => {}
            Err(errno) => hooks.failed(fail::ACCESS, c"", errno),
        }
        let mut rest = entries.bytes();
        // struct linux_dirent64: inode 8, offset 8, record length 2, type 1, name.
        while let Some(&[low, high]) = rest.get(16..18) {
            let length = usize::from(u16::from_ne_bytes([low, high]));
            let name = rest.get(19..).unwrap_or_default();
            let name = CStr::from_bytes_until_nul(name).unwrap_or_default();
            match (name.to_bytes(), hook_number(name.to_bytes())) {
                (b"." | b".." | b"cwd", _) => {}
                (_, Ok(number)) => numbering.add(number),
                (_, Err(error)) => hooks.defect(name, error),
            }
            rest = rest.get(length.max(19)..).unwrap_or_default();
        }
    }
    match numbering.finish() {
        Ok(count) => count,
        Err(error) => hooks.defect(c"", error),
    }
}
