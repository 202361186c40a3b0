//! A single poststop hook, and what is recorded of it.

use super::Tree;
use serde_json::Value;

/// Runs a single poststop hook and returns its record.
pub fn record(command: &[&str], environ: &[&str]) -> Value {
    let tree = Tree::new();
    tree.hook("poststop", 1, command, environ);
    let finished = tree.run("poststop");
    assert!(finished.status.success(), "{finished:?}");
    assert_eq!(finished.stdout, "");
    tree.records().remove(0)
}

/// Runs a single poststop hook that succeeds and returns what it wrote.
pub fn stdout(command: &[&str], environ: &[&str]) -> String {
    let record = record(command, environ);
    assert_eq!(record["exit_status"], 0, "{record}");
    record["stdout"].as_str().unwrap().to_owned()
}
