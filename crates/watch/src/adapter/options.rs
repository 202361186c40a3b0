//! Options as the runtimes write them: of Go's flag package, of argp, of clap and of getopt_long.

use super::Adapter;

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
        let long = |name: &str| {
            let pair = adapter.short.iter().find(|(short, _)| *short == name);
            pair.map_or(name, |(_, long)| *long).to_owned()
        };
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
            if let Some((name, value)) = name.split_once('=') {
                options.values.push((long(name), value.to_owned()));
            } else if takes_value(name) {
                options.add(long(name), rest.next());
            } else if doubled.is_some() || !adapter.clusters {
                options.flags.push(long(name));
            } else {
                options.cluster(word, &mut rest, &long, &takes_value);
            }
        }
        options
    }

    /// Short options in one word: flags, up to one that takes the rest of the word or the next one as its value.
    fn cluster<'a>(
        &mut self,
        word: &str,
        rest: &mut impl Iterator<Item = &'a String>,
        long: &impl Fn(&str) -> String,
        takes_value: &impl Fn(&str) -> bool,
    ) {
        for (place, letter) in word.char_indices() {
            let name = letter.to_string();
            if !takes_value(&name) {
                self.flags.push(long(&name));
                continue;
            }
            match &word[place + letter.len_utf8()..] {
                "" => self.add(long(&name), rest.next()),
                value => self.values.push((long(&name), value.to_owned())),
            }
            return;
        }
    }

    fn add(&mut self, name: String, value: Option<&String>) {
        self.values.extend(value.map(|value| (name, value.clone())));
    }

    /// The value of an option; the last counts.
    pub fn value(&self, name: &str) -> Option<&str> {
        let found = self.values.iter().rfind(|(other, _)| other == name);
        found.map(|(_, value)| &**value)
    }

    /// Whether a flag is there.
    pub fn flag(&self, name: &str) -> bool {
        self.flags.iter().any(|flag| flag == name)
    }
}
