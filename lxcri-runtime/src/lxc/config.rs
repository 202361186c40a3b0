//! The LXC configuration of a container: a pure function of what the spec asks for.
//!
//! LXC gets the namespaces, id maps, root file system and hooks, and nothing else: mounts, devices, names, limits and
//! process settings are the runtime's and the launcher's work (docs/architecture.md). Only keys that LXC 5, 6 and 7
//! all have are used (lxc.container.conf(5)).

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::ahead;
use crate::mounts::IdMap;
use crate::spec::{Namespace, Namespaces};

/// What the configuration is made from.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    /// The root file system, an absolute path.
    pub rootfs: &'a Path,
    /// The container's directory.
    pub dir: &'a Path,
    /// The launcher where it is installed.
    pub launcher: &'a Path,
    /// The namespaces.
    pub namespaces: &'a Namespaces,
    /// The maps of user ids.
    pub uid_maps: &'a [IdMap],
    /// The maps of group ids.
    pub gid_maps: &'a [IdMap],
    /// Whether the container gets a session keyring of its own.
    pub new_keyring: bool,
    /// Whether there are poststop hooks to run when the container is destroyed.
    pub has_poststop: bool,
}

/// Why a configuration cannot be written.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// LXC reads its configuration line by line and trims each value.
    #[error(
        "{what} {value:?}: LXC cannot take a path that contains a newline or ends with a blank"
    )]
    Unwritable {
        /// Whose path.
        what: &'static str,
        /// The path.
        value: PathBuf,
    },
    /// The configuration is text.
    #[error("{what} {value:?}: the path is not UTF-8")]
    NotUtf8 {
        /// Whose path.
        what: &'static str,
        /// The path.
        value: PathBuf,
    },
}

/// Writes the configuration.
pub fn render(input: &Input) -> Result<String, Error> {
    let rootfs = value("root file system", input.rootfs)?;
    let launcher = shell_word(&value("launcher", input.launcher)?);
    let dir = shell_word(&value("container directory", input.dir)?);
    let mut text = String::new();
    let mut line = |key: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{key} = {value}");
    };
    line("lxc.rootfs.path", &format!("dir:{rootfs}"));
    line("lxc.rootfs.mount", &rootfs);
    line("lxc.rootfs.managed", "0");
    line("lxc.init.cmd", "/.lxcri/lxcri-hook init");
    line("lxc.hook.version", "1");
    line(
        "lxc.hook.mount",
        &format!("{launcher} create-container {dir} sync"),
    );
    if input.has_poststop {
        line("lxc.hook.destroy", &format!("{launcher} poststop {dir}"));
    }
    // Init outlives the monitor, which the runtime ends as soon as init has reported.
    line("lxc.monitor.signal.pdeath", "0");
    line("lxc.console.path", "none");
    line("lxc.tty.max", "0");
    line("lxc.pty.max", "0");
    line("lxc.autodev", "0");
    // LXC opens /dev before the mount hook and makes symlinks there after it; the runtime takes this one away.
    line(
        "lxc.mount.entry",
        "none dev tmpfs rw,create=dir,size=64k,mode=755 0 0",
    );
    // The profile of the spec is entered by the launcher, together with the other settings of the process.
    line("lxc.apparmor.profile", "unconfined");
    if !input.new_keyring {
        // LXC takes it for "disable", whatever lxc.container.conf(5) says.
        line("lxc.keyring.session", "1");
    }
    namespaces(input.namespaces, &mut line);
    for (kind, maps) in [("u", input.uid_maps), ("g", input.gid_maps)] {
        for map in maps {
            line(
                "lxc.idmap",
                &format!("{kind} {} {} {}", map.container, map.host, map.size),
            );
        }
    }
    Ok(text)
}

/// `keep` and not `clone`: LXC unshares the cgroup namespace unless it is told to keep it, whatever `clone` says, and even then
/// where it joins another namespace (`share`).
///
/// So lxc-start joins nothing. What is made ahead and what is given by path it is in before its `main`, and keeps.
fn namespaces(namespaces: &Namespaces, line: &mut impl FnMut(&str, &str)) {
    let kinds = [
        ("user", &namespaces.user),
        ("pid", &namespaces.pid),
        ("net", &namespaces.network),
        ("ipc", &namespaces.ipc),
        ("uts", &namespaces.uts),
        ("cgroup", &namespaces.cgroup),
    ];
    let ahead = ahead::kinds(namespaces);
    let is_ahead = |name: &str| ahead.iter().any(|(_, ahead)| *ahead == name);
    let mut keep = String::from("time");
    for (name, kind) in kinds {
        if *kind != Namespace::New || is_ahead(name) {
            keep.push(' ');
            keep.push_str(name);
        }
    }
    line("lxc.namespace.keep", &keep);
    if namespaces.network == Namespace::New && !is_ahead("net") {
        // The loopback interface is up, as with runc and crun.
        line("lxc.net.0.type", "empty");
    }
}

/// A path as a value: it must survive being read as one trimmed line.
fn value(what: &'static str, path: &Path) -> Result<String, Error> {
    let value = path.to_owned();
    match path.to_str() {
        None => Err(Error::NotUtf8 { what, value }),
        Some(text) if text.contains(['\n', '\r', '\0']) || text.ends_with([' ', '\t']) => {
            Err(Error::Unwritable { what, value })
        }
        Some(text) => Ok(text.to_owned()),
    }
}

/// A word for the shell to which LXC gives a hook line. Backslashes and not quotes, because LXC takes quotes away that
/// begin and end a value.
fn shell_word(text: &str) -> String {
    let mut word = String::with_capacity(text.len());
    for c in text.chars() {
        if !(c.is_ascii_alphanumeric() || "/._-+,:@%".contains(c) || !c.is_ascii()) {
            word.push('\\');
        }
        word.push(c);
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    fn all(namespace: Namespace) -> Namespaces {
        Namespaces {
            pid: namespace.clone(),
            network: namespace.clone(),
            mount: Namespace::New,
            ipc: namespace.clone(),
            uts: namespace.clone(),
            cgroup: namespace,
            user: Namespace::Inherited,
        }
    }

    fn input(namespaces: &Namespaces) -> Input<'_> {
        Input {
            rootfs: Path::new("/b/rootfs"),
            dir: Path::new("/run/lxcri/c1"),
            launcher: Path::new("/usr/libexec/lxcri/lxcri-hook"),
            namespaces,
            uid_maps: &[],
            gid_maps: &[],
            new_keyring: true,
            has_poststop: false,
        }
    }

    fn golden(name: &str, input: &Input) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data/lxc")
            .join(name);
        let text = render(input).unwrap();
        if std::env::var_os("LXCRI_TEST_BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        assert_eq!(
            text,
            std::fs::read_to_string(&path).unwrap(),
            "{}",
            path.display()
        );
    }

    #[test]
    fn new_namespaces() {
        let namespaces = all(Namespace::New);
        golden(
            "default.conf",
            &Input {
                has_poststop: true,
                ..input(&namespaces)
            },
        );
    }

    #[test]
    fn namespaces_of_the_host() {
        golden(
            "host.conf",
            &Input {
                new_keyring: false,
                ..input(&all(Namespace::Inherited))
            },
        );
    }

    #[test]
    fn namespaces_by_path() {
        golden(
            "path.conf",
            &input(&all(Namespace::Path("/proc/7/ns/x".into()))),
        );
    }

    #[test]
    fn a_user_namespace_by_path() {
        let namespaces = Namespaces {
            user: Namespace::Path("/proc/7/ns/user".into()),
            ipc: Namespace::New,
            uts: Namespace::Inherited,
            ..all(Namespace::Path("/proc/7/ns/x".into()))
        };
        golden("user-path.conf", &input(&namespaces));
    }

    #[test]
    fn a_user_namespace() {
        let namespaces = Namespaces {
            user: Namespace::New,
            ..all(Namespace::New)
        };
        let maps = [IdMap {
            container: 0,
            host: 100_000,
            size: 65_536,
        }];
        golden(
            "user.conf",
            &Input {
                uid_maps: &maps,
                gid_maps: &maps,
                ..input(&namespaces)
            },
        );
    }

    #[test]
    fn awkward_paths_reach_the_shell_as_one_word() {
        let namespaces = all(Namespace::New);
        let text = render(&Input {
            dir: Path::new("/run/a b/$(x)'\"c"),
            has_poststop: true,
            ..input(&namespaces)
        })
        .unwrap();
        let line = text
            .lines()
            .find_map(|l| l.strip_prefix("lxc.hook.destroy = "))
            .unwrap();
        let output = std::process::Command::new("/bin/sh")
            .args(["-c", &format!("printf '%s|' {line}")])
            .output();
        assert_eq!(
            String::from_utf8(output.unwrap().stdout).unwrap(),
            "/usr/libexec/lxcri/lxcri-hook|poststop|/run/a b/$(x)'\"c|"
        );
    }

    #[test]
    fn a_path_that_cannot_be_written_is_an_error() {
        let namespaces = all(Namespace::New);
        for path in ["/b/x\ny", "/b/x "] {
            let error = render(&Input {
                rootfs: Path::new(path),
                ..input(&namespaces)
            })
            .unwrap_err();
            assert_eq!(
                error,
                Error::Unwritable {
                    what: "root file system",
                    value: path.into()
                }
            );
        }
        let rootfs = Path::new(std::ffi::OsStr::from_bytes(b"/b/\xff"));
        let error = render(&Input {
            rootfs,
            ..input(&namespaces)
        });
        assert_eq!(
            error.unwrap_err().to_string(),
            "root file system \"/b/\\xFF\": the path is not UTF-8"
        );
    }
}
