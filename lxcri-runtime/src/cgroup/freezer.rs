//! Stops and resumes every process of a container: the v1 freezer where it is mounted, else v2.

use std::path::Path;
use std::time::{Duration, Instant};

use super::error::Error;
use super::files;
use super::handle::Cgroup;
use super::record::{CgroupRecord, Member, Version};
use super::remove::wait_for_event;

const V1_STATE: &str = "freezer.state";
const V2_FREEZE: &str = "cgroup.freeze";

impl Cgroup {
    /// Stops every process, those in sub-cgroups included, and returns when all of them are stopped.
    ///
    /// # Errors
    /// When there is no freezer, or not every process has stopped at the deadline; the cgroup is then thawed again.
    pub fn freeze(&self, deadline: Instant) -> Result<(), Error> {
        let member = freezer(&self.record).ok_or_else(|| no_freezer(&self.record))?;
        let result = match member.version {
            Version::V1 => freeze_v1(&member.path, deadline),
            Version::V2 => freeze_v2(&member.path, deadline),
        };
        if result.is_err() {
            // Half-frozen is worse than not frozen; the first error is the one to report.
            let _ = thaw(member);
        }
        result
    }

    /// Resumes what [`Cgroup::freeze`] stopped.
    ///
    /// # Errors
    /// When there is no freezer, or the kernel refuses.
    pub fn thaw(&self) -> Result<(), Error> {
        thaw(freezer(&self.record).ok_or_else(|| no_freezer(&self.record))?)
    }

    /// Whether the cgroup is frozen, or about to be. `false` when it is gone.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn is_frozen(&self) -> Result<bool, Error> {
        freezer(&self.record).map_or(Ok(false), holds)
    }
}

fn freezer(record: &CgroupRecord) -> Option<&Member> {
    record.v1("freezer").or_else(|| record.unified())
}

fn no_freezer(record: &CgroupRecord) -> Error {
    Error::NoFreezer {
        path: record.primary().map(|m| m.path.clone()).unwrap_or_default(),
    }
}

/// Whether this directory would hold a process that enters it.
pub(super) fn holds(member: &Member) -> Result<bool, Error> {
    Ok(match member.version {
        Version::V1 => files::read_if_there(&member.path, V1_STATE)?
            .is_some_and(|state| state.trim() != "THAWED"),
        Version::V2 => {
            files::read_if_there(&member.path, V2_FREEZE)?.is_some_and(|state| state.trim() == "1")
        }
    })
}

fn thaw(member: &Member) -> Result<(), Error> {
    match member.version {
        Version::V1 => files::write(&member.path, V1_STATE, "THAWED"),
        Version::V2 => files::write(&member.path, V2_FREEZE, "0"),
    }
}

/// v1 looks only when asked: a task that was missed while it forked or ran is caught by writing again.
fn freeze_v1(path: &Path, deadline: Instant) -> Result<(), Error> {
    let mut pause = Duration::from_micros(50);
    loop {
        files::write(path, V1_STATE, "FROZEN")?;
        if files::read(path, V1_STATE)?.trim() == "FROZEN" {
            return Ok(());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::FreezeTimeout {
                path: path.to_owned(),
            });
        }
        std::thread::sleep(pause.min(left));
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}

fn freeze_v2(path: &Path, deadline: Instant) -> Result<(), Error> {
    files::write(path, V2_FREEZE, "1")?;
    if wait_for_event(path, "frozen", "1", deadline)? {
        Ok(())
    } else {
        Err(Error::FreezeTimeout {
            path: path.to_owned(),
        })
    }
}
