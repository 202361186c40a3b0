//! Hooks into the text of a config.json.

use std::borrow::Cow;

use hook_model::{Hook, Phase};
use serde_json::value::RawValue;

use super::document::{Members, elements, is_null, members, root, span};
use super::edits::Edits;
use super::error::ConfigError;
use super::hooks::missing;
use super::record::{ANNOTATION, Record, seal};

/// Puts hooks at the ends of the lists in a config.json, in their order.
///
/// What is not below /hooks stays byte for byte, but for the annotation [`ANNOTATION`], and so does every hook that is
/// there. Hooks that an earlier run with the same `source` put into these very bytes are replaced; any other hook that
/// equals a wanted one stands for it. The result is borrowed when there is nothing to change.
///
/// # Errors
/// When the bytes are no JSON object, or what would be edited is of another type or there twice.
pub fn inject<'a>(
    config: &'a [u8],
    hooks: &[(Phase, &Hook)],
    source: &str,
) -> Result<Cow<'a, [u8]>, ConfigError> {
    let text = str::from_utf8(config).map_err(|e| ConfigError::NotUtf8(e.valid_up_to()))?;
    let document = Document::parse(text, source)?;
    let mut edits = Edits::default();
    let record = document.edit_hooks(&mut edits, hooks)?;
    match record {
        // Nothing of ours is left to be recorded.
        None if document.previous == Record::default() => Ok(Cow::Borrowed(config)),
        None => {
            document.forget(&mut edits);
            Ok(Cow::Owned(edits.apply(text).0.into_bytes()))
        }
        Some(record) => {
            let new = document.note(&mut edits, &record);
            let (mut result, start) = edits.apply(text);
            seal(&mut result, start + new, source);
            Ok(if result == text {
                Cow::Borrowed(config)
            } else {
                Cow::Owned(result.into_bytes())
            })
        }
    }
}

/// A config.json and the places in it that may change.
struct Document<'a> {
    text: &'a str,
    root: Members<'a>,
    /// Where the brace of the document stands.
    open: usize,
    hooks: Option<&'a RawValue>,
    lists: Members<'a>,
    annotations: Option<&'a RawValue>,
    entries: Members<'a>,
    annotation: Option<&'a RawValue>,
    previous: Record,
}

/// A list of hooks as it stands in the text, its elements, and how many of those stay.
type List<'a> = (Option<&'a RawValue>, Vec<&'a RawValue>, usize);

impl<'a> Document<'a> {
    fn parse(text: &'a str, source: &str) -> Result<Document<'a>, ConfigError> {
        let (root, open) = root(text)?;
        let hooks = root.member("", "hooks")?;
        let annotations = root.member("", "annotations")?;
        // Conditions read these: what they see must be what the runtime makes.
        for key in ["process", "mounts"] {
            root.member("", key)?;
        }
        let entries = members("/annotations", annotations)?;
        let annotation = entries.entry("/annotations", ANNOTATION)?;
        let previous = annotation.and_then(|value| Record::read(text, value, source));
        Ok(Document {
            text,
            open,
            hooks,
            lists: members("/hooks", hooks)?,
            annotations,
            entries,
            annotation,
            previous: previous.unwrap_or_default(),
            root,
        })
    }

    /// Edits the lists of all phases. The result is what has to be recorded, if there is anything.
    fn edit_hooks(
        &self,
        edits: &mut Edits,
        hooks: &[(Phase, &Hook)],
    ) -> Result<Option<Record>, ConfigError> {
        let mut record = Record::default();
        let mut lists = Vec::new();
        for phase in Phase::ALL {
            let name = phase.oci_name();
            let (list, present, kept) = self.list(phase)?;
            let mut others = present[..kept].to_vec();
            // Older engines put the prestart hooks of a file there.
            if phase == Phase::CreateRuntime {
                let (_, prestart, kept) = self.list(Phase::Prestart)?;
                others.extend(&prestart[..kept]);
            }
            let new = missing(phase, hooks, &others);
            if !new.is_empty() {
                record.add(phase, new.len());
            } else if kept == present.len() {
                continue;
            }
            match list {
                Some(list) => self.edit_list(edits, list, &present, kept, &new.join(",")),
                None => lists.push(format!("\"{name}\":[{}]", new.join(","))),
            }
        }
        if !lists.is_empty() {
            let lists = lists.join(",");
            let comma = if self.root.is_empty() { "" } else { "," };
            self.add(edits, comma, "hooks", self.hooks, &self.lists, &lists);
        }
        Ok((record != Record::default()).then_some(record))
    }

    /// The list of a phase, the hooks in it, and how many of them were not put in here.
    fn list(&self, phase: Phase) -> Result<List<'a>, ConfigError> {
        let name = phase.oci_name();
        let list = self.lists.member("/hooks", name)?;
        let present = elements(&format!("/hooks/{name}"), list)?;
        let kept = present.len().saturating_sub(self.previous.count(phase));
        Ok((list, present, kept))
    }

    /// Puts `new` in the place of what follows the first `kept` hooks of a list.
    fn edit_list(
        &self,
        edits: &mut Edits,
        list: &RawValue,
        present: &[&RawValue],
        kept: usize,
        new: &str,
    ) {
        let place = span(self.text, list);
        if is_null(list) {
            return edits.replace(place, format!("[{new}]"));
        }
        let end_of = |raw: &&RawValue| span(self.text, raw).end;
        let start = present[..kept].last().map_or(place.start + 1, end_of);
        let end = present.last().map_or(start, end_of);
        let comma = if kept == 0 || new.is_empty() { "" } else { "," };
        edits.replace(start..end, format!("{comma}{new}"));
    }

    /// Writes a record down. The result is the offset behind it in the edit that was added.
    fn note(&self, edits: &mut Edits, record: &Record) -> usize {
        let value = record.unsealed();
        if let Some(old) = self.annotation {
            edits.replace(span(self.text, old), &*value);
            return value.len();
        }
        let entry = format!("\"{ANNOTATION}\":{value}");
        // By now the document has hooks, so a comma is needed.
        self.add(
            edits,
            ",",
            "annotations",
            self.annotations,
            &self.entries,
            &entry,
        )
    }

    /// Takes the annotation away.
    fn forget(&self, edits: &mut Edits) {
        let object = self.annotations.map(|raw| span(self.text, raw).start);
        let place = object.and_then(|open| self.entries.cut(self.text, open, ANNOTATION));
        if let Some(place) = place {
            edits.replace(place, "");
        }
    }

    /// Adds members to the object `key` of the document. If that is missing it is made, after `comma`. The result is the
    /// offset behind the new members in the edit.
    fn add(
        &self,
        edits: &mut Edits,
        comma: &str,
        key: &str,
        object: Option<&RawValue>,
        present: &Members<'_>,
        new: &str,
    ) -> usize {
        let (place, before, after) = match object.map(|raw| (span(self.text, raw), is_null(raw))) {
            None => {
                let place = self.root.end(self.text, self.open);
                (place..place, format!("{comma}\"{key}\":{{"), "}")
            }
            Some((place, true)) => (place, "{".to_owned(), "}"),
            Some((place, false)) => {
                let end = present.end(self.text, place.start);
                let comma = if present.is_empty() { "" } else { "," };
                (end..end, comma.to_owned(), "")
            }
        };
        edits.replace(place, format!("{before}{new}{after}"));
        before.len() + new.len()
    }
}
