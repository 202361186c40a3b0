//! CRI-O and podman: a file, then a directory of drop-ins, each runtime taken from the last file that has it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml_edit::{Array, DocumentMut, Item, Table, value};

use crate::document::{HEADER, Layer, descend, plain, strings};
use crate::effective::{Effective, Found};
use crate::engine::Engine;
use crate::error::Result;
use crate::runtime::{Runtime, default_of};
use crate::target::{Target, drop_in_directory};
use crate::view::View;

/// What containers/common reads before /etc/containers/containers.conf.
const PODMAN_VENDOR: &str = "/usr/share/containers/containers.conf";

/// Where the runtimes stand in an engine's files.
struct Keys {
    section: &'static [&'static str],
    runtimes: &'static str,
    default: &'static str,
}

fn keys(engine: Engine) -> Keys {
    match engine {
        Engine::Podman => Keys {
            section: &["engine"],
            runtimes: "runtimes",
            default: "runtime",
        },
        _ => Keys {
            section: &["crio", "runtime"],
            runtimes: "runtimes",
            default: "default_runtime",
        },
    }
}

impl Keys {
    fn of(&self, key: &'static str) -> Vec<&'static str> {
        [self.section, &[key]].concat()
    }
}

/// The content of the drop-in. `base` shows the files without it.
pub(crate) fn drop_in(target: &Target, base: &View, runtimes: &[Runtime]) -> Result<String> {
    let keys = keys(target.engine);
    let model = match target.engine {
        Engine::Crio => crio_model(target, base)?,
        _ => Table::new(),
    };
    let mut document = DocumentMut::new();
    let section = descend(document.as_table_mut(), keys.section);
    if let Some(name) = default_of(runtimes) {
        section.insert(keys.default, value(name));
    }
    let table = descend(section, &[keys.runtimes]);
    for runtime in runtimes {
        let item = match target.engine {
            Engine::Podman => value(Array::from_iter([runtime.program()])),
            _ => {
                let mut entry = model.clone();
                entry.insert("runtime_path", value(runtime.program()));
                entry.insert("runtime_type", value("oci"));
                Item::Table(entry)
            }
        };
        table.insert(&runtime.name, item);
    }
    Ok(format!("{HEADER}{document}"))
}

/// What the engine takes from its files.
pub(crate) fn effective(target: &Target, view: &View) -> Result<Effective> {
    let keys = keys(target.engine);
    let mut effective = Effective::default();
    for layer in layers(target, view)? {
        if let Some(name) = layer
            .string(&keys.of(keys.default))?
            .filter(|n| !n.is_empty())
        {
            effective.default = Some(Found::new(name.to_owned(), &layer.path));
        }
        for (name, program) in programs(target.engine, &layer)? {
            effective
                .runtimes
                .insert(name, Found::new(program, &layer.path));
        }
        effective.files.push(layer.path);
    }
    Ok(effective)
}

/// The runtimes of one file and their programs.
fn programs(engine: Engine, layer: &Layer) -> Result<Vec<(String, String)>> {
    let path = keys(engine).of(keys(engine).runtimes);
    let Some(table) = layer.table(&path)? else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for (name, item) in table.iter() {
        let place = [path.as_slice(), &[name]].concat();
        let program = match engine {
            Engine::Podman => first_program(
                &strings(item).ok_or_else(|| layer.wrong(&place, item, "an array of strings"))?,
            ),
            _ => {
                layer.table(&place)?;
                let place = [place.as_slice(), &["runtime_path"]].concat();
                layer.string(&place)?.unwrap_or_default().to_owned()
            }
        };
        found.push((name.to_owned(), program));
    }
    Ok(found)
}

/// podman takes the first path that exists.
fn first_program(paths: &[String]) -> String {
    let existing = paths.iter().find(|path| Path::new(path).exists());
    existing.or(paths.first()).cloned().unwrap_or_default()
}

/// The entry of CRI-O's default runtime, on which ours is modelled: allowed annotations and the monitor's settings are
/// the runtime handler's, and pods that change to another handler should not miss them.
fn crio_model(target: &Target, base: &View) -> Result<Table> {
    let keys = keys(Engine::Crio);
    let runtimes = keys.of(keys.runtimes);
    let mut entries: BTreeMap<String, Table> = BTreeMap::new();
    let mut default = None;
    for layer in layers(target, base)? {
        default = layer
            .string(&keys.of(keys.default))?
            .map(str::to_owned)
            .or(default);
        for (name, item) in layer
            .table(&runtimes)?
            .map(|t| t.iter())
            .into_iter()
            .flatten()
        {
            let entry = item.as_table_like().ok_or_else(|| {
                layer.wrong(&[runtimes.as_slice(), &[name]].concat(), item, "a table")
            })?;
            entries.insert(name.to_owned(), plain(entry));
        }
    }
    let names = [default.as_deref().unwrap_or("crun"), "crun", "runc"];
    let is_oci = |entry: &&Table| {
        let kind = entry.get("runtime_type").and_then(Item::as_str);
        matches!(kind, None | Some("" | "oci"))
    };
    let model = names
        .iter()
        .find_map(|name| entries.get(*name).filter(is_oci));
    let mut model = model.cloned().unwrap_or_default();
    // Each of these would go before runtime_path.
    for key in ["inherit_default_runtime", "platform_runtime_paths"] {
        model.remove(key);
    }
    Ok(model)
}

fn layers(target: &Target, view: &View) -> Result<Vec<Layer>> {
    let mut layers = Vec::new();
    for path in files(target, view)? {
        layers.extend(Layer::read(view, &path)?);
    }
    Ok(layers)
}

/// The files in the order in which the engine reads them. CRI-O takes everything in and below its directory.
fn files(target: &Target, view: &View) -> Result<Vec<PathBuf>> {
    let directory = drop_in_directory(&target.named);
    if target.engine == Engine::Crio {
        let mut files = vec![target.config.clone()];
        files.extend(view.walk(&directory)?);
        return Ok(files);
    }
    let mut files = Vec::new();
    if target.named == Engine::Podman.default_config() {
        files.push(PathBuf::from(PODMAN_VENDOR));
    }
    files.push(target.config.clone());
    let drop_ins = view.list(&directory)?.into_iter();
    files.extend(drop_ins.filter(|path| path.as_os_str().as_encoded_bytes().ends_with(b".conf")));
    Ok(files)
}
