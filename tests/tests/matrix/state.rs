//! Checks of the state that a hook gets on stdin.

use lxcri_tests::bundle::Bundle;
use lxcri_tests::phase::{Phase, Place};
use lxcri_tests::probe::Record;
use serde_json::{Value, json};

use crate::life::Life;
use crate::table::{Report, hold, same};

const NAMESPACES: [&str; 6] = ["cgroup", "ipc", "mnt", "net", "pid", "uts"];

/// Annotations of the bundle, some of them hard to write as JSON.
pub fn annotations() -> Value {
    json!({"org.lxcri.test.plain": "value", "org.lxcri.test.hard": "\"quoted\" \\ line1\nline2 gr\u{fc}n \u{7}"})
}

/// Checks of one phase.
pub fn checks(report: &mut Report, life: &Life, phase: &Phase, bundle: &Bundle<'_>) {
    let record = life.hook(phase, 1);
    report.check(
        "state fields",
        phase,
        record.clone().and_then(|r| fields(r, bundle)),
    );
    report.check(
        "state status",
        phase,
        record
            .clone()
            .and_then(|r| same(parsed(r)?["status"].as_str(), Some(phase.status))),
    );
    report.check(
        "state pid",
        phase,
        record.clone().and_then(|r| pid(r, phase, life)),
    );
    if phase.place == Place::Runtime && phase.name != "poststop" {
        report.check(
            "pid's namespaces",
            phase,
            record.and_then(|r| target(r, life)),
        );
    }
}

/// One document and then the end.
fn parsed(record: &Record) -> Result<Value, String> {
    hold(record.0["stdin_eof"] == true, || "stdin has no end".into())?;
    serde_json::from_str(record.text("stdin"))
        .map_err(|e| format!("stdin is not one JSON document: {e}"))
}

fn fields(record: &Record, bundle: &Bundle<'_>) -> Result<(), String> {
    let state = parsed(record)?;
    let version = state["ociVersion"].as_str().unwrap_or_default();
    hold(version.starts_with("1."), || {
        format!("ociVersion is {}", state["ociVersion"])
    })?;
    let id = bundle.config["linux"]["cgroupsPath"]
        .as_str()
        .unwrap_or_default()
        .trim_start_matches('/');
    same(state["id"].as_str(), Some(id)).map_err(|e| format!("id: {e}"))?;
    same(state["bundle"].as_str(), bundle.path.to_str()).map_err(|e| format!("bundle: {e}"))?;
    same(&state["annotations"], &annotations()).map_err(|e| format!("annotations: {e}"))
}

/// The pid of the container's init as the hook's own pid namespace numbers it.
fn pid(record: &Record, phase: &Phase, life: &Life) -> Result<(), String> {
    let found = parsed(record)?["pid"].as_i64();
    match phase.place {
        Place::Runtime if phase.name == "poststop" => hold(matches!(found, None | Some(0)), || {
            format!("expected none or 0, found {found:?}")
        }),
        Place::Runtime => same(found, life.pid.map(i64::from)),
        Place::Outside | Place::Inside => same(found, Some(1)),
    }
}

/// /proc/PID/ns leads to the container's namespaces: that is what network hooks rely on.
fn target(record: &Record, life: &Life) -> Result<(), String> {
    let process = life.process()?;
    let wrong: Vec<&str> = NAMESPACES
        .into_iter()
        .filter(|kind| record.0["target"]["ns"][kind] != process.0["ns"][kind])
        .collect();
    hold(wrong.is_empty(), || {
        format!("not the container's: {}", wrong.join(", "))
    })
}
