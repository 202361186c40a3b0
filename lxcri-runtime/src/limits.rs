//! What the runtime sets on init from outside: limits of the cgroup and of the process, names and kernel parameters.

use std::fs::{self, File};
use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::ahead;
use crate::cgroup::Cgroup;
use crate::prepare::Prepared;
use crate::process::Process;
use crate::sys;
use crate::sysctl::Namespaces;

/// In the namespaces of the container, before its hooks run: host name, domain name and kernel parameters. Nothing where that
/// was done when the namespaces were made.
pub fn namespaced(init: Process, prepared: &Prepared) -> Result<()> {
    let settings = &prepared.kernel_settings;
    if settings.is_empty() || ahead::has_all(&prepared.namespaces) {
        return Ok(());
    }
    let open = |name: &str| -> Result<OwnedFd> {
        let path = format!("/proc/{}/ns/{name}", init.pid);
        Ok(File::open(&path)
            .with_context(|| format!("open {path}"))?
            .into())
    };
    let namespaces = Namespaces {
        uts: open("uts")?,
        ipc: open("ipc")?,
        net: open("net")?,
    };
    Ok(settings.apply(&namespaces, prepared.mounts.identity)?)
}

/// Before a hook or anything of the container runs, so that neither sees a moment without them: the device rules.
pub fn devices(prepared: &Prepared, cgroup: &Cgroup) -> Result<()> {
    let linux = prepared.loaded.spec.linux().as_ref();
    let rules = linux
        .and_then(|l| l.resources().as_ref())
        .and_then(|r| r.devices().as_deref());
    Ok(cgroup.apply_devices(rules.unwrap_or_default())?)
}

/// Whether there are limits that an ending LXC would count for: any but device rules.
pub fn count_lxc(prepared: &Prepared) -> bool {
    let resources = prepared.loaded.raw.pointer("/linux/resources");
    resources
        .and_then(Value::as_object)
        .is_some_and(|resources| resources.keys().any(|key| key != "devices"))
}

/// When LXC's work is done, so that no limit can stop LXC itself: the cgroup's limits and those of the process.
pub fn apply(init: Process, prepared: &Prepared, cgroup: &Cgroup) -> Result<()> {
    let linux = prepared.loaded.spec.linux().as_ref();
    if let Some(resources) = linux.and_then(|l| l.resources().as_ref()) {
        cgroup.apply_limits(resources)?;
    }
    raise_rlimits(init, prepared)?;
    if let Some(score) = prepared.init_files.oom_score_adj {
        let path = format!("/proc/{}/oom_score_adj", init.pid);
        fs::write(&path, score.to_string())
            .with_context(|| format!("/process/oomScoreAdj: write {score} to {path}"))?;
    }
    Ok(())
}

/// Raises hard limits, which init could not do in a user namespace. Init itself sets the values right before it
/// executes the program, so that a low limit does not disturb the startContainer hooks.
fn raise_rlimits(init: Process, prepared: &Prepared) -> Result<()> {
    for (index, limit) in prepared.init_files.process.rlimits.iter().enumerate() {
        let failed = || {
            format!(
                "/process/rlimits/{index}: prlimit({}, {}, {})",
                init.pid, limit.resource, limit.hard
            )
        };
        let (soft, hard) = sys::prlimit(init.pid, limit.resource, None).with_context(failed)?;
        if limit.hard > hard {
            sys::prlimit(init.pid, limit.resource, Some((soft, limit.hard)))
                .with_context(failed)?;
        }
    }
    Ok(())
}
