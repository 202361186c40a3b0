//! From `linux.resources` to the files of a cgroup; makes and writes nothing.
//!
//! Every field ends in a [`Setting`] or in a [`Problem`] that names it: nothing is dropped on the way. Where the spec leaves
//! it open this follows runc: 0 means "not set" (limits, shares, weights), -1 "no limit". A request for what the kernel
//! does anyway is satisfied without its controller.

mod cpu;
mod io;
mod memory;
mod misc;

use oci_spec::runtime::LinuxResources;

use super::error::Problem;
use super::layout::CgroupLayout;
use super::record::Version;

/// The controllers of this machine: in v1 hierarchies, and offered by v2.
#[derive(Debug, Clone, Default)]
pub(super) struct Controllers {
    pub v1: Vec<String>,
    pub v2: Vec<String>,
    /// Whether a v2 hierarchy is there at all, with or without controllers.
    pub unified: bool,
}

impl Controllers {
    pub fn of(layout: &CgroupLayout) -> Self {
        let mut controllers = Controllers::default();
        for hierarchy in layout.hierarchies() {
            match hierarchy.version {
                Version::V1 => controllers.v1.extend(hierarchy.controllers.iter().cloned()),
                Version::V2 => {
                    controllers.unified = true;
                    controllers.v2.extend(hierarchy.controllers.iter().cloned());
                }
            }
        }
        controllers
    }

    fn version(&self, name: &str) -> Option<Version> {
        // What v1 calls blkio is io in v2; the kernel gives a controller to one of the two.
        let v2_name = if name == "blkio" { "io" } else { name };
        if self.v1.iter().any(|c| c == name) {
            Some(Version::V1)
        } else if self.v2.iter().any(|c| c == v2_name) {
            Some(Version::V2)
        } else {
            None
        }
    }
}

/// One file with what is written to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    pub file: String,
    pub value: String,
}

/// What to do when none of the files exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// The field is not supported by this kernel.
    Refuse,
    /// The value is what the kernel does without the file.
    Skip,
}

/// One write that a field asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    /// JSON pointer of the field.
    pub pointer: String,
    pub version: Version,
    /// The controller whose hierarchy has the file, by its v1 name in v1.
    pub controller: String,
    /// The first whose file exists is written.
    pub choices: Vec<Choice>,
    pub missing: Missing,
    /// The value must not be below what this file reads (`memory.checkBeforeUpdate`).
    pub not_below: Option<&'static str>,
}

/// Everything that `resources` asks for in files, devices aside.
pub(super) fn settings(
    resources: &LinuxResources,
    controllers: &Controllers,
) -> (Vec<Setting>, Vec<Problem>) {
    let mut out = Collector {
        controllers,
        settings: Vec::new(),
        problems: Vec::new(),
    };
    if let Some(memory) = resources.memory() {
        memory::collect(memory, &mut out);
    }
    if let Some(cpu) = resources.cpu() {
        cpu::collect(cpu, &mut out);
    }
    if let Some(block_io) = resources.block_io() {
        io::collect(block_io, &mut out);
    }
    misc::collect(resources, &mut out);
    (out.settings, out.problems)
}

/// Gathers settings and problems; the pointer of a field is given below `/linux/resources`.
struct Collector<'a> {
    controllers: &'a Controllers,
    settings: Vec<Setting>,
    problems: Vec<Problem>,
}

impl Collector<'_> {
    /// Which version has the controller that a field needs; without one the field is refused.
    fn need(&mut self, controller: &str, pointer: &str) -> Option<Version> {
        let version = self.controllers.version(controller);
        if version.is_none() {
            self.unsupported(
                pointer,
                format!("this machine has no {controller} controller"),
            );
        }
        version
    }

    /// The settings of a field that differ by version; without the controller the field is refused.
    fn set(
        &mut self,
        pointer: &str,
        controller: &str,
        v1: &str,
        v2: &str,
        value: impl ToString,
    ) -> Option<&mut Setting> {
        let version = self.need(controller, pointer)?;
        let file = match version {
            Version::V1 => v1,
            Version::V2 => v2,
        };
        Some(self.push(pointer, version, controller, &[(file, value.to_string())]))
    }

    /// Like [`Collector::set`] for a field that v2 does not know.
    fn set_v1(&mut self, pointer: &str, controller: &str, file: &str, value: impl ToString) {
        match self.need(controller, pointer) {
            Some(Version::V1) => {
                self.push(
                    pointer,
                    Version::V1,
                    controller,
                    &[(file, value.to_string())],
                );
            }
            Some(Version::V2) => self.unsupported(pointer, "cgroup v2 has no such setting"),
            None => {}
        }
    }

    /// Like [`Collector::set`] for a value that is the kernel's default, so that nothing is missing without the
    /// controller or the file.
    fn reset(&mut self, pointer: &str, controller: &str, v1: &str, v2: &str, values: (&str, &str)) {
        let (file, value) = match self.controllers.version(controller) {
            Some(Version::V1) => (v1, values.0),
            Some(Version::V2) => (v2, values.1),
            None => return,
        };
        if let Some(setting) = self.set(pointer, controller, file, file, value) {
            setting.missing = Missing::Skip;
        }
    }

    fn push(
        &mut self,
        pointer: &str,
        version: Version,
        controller: &str,
        choices: &[(&str, String)],
    ) -> &mut Setting {
        let index = self.settings.len();
        self.settings.push(Setting {
            pointer: format!("/linux/resources/{pointer}"),
            version,
            controller: controller.to_owned(),
            choices: choices
                .iter()
                .map(|(file, value)| Choice {
                    file: (*file).to_owned(),
                    value: value.clone(),
                })
                .collect(),
            missing: Missing::Refuse,
            not_below: None,
        });
        &mut self.settings[index]
    }

    fn unsupported(&mut self, pointer: &str, why: impl AsRef<str>) {
        self.problem(pointer, format!("not supported: {}", why.as_ref()));
    }

    fn invalid(&mut self, pointer: &str, why: impl AsRef<str>) {
        self.problem(pointer, format!("invalid: {}", why.as_ref()));
    }

    fn problem(&mut self, pointer: &str, reason: String) {
        self.problems.push(Problem {
            pointer: format!("/linux/resources/{pointer}"),
            reason,
        });
    }
}

/// One part of a JSON pointer (RFC 6901, section 3).
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests;
