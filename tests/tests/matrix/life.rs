//! One container's whole life with what was seen on the way.

use std::time::Duration;

use lxcri_tests::bundle::{Bundle, Image};
use lxcri_tests::command::{Cmd, Outcome, wait_until};
use lxcri_tests::container::Container;
use lxcri_tests::phase::{PHASES, Phase};
use lxcri_tests::probe::{Orders, Record, Records};
use lxcri_tests::runtime::Runtime;
use lxcri_tests::scratch::Scratch;
use serde_json::{Value, json};

/// The label of the container's process.
pub const PROCESS: &str = "process";

/// The outcomes and records of a life.
pub struct Life {
    pub create: Outcome,
    pub start: Option<Outcome>,
    pub delete: Option<Outcome>,
    /// Records when `create` had returned.
    pub after_create: Records,
    /// Records when `start` had returned.
    pub after_start: Records,
    /// Records when `delete` had returned.
    pub records: Records,
    /// What the pid file said.
    pub pid: Option<i32>,
    /// Whether the runtime still knew the container, or a process of it lived, after the last command.
    pub survives: Option<String>,
}

/// How the commands of a life are called.
pub type Caller<'a> = &'a dyn Fn(Cmd) -> Cmd;

/// A bundle whose process is the probe, waiting until the file `go` appears.
pub fn bundle(scratch: &Scratch) -> Bundle<'_> {
    let mut bundle = Bundle::new(scratch, Image::Busybox);
    let orders = bundle
        .orders(PROCESS)
        .with("wait-for", scratch.join("out/go").display());
    bundle.process(&orders);
    bundle
}

/// The file name of hook `n` of a phase: with everything that a shell would change, since LXC runs hooks by `sh -c`.
pub fn file_name(phase: &Phase, n: usize) -> String {
    format!("{}-{n} it's \"$HOME\"; exit 1", phase.name)
}

/// The label under which hook `n` of a phase is expected to report.
pub fn label(phase: &Phase, n: usize) -> String {
    let side = if phase.place == lxcri_tests::phase::Place::Inside {
        "inside"
    } else {
        "host"
    };
    format!("{side}:{}", file_name(phase, n))
}

/// Adds hook `n` (from 1) to a phase: `more` are fields of the hook, `orders` are given to the probe.
pub fn add(
    bundle: &mut Bundle<'_>,
    phase: &Phase,
    n: usize,
    more: Value,
    orders: impl Fn(Orders) -> Orders,
) {
    let path = bundle.probe_as(&file_name(phase, n), orders);
    let mut hook = json!({"path": path});
    if let (Some(hook), Some(more)) = (hook.as_object_mut(), more.as_object()) {
        hook.extend(more.clone());
    }
    bundle.hook(phase, hook);
}

/// Adds a hook that only reports to every phase, as number `n`.
pub fn add_everywhere(bundle: &mut Bundle<'_>, n: usize, orders: impl Fn(Orders) -> Orders) {
    for phase in &PHASES {
        add(bundle, phase, n, json!({}), &orders);
    }
}

/// Creates, starts, lets the process end, and deletes; the first failure ends the life.
pub fn live(
    runtime: &Runtime,
    scratch: &Scratch,
    bundle: &mut Bundle<'_>,
    caller: Caller<'_>,
) -> Life {
    let records_file = bundle.records_file();
    let mut container = Container::new(runtime, scratch, bundle, "c");
    let read = || Records::read(&records_file);
    let run = |cmd: Cmd| caller(cmd).run();

    let create = run(container.creation());
    let pid = container.pid();
    let after_create = read();
    let start = create.ok().then(|| run(container.verb("start")));
    let after_start = read();
    let started = start.as_ref().is_some_and(Outcome::ok);
    let delete = started.then(|| {
        scratch.write("out/go", "");
        // A runtime may need a moment to see that the process is gone.
        container.wait_for("stopped");
        run(container.verb("delete"))
    });
    let records = read();
    let survives = survivor(&container, scratch);
    if survives.is_none() {
        container.forget();
    }
    Life {
        create,
        start,
        delete,
        after_create,
        after_start,
        records,
        pid,
        survives,
    }
}

fn survivor(container: &Container<'_>, scratch: &Scratch) -> Option<String> {
    if let Some(state) = container.state() {
        return Some(format!("state still says {}", state["status"]));
    }
    if container.is_on_disk() {
        return Some("its directory is still there".into());
    }
    // Processes in the container's cgroup or with its paths; a killed one needs a moment to disappear.
    let mut left = Vec::new();
    wait_until(Duration::from_secs(10), || {
        left = lxcri_tests::leaks::processes(scratch.marker());
        left.is_empty()
    });
    if let Some((pid, command)) = left.first() {
        return Some(format!("process {pid} ({command}) still runs"));
    }
    let cgroups = lxcri_tests::cgroups::find(scratch.marker());
    cgroups
        .first()
        .map(|path| format!("{} is still there", path.display()))
}

impl Life {
    /// The outcome of the command that runs a phase.
    pub fn outcome(&self, phase: &Phase) -> Option<&Outcome> {
        use lxcri_tests::phase::Step;
        match phase.step {
            Step::Create => Some(&self.create),
            Step::Start => self.start.as_ref(),
            Step::Delete => self.delete.as_ref(),
        }
    }

    /// The observations of hook `n`.
    pub fn hook(&self, phase: &Phase, n: usize) -> Result<&Record, String> {
        self.records
            .started(&label(phase, n))
            .ok_or_else(|| self.why_missing(phase, n))
    }

    /// The observations of the container's process.
    pub fn process(&self) -> Result<&Record, String> {
        self.records
            .started(PROCESS)
            .ok_or_else(|| format!("the process did not run; {}", self.last_error()))
    }

    /// The last command that failed.
    pub fn last_error(&self) -> String {
        let all = [
            ("delete", self.delete.as_ref()),
            ("start", self.start.as_ref()),
            ("create", Some(&self.create)),
        ];
        match all
            .into_iter()
            .find(|(_, outcome)| outcome.is_some_and(|o| !o.ok()))
        {
            Some((verb, Some(outcome))) => format!("{verb}: {}", outcome.brief()),
            _ => "no command failed".into(),
        }
    }

    fn why_missing(&self, phase: &Phase, n: usize) -> String {
        let name = file_name(phase, n);
        for side in ["host", "inside"] {
            if self.records.started(&format!("{side}:{name}")).is_some() {
                return format!("hook #{n} was found on the wrong side: {side}");
            }
        }
        format!("hook #{n} left no record; {}", self.last_error())
    }
}
