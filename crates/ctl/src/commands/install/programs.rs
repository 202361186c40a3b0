//! The programs that belong together: where they come from, where they go, and what makes a file one of them.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use engine_config::file::temporary_in;
use tempfile::TempPath;

/// Where programs go that people do not call, below the prefix.
pub const LIBEXEC: &str = "libexec/lxcri";

/// The launcher, which lxcri looks for in `../libexec/lxcri` or beside itself.
const LAUNCHER: &str = "lxcri-hook";

/// The library for lxc-start, which lxcri looks for beside the launcher.
const GATE: &str = "liblxc_gate.so";

/// Bytes of an ELF header up to and with `e_machine`.
const HEADER: usize = 20;

/// One program.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Its file name.
    pub name: &'static str,
    /// Whether the set is incomplete without it.
    pub required: bool,
}

/// All programs in the order in which they are replaced. What the runtime needs comes before it.
pub fn all() -> impl Iterator<Item = Program> {
    let program = |(name, required)| Program { name, required };
    [
        (LAUNCHER, true),
        (GATE, false),
        ("lxcri", true),
        ("lxcri-inject", true),
        ("lxcri-nri", false),
        ("lxcri-watch", false),
        ("lxcri-ctl", true),
    ]
    .into_iter()
    .map(program)
}

impl Program {
    /// Where it lies, given the directory of this program.
    pub fn source(self, from: &Path) -> Option<PathBuf> {
        let mut places = vec![from.join(self.name)];
        if self.is_internal() {
            places.insert(0, from.join("..").join(LIBEXEC).join(self.name));
        }
        places.into_iter().find(|place| place.exists())
    }

    /// Where it goes.
    pub fn destination(self, prefix: &Path) -> PathBuf {
        let directory = if self.is_internal() { LIBEXEC } else { "bin" };
        prefix.join(directory).join(self.name)
    }

    /// Whether nobody calls it but other programs.
    fn is_internal(self) -> bool {
        [LAUNCHER, GATE].contains(&self.name)
    }
}

/// Whether a file is a program for this machine.
///
/// # Errors
/// When it is not: a script, a program of another architecture, or one that was not copied whole.
pub fn check(path: &Path) -> Result<()> {
    let metadata = fs::metadata(path).with_context(|| path.display().to_string())?;
    if !metadata.is_file() || metadata.mode() & 0o111 == 0 {
        bail!("{}: not an executable file", path.display());
    }
    if header(path)? != header(Path::new("/proc/self/exe"))? {
        bail!("{}: not a program for this machine", path.display());
    }
    Ok(())
}

/// What says that a file is a program, and for which machine; its type may differ, since not all are linked alike.
fn header(path: &Path) -> Result<[u8; 8]> {
    let mut bytes = [0; HEADER];
    let mut file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    file.read_exact(&mut bytes)
        .with_context(|| format!("{}: too short for a program", path.display()))?;
    let mut header = [0; 8];
    header[..6].copy_from_slice(&bytes[..6]);
    header[6..].copy_from_slice(&bytes[18..]);
    Ok(header)
}

/// A copy beside its destination that nobody sees yet.
pub struct Staged {
    copy: TempPath,
    destination: PathBuf,
}

impl Staged {
    /// Copies a program and flushes it to disk.
    ///
    /// # Errors
    /// When it cannot be copied; no file is left then.
    pub fn copy(source: &Path, destination: &Path) -> Result<Staged> {
        let context = || format!("copy {} to {}", source.display(), destination.display());
        let directory = destination.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(directory).with_context(context)?;
        let mut from = File::open(source).with_context(context)?;
        let mut to = temporary_in(directory).with_context(context)?;
        std::io::copy(&mut from, to.as_file_mut()).with_context(context)?;
        let file = to.as_file();
        file.set_permissions(fs::Permissions::from_mode(0o755))
            .with_context(context)?;
        file.sync_all().with_context(context)?;
        Ok(Staged {
            copy: to.into_temp_path(),
            destination: destination.to_owned(),
        })
    }

    /// Puts the copy in place. Returns where that is.
    pub fn put(self) -> Result<PathBuf> {
        let Staged { copy, destination } = self;
        copy.persist(&destination)
            .with_context(|| format!("replace {}", destination.display()))?;
        Ok(destination)
    }
}
