//! Sets limits and device rules, and says beforehand which of them cannot be set.

use std::path::Path;

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxResources};

use nix::errno::Errno;

use super::create::enable_controllers;
use super::devices::{self, Policy};
use super::error::{Error, Problem};
use super::files;
use super::handle::Cgroup;
use super::layout::CgroupLayout;
use super::record::{Member, Version};
use super::resources::{Choice, Controllers, Missing, Setting, settings};
use super::systemd;

/// Every field of `resources` that cannot be honoured on this machine, found without making anything. Files that a
/// kernel lacks although it has their controller are found by [`Cgroup::apply_limits`].
pub fn check(resources: &LinuxResources, layout: &CgroupLayout) -> Vec<Problem> {
    let controllers = Controllers::of(layout);
    let (_, mut problems) = settings(resources, &controllers);
    let rules = resources.devices().as_deref().unwrap_or_default();
    match Policy::new(rules) {
        Err(more) => problems.extend(more),
        Ok(policy) if layout.controller("devices").is_some() => {
            problems.extend(devices::v1::check(&policy))
        }
        Ok(policy) if layout.unified().is_none() && !policy.allows_everything() => problems
            .push(Problem {
            pointer: devices::POINTER.to_owned(),
            reason:
                "not supported: this machine has neither the v1 devices controller nor cgroup v2"
                    .to_owned(),
        }),
        Ok(_) => {}
    }
    for (index, limit) in resources.hugepage_limits().iter().flatten().enumerate() {
        let pointer = format!("/linux/resources/hugepageLimits/{index}/pageSize");
        if !page_size_exists(limit.page_size()) && problems.iter().all(|p| p.pointer != pointer) {
            problems.push(Problem {
                pointer,
                reason: "not supported: this machine has no pages of this size".to_owned(),
            });
        }
    }
    problems
}

impl Cgroup {
    /// [`Cgroup::apply_devices`] and [`Cgroup::apply_limits`]. A spec without resources gets the default device rules.
    ///
    /// # Errors
    /// As of both.
    pub fn apply(&self, resources: Option<&LinuxResources>) -> Result<(), Error> {
        let rules = resources.and_then(|r| r.devices().as_deref());
        self.apply_devices(rules.unwrap_or_default())?;
        resources.map_or(Ok(()), |resources| self.apply_limits(resources))
    }

    /// Sets the device rules: those of the spec in their order, then what every container may use. Nothing else is allowed,
    /// with rules or without.
    ///
    /// Best done before anybody is inside: v1 goes through a moment in which everything is denied. v1 refuses when
    /// there are sub-cgroups.
    ///
    /// # Errors
    /// When a rule is invalid, when v1 cannot express the rules, or the kernel refuses.
    pub fn apply_devices(&self, rules: &[LinuxDeviceCgroup]) -> Result<(), Error> {
        let policy = Policy::new(rules).map_err(Error::Refused)?;
        match (self.record.v1("devices"), self.record.unified()) {
            (Some(member), _) => devices::v1::apply(&policy, &member.path),
            (None, Some(member)) => devices::bpf::apply(&policy, &member.path),
            (None, None) if policy.allows_everything() => Ok(()),
            (None, None) => Err(Error::Refused(vec![Problem {
                pointer: devices::POINTER.to_owned(),
                reason: "not supported: this machine has neither the v1 devices controller nor cgroup v2".to_owned(),
            }])),
        }
    }

    /// Sets every limit of the spec, the device rules aside. May be called from another thread while the container starts.
    ///
    /// # Errors
    /// When a field is not supported here, or the kernel refuses its value; names the field.
    pub fn apply_limits(&self, resources: &LinuxResources) -> Result<(), Error> {
        let (settings, problems) = settings(resources, &self.controllers()?);
        if !problems.is_empty() {
            return Err(Error::Refused(problems));
        }
        if let Some(unit) = &self.record.unit {
            systemd::set_properties(unit, &settings)?;
        }
        let mut again = Vec::new();
        for setting in &settings {
            match self.set(setting) {
                Ok(()) => {}
                // Some values only fit together (memory and memory+swap, quota and period, quota and burst), and which must go
                // first depends on those in place.
                Err(e) if e.errno() == Some(Errno::EINVAL) => again.push(setting),
                Err(e) => return Err(e),
            }
        }
        again.into_iter().try_for_each(|setting| self.set(setting))
    }

    fn controllers(&self) -> Result<Controllers, Error> {
        let mut controllers = Controllers::default();
        for member in &self.record.members {
            match member.version {
                Version::V1 => controllers.v1.extend(member.controllers.iter().cloned()),
                Version::V2 => {
                    controllers.unified = true;
                    let offered = files::read(&member.mount_point, "cgroup.controllers")?;
                    controllers.v2 = offered.split_whitespace().map(str::to_owned).collect();
                }
            }
        }
        Ok(controllers)
    }

    fn set(&self, setting: &Setting) -> Result<(), Error> {
        let member = match setting.version {
            Version::V1 => self.record.v1(&setting.controller),
            Version::V2 => self.record.unified(),
        };
        // The controllers come from the record, so the member is there.
        let Some(member) = member else {
            return Err(unsupported(
                setting,
                "the controller's hierarchy is gone".to_owned(),
            ));
        };
        let Some(choice) = self.choose(setting, member)? else {
            let files: Vec<&str> = setting.choices.iter().map(|c| c.file.as_str()).collect();
            return match setting.missing {
                Missing::Skip => Ok(()),
                Missing::Refuse => Err(unsupported(
                    setting,
                    format!(
                        "{} has no {}",
                        member.path.display(),
                        files.join(" and no ")
                    ),
                )),
            };
        };
        let located = |source| Error::Setting {
            pointer: setting.pointer.clone(),
            source: Box::new(source),
        };
        if let Some(usage) = setting.not_below {
            let used = files::read(&member.path, usage).map_err(located)?;
            let too_much = |limit: u64| used.trim().parse().is_ok_and(|used: u64| used > limit);
            if choice.value.parse().is_ok_and(too_much) {
                return Err(Error::Refused(vec![Problem {
                    pointer: setting.pointer.clone(),
                    reason: format!("invalid: {} bytes are in use", used.trim()),
                }]));
            }
        }
        files::write(&member.path, &choice.file, &choice.value).map_err(located)
    }

    /// The first file that exists. Beside v1 hierarchies a v2 controller is handed down only when it is asked for.
    fn choose<'a>(
        &self,
        setting: &'a Setting,
        member: &Member,
    ) -> Result<Option<&'a Choice>, Error> {
        let exists = |choice: &&Choice| Path::new(&member.path).join(&choice.file).exists();
        let found = setting.choices.iter().find(exists);
        if found.is_some() || member.version == Version::V1 {
            return Ok(found);
        }
        let controller = match setting.controller.as_str() {
            "blkio" => "io",
            other => other,
        };
        enable_controllers(member, Some(controller))?;
        Ok(setting.choices.iter().find(exists))
    }
}

fn unsupported(setting: &Setting, why: String) -> Error {
    Error::Refused(vec![Problem {
        pointer: setting.pointer.clone(),
        reason: format!("not supported: {why}"),
    }])
}

/// Whether the kernel has huge pages of a size such as "2MB".
fn page_size_exists(page_size: &str) -> bool {
    let digits = page_size.trim_end_matches(|c: char| c.is_ascii_uppercase());
    let unit: u64 = match &page_size[digits.len()..] {
        "KB" => 1,
        "MB" => 1 << 10,
        "GB" => 1 << 20,
        _ => return false,
    };
    digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .is_some_and(|kb| Path::new(&format!("/sys/kernel/mm/hugepages/hugepages-{kb}kB")).is_dir())
}
