//! containerd: `config.toml`, the files that it imports, and how the versions put them together.
//!
//! containerd 1 merges the table `plugins` by key: a file with a CRI section replaces that of the files before it, whole.
//! So a drop-in carries the whole section. containerd 2 merges tables at every depth, and a drop-in names our runtimes only.

mod imports;
mod layers;
mod paths;
mod section;

use toml_edit::{DocumentMut, Item, Table, value};

use crate::document::{HEADER, descend};
use crate::effective::{Effective, Found};
use crate::error::Result;
use crate::runtime::{Runtime, default_of};
use crate::target::Target;
use crate::view::View;

pub(crate) use imports::{add as add_import, remove as remove_import};
pub(crate) use paths::clean;

use layers::Configuration;
use section::{RUNC_SHIM, Section, program};

/// The content of the drop-in. `base` shows the files without it.
pub(crate) fn drop_in(target: &Target, base: &View, runtimes: &[Runtime]) -> Result<String> {
    let configuration = Configuration::load(target, base)?;
    let section = Section::of(&configuration)?;
    let model = section.model();
    let mut document = DocumentMut::new();
    let root = document.as_table_mut();
    if let Some(version) = configuration.written_version() {
        root.insert("version", value(version));
    }
    let plugin = descend(root, &["plugins", configuration.plugin()]);
    if !configuration.merges_deeply() {
        section.copy_to(plugin);
    }
    let containerd = descend(plugin, &["containerd"]);
    if let Some(name) = default_of(runtimes) {
        // containerd 1 prefers this old table to the name.
        containerd.remove("default_runtime");
        containerd.insert("default_runtime_name", value(name));
    }
    let table = descend(containerd, &["runtimes"]);
    if section.needs_runc() {
        // With a table of runtimes, containerd 1 forgets its own runc, and its CRI plugin does not start without a default.
        let mut runc = Table::new();
        runc.insert("runtime_type", value(RUNC_SHIM));
        table.insert("runc", Item::Table(runc));
    }
    for runtime in runtimes {
        table.insert(&runtime.name, Item::Table(model.entry(&runtime.program())));
    }
    Ok(format!("{HEADER}{document}"))
}

/// What containerd's CRI plugin takes from the files.
pub(crate) fn effective(target: &Target, view: &View) -> Result<Effective> {
    let configuration = Configuration::load(target, view)?;
    let section = Section::of(&configuration)?;
    let mut effective = Effective {
        files: configuration.files(),
        warnings: configuration.warnings()?,
        ..Effective::default()
    };
    effective.default = section.default.clone();
    for (name, (entry, file)) in &section.runtimes {
        let found = Found::new(program(entry), file);
        effective.runtimes.insert(name.clone(), found);
    }
    Ok(effective)
}
