//! Finds the launcher where it is installed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use hook_tree::names;

/// The launcher that belongs to this program: `../libexec/lxcri/lxcri-hook`, or beside it in a build directory.
///
/// It is executed from there and not copied, because Debian mounts /run with noexec. Neither an environment variable
/// nor PATH is asked: it runs as root in every container.
pub fn find() -> Result<PathBuf> {
    let program = fs::read_link("/proc/self/exe").context("readlink(/proc/self/exe)")?;
    let directory = program.parent().unwrap_or(Path::new("/"));
    let candidates = [
        directory.join("../libexec/lxcri").join(names::LAUNCHER),
        directory.join(names::LAUNCHER),
    ];
    for candidate in &candidates {
        if candidate.is_file() {
            return fs::canonicalize(candidate)
                .with_context(|| format!("resolve {}", candidate.display()));
        }
    }
    bail!(
        "launcher not found: neither {} nor {} exists",
        candidates[0].display(),
        candidates[1].display()
    )
}
