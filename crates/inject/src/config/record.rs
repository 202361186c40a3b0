//! The annotation by which a later run knows what it put in.
//!
//! Annotations come from whoever asked for the container, so none is believed as it stands: a false one could have hooks
//! of others taken out. The record carries a digest of the whole file and of where the hooks came from. It holds for the
//! very bytes that were written, by a wrapper with the same sources, and for nothing else.

use std::ops::Range;

use hook_model::Phase;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::document::span;

/// The key of the annotation.
pub const ANNOTATION: &str = "org.lxcri.inject";

/// Between the counts and the digest.
const DIGEST: &str = ";sha256=";
/// Hexadecimal digits of a digest, all zero while it is computed.
const BLANK: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// How many hooks stand, put in by this program, at the end of the list of each phase.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Record(Vec<(Phase, usize)>);

impl Record {
    /// The record in the value of the annotation, if it is true of `text`.
    pub fn read(text: &str, value: &RawValue, source: &str) -> Option<Record> {
        // One that was written here has no escapes.
        let counts = value.get().strip_prefix('"')?.strip_suffix('"')?;
        let (counts, digest) = counts.split_once(DIGEST)?;
        let end = span(text, value).end - 1;
        let place = end.checked_sub(BLANK.len())?..end;
        if digest.len() != BLANK.len() || digest != digest_of(text, place, source) {
            return None;
        }
        let counts = counts.split(',').map(|entry| {
            let (name, count) = entry.split_once('=')?;
            Some((Phase::from_oci_name(name.as_bytes())?, count.parse().ok()?))
        });
        counts.collect::<Option<_>>().map(Record)
    }

    /// Notes hooks.
    pub fn add(&mut self, phase: Phase, count: usize) {
        self.0.push((phase, count));
    }

    /// How many hooks of a phase there are.
    pub fn count(&self, phase: Phase) -> usize {
        let counts = self.0.iter().filter(|(other, _)| *other == phase);
        counts.map(|(_, count)| count).sum()
    }

    /// The JSON of the annotation's value, its digest to be filled in by [`seal`].
    pub fn unsealed(&self) -> String {
        let counts = self.0.iter();
        let counts = counts.map(|(phase, count)| format!("{}={count}", phase.oci_name()));
        format!(
            "\"{}{DIGEST}{BLANK}\"",
            counts.collect::<Vec<_>>().join(",")
        )
    }
}

/// Fills in the digest of a record; `after` is the offset behind its closing quote.
pub(super) fn seal(text: &mut String, after: usize, source: &str) {
    let place = after - 1 - BLANK.len()..after - 1;
    let digest = digest_of(text, place.clone(), source);
    text.replace_range(place, &digest);
}

/// The digest of a text in which the digest itself counts as zeros.
fn digest_of(text: &str, place: Range<usize>, source: &str) -> String {
    let mut hash = Sha256::new();
    hash.update((source.len() as u64).to_le_bytes());
    for piece in [source, &text[..place.start], BLANK, &text[place.end..]] {
        hash.update(piece);
    }
    hooks_d::Sha256(hash.finalize().into()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(source: &str) -> String {
        let mut record = Record::default();
        record.add(Phase::CreateRuntime, 2);
        record.add(Phase::Poststop, 1);
        let mut text = format!("[{}]", record.unsealed());
        let after = text.len() - 1;
        seal(&mut text, after, source);
        text
    }

    fn read(text: &str, source: &str) -> Option<Record> {
        let list: Vec<&RawValue> = serde_json::from_str(text).unwrap();
        Record::read(text, list[0], source)
    }

    #[test]
    fn a_record_is_read_back() {
        let text = sealed("here");
        assert!(text.starts_with("[\"createRuntime=2,poststop=1;sha256="));
        assert!(!text.contains(BLANK));
        let record = read(&text, "here").unwrap();
        assert_eq!(record.count(Phase::CreateRuntime), 2);
        assert_eq!(record.count(Phase::Poststop), 1);
        assert_eq!(record.count(Phase::Poststart), 0);
    }

    #[test]
    fn a_record_that_is_not_of_these_bytes_and_this_source_is_none() {
        let text = sealed("here");
        assert_eq!(read(&text, "elsewhere"), None);
        assert_eq!(read(&format!("{text} "), "here"), None);
        assert_eq!(
            read(&text.replace("poststop=1", "poststop=2"), "here"),
            None
        );
        for text in [
            "[\"\"]",
            "[1]",
            "[\"poststop=1\"]",
            "[\"poststop=1;sha256=0\"]",
        ] {
            assert_eq!(read(text, "here"), None, "{text}");
        }
        assert_eq!(
            read(&format!("[\"poststop=1;sha256={BLANK}\"]"), "here"),
            None
        );
    }
}
