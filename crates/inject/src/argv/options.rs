//! The options of runc, crun, youki, lxcri, runsc and kata, as far as they decide which word is what.

/// Options before the command, or those behind it.
pub(super) struct Table {
    /// Long options that take a value.
    pub values: &'static [&'static str],
    /// Long options without one.
    pub flags: &'static [&'static str],
    /// Letters that take a value, with the long option that they stand for.
    pub short_values: &'static [(u8, &'static str)],
    /// Letters without one.
    pub short_flags: &'static [(u8, &'static str)],
}

/// Before the command.
pub(super) const GLOBAL: Table = Table {
    values: &[
        "cgroup-manager",
        "config",
        "criu",
        "hooks-dir",
        "hooks-log",
        "log",
        "log-format",
        "log-level",
        "root",
        "rootless",
    ],
    flags: &["debug", "help", "systemd-cgroup", "usage", "version"],
    short_values: &[(b'l', "log"), (b'r', "root")],
    short_flags: &[
        (b'?', "help"),
        (b'V', "version"),
        (b'h', "help"),
        (b's', "systemd-cgroup"),
        (b'v', "version"),
    ],
};

/// Behind `create` and `run`. lxcri takes its global options here, too.
pub(super) const COMMAND: Table = Table {
    values: &[
        "bundle",
        "config",
        "console-socket",
        "hooks-dir",
        "hooks-log",
        "log",
        "log-format",
        "log-level",
        "pid-file",
        "pidfd-socket",
        "preserve-fds",
        "root",
        "user-log",
    ],
    flags: &[
        "debug",
        "detach",
        "help",
        "keep",
        "no-new-keyring",
        "no-pivot",
        "no-subreaper",
        "systemd-cgroup",
        "usage",
        "version",
    ],
    short_values: &[
        (b'b', "bundle"),
        (b'c', "console-socket"),
        // crun's letter for --config, apart from that since lxcri has the long option only.
        (b'f', "f"),
        (b'p', "pid-file"),
    ],
    short_flags: &[(b'?', "help"), (b'd', "detach"), (b'h', "help")],
};

/// Commands of OCI runtimes, to tell them from the value of an unknown option.
pub(super) const COMMANDS: &[&[u8]] = &[
    b"checkpoint",
    b"create",
    b"delete",
    b"events",
    b"exec",
    b"features",
    b"help",
    b"init",
    b"kill",
    b"list",
    b"mounts",
    b"pause",
    b"ps",
    b"restore",
    b"resume",
    b"run",
    b"spec",
    b"start",
    b"state",
    b"update",
];

impl Table {
    /// The long option of this name, or the only one that begins like it (as GNU's parser, that of crun, has it), and
    /// whether it takes a value.
    pub fn long(&self, name: &[u8]) -> Option<(&'static str, bool)> {
        self.exact(name).or_else(|| {
            let mut matches = self
                .all()
                .filter(|(other, _)| !name.is_empty() && other.as_bytes().starts_with(name));
            matches.next().filter(|_| matches.next().is_none())
        })
    }

    /// The long option of exactly this name.
    pub fn exact(&self, name: &[u8]) -> Option<(&'static str, bool)> {
        self.all().find(|(other, _)| other.as_bytes() == name)
    }

    fn all(&self) -> impl Iterator<Item = (&'static str, bool)> {
        let values = self.values.iter().map(|name| (*name, true));
        values.chain(self.flags.iter().map(|name| (*name, false)))
    }

    /// The long option that a letter stands for, and whether it takes a value.
    pub fn short(&self, letter: u8) -> Option<(&'static str, bool)> {
        let values = self.short_values.iter().map(|(l, name)| (*l, *name, true));
        let mut all = values.chain(self.short_flags.iter().map(|(l, name)| (*l, *name, false)));
        all.find(|(other, ..)| *other == letter)
            .map(|(_, name, takes_value)| (name, takes_value))
    }
}
