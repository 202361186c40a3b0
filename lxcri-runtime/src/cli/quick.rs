//! The command lines that engines write, recognised without clap's description of everything that may be written.
//!
//! Nothing is an error here: what is not understood at once is for the description.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::ValueEnum;
use lexopt::{Arg, Parser as Words};

use super::{
    BUNDLE, Cli, Command, Create, Delete, Global, Id, Kill, LogFormat, LogLevel, PRESERVE_FDS_MAX,
    ROOT, Run, SIGNAL,
};

/// An option that may stand on a command line.
struct Known {
    long: &'static str,
    short: Option<char>,
    takes_value: bool,
}

const fn value(long: &'static str) -> Known {
    Known {
        long,
        short: None,
        takes_value: true,
    }
}

const fn flag(long: &'static str) -> Known {
    Known {
        takes_value: false,
        ..value(long)
    }
}

impl Known {
    const fn or(self, short: char) -> Known {
        Known {
            short: Some(short),
            ..self
        }
    }
}

const GLOBAL: &[Known] = &[
    value("root"),
    value("log"),
    value("log-format"),
    value("log-level"),
    value("config"),
    value(HOOKS_LOG),
    flag("debug"),
    flag("systemd-cgroup"),
];
const HOOKS_LOG: &str = "hooks-log";

const CREATE: &[Known] = &[
    value("bundle").or('b'),
    value("pid-file"),
    value("console-socket"),
    value("preserve-fds"),
    value(HOOKS_DIR),
    flag("no-new-keyring"),
];
/// The one that may be given several times.
const HOOKS_DIR: &str = "hooks-dir";

const RUN: &[Known] = &[flag("detach").or('d'), flag("keep")];

/// Makes a command of what was given with it.
type Make = fn(&mut Given) -> Option<Command>;

/// Each command with its own options.
const COMMANDS: &[(&str, &[&[Known]], Make)] = &[
    ("create", &[CREATE], |given| {
        given.create().map(Command::Create)
    }),
    ("start", &[], |given| given.id().map(Command::Start)),
    ("state", &[], |given| given.id().map(Command::State)),
    ("kill", &[&[flag("all").or('a')]], |given| {
        Some(Command::Kill(Kill {
            all: given.flag("all"),
            id: given.word()?,
            signal: match given.words.is_empty() {
                true => SIGNAL.to_owned(),
                false => given.word()?,
            },
        }))
    }),
    ("delete", &[&[flag("force").or('f')]], |given| {
        Some(Command::Delete(Delete {
            force: given.flag("force"),
            id: given.word()?,
        }))
    }),
    ("run", &[CREATE, RUN], |given| {
        Some(Command::Run(Run {
            create: given.create()?,
            detach: given.flag("detach"),
            keep: given.flag("keep"),
        }))
    }),
];

/// Parses a command line, whose first word is the program's name. `None` for whatever is wrong, rare or ambiguous.
pub fn parse(words: &[OsString]) -> Option<Cli> {
    if words.iter().any(|word| word == "--") {
        return None;
    }
    let mut given = Given::default();
    let mut command = None;
    let mut words = Words::from_args(words.iter().skip(1));
    while let Some(argument) = words.next().ok()? {
        let option = match argument {
            Arg::Value(word) if command.is_none() => {
                command = Some(COMMANDS.iter().find(|(name, ..)| word == *name)?);
                continue;
            }
            Arg::Value(word) => {
                given.words.push_back(word);
                continue;
            }
            Arg::Long(long) => known(command).find(|option| option.long == long)?,
            Arg::Short(short) => known(command).find(|option| option.short == Some(short))?,
        };
        let value = match option.takes_value {
            true => Some(words.value().ok()?),
            false => None,
        };
        given.add(option.long, value)?;
    }
    let (_, _, make) = command?;
    let command = make(&mut given)?;
    let global = given.global()?;
    given.words.is_empty().then_some(Cli { global, command })
}

/// The options that may stand after this command.
fn known(
    command: Option<&'static (&str, &[&[Known]], Make)>,
) -> impl Iterator<Item = &'static Known> {
    let own = command.into_iter().flat_map(|(_, own, _)| own.iter());
    GLOBAL.iter().chain(own.copied().flatten())
}

/// What has been found on the command line.
#[derive(Default)]
struct Given {
    options: Vec<(&'static str, Option<OsString>)>,
    words: VecDeque<OsString>,
}

impl Given {
    /// `None` for what the description does not take, or takes in a way of its own.
    fn add(&mut self, name: &'static str, value: Option<OsString>) -> Option<()> {
        let twice = name != HOOKS_DIR && self.options.iter().any(|(other, _)| *other == name);
        let odd = value
            .as_ref()
            .is_some_and(|value| value.is_empty() || value.as_bytes().starts_with(b"-"));
        if twice || odd {
            return None;
        }
        self.options.push((name, value));
        Some(())
    }

    fn flag(&self, name: &str) -> bool {
        self.options.iter().any(|(other, _)| *other == name)
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &OsString> {
        self.options
            .iter()
            .filter(move |(other, _)| *other == name)
            .filter_map(|(_, value)| value.as_ref())
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.values(name).next().map(PathBuf::from)
    }

    /// One of the names of an enumeration, or its default. `None` for any other word.
    fn choice<T: ValueEnum>(&self, name: &str, default: T) -> Option<T> {
        match self.values(name).next() {
            Some(word) => T::from_str(word.to_str()?, false).ok(),
            None => Some(default),
        }
    }

    /// The next word that is no option.
    fn word(&mut self) -> Option<String> {
        let word = self.words.pop_front()?;
        word.into_string().ok().filter(|word| !word.is_empty())
    }

    fn id(&mut self) -> Option<Id> {
        Some(Id { id: self.word()? })
    }

    fn create(&mut self) -> Option<Create> {
        let preserve_fds = match self.values("preserve-fds").next() {
            Some(word) => word.to_str()?.parse().ok()?,
            None => 0,
        };
        Some(Create {
            bundle: self.path("bundle").unwrap_or_else(|| BUNDLE.into()),
            pid_file: self.path("pid-file"),
            console_socket: self.path("console-socket"),
            no_new_keyring: self.flag("no-new-keyring"),
            preserve_fds: Some(preserve_fds).filter(|number| *number <= PRESERVE_FDS_MAX)?,
            hooks_dir: self.values(HOOKS_DIR).map(PathBuf::from).collect(),
            id: self.word()?,
        })
    }

    fn global(&self) -> Option<Global> {
        Some(Global {
            root: self.path("root").unwrap_or_else(|| ROOT.into()),
            log: self.path("log"),
            log_format: self.choice("log-format", LogFormat::Text)?,
            log_level: self.choice("log-level", LogLevel::Warn)?,
            debug: self.flag("debug"),
            systemd_cgroup: self.flag("systemd-cgroup"),
            config: self.path("config"),
            hooks_log: self.path(HOOKS_LOG),
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn it_means_what_the_description_says() {
        for line in [
            "lxcri create c1",
            "lxcri --root /r --systemd-cgroup create -b /b --pid-file /p --console-socket /s c1 --log /l --debug",
            "lxcri create --no-new-keyring --preserve-fds 3 --hooks-dir a --hooks-dir b c1 --log-format json",
            "lxcri --log-level=trace start c1 --config /c",
            "lxcri state run",
            "lxcri state --hooks-log state state",
            "lxcri kill c1",
            "lxcri kill -a c1 KILL --root /r",
            "lxcri kill c1 9",
            "lxcri delete -f c1",
            "lxcri delete --force c1",
            "lxcri run -d --keep --bundle=/b c1",
            "lxcri run -db=/b c1 --log-level warning",
            "lxcri run -db/b c1",
            "lxcri create --preserve-fds 249 c1",
            "lxcri --root run run create",
        ] {
            let quick = parse(&words(line));
            let whole = Cli::try_parse_from(words(line));
            assert_eq!(
                format!("{:?}", quick.expect(line)),
                format!("{:?}", whole.expect(line)),
                "{line}"
            );
        }
    }

    #[test]
    fn the_rest_is_left_to_the_description() {
        for line in [
            "lxcri",
            "lxcri list",
            "lxcri ls",
            "lxcri features",
            "lxcri --version",
            "lxcri --help",
            "lxcri help create",
            "lxcri create",
            "lxcri create --help",
            "lxcri delete --force -- -c1",
            "lxcri -b /b create c1",
            "lxcri create -b /b -b /c c1",
            "lxcri --root /r create --root /s c1",
            "lxcri delete -f -f c1",
            "lxcri delete --force=yes c1",
            "lxcri start --bundle /b c1",
            "lxcri create -b -x c1",
            "lxcri create --pid-file= c1",
            "lxcri create -b",
            "lxcri kill c1 -9",
            "lxcri kill c1 9 c2",
            "lxcri create --preserve-fds -1 c1",
            "lxcri create --preserve-fds x c1",
            "lxcri --log-level Debug state c1",
            "lxcri --version state c1",
            "lxcri start c1 c2",
            "lxcri kill --signal 9 c1",
            "lxcri create --preserve-fds 250 c1",
            "lxcri hooks state",
            "lxcri --log-format xml state c1",
        ] {
            assert!(parse(&words(line)).is_none(), "{line}");
        }
    }
}
