//! `lxcri-ctl install` and `uninstall`: puts the programs in place and takes them away again.
//!
//! Containers that live need the programs at every moment, so nothing is removed before its successor is there: all sources
//! are checked and copied beside their destinations first, and then renamed one after the other.

mod programs;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use engine_config::Store;

use crate::cli::install::{Prefix, Uninstall};
use crate::output::print;
use programs::{Program, Staged};

/// Installs the programs.
pub fn install(options: &Prefix) -> Result<ExitCode> {
    let us = std::env::current_exe().context("find this program")?;
    let from = us.parent().unwrap_or(Path::new("/"));
    let prefix = absolute(&options.prefix)?;
    let mut staged = Vec::new();
    for program in programs::all() {
        let Some(source) = program.source(from) else {
            if program.required {
                bail!("{}: not beside {}", program.name, us.display());
            }
            continue;
        };
        let destination = program.destination(&prefix);
        if !is_same(&source, &destination) {
            programs::check(&source)?;
            staged.push((source, destination));
        }
    }
    let missing: Vec<PathBuf> = staged.iter().flat_map(|(_, to)| missing(to)).collect();
    let mut said = String::new();
    let done = put(&staged, &mut said);
    if done.is_err() {
        for directory in missing {
            // Those in which something lies now stay.
            let _ = fs::remove_dir(directory);
        }
    } else if said.is_empty() {
        said += "nothing to install: these are the installed programs\n";
    }
    // Also what was replaced before something went wrong.
    print(&said)?;
    done.map(|()| ExitCode::SUCCESS)
}

/// Copies all programs beside their destinations, then puts one after the other in place and says so. The copies vanish
/// when one of them cannot be made.
fn put(files: &[(PathBuf, PathBuf)], said: &mut String) -> Result<()> {
    let copies = files
        .iter()
        .map(|(source, destination)| Staged::copy(source, destination));
    for copy in copies.collect::<Result<Vec<_>>>()? {
        *said += &format!("installed {}\n", copy.put()?.display());
    }
    Ok(())
}

/// The directories on the way to a file that do not exist, the deepest first.
fn missing(file: &Path) -> impl Iterator<Item = PathBuf> {
    let directories = file.ancestors().skip(1);
    directories
        .take_while(|directory| !directory.exists())
        .map(Path::to_owned)
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (fs::canonicalize(one), fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// Removes the programs, unless an engine would then have a runtime that does not exist.
pub fn uninstall(options: &Uninstall) -> Result<ExitCode> {
    let prefix = absolute(&options.to.prefix)?;
    let all: Vec<Program> = programs::all().collect();
    let files: Vec<PathBuf> = all.iter().map(|p| p.destination(&prefix)).collect();
    for (engine, runtime) in Store::new(&options.state).configured()? {
        if files.iter().any(|file| is_same(file, &runtime.path)) {
            bail!(
                "{} is a runtime of {engine}: lxcri-ctl runtime unconfigure --engine {engine} --name {}",
                runtime.path.display(),
                runtime.name
            );
        }
    }
    let mut said = String::new();
    let mut failed = Vec::new();
    for file in &files {
        match fs::remove_file(file) {
            Ok(()) => said += &format!("removed {}\n", file.display()),
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => failed.push(format!("{}: {e}", file.display())),
        }
    }
    // Only if it is empty; other programs' files are not ours.
    let _ = fs::remove_dir(prefix.join(programs::LIBEXEC));
    if said.is_empty() && failed.is_empty() {
        said += "nothing to remove\n";
    }
    print(&said)?;
    if !failed.is_empty() {
        bail!("remove {}", failed.join("; "));
    }
    Ok(ExitCode::SUCCESS)
}

fn absolute(prefix: &Path) -> Result<PathBuf> {
    std::path::absolute(prefix).with_context(|| format!("find {}", prefix.display()))
}
