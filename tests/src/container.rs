//! A container under test, and its removal whatever happens.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::bundle::Bundle;
use crate::command::{Cmd, Outcome, PATIENCE, wait_until};
use crate::probe::{Orders, Record};
use crate::runtime::Runtime;
use crate::scratch::Scratch;

/// A container; dropping it runs `delete --force`. What even that leaves is swept with the scratch directory.
pub struct Container<'a> {
    runtime: &'a Runtime,
    bundle: &'a Bundle<'a>,
    /// The id.
    pub id: String,
    /// The runtime directory (`--root`).
    pub root: PathBuf,
    /// The pid file that `create` is told to write.
    pub pid_file: PathBuf,
    deleted: bool,
}

impl<'a> Container<'a> {
    /// Writes the bundle's config.json, with a cgroup path that carries the test's marker, and names a container. Nothing is
    /// run yet.
    pub fn new(
        runtime: &'a Runtime,
        scratch: &Scratch,
        bundle: &'a mut Bundle<'_>,
        name: &str,
    ) -> Self {
        let id = scratch.id(name);
        if bundle.config["linux"].is_object() && bundle.config["linux"]["cgroupsPath"].is_null() {
            bundle.config["linux"]["cgroupsPath"] = json!(format!("/{id}"));
        }
        bundle.save();
        Self::of_saved(runtime, scratch, bundle, name)
    }

    /// Names a container of a bundle that has been saved.
    pub fn of_saved(
        runtime: &'a Runtime,
        scratch: &Scratch,
        bundle: &'a Bundle<'_>,
        name: &str,
    ) -> Self {
        let id = scratch.id(name);
        let pid_file = scratch.join(format!("{id}.pid"));
        Container {
            runtime,
            bundle,
            id,
            root: scratch.join("run"),
            pid_file,
            deleted: false,
        }
    }

    /// A command of the runtime, global options given.
    pub fn command(&self) -> Cmd {
        self.runtime.command(&self.root)
    }

    /// A command about this container.
    pub fn verb(&self, verb: &str) -> Cmd {
        self.command().arg(verb).arg(&self.id)
    }

    /// `create` with bundle and pid file.
    pub fn creation(&self) -> Cmd {
        self.command()
            .args(["create", "--bundle"])
            .arg(&self.bundle.path)
            .arg("--pid-file")
            .arg(&self.pid_file)
            .arg(&self.id)
    }

    /// `run` with the bundle.
    pub fn running(&self) -> Cmd {
        self.command()
            .args(["run", "--bundle"])
            .arg(&self.bundle.path)
            .arg(&self.id)
    }

    /// Runs `create`.
    pub fn create(&self) -> Outcome {
        self.creation().run()
    }

    /// Runs `start`.
    pub fn start(&self) -> Outcome {
        self.verb("start").run()
    }

    /// Runs `kill ID SIGNAL`.
    pub fn kill(&self, signal: &str) -> Outcome {
        self.verb("kill").arg(signal).run()
    }

    /// Runs `delete`.
    pub fn delete(&self) -> Outcome {
        self.verb("delete").run()
    }

    /// Runs `delete --force`.
    pub fn delete_force(&self) -> Outcome {
        self.command()
            .args(["delete", "--force"])
            .arg(&self.id)
            .run()
    }

    /// Runs `state`; none when the runtime does not know the container.
    pub fn state(&self) -> Option<Value> {
        let outcome = self.verb("state").run();
        if outcome.ok() {
            serde_json::from_str(&outcome.stdout).ok()
        } else {
            None
        }
    }

    /// The status in the state, "" for none.
    pub fn status(&self) -> String {
        self.state()
            .and_then(|s| s["status"].as_str().map(str::to_string))
            .unwrap_or_default()
    }

    /// The pid in the pid file.
    pub fn pid(&self) -> Option<i32> {
        std::fs::read_to_string(&self.pid_file)
            .ok()?
            .trim()
            .parse()
            .ok()
    }

    /// Waits until the status is `status`.
    pub fn wait_for(&self, status: &str) -> bool {
        wait_until(PATIENCE, || self.status() == status)
    }

    /// Waits for what the probe observes under `label`.
    ///
    /// # Panics
    /// When it writes nothing.
    #[track_caller]
    pub fn record(&self, label: &str) -> Record {
        let mut found = None;
        wait_until(PATIENCE, || {
            found = self.bundle.records().started(label).cloned();
            found.is_some()
        });
        found.unwrap_or_else(|| panic!("no record of {label}"))
    }

    /// Whether the runtime's directory still holds something of the container.
    pub fn is_on_disk(&self) -> bool {
        self.root.join(&self.id).exists()
    }

    /// The runtime under test.
    pub fn runtime(&self) -> &Runtime {
        self.runtime
    }

    /// The bundle's directory.
    pub fn bundle_path(&self) -> &Path {
        &self.bundle.path
    }

    /// Says that the container is gone and the guard has nothing to do.
    pub fn forget(&mut self) {
        self.deleted = true;
    }
}

/// Runs the probe as the process of `bundle` to its end, and returns what it observed.
///
/// # Panics
/// When the runtime fails or the process leaves no record.
#[track_caller]
pub fn observe(
    runtime: &Runtime,
    scratch: &Scratch,
    bundle: &mut Bundle<'_>,
    orders: impl FnOnce(Orders) -> Orders,
) -> Record {
    let orders = orders(bundle.orders("process"));
    bundle.process(&orders);
    let container = Container::new(runtime, scratch, bundle, "probe");
    let outcome = container.running().run();
    match container.bundle.records().started("process") {
        Some(record) if outcome.ok() => record.clone(),
        record => panic!("record: {}; {outcome}", record.is_some()),
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        if !self.deleted {
            let _ = self
                .command()
                .args(["delete", "--force"])
                .arg(&self.id)
                .run();
        }
    }
}
