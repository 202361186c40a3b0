//! Makes the directories of a planned cgroup, and takes back what it made when it fails half-way.

use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::error::Error;
use super::files;
use super::handle::{self, Cgroup};
use super::plan::CgroupPlan;
use super::record::{CgroupRecord, Member, Mode, State, Version};
use super::systemd::{Placeholder, Unit};

/// How often a directory is tried again when another runtime removes the parent they share.
const RACES: usize = 16;

impl CgroupPlan {
    /// Makes the container's directory in every mounted hierarchy.
    ///
    /// An existing cgroup is taken over when nothing runs in it: an engine may have prepared it. With
    /// `--systemd-cgroup` systemd makes the unit.
    ///
    /// # Errors
    /// When the cgroup is in use or frozen, or the kernel refuses. Directories made until then are removed.
    pub fn create(self) -> Result<Cgroup, Error> {
        let mut record = self.record;
        if let Some(unit) = &self.unit {
            let placeholder = create_scope(&record, unit, &self.id)?;
            record.state = State::Made;
            return Ok(Cgroup::with_placeholder(record, placeholder));
        }
        let mut made = Vec::new();
        for member in &record.members {
            let result = create_member(member, &mut made).and_then(|()| match record.mode {
                // Engines read usage from memory, pids and cpu files whether or not a limit is set.
                Mode::Unified => enable_controllers(member, None),
                Mode::Hybrid | Mode::Legacy => Ok(()),
            });
            if let Err(error) = result {
                for dir in made.iter().rev() {
                    // The error that counts is the first one; a directory that stays is empty.
                    let _ = std::fs::remove_dir(dir);
                }
                return Err(error);
            }
        }
        record.state = State::Made;
        Ok(Cgroup::from_record(record))
    }
}

/// Lets systemd make the scope, and makes sure that it is where the plan says.
fn create_scope(record: &CgroupRecord, unit: &Unit, id: &str) -> Result<Placeholder, Error> {
    // An old scope of this name would be the one that gets the placeholder.
    for member in &record.members {
        let pids = handle::pids_below(&member.path)?;
        if !pids.is_empty() {
            return Err(Error::InUse {
                path: member.path.clone(),
                pids,
            });
        }
    }
    let placeholder = Placeholder::start(unit, id)?;
    for member in &record.members {
        if !handle::pids_below(&member.path)?.contains(&placeholder.pid()) {
            return Err(Error::Systemd(format!(
                "unit {} is not at {}",
                unit.name(),
                member.path.display()
            )));
        }
    }
    Ok(placeholder)
}

fn create_member(member: &Member, made: &mut Vec<PathBuf>) -> Result<(), Error> {
    let mut tries = 0;
    let fresh = loop {
        match files::make_dir(&member.path) {
            Ok(fresh) => break fresh,
            Err(e) if e.errno() == Some(Errno::ENOENT) && tries < RACES => {
                tries += 1;
                make_parents(member, made)?;
            }
            Err(e) => return Err(e),
        }
    };
    if fresh {
        made.push(member.path.clone());
    } else {
        check_unused(member)?;
    }
    if member.version == Version::V1 && member.controllers.iter().any(|c| c == "cpuset") {
        init_cpuset(member)?;
    }
    Ok(())
}

fn make_parents(member: &Member, made: &mut Vec<PathBuf>) -> Result<(), Error> {
    for dir in member.chain().iter().filter(|dir| **dir != member.path) {
        match files::make_dir(dir) {
            Ok(true) => made.push(dir.to_path_buf()),
            // Its own parent was removed meanwhile: the caller tries again.
            Ok(false) => {}
            Err(e) if e.errno() == Some(Errno::ENOENT) => return Ok(()),
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Whether the directory that exists may become the container's.
fn check_unused(member: &Member) -> Result<(), Error> {
    let pids = handle::pids_below(&member.path)?;
    if !pids.is_empty() {
        return Err(Error::InUse {
            path: member.path.clone(),
            pids,
        });
    }
    if super::freezer::holds(member)? {
        return Err(Error::Frozen {
            path: member.path.clone(),
        });
    }
    Ok(())
}

/// On v1 a new cpuset is empty, and nobody can enter it: cpus and mems come from the level above.
fn init_cpuset(member: &Member) -> Result<(), Error> {
    let mut above: &Path = &member.mount_point;
    let chain = member.chain();
    for dir in chain {
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if files::read(dir, file)?.trim().is_empty() {
                files::write(dir, file, files::read(above, file)?.trim())?;
            }
        }
        above = dir;
    }
    Ok(())
}

/// Hands controllers down the v2 path, so that the container's directory has their files: `wanted` ones, or all that there
/// are. Levels that cannot (they have processes, or the controller is a v1 one) are passed over; a limit that needs the
/// controller is refused later, by name.
pub(super) fn enable_controllers(member: &Member, wanted: Option<&str>) -> Result<(), Error> {
    let chain = member.chain();
    let above = chain.iter().copied().filter(|dir| *dir != member.path);
    for dir in std::iter::once(member.mount_point.as_path()).chain(above) {
        let (Some(offered), Some(enabled)) = (
            files::read_if_there(dir, "cgroup.controllers")?,
            files::read_if_there(dir, "cgroup.subtree_control")?,
        ) else {
            continue;
        };
        let missing: Vec<String> = offered
            .split_whitespace()
            .filter(|c| wanted.is_none_or(|wanted| wanted == *c))
            .filter(|c| enabled.split_whitespace().all(|e| e != *c))
            .map(|c| format!("+{c}"))
            .collect();
        // One write is one grace period of the kernel; only when it fails each controller is tried alone.
        if !missing.is_empty()
            && files::write(dir, "cgroup.subtree_control", &missing.join(" ")).is_err()
        {
            for controller in missing {
                let _ = files::write(dir, "cgroup.subtree_control", &controller);
            }
        }
    }
    Ok(())
}
