//! The CRI section as containerd sees it after all files have been read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml_edit::{Item, Table, TableLike, value};

use super::layers::{Configuration, PLUGINS};
use crate::document::{Layer, overlay, plain};
use crate::effective::Found;
use crate::error::Result;

/// The shim that all runtimes with runc's command line have in common.
pub(super) const RUNC_SHIM: &str = "io.containerd.runc.v2";

/// Shims whose option BinaryName names the OCI runtime.
const RUNC_SHIMS: [&str; 2] = [RUNC_SHIM, "io.containerd.runc.v1"];

/// The first shim, in containerd 1 only, has a name of its own for that.
const LINUX_SHIM: &str = "io.containerd.runtime.v1.linux";

/// The merged section.
#[derive(Default)]
pub(super) struct Section {
    /// The name of the default runtime, if a file has one.
    pub default: Option<Found>,
    /// The runtimes, and the last file that says something about each.
    pub runtimes: BTreeMap<String, (Table, PathBuf)>,
    /// All of it.
    whole: Table,
    merges_deeply: bool,
}

impl Section {
    /// Merges the sections of all files as this containerd does.
    pub fn of(configuration: &Configuration) -> Result<Section> {
        let mut section = Section {
            merges_deeply: configuration.merges_deeply(),
            ..Section::default()
        };
        for layer in &configuration.layers {
            for plugin in PLUGINS {
                if let Some(table) = layer.table(&["plugins", plugin])? {
                    section.read(layer, plugin, table)?;
                }
            }
        }
        Ok(section)
    }

    fn read(&mut self, layer: &Layer, plugin: &str, table: &dyn TableLike) -> Result<()> {
        if !self.merges_deeply {
            *self = Section::default();
        }
        let place = ["plugins", plugin, "containerd"];
        let at = |key| [place.as_slice(), &[key]].concat();
        if let Some(name) = layer.string(&at("default_runtime_name"))? {
            self.default = (!name.is_empty()).then(|| Found::new(name.to_owned(), &layer.path));
        }
        let runtimes = layer.table(&at("runtimes"))?;
        for (name, item) in runtimes.map(|t| t.iter()).into_iter().flatten() {
            let entry = item.as_table_like().ok_or_else(|| {
                layer.wrong(&[&at("runtimes")[..], &[name]].concat(), item, "a table")
            })?;
            self.runtime(name, entry, &layer.path);
        }
        if let Some(old) = layer
            .table(&at("default_runtime"))?
            .filter(|t| has_type(*t))
        {
            self.runtime("default", old, &layer.path);
            self.default = Some(Found::new("default".into(), &layer.path));
        }
        overlay(&mut self.whole, table);
        Ok(())
    }

    fn runtime(&mut self, name: &str, entry: &dyn TableLike, file: &Path) {
        let (table, last) = self.runtimes.entry(name.to_owned()).or_default();
        overlay(table, entry);
        *last = file.to_owned();
    }

    /// Puts a copy of the section into a drop-in.
    pub fn copy_to(&self, table: &mut Table) {
        overlay(table, &self.whole);
    }

    /// Whether a table of runtimes would leave containerd without its default runtime.
    pub fn needs_runc(&self) -> bool {
        let default = self.default.as_ref().map_or("runc", |d| d.value.as_str());
        default == "runc" && !self.runtimes.contains_key("runc")
    }

    /// The runtime on which ours are modelled: the default, or else runc. Its options, above all that for systemd's cgroups,
    /// have to be those of ours.
    pub fn model(&self) -> Model {
        let names = [
            self.default.as_ref().map_or("runc", |d| d.value.as_str()),
            "runc",
        ];
        let mut entries = names
            .iter()
            .filter_map(|name| self.runtimes.get(*name).map(|(entry, _)| entry));
        let model = entries.find(|entry| takes_a_program(entry));
        Model(model.cloned().unwrap_or_default())
    }
}

/// The entry of a runtime with runc's command line.
pub(super) struct Model(Table);

impl Model {
    /// An entry like this with another program.
    pub fn entry(&self, program: &str) -> Table {
        let mut entry = plain(&self.0);
        let shim = shim(&self.0).to_owned();
        entry.insert("runtime_type", value(&shim));
        let has_options = entry.get("options").is_some_and(Item::is_table_like);
        if shim == LINUX_SHIM && !has_options {
            entry.insert("runtime_engine", value(program));
            return entry;
        }
        let mut options = entry
            .get("options")
            .and_then(Item::as_table_like)
            .map_or_else(Table::new, plain);
        options.insert(option(&shim), value(program));
        entry.insert("options", Item::Table(options));
        entry
    }
}

/// The program of a runtime, or what names it: containerd's own default is the shim's.
pub(super) fn program(entry: &Table) -> String {
    let shim = shim(entry);
    let options = entry.get("options").and_then(Item::as_table_like);
    let named = options
        .and_then(|o| o.get(option(shim)))
        .or(entry.get("runtime_engine"))
        .and_then(Item::as_str)
        .filter(|name| !name.is_empty());
    match named {
        Some(name) => name.to_owned(),
        None if takes_a_program(entry) => "runc".to_owned(),
        None => shim.to_owned(),
    }
}

fn shim(entry: &Table) -> &str {
    let written = entry.get("runtime_type").and_then(Item::as_str);
    written.filter(|t| !t.is_empty()).unwrap_or(RUNC_SHIM)
}

fn option(shim: &str) -> &'static str {
    if shim == LINUX_SHIM {
        "Runtime"
    } else {
        "BinaryName"
    }
}

fn takes_a_program(entry: &Table) -> bool {
    let shim = shim(entry);
    RUNC_SHIMS.contains(&shim) || shim == LINUX_SHIM
}

fn has_type(entry: &dyn TableLike) -> bool {
    let kind = entry.get("runtime_type").and_then(Item::as_str);
    kind.is_some_and(|k| !k.is_empty())
}
