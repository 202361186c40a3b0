//! TOML files of engines: parsed with the place of every error, walked by key, copied without their formatting.

use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, Item, Table, TableLike, Value};

use crate::error::{Error, Result};
use crate::view::View;

/// The first line of every file that is ours alone.
pub(crate) const HEADER: &str =
    "# Written by lxcri-ctl, which also removes this file; what is changed here gets lost.\n";

/// One of the files that an engine reads.
pub(crate) struct Layer {
    /// The file.
    pub path: PathBuf,
    document: DocumentMut,
}

impl Layer {
    /// Reads a file; `None` when there is none.
    pub fn read(view: &View, path: &Path) -> Result<Option<Layer>> {
        let Some(text) = view.read(path)? else {
            return Ok(None);
        };
        let document = parse(path, &text)?;
        let path = path.to_owned();
        Ok(Some(Layer { path, document }))
    }

    /// The table at these keys; `None` when there is none.
    ///
    /// # Errors
    /// When something on the way is no table.
    pub fn table(&self, keys: &[&str]) -> Result<Option<&dyn TableLike>> {
        let mut table: &dyn TableLike = self.document.as_table();
        for (depth, key) in keys.iter().enumerate() {
            let Some(item) = table.get(key).filter(|item| !item.is_none()) else {
                return Ok(None);
            };
            table = item
                .as_table_like()
                .ok_or_else(|| self.wrong(&keys[..=depth], item, "a table"))?;
        }
        Ok(Some(table))
    }

    /// The string at these keys.
    ///
    /// # Errors
    /// When something on the way is no table, or what is there no string.
    pub fn string(&self, keys: &[&str]) -> Result<Option<&str>> {
        match self.item(keys)? {
            None => Ok(None),
            Some(item) => match item.as_str() {
                Some(text) => Ok(Some(text)),
                None => Err(self.wrong(keys, item, "a string")),
            },
        }
    }

    /// The number at these keys.
    ///
    /// # Errors
    /// When something on the way is no table, or what is there no integer.
    pub fn integer(&self, keys: &[&str]) -> Result<Option<i64>> {
        match self.item(keys)? {
            None => Ok(None),
            Some(item) => match item.as_integer() {
                Some(number) => Ok(Some(number)),
                None => Err(self.wrong(keys, item, "an integer")),
            },
        }
    }

    /// The strings of the array at these keys; none when there is no array.
    ///
    /// # Errors
    /// When something on the way is no table, or what is there no array of strings.
    pub fn strings(&self, keys: &[&str]) -> Result<Vec<String>> {
        let Some(item) = self.item(keys)? else {
            return Ok(Vec::new());
        };
        strings(item).ok_or_else(|| self.wrong(keys, item, "an array of strings"))
    }

    fn item(&self, keys: &[&str]) -> Result<Option<&Item>> {
        let Some((last, above)) = keys.split_last() else {
            return Ok(None);
        };
        let table = self.table(above)?;
        Ok(table
            .and_then(|t| t.get(last))
            .filter(|item| !item.is_none()))
    }

    /// An error about the item at these keys.
    pub fn wrong(&self, keys: &[&str], item: &Item, wanted: &str) -> Error {
        let kind = match item.type_name() {
            kind @ ("array" | "array of tables" | "integer" | "inline table") => {
                format!("an {kind}")
            }
            kind => format!("a {kind}"),
        };
        Error::content(&self.path, keys.join("."), format!("{kind}, not {wanted}"))
    }
}

/// Parses the text of a TOML file.
///
/// # Errors
/// What is wrong with it, with line and column.
pub fn parse(path: &Path, text: &str) -> Result<DocumentMut> {
    text.parse().map_err(|e: toml_edit::TomlError| {
        let at = e.span().map_or(0, |span| span.start.min(text.len()));
        let before = text.get(..at).unwrap_or_default();
        let line = 1 + before.matches('\n').count();
        let column = 1 + before.chars().rev().take_while(|&c| c != '\n').count();
        let reason = e.message().lines().collect::<Vec<_>>().join(", ");
        Error::content(path, format!("{line}:{column}"), reason)
    })
}

/// The strings of an array; `None` when it is something else.
pub(crate) fn strings(item: &Item) -> Option<Vec<String>> {
    let array = item.as_array()?.iter();
    array
        .map(|value| value.as_str().map(str::to_owned))
        .collect()
}

/// A copy of a table that has the same content and no formatting or comments.
pub(crate) fn plain(table: &dyn TableLike) -> Table {
    let mut copy = Table::new();
    for (key, item) in table.iter() {
        copy.insert(key, plain_item(item));
    }
    copy
}

fn plain_item(item: &Item) -> Item {
    if let Item::Value(Value::Array(array)) = item {
        let mut array = array.clone();
        array.fmt();
        return Item::Value(Value::Array(array));
    }
    if let Some(table) = item.as_table_like() {
        return Item::Table(plain(table));
    }
    if let Some(tables) = item.as_array_of_tables() {
        return Item::ArrayOfTables(tables.iter().map(|t| plain(t)).collect());
    }
    let mut item = item.clone();
    if let Some(value) = item.as_value_mut() {
        value.decor_mut().clear();
    }
    item
}

/// Puts the content of `from` over that of `to`, table by table and key by key.
pub(crate) fn overlay(to: &mut Table, from: &dyn TableLike) {
    for (key, item) in from.iter() {
        match (
            to.get_mut(key).and_then(Item::as_table_mut),
            item.as_table_like(),
        ) {
            (Some(below), Some(table)) => overlay(below, table),
            _ => {
                to.insert(key, plain_item(item));
            }
        }
    }
}

/// The table at these keys, made where it is missing. Tables that only hold tables get no header of their own.
pub(crate) fn descend<'a>(table: &'a mut Table, keys: &[&str]) -> &'a mut Table {
    let Some((first, rest)) = keys.split_first() else {
        return table;
    };
    let item = table.entry(first).or_insert_with(|| {
        let mut made = Table::new();
        made.set_implicit(true);
        Item::Table(made)
    });
    if !item.is_table() {
        *item = Item::Table(Table::new());
    }
    match item.as_table_mut() {
        Some(below) => descend(below, rest),
        None => unreachable!("it has just been made a table"),
    }
}
