//! The members of a JSON object by the rules of Go, whose programs wrote most files: keys in any case, null is missing.

use hook_model::{child, json};
use serde_json::Value;

use crate::problem::Report;

/// The known members of an object.
pub struct Members<'a> {
    pointer: String,
    found: Vec<(&'static str, &'a str, &'a Value)>,
}

impl<'a> Members<'a> {
    /// Picks out the `known` members, given in lower case. Others are a warning, the same twice is an error, and so is
    /// anything but an object.
    pub fn read(
        value: &'a Value,
        pointer: &str,
        known: &[&'static str],
        report: &mut Report,
    ) -> Option<Members<'a>> {
        let Value::Object(map) = value else {
            report.model(json::wrong_type(pointer, "an object", value));
            return None;
        };
        let mut found: Vec<(&'static str, &str, &Value)> = Vec::with_capacity(map.len());
        for (key, value) in map {
            let place = child(pointer, key);
            let Some(&name) = known.iter().find(|name| name.eq_ignore_ascii_case(key)) else {
                report.warning(place.into(), "unknown key, ignored");
                continue;
            };
            if let Some((_, other, _)) = found.iter().find(|(other, ..)| *other == name) {
                report.error(place.into(), format!("is given twice, also as {other:?}"));
                continue;
            }
            if !value.is_null() {
                found.push((name, key, value));
            }
        }
        Some(Members {
            pointer: pointer.to_owned(),
            found,
        })
    }

    /// The value of a member and its pointer as it is spelled in the file.
    pub fn get(&self, name: &str) -> Option<(&'a Value, String)> {
        let (_, key, value) = self.found.iter().find(|(found, ..)| *found == name)?;
        Some((value, child(&self.pointer, key)))
    }

    /// The known members that are there.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'a Value)> {
        self.found.iter().map(|(name, _, value)| (*name, *value))
    }

    /// Where a member is, or would be.
    pub fn place(&self, name: &str) -> String {
        self.get(name)
            .map_or_else(|| child(&self.pointer, name), |(_, place)| place)
    }

    /// Which one of several names for the same thing is used; two at once are an error.
    pub fn one_of(&self, names: &[&'static str], report: &mut Report) -> Option<&'static str> {
        let mut used = names.iter().filter(|name| self.get(name).is_some());
        let first = used.next()?;
        if let Some(second) = used.next() {
            let reason = format!("cannot be set together with {first:?}");
            report.error(self.place(second).into(), reason);
        }
        Some(first)
    }

    /// A boolean.
    pub fn boolean(&self, name: &str, report: &mut Report) -> Option<bool> {
        let (value, place) = self.get(name)?;
        let boolean = value.as_bool();
        if boolean.is_none() {
            report.model(json::wrong_type(&place, "a boolean", value));
        }
        boolean
    }

    /// A string and its pointer.
    pub fn string(&self, name: &str, report: &mut Report) -> Option<(&'a str, String)> {
        let (value, place) = self.get(name)?;
        string(value, &place, report).map(|text| (text, place))
    }

    /// A list of strings, each with its pointer.
    pub fn strings(&self, name: &str, report: &mut Report) -> Option<Vec<(&'a str, String)>> {
        let (value, place) = self.get(name)?;
        strings(value, &place, report)
    }
}

/// The elements of an array of strings with their pointers; those of another type are reported.
pub fn strings<'a>(
    value: &'a Value,
    place: &str,
    report: &mut Report,
) -> Option<Vec<(&'a str, String)>> {
    let Value::Array(list) = value else {
        report.model(json::wrong_type(place, "an array", value));
        return None;
    };
    let mut strings = Vec::with_capacity(list.len());
    for (i, element) in list.iter().enumerate() {
        let place = format!("{place}/{i}");
        if let Some(text) = string(element, &place, report) {
            strings.push((text, place));
        }
    }
    Some(strings)
}

/// A string; anything else is reported.
pub fn string<'a>(value: &'a Value, place: &str, report: &mut Report) -> Option<&'a str> {
    let text = value.as_str();
    if text.is_none() {
        report.model(json::wrong_type(place, "a string", value));
    }
    text
}
