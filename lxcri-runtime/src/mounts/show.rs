//! A plan as text, one line for each thing that is done; for logs and golden files.
#![forbid(unsafe_code)]

use std::fmt::{Display, Formatter, Result};

use libc::{
    MOUNT_ATTR__ATIME, MOUNT_ATTR_NOATIME, MOUNT_ATTR_NODEV, MOUNT_ATTR_NODIRATIME,
    MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NOSYMFOLLOW, MOUNT_ATTR_RDONLY,
    MOUNT_ATTR_STRICTATIME,
};

use super::plan::MountPlan;
use super::steps::{
    Attributes, BindSource, Device, DeviceKind, Mount, MountKind, Propagation, PropagationKind,
    Step,
};

const NAMES: &[(u64, &str)] = &[
    (MOUNT_ATTR_RDONLY, "ro"),
    (MOUNT_ATTR_NOSUID, "nosuid"),
    (MOUNT_ATTR_NODEV, "nodev"),
    (MOUNT_ATTR_NOEXEC, "noexec"),
    (MOUNT_ATTR_NODIRATIME, "nodiratime"),
    (MOUNT_ATTR_NOSYMFOLLOW, "nosymfollow"),
];

fn names(flags: u64) -> Vec<&'static str> {
    NAMES
        .iter()
        .filter(|(flag, _)| flags & flag != 0)
        .map(|(_, name)| *name)
        .collect()
}

impl Display for Attributes {
    /// `+ro+noatime-nosuid`.
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        for name in names(self.set) {
            write!(out, "+{name}")?;
        }
        if self.clear & MOUNT_ATTR__ATIME != 0 {
            let name = match self.set & MOUNT_ATTR__ATIME {
                MOUNT_ATTR_NOATIME => "noatime",
                MOUNT_ATTR_STRICTATIME => "strictatime",
                _ => "relatime",
            };
            write!(out, "+{name}")?;
        }
        for name in names(self.clear) {
            write!(out, "-{name}")?;
        }
        Ok(())
    }
}

impl Display for Propagation {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        let kind = match self.kind {
            PropagationKind::Private => "private",
            PropagationKind::Slave => "slave",
            PropagationKind::Shared => "shared",
            PropagationKind::Unbindable => "unbindable",
        };
        write!(out, "{}{kind}", if self.recursive { "r" } else { "" })
    }
}

impl Display for Mount {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        write!(out, "{} {}", self.pointer, self.destination.display())?;
        match &self.kind {
            MountKind::Bind { source, recursive } => {
                write!(out, " {}", if *recursive { "rbind" } else { "bind" })?;
                match source {
                    BindSource::Path(path) => write!(out, " {}", path.display())?,
                    BindSource::OwnCgroup(at) => write!(out, " own-cgroup[{at}]")?,
                }
            }
            MountKind::New {
                fstype,
                source,
                options,
                inherit_mode,
                copy_up,
            } => {
                write!(out, " new {fstype}")?;
                if let Some(source) = source {
                    write!(out, " source={source}")?;
                }
                if !options.is_empty() {
                    write!(out, " [{}]", options.join(" "))?;
                }
                if *inherit_mode {
                    write!(out, " inherit-mode")?;
                }
                if *copy_up {
                    write!(out, " copy-up")?;
                }
            }
        }
        if !self.own.is_empty() {
            write!(out, " {}", self.own)?;
        }
        if !self.recursive.is_empty() {
            write!(out, " recursive{}", self.recursive)?;
        }
        if self.seal {
            write!(out, " seal")?;
        }
        match self.propagation {
            Some(propagation) => write!(out, " {propagation}"),
            None => Ok(()),
        }
    }
}

impl Display for Device {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        let kind = match self.kind {
            DeviceKind::Char => 'c',
            DeviceKind::Block => 'b',
            DeviceKind::Fifo => 'p',
        };
        write!(
            out,
            "{} {} {kind} {}:{} {:04o} {}:{}{}",
            self.pointer.as_deref().unwrap_or("default"),
            self.path.display(),
            self.major,
            self.minor,
            self.mode,
            self.uid,
            self.gid,
            if self.bind { " bind" } else { "" }
        )
    }
}

impl Display for Step {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match self {
            Self::Mount(mount) => write!(out, "mount {mount}"),
            Self::Device(device) => write!(out, "device {device}"),
            Self::Symlink {
                path,
                target,
                replace,
            } => {
                let verb = if *replace { "relink" } else { "link" };
                write!(out, "{verb} {} -> {target}", path.display())
            }
        }
    }
}

impl Display for MountPlan {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        for step in &self.steps {
            writeln!(out, "{step}")?;
        }
        if let Some(propagation) = self.root_propagation {
            writeln!(out, "root {propagation}")?;
        }
        if let Some(cwd) = &self.cwd {
            writeln!(out, "cwd {}", cwd.display())?;
        }
        if self.root_readonly {
            writeln!(out, "root ro")?;
        }
        for path in &self.readonly_paths {
            writeln!(out, "readonly {}", path.display())?;
        }
        for path in &self.masked_paths {
            writeln!(out, "mask {}", path.display())?;
        }
        Ok(())
    }
}
