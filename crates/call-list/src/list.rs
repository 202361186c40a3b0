//! Puts a list together: entries, and the data that their arguments point to.

use std::ffi::c_long;

use hook_tree::calls::{ADDRESS, COMPARE, ENTRY, Entry, HEADER, KEPT, LIMIT, MAGIC, RUN_HOOKS};

use crate::Error;

/// Bytes of a word.
const WORD: usize = size_of::<u64>();

/// A place in the data of a list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place(usize);

/// An argument of a system call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Argument {
    Number(u64),
    Address(Place),
    /// The result that an earlier call has kept. As first argument only.
    Kept,
}

impl From<u64> for Argument {
    fn from(number: u64) -> Self {
        Argument::Number(number)
    }
}

impl From<u32> for Argument {
    fn from(number: u32) -> Self {
        Argument::Number(number.into())
    }
}

impl From<i32> for Argument {
    /// As the kernel takes it: with its sign.
    fn from(number: i32) -> Self {
        Argument::Number(i64::from(number) as u64)
    }
}

impl From<usize> for Argument {
    fn from(number: usize) -> Self {
        Argument::Number(number as u64)
    }
}

impl From<Place> for Argument {
    fn from(place: Place) -> Self {
        Argument::Address(place)
    }
}

/// A call with what is said when it fails.
#[derive(Debug)]
pub(crate) struct Call {
    entry: Entry,
    arguments: Vec<Argument>,
    text: Place,
}

impl Call {
    /// Errors that are none.
    pub(crate) fn tolerate(&mut self, errors: &[i32]) -> &mut Self {
        for error in errors {
            self.entry.tolerated |= 1 << error;
        }
        self
    }

    /// Keeps the result for [`Argument::Kept`].
    pub(crate) fn keep(&mut self) -> &mut Self {
        self.entry.keep = 1;
        self
    }
}

/// A list in the making.
#[derive(Debug)]
pub(crate) struct List {
    calls: Vec<Call>,
    data: Vec<u8>,
    /// Places of words that hold the address of another place.
    pointers: Vec<(usize, Place)>,
    /// The exit code of the calls that follow.
    pub(crate) code: u8,
}

impl List {
    pub(crate) fn new(code: u8) -> List {
        List {
            calls: Vec::new(),
            data: Vec::new(),
            pointers: Vec::new(),
            code,
        }
    }

    /// Data, aligned to a word.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Place {
        self.data.resize(self.data.len().next_multiple_of(WORD), 0);
        let place = Place(self.data.len());
        self.data.extend_from_slice(bytes);
        place
    }

    /// Words of data.
    pub(crate) fn words(&mut self, words: &[u64]) -> Place {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        self.bytes(&bytes)
    }

    /// A string with its NUL.
    pub(crate) fn string(&mut self, string: &[u8]) -> Result<Place, Error> {
        if string.contains(&0) {
            return Err(Error::InnerNul);
        }
        Ok(self.text(string))
    }

    /// A text with its NUL. What follows another NUL is lost.
    fn text(&mut self, text: &[u8]) -> Place {
        let place = Place(self.data.len());
        self.data.extend_from_slice(text);
        self.data.push(0);
        place
    }

    /// A word that holds an address.
    pub(crate) fn pointer(&mut self, to: Place) -> Place {
        let place = self.words(&[0]);
        self.pointers.push((place.0, to));
        place
    }

    /// Pointers to strings with NULL at the end, as execve(2) takes them.
    pub(crate) fn vector(&mut self, strings: &[Place]) -> Place {
        let place = self.words(&vec![0; strings.len() + 1]);
        let slots = (place.0..).step_by(WORD);
        self.pointers.extend(slots.zip(strings.iter().copied()));
        place
    }

    /// Appends a call. `text` names it and its arguments.
    pub(crate) fn call(
        &mut self,
        number: c_long,
        arguments: &[Argument],
        text: impl AsRef<[u8]>,
    ) -> &mut Call {
        self.entry(number as u64, arguments, text.as_ref())
    }

    /// Runs the startContainer hooks here.
    pub(crate) fn hooks(&mut self) {
        self.entry(RUN_HOOKS, &[], b"");
    }

    /// Fails with this text, and no other, unless the word at a place, masked, is `value`.
    pub(crate) fn compare(&mut self, place: Place, mask: u64, value: u64, text: impl AsRef<[u8]>) {
        let arguments = [place.into(), mask.into(), value.into()];
        self.entry(COMPARE, &arguments, text.as_ref());
    }

    /// Fails with this text.
    pub(crate) fn fail(&mut self, text: impl AsRef<[u8]>) {
        let place = self.text(b"");
        self.compare(place, 0, 1, text);
    }

    /// Always goes on elsewhere, once [`List::lead`] says where. Returns its number.
    pub(crate) fn jump(&mut self) -> usize {
        let place = self.text(b"");
        self.compare(place, 0, 0, "");
        self.next() - 1
    }

    /// The number of the next entry.
    pub(crate) fn next(&self) -> usize {
        self.calls.len()
    }

    /// Lets the list go on at `next` after the entry `from` has had a result. Only forward.
    pub(crate) fn lead(&mut self, from: usize, result: i64, next: usize) {
        if let Some(call) = self.calls.get_mut(from) {
            call.entry.expected = result;
            call.entry.next = next as u64;
        }
    }

    fn entry(&mut self, number: u64, arguments: &[Argument], text: &[u8]) -> &mut Call {
        let text = self.text(text);
        let call = Call {
            entry: Entry {
                number,
                code: self.code.into(),
                ..Entry::default()
            },
            arguments: arguments.to_vec(),
            text,
        };
        self.calls.push(call);
        let last = self.calls.len() - 1;
        &mut self.calls[last]
    }

    /// The bytes of the list.
    pub(crate) fn finish(mut self) -> Result<Vec<u8>, Error> {
        let start = WORD * (HEADER + ENTRY * self.calls.len());
        let address = |place: Place| ADDRESS + (start + place.0) as u64;
        for (at, to) in &self.pointers {
            if let Some(word) = self.data.get_mut(*at..at + WORD) {
                word.copy_from_slice(&address(*to).to_ne_bytes());
            }
        }
        let mut words = vec![MAGIC, self.calls.len() as u64];
        for call in &self.calls {
            let mut entry = call.entry;
            for (word, argument) in entry.arguments.iter_mut().zip(&call.arguments) {
                *word = match argument {
                    Argument::Number(number) => *number,
                    Argument::Address(place) => address(*place),
                    Argument::Kept => KEPT,
                };
            }
            entry.text = address(call.text);
            words.extend(entry.words());
        }
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        bytes.append(&mut self.data);
        // Whole words, the last byte NUL: every text ends inside.
        bytes.push(0);
        bytes.resize(bytes.len().next_multiple_of(WORD), 0);
        if bytes.len() > LIMIT {
            return Err(Error::TooLarge);
        }
        Ok(bytes)
    }
}
