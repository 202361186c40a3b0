//! Checks a loaded bundle against what this runtime and this host can do.

use oci_spec::runtime::LinuxNamespaceType;

use super::capabilities::{self, CapabilitySets, Grantable};
use super::host::HostFacts;
use super::load::LoadedSpec;
use super::namespaces::Namespaces;
use super::problem::{Problem, Problems};
use super::{refuse, validate};

/// What the checks depend on besides the bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The host.
    pub host: HostFacts,
    /// `--systemd-cgroup` was given, so `cgroupsPath` has the form `slice:prefix:name`.
    pub systemd_cgroup: bool,
    /// The types of those namespaces whose path leads to the runtime's own: what belongs to them is the host's.
    pub own_namespaces: Vec<LinuxNamespaceType>,
}

/// Everything the checks found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Why the bundle cannot be run; all reasons at once.
    pub problems: Problems,
    /// What the caller should log as warnings.
    pub warnings: Vec<Problem>,
    /// What is worth a line only when someone looks closely (`--log-level debug`).
    pub notes: Vec<Problem>,
}

/// Checks a bundle without touching the file system.
pub fn check(loaded: &LoadedSpec, context: &Context) -> Report {
    let mut report = Report {
        warnings: loaded.warnings.clone(),
        ..Report::default()
    };
    report.problems.extend(loaded.problems.iter().cloned());
    report.problems.extend(refuse::values(&loaded.raw));
    report.warnings.extend(refuse::ignored(&loaded.raw));
    report
        .problems
        .extend(refuse::on_host(&loaded.raw, &context.host));
    let granted = capabilities(loaded, &context.host);
    report.warnings.extend(granted.warnings);
    report.notes.extend(granted.notes);
    validate::validate(&loaded.spec, context, &mut report);
    report
}

/// The capabilities a process gets, and what is said about those it does not get.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Granted {
    /// The five sets; all empty when the bundle has no `process.capabilities`.
    pub sets: CapabilitySets,
    pub(super) warnings: Vec<Problem>,
    pub(super) notes: Vec<Problem>,
}

/// The capabilities that the container's process gets on this host.
pub fn capabilities(loaded: &LoadedSpec, host: &HostFacts) -> Granted {
    // In a user namespace of its own the container's first process has every capability there, whatever the bounding set of
    // its creator (user_namespaces(7)).
    let bounding = match Namespaces::of(&loaded.spec).user.is_private() {
        true => u64::MAX,
        false => host.bounding,
    };
    let grantable = Grantable::new(host.last_capability, bounding);
    let mut warnings = Vec::new();
    let mut sets = capabilities::sets(&loaded.raw, &grantable, &mut warnings).unwrap_or_default();
    let (impossible, ambient) = sets.reconcile();
    warnings.extend(impossible);
    // Ambient capabilities that are not inheritable stand in what `runc spec` writes; every runtime
    // passes over them, and so does this one without bothering anybody.
    Granted {
        sets,
        warnings,
        notes: ambient,
    }
}
