//! Opens what lies on a host whose root is mounted somewhere, with symlinks resolved as a process of the host would.

use std::fs::File;
use std::path::Path;

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;

/// Opens `path`, of which `root` is the root. The descriptor is close-on-exec.
pub fn open_below(root: &Path, path: &Path, flags: OFlag) -> nix::Result<File> {
    let root = open(
        root,
        OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )?;
    let how = OpenHow::new()
        .flags(flags | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    openat2(&root, path, how).map(File::from)
}

/// The path on the host of a path in our own mount namespace; `None` when that is not below the root of the host.
pub fn on_host<'a>(path: &'a Path, host_root: Option<&'a Path>) -> Option<(&'a Path, &'a Path)> {
    let root = host_root?;
    let below = path.strip_prefix(root).ok()?;
    let is_root = below.as_os_str().is_empty();
    Some((root, if is_root { Path::new("/") } else { below }))
}
