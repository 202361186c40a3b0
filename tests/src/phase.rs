//! What the runtime-spec and this project expect of each phase, written down independently of the runtime's own table.

/// In whose namespaces a phase runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// The runtime namespace.
    Runtime,
    /// The container namespace, before pivot_root.
    Outside,
    /// The container namespace, after pivot_root.
    Inside,
}

/// The command that runs a phase.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// `create`
    Create,
    /// `start`
    Start,
    /// `delete`
    Delete,
}

/// A phase of hooks.
#[derive(PartialEq, Eq, Debug)]
pub struct Phase {
    /// The name in config.json.
    pub name: &'static str,
    /// Where its hooks run.
    pub place: Place,
    /// The command that runs them.
    pub step: Step,
    /// The status in the state that they are given.
    pub status: &'static str,
}

const fn phase(name: &'static str, place: Place, step: Step, status: &'static str) -> Phase {
    Phase {
        name,
        place,
        step,
        status,
    }
}

/// All phases in the order of a container's life.
pub static PHASES: [Phase; 6] = [
    phase("prestart", Place::Runtime, Step::Create, "creating"),
    phase("createRuntime", Place::Runtime, Step::Create, "creating"),
    phase("createContainer", Place::Outside, Step::Create, "creating"),
    phase("startContainer", Place::Inside, Step::Start, "created"),
    phase("poststart", Place::Runtime, Step::Start, "running"),
    phase("poststop", Place::Runtime, Step::Delete, "stopped"),
];

impl Phase {
    /// Whether a failure ends the phase and the container.
    pub fn is_fatal(&self) -> bool {
        self.step != Step::Delete
    }
}
