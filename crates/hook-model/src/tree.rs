//! Hooks as files, for the launcher: `<dir>/<phase>/<n>/{cmdline,environ}` (docs/hook-tree.md).

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::num::NonZeroU64;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use hook_tree::{
    Cmdline, Environ, Numbering, Phase, Strings, TreeError, encode_cmdline, encode_environ,
    encode_string, hook_number, names,
};

use crate::hook::Hook;
use crate::set::HookSet;

/// How a tree is written.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The mode of every directory. A container with its own user namespace needs more than the owner's bits.
    pub dir_mode: u32,
    /// The mode of every file.
    pub file_mode: u32,
    /// The environment of startContainer hooks for which none is configured: the container process's.
    pub process_env: Option<&'a [String]>,
    /// The working directory of a phase's hooks where it is not what the launcher takes by itself.
    pub cwd: &'a [(Phase, &'a Path)],
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options {
            dir_mode: 0o700,
            file_mode: 0o600,
            process_env: None,
            cwd: &[],
        }
    }
}

/// Why a tree could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call failed.
    #[error("{call}({path:?}): {source}")]
    Io {
        /// The call.
        call: &'static str,
        /// Its argument.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// A file or directory is not as the format wants it.
    #[error("{path:?}: {source}")]
    Malformed {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        source: TreeError,
    },
    /// A string is no text. The launcher takes any bytes, an OCI configuration cannot hold them.
    #[error("{0:?}: not UTF-8")]
    NotUtf8(PathBuf),
}

fn io_error(call: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io {
        call,
        path: path.to_owned(),
        source,
    }
}

fn malformed(path: &Path) -> impl FnOnce(TreeError) -> Error {
    move |source| Error::Malformed {
        path: path.to_owned(),
        source,
    }
}

/// Writes the hooks of some phases below `dir`, which is made if there is anything to write and it is missing.
///
/// A phase without hooks leaves no directory. A phase that is there already is an error: a tree is written once, into a
/// directory that nobody else can write to.
pub fn write(
    dir: &Path,
    set: &HookSet,
    phases: &[Phase],
    options: &Options<'_>,
) -> Result<(), Error> {
    let mut writer = Writer {
        options,
        exact: None,
    };
    for (i, &phase) in phases
        .iter()
        .filter(|phase| !set.get(**phase).is_empty())
        .enumerate()
    {
        if i == 0 && !dir.is_dir() {
            writer.mkdir(dir)?;
        }
        let phase_dir = dir.join(phase.dir_name());
        writer.mkdir(&phase_dir)?;
        if let Some((_, cwd)) = options.cwd.iter().find(|(of, _)| *of == phase) {
            writer.create(&phase_dir.join(names::CWD), |sink| {
                encode_string(cwd.as_os_str().as_bytes(), sink)
            })?;
        }
        for (i, hook) in set.get(phase).iter().enumerate() {
            let hook_dir = phase_dir.join((i + 1).to_string());
            writer.mkdir(&hook_dir)?;
            writer.create(&hook_dir.join(names::CMDLINE), |sink| {
                encode_cmdline(hook.path.as_os_str().as_bytes(), hook.argv(), sink)
            })?;
            let process_env = options
                .process_env
                .filter(|_| phase == Phase::StartContainer);
            let environ = match process_env {
                Some(process_env) => hook.environ_or(process_env),
                None => hook.environ(),
            };
            writer.create(&hook_dir.join(names::ENVIRON), |sink| {
                encode_environ(environ, hook.timeout.map(NonZeroU64::get), sink)
            })?;
        }
    }
    Ok(())
}

/// Removes hooks that [`write`] has made below `dir`, without a look at what there is: three calls for each. Whatever else
/// lies there stays, and so do the directories of the phases.
pub fn remove(dir: &Path) {
    if !dir.is_dir() {
        return;
    }
    for phase in Phase::ALL {
        let phase_dir = dir.join(phase.dir_name());
        if !phase_dir.is_dir() {
            continue;
        }
        for n in 1.. {
            let hook_dir = phase_dir.join(n.to_string());
            // An error shows when the directory is removed, which ends the walk.
            let _ = fs::remove_file(hook_dir.join(names::CMDLINE));
            let _ = fs::remove_file(hook_dir.join(names::ENVIRON));
            if fs::remove_dir(&hook_dir).is_err() {
                break;
            }
        }
    }
}

/// Makes files with exact modes, whatever the caller's umask.
struct Writer<'a> {
    options: &'a Options<'a>,
    /// Whether the umask leaves the modes alone; found out once, so that a tree costs no chmod for each file.
    exact: Option<bool>,
}

impl Writer<'_> {
    fn mkdir(&mut self, path: &Path) -> Result<(), Error> {
        let mode = self.options.dir_mode;
        DirBuilder::new()
            .mode(mode)
            .create(path)
            .map_err(io_error("mkdir", path))?;
        let exact = match self.exact {
            Some(exact) => exact,
            None => {
                let made = fs::symlink_metadata(path)
                    .map_err(io_error("lstat", path))?
                    .permissions()
                    .mode();
                // The directory tells about those bits of a file's mode only that it has itself.
                *self
                    .exact
                    .insert(made & 0o7777 == mode && self.options.file_mode & !mode == 0)
            }
        };
        if exact {
            return Ok(());
        }
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(io_error("chmod", path))
    }

    fn create(
        &self,
        path: &Path,
        encode: impl FnOnce(hook_tree::Sink) -> Result<(), TreeError>,
    ) -> Result<(), Error> {
        let mut content = Vec::new();
        encode(&mut |piece| content.extend_from_slice(piece)).map_err(malformed(path))?;
        // The launcher reads no more, so this is found out before anything of the container exists.
        if content.len() > names::FILE_LIMIT {
            return Err(malformed(path)(TreeError::TooLarge));
        }
        let mode = self.options.file_mode;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path)
            .map_err(io_error("open", path))?;
        file.write_all(&content).map_err(io_error("write", path))?;
        if self.exact == Some(true) {
            return Ok(());
        }
        file.set_permissions(Permissions::from_mode(mode))
            .map_err(io_error("fchmod", path))
    }
}

/// Reads the hooks of some phases back. A phase without a directory has no hooks.
pub fn read(dir: &Path, phases: &[Phase]) -> Result<HookSet, Error> {
    let mut set = HookSet::default();
    for &phase in phases {
        let phase_dir = dir.join(phase.dir_name());
        for n in 1..=count(&phase_dir)? {
            set.push(phase, read_hook(&phase_dir.join(n.to_string()))?);
        }
    }
    Ok(set)
}

fn count(phase_dir: &Path) -> Result<u32, Error> {
    let entries = match fs::read_dir(phase_dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(e) => return Err(io_error("opendir", phase_dir)(e)),
    };
    let mut numbering = Numbering::default();
    for entry in entries {
        let entry = entry.map_err(io_error("getdents", phase_dir))?;
        let name = entry.file_name();
        if name != names::CWD {
            numbering.add(hook_number(name.as_bytes()).map_err(malformed(&entry.path()))?);
        }
    }
    numbering.finish().map_err(malformed(phase_dir))
}

fn read_hook(dir: &Path) -> Result<Hook, Error> {
    let path = dir.join(names::CMDLINE);
    let bytes = read_file(&path)?;
    let cmdline = Cmdline::parse_hook(&bytes).map_err(malformed(&path))?;
    let executable = PathBuf::from(std::ffi::OsStr::from_bytes(cmdline.path().to_bytes()));
    let args = texts(cmdline.argv(), &path)?;

    let path = dir.join(names::ENVIRON);
    let bytes = read_file(&path)?;
    let environ = Environ::parse_hook(&bytes).map_err(malformed(&path))?;
    let mut env = texts(environ.entries(), &path)?;
    env.retain(|entry| {
        entry
            .split_once('=')
            .is_none_or(|(name, _)| name != names::TIMEOUT_VARIABLE)
    });
    let timeout = environ.timeout().and_then(NonZeroU64::new);
    Ok(Hook {
        path: executable,
        args: Some(args),
        env: Some(env),
        timeout,
    })
}

fn texts(strings: Strings, path: &Path) -> Result<Vec<String>, Error> {
    let texts = strings.map(|text| text.to_str().map(str::to_owned));
    texts
        .collect::<Result<_, _>>()
        .map_err(|_| Error::NotUtf8(path.to_owned()))
}

fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    let file = File::open(path).map_err(io_error("open", path))?;
    let mut bytes = Vec::new();
    // One byte more than allowed, to tell a full file from one that is too large.
    let limit = names::FILE_LIMIT as u64 + 1;
    file.take(limit)
        .read_to_end(&mut bytes)
        .map_err(io_error("read", path))?;
    if bytes.len() > names::FILE_LIMIT {
        return Err(malformed(path)(TreeError::TooLarge));
    }
    Ok(bytes)
}
