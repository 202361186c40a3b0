//! `list`: the containers below the root.

use anyhow::Result;
use serde::Serialize;

use super::output;
use crate::cli::TableFormat;
use crate::request::Runtime;
use crate::store::{self, Container};

/// A container in the JSON form, with the names that engines know from runc.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    oci_version: String,
    id: String,
    pid: i32,
    status: String,
    bundle: String,
    rootfs: String,
    created: String,
    annotations: std::collections::BTreeMap<String, String>,
}

/// Prints the list.
pub fn print(runtime: &Runtime, format: TableFormat, quiet: bool) -> Result<()> {
    let mut rows = Vec::new();
    for id in store::list(&runtime.root)? {
        let container = Container::at(&runtime.root, &id);
        let (state, record) = match container.state() {
            Ok(found) => found,
            // Deleted meanwhile.
            Err(_) if !container.exists() => continue,
            Err(e) => {
                log::warn!("container {id}: {}", crate::errors::one_line(&e));
                continue;
            }
        };
        rows.push(Row {
            oci_version: state.oci_version,
            id,
            pid: state.pid.unwrap_or(0),
            status: state.status.to_string(),
            bundle: state.bundle.display().to_string(),
            rootfs: record
                .as_ref()
                .map(|r| r.rootfs.display().to_string())
                .unwrap_or_default(),
            created: record.map(|r| r.created).unwrap_or_default(),
            annotations: state.annotations,
        });
    }
    output::print(&if quiet {
        rows.iter().map(|row| format!("{}\n", row.id)).collect()
    } else if format == TableFormat::Json {
        format!("{}\n", serde_json::to_string(&rows)?)
    } else {
        table(&rows)
    })
}

fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|r| r.id.len()).max().unwrap_or(0).max(2);
    let mut text = format!(
        "{:width$}  {:>7}  {:8}  {:20}  BUNDLE\n",
        "ID", "PID", "STATUS", "CREATED"
    );
    for r in rows {
        text += &format!(
            "{:width$}  {:>7}  {:8}  {:20}  {}\n",
            r.id, r.pid, r.status, r.created, r.bundle
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let row = |id: &str| Row {
            oci_version: "1.2.0".into(),
            id: id.into(),
            pid: 42,
            status: "running".into(),
            bundle: "/b".into(),
            rootfs: "/b/rootfs".into(),
            created: "2026-01-01T00:00:00Z".into(),
            annotations: Default::default(),
        };
        let text = table(&[row("a"), row("a-longer-one")]);
        let columns: Vec<_> = text
            .lines()
            .map(|l| l.find("/b").or(l.find("BUNDLE")))
            .collect();
        assert!(columns.iter().all(|c| *c == columns[0]), "{text}");
    }
}
