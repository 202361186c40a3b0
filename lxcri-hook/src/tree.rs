//! The hooks of one phase on disk: how many there are, their files, and the state they read.

use crate::dir::Dir;
use crate::fail::{self, Decimal, Failure, Result};
use crate::sys::{self, Buf, Fd, open};
use core::ffi::CStr;
use hook_tree::{Cmdline, Environ, Numbering, Phase, Strings, TreeError, hook_number};

/// The hooks of one phase.
pub struct Tree<'a> {
    /// The phase.
    pub phase: Phase,
    /// How many hooks it has.
    pub count: u32,
    hooks: Option<Dir<'a>>,
    dir: &'a Dir<'a>,
}

/// The directories above a phase, which outlive the tree that borrows from them.
pub struct Above<'a> {
    hooks: Option<Dir<'a>>,
    phase: Phase,
    name: Buf,
    dir: &'a Dir<'a>,
}

impl<'a> Above<'a> {
    /// Opens `hooks` in the directory of a tree, or in the guest directory for start-container.
    pub fn open(dir: &'a Dir<'a>, phase: Phase) -> Result<Above<'a>> {
        let name = Buf::concat(&[phase.dir_name().as_bytes(), b"\0"]);
        Ok(Above {
            hooks: dir.below(c"hooks", open::PATH)?,
            phase,
            name,
            dir,
        })
    }

    /// Opens the phase and counts its hooks. Missing directories mean that there are none.
    pub fn tree(&self) -> Result<Tree<'_>> {
        let mut tree = Tree {
            phase: self.phase,
            count: 0,
            hooks: None,
            dir: self.dir,
        };
        if let Some(hooks) = &self.hooks {
            let name = CStr::from_bytes_until_nul(self.name.bytes()).unwrap_or_default();
            tree.hooks = hooks.below(name, open::READ)?;
        }
        if let Some(hooks) = &tree.hooks {
            tree.count = count_hooks(hooks)?;
        }
        Ok(tree)
    }
}

impl Tree<'_> {
    /// Opens state.json for one hook's stdin.
    ///
    /// The file itself rather than a pipe: reading it never blocks, a hook that does not read it costs nothing, no
    /// process has to feed it, and its descriptor is read-only. Each hook gets an open file of its own, so that one
    /// hook's reading position is not the next one's start.
    ///
    /// createContainer reads the guest's state, whose pid is that of the container's namespace. A container that LXC
    /// alone manages may have a single state.json beside its configuration.
    pub fn open_state(&self) -> Result<Fd> {
        let mut file = None;
        if self.phase == Phase::CreateContainer
            && let Some(guest) = self.dir.below(c"guest", open::PATH)?
        {
            file = guest.file(c"state.json")?;
        }
        if file.is_none() {
            file = self.dir.file(c"state.json")?;
        }
        let file = file.ok_or_else(|| self.dir.missing(fail::NO_STATE, c"state.json"))?;
        // A hook must not see that it was opened non-blocking.
        sys::clear_status_flags(&file).map_err(Failure::call(fail::SYSTEM, b"fcntl"))?;
        Ok(file)
    }

    /// Reads and checks the files of a hook. A missing environ is an empty environment.
    pub fn load<'b>(
        &self,
        index: u32,
        cmdline: &'b mut Buf,
        environ: &'b mut Buf,
    ) -> Result<(Cmdline<'b>, Environ<'b>)> {
        let number = Decimal::new(index.into());
        let hooks = self
            .hooks
            .as_ref()
            .ok_or_else(|| self.dir.missing(fail::MISSING, c"hooks"))?;
        let hook = hooks.require(number.string(), open::PATH)?;
        hook.read_required(c"cmdline", cmdline)?;
        hook.read(c"environ", environ)?;
        Ok((
            Cmdline::parse_hook(cmdline.bytes()).map_err(|error| hook.defect(c"cmdline", error))?,
            Environ::parse_hook(environ.bytes()).map_err(|error| hook.defect(c"environ", error))?,
        ))
    }

    /// Reads the working directory that the tree itself names for the phase, with its NUL. False when it names none.
    pub fn read_cwd(&self, into: &mut Buf) -> Result<bool> {
        let Some(hooks) = &self.hooks else {
            return Ok(false);
        };
        if !hooks.read(c"cwd", into)? {
            return Ok(false);
        }
        match Strings::single(into.bytes()) {
            Ok(path) if path.to_bytes().starts_with(b"/") => Ok(true),
            Ok(_) => Err(hooks.defect(c"cwd", TreeError::RelativePath)),
            Err(error) => Err(hooks.defect(c"cwd", error)),
        }
    }
}

/// Lists the directory of a phase: every name is a hook's number or `cwd`.
fn count_hooks(hooks: &Dir) -> Result<u32> {
    let mut numbering = Numbering::default();
    let mut entries = Buf::new();
    loop {
        entries.clear();
        let room = entries
            .room(4096)
            .map_err(Failure::call(fail::NO_MEMORY, b"mmap"))?;
        let count = match sys::getdents(hooks.fd(), room) {
            Ok(0) => break,
            Ok(count) => count,
            Err(errno) => return Err(hooks.failed(fail::DIRECTORY, b"getdents64", c"", errno)),
        };
        entries.grown(count);
        let mut rest = entries.bytes();
        // struct linux_dirent64: inode 8, offset 8, record length 2, type 1, name.
        while let Some(&[low, high]) = rest.get(16..18) {
            let length = usize::from(u16::from_ne_bytes([low, high]));
            let name = rest
                .get(19..length)
                .and_then(|name| CStr::from_bytes_until_nul(name).ok())
                .unwrap_or_default();
            match name.to_bytes() {
                b"." | b".." | b"cwd" => {}
                number => {
                    numbering.add(hook_number(number).map_err(|error| hooks.defect(name, error))?)
                }
            }
            rest = rest.get(length.max(19)..).unwrap_or_default();
        }
    }
    numbering.finish().map_err(|error| hooks.defect(c"", error))
}
