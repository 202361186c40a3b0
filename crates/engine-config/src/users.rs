//! Which containers that live now were made by a runtime. Their engine needs it until they are deleted.
//!
//! A supervisor stands for each: conmon has the runtime among its arguments; a containerd shim works in the directory of a
//! container, where it keeps the runtime's path in the file `runtime`, as do the other containers of its namespace.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::file;

/// The ids of the containers that live now and were made by the program at `path`, whatever their engine.
///
/// Processes that cannot be looked into are passed over, so without root this sees the caller's containers only.
pub fn containers_of(path: &Path) -> Vec<String> {
    let mut found = BTreeSet::new();
    for process in processes() {
        let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
        match name.trim_end() {
            // Anybody can call a process so. What it says then is not what an engine says, nor where we look.
            "conmon" if is_trusted(&process) => found.extend(of_conmon(&process, path)),
            // The kernel cuts names at 15 bytes.
            "containerd-shim" if is_trusted(&process) => found.extend(of_shim(&process, path)),
            _ => {}
        }
    }
    found.into_iter().collect()
}

/// The directories of all processes.
pub(crate) fn processes() -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        name.iter().all(u8::is_ascii_digit)
    })
}

/// Whether a process is root's or the caller's.
pub(crate) fn is_trusted(process: &Path) -> bool {
    let us = nix::unistd::geteuid().as_raw();
    fs::metadata(process).is_ok_and(|process| process.uid() == 0 || process.uid() == us)
}

/// conmon's `--runtime` is the program, its `--cid` the container.
fn of_conmon(process: &Path, path: &Path) -> Option<String> {
    let words = fs::read(process.join("cmdline")).ok()?;
    let words: Vec<OsString> = words
        .split(|&b| b == 0)
        .map(|w| OsString::from_vec(w.to_vec()))
        .collect();
    let value = |names: [&str; 2]| {
        let at = words.iter().position(|w| names.iter().any(|n| w == n))?;
        words.get(at + 1)
    };
    let runtime = value(["-r", "--runtime"])?;
    same(Path::new(runtime), path).then_some(())?;
    value(["-c", "--cid"]).map(|id| id.to_string_lossy().into_owned())
}

/// All containers of the shim's namespace, since one shim may serve a whole pod.
fn of_shim(process: &Path, path: &Path) -> Vec<String> {
    let Ok(bundle) = fs::read_link(process.join("cwd")) else {
        return Vec::new();
    };
    let Some(namespace) = bundle.parent() else {
        return Vec::new();
    };
    let bundles = fs::read_dir(namespace).into_iter().flatten().flatten();
    bundles
        .filter(|bundle| {
            let runtime = file::read(&bundle.path().join("runtime"));
            let runtime = runtime.ok().flatten();
            runtime.is_some_and(|runtime| same(Path::new(runtime.trim_end()), path))
        })
        .map(|bundle| bundle.file_name().to_string_lossy().into_owned())
        .collect()
}

/// Whether two paths name one file.
fn same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    one == other || real(one) == real(other)
}
