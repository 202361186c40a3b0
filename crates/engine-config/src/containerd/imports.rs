//! The list `imports` of config.toml.

use std::path::Path;

use toml_edit::{Array, Item, value};

use super::layers::{Configuration, new_version};
use super::paths::clean;
use crate::document::parse;
use crate::error::Result;
use crate::target::Target;
use crate::view::View;

const IMPORTS: &str = "imports";

/// The main file with the drop-in among its imports. `with_drop_in` shows the files with the drop-in in its place.
///
/// A file that imports it already, perhaps by a pattern, stays as it is. A relative pattern is not enough: which directory it
/// counts from depends on containerd's version. Where it does match, a second name does no harm.
pub(crate) fn add(target: &Target, drop_in: &Path, with_drop_in: &View) -> Result<String> {
    let path = drop_in.to_string_lossy();
    let Some(text) = with_drop_in.read(&target.config)? else {
        let version = new_version(target.containerd_major);
        let import = value(Array::from_iter([path.as_ref()]));
        return Ok(format!("version = {version}\nimports = {import}\n"));
    };
    let files = Configuration::certain_files(target, with_drop_in)?;
    if files.iter().any(|file| file == drop_in) {
        return Ok(text);
    }
    let mut document = parse(&target.config, &text)?;
    match document.get_mut(IMPORTS).and_then(Item::as_array_mut) {
        Some(array) => array.push(path.as_ref()),
        None => {
            document.insert(IMPORTS, value(Array::from_iter([path.as_ref()])));
        }
    }
    Ok(document.to_string())
}

/// The main file without the drop-in among its imports, however it is spelled; an empty list goes unless `before` had one.
pub(crate) fn remove(
    target: &Target,
    drop_in: &Path,
    text: &str,
    before: Option<&str>,
) -> Result<String> {
    let config = &target.config;
    let directory = target.named.parent().unwrap_or(Path::new("/"));
    let mut document = parse(config, text)?;
    let Some(array) = document.get_mut(IMPORTS).and_then(Item::as_array_mut) else {
        return Ok(text.to_owned());
    };
    let at = array.iter().position(|import| {
        import
            .as_str()
            .is_some_and(|i| clean(&directory.join(i)) == drop_in)
    });
    let Some(at) = at else {
        return Ok(text.to_owned());
    };
    array.remove(at);
    let was_there = match before {
        Some(text) => parse(config, text)?.contains_key(IMPORTS),
        None => false,
    };
    if array.is_empty() && !was_there {
        document.remove(IMPORTS);
    }
    Ok(document.to_string())
}
