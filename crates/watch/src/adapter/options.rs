//! Options as the runtimes write them: of Go's flag package, of argp, of clap and of getopt_long.

use super::Adapter;

/// Whose rules a command line follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Go's flag package: one dash is as good as two, and no two options share a word.
    Go,
    /// getopt_long and argp: short options share a word, and long ones may be shortened.
    Getopt,
    /// clap: short options share a word, `=` may stand before the value.
    Clap,
}

/// The long name of an option.
fn full_name(name: &str, adapter: &Adapter) -> String {
    if let Some((_, long)) = adapter.short.iter().find(|(short, _)| *short == name) {
        return (*long).to_owned();
    }
    let mut begin_so = adapter.valued.iter().filter(|long| long.starts_with(name));
    let short = adapter.style == Style::Getopt && name.len() > 1;
    match (begin_so.next(), begin_so.next()) {
        (Some(only), None) if short => (*only).to_owned(),
        _ => name.to_owned(),
    }
}

/// A command line taken apart. What is not known to take a value is a flag.
#[derive(Debug, Default)]
pub struct Options {
    values: Vec<(String, String)>,
    flags: Vec<String>,
    /// What is no option, in its order.
    pub positional: Vec<String>,
}

impl Options {
    /// Takes `arguments` apart as the runtime of `adapter` would.
    pub fn read(arguments: &[String], adapter: &Adapter) -> Options {
        let mut options = Options::default();
        let long = |name: &str| full_name(name, adapter);
        let takes_value = |name: &str| adapter.valued.contains(&&*long(name));
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            if argument == "--" {
                options.positional.extend(rest.cloned());
                break;
            }
            let Some(word) = argument.strip_prefix('-').filter(|word| !word.is_empty()) else {
                options.positional.push(argument.clone());
                continue;
            };
            let doubled = word.strip_prefix('-');
            let name = doubled.unwrap_or(word);
            if doubled.is_none() && adapter.style != Style::Go {
                options.cluster(word, &mut rest, adapter);
            } else if let Some((name, value)) = name.split_once('=') {
                options.values.push((long(name), value.to_owned()));
            } else if takes_value(name) {
                options.add(long(name), rest.next());
            } else {
                options.flags.push(long(name));
            }
        }
        options
    }

    /// Short options in one word: flags, up to one that takes the rest of the word or the next one as its value.
    fn cluster<'a>(
        &mut self,
        word: &str,
        rest: &mut impl Iterator<Item = &'a String>,
        adapter: &Adapter,
    ) {
        for (place, letter) in word.char_indices() {
            let name = full_name(&letter.to_string(), adapter);
            if !adapter.valued.contains(&&*name) {
                self.flags.push(name);
                continue;
            }
            let value = &word[place + letter.len_utf8()..];
            let value = match value.strip_prefix('=') {
                Some(value) if adapter.style == Style::Clap => value,
                _ => value,
            };
            match value {
                "" => self.add(name, rest.next()),
                value => self.values.push((name, value.to_owned())),
            }
            return;
        }
    }

    fn add(&mut self, name: String, value: Option<&String>) {
        self.values.extend(value.map(|value| (name, value.clone())));
    }

    /// The value of an option; the last counts.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values(name).last()
    }

    /// All values of an option, in their order.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let found = self.values.iter().filter(move |(other, _)| other == name);
        found.map(|(_, value)| &**value)
    }

    /// Whether a flag is there.
    pub fn flag(&self, name: &str) -> bool {
        self.flags.iter().any(|flag| flag == name)
    }
}
