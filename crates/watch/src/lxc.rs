//! LXC's configuration, as far as it says which program a container runs and where its root file system is.

use std::path::{Path, PathBuf};

use crate::bundle::{Config, ConfigError};
use crate::process;
use crate::request::Request;
use crate::view::{View, normal};

/// Most bytes of one configuration file.
const LIMIT: u64 = 1 << 20;
/// How deep files include one another.
const DEPTH: usize = 8;
/// What LXC runs when nothing else is said.
const DEFAULT_INIT: &str = "/sbin/init";
/// What holds for all of root's containers.
const GLOBAL: &str = "/etc/lxc/lxc.conf";

/// A caller of LXC.
pub struct Place<'a> {
    /// Its files.
    pub view: &'a View,
    /// Where it is: what relative paths begin at.
    pub directory: &'a Path,
}

/// Where root's containers lie when a command line does not say, if not at the usual path.
pub fn path(view: &View) -> Option<PathBuf> {
    let bytes = view.read(Path::new(GLOBAL), LIMIT).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let values = text.lines().filter_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "lxc.lxcpath").then(|| value.trim())
    });
    // LXC takes the first.
    let value = values.into_iter().next()?;
    value.starts_with('/').then(|| normal(Path::new(value)))
}

/// Reads the configuration of the container that a command line starts. `directory` is the container's own.
pub fn read(place: &Place<'_>, request: &Request, directory: &Path) -> Result<Config, ConfigError> {
    let mut keys = Keys::default();
    let file = match &request.config {
        Some(file) => file.clone(),
        None => directory.join("config"),
    };
    keys.read(place, &file, 0)?;
    for setting in &request.settings {
        if let Some((key, value)) = setting.split_once('=') {
            keys.take(place, key.trim(), value.trim(), 0)?;
        }
    }
    Ok(keys.config(place, &request.program))
}

/// Whether a container's directory is one that lxcri has made: lxcri starts LXC for its own containers.
pub fn is_lxcris(view: &View, directory: &Path) -> bool {
    view.exists(&directory.join("record.json"))
}

/// Whether a command line names a container that does not exist. LXC refuses it; lxcri executes LXC before it has made the
/// container, and that of LXC goes unnoticed then, as it should.
pub fn starts_nothing(view: &View, request: &Request, directory: &Path) -> bool {
    request.config.is_none() && !view.exists(directory)
}

/// The container that a process monitors: lxc-start itself in the foreground, or its daemon, which shows
/// `[lxc monitor] LXCPATH NAME` in place of its arguments.
pub fn monitored(argv: &[String]) -> Option<(PathBuf, String)> {
    let title = argv.first()?.strip_prefix("[lxc monitor] ")?;
    let (path, name) = title.trim_end_matches('\0').rsplit_once(' ')?;
    Some((path.into(), name.into()))
}

/// The first process of the container below a monitor: its child in a deeper pid namespace.
pub fn init_of(monitor: i32) -> Option<i32> {
    let depth = process::status(monitor)?.inner_pid.1;
    let is_init = |pid: &i32| {
        process::status(*pid)
            .is_some_and(|status| status.inner_pid.0 == 1 && status.inner_pid.1 > depth)
    };
    process::children(monitor, monitor)
        .into_iter()
        .find(is_init)
}

#[derive(Default)]
struct Keys {
    rootfs: Option<String>,
    init: Option<String>,
    environment: Vec<String>,
    mounts: Vec<(PathBuf, PathBuf)>,
    cgroup: Option<String>,
}

impl Keys {
    fn read(&mut self, place: &Place<'_>, file: &Path, depth: usize) -> Result<(), ConfigError> {
        let bytes = place.view.read(&place.directory.join(file), LIMIT)?;
        for line in String::from_utf8_lossy(&bytes).lines() {
            if let Some((key, value)) = line.split_once('=') {
                self.take(place, key.trim(), unquoted(value.trim()), depth)?;
            }
        }
        Ok(())
    }

    /// Takes a setting. One without a value takes back what was set before.
    fn take(
        &mut self,
        place: &Place<'_>,
        key: &str,
        value: &str,
        depth: usize,
    ) -> Result<(), ConfigError> {
        let text = Some(value).filter(|value| !value.is_empty());
        match key {
            // A directory of files, or one that is missing, says nothing about program and root.
            "lxc.include" if depth < DEPTH => {
                if let Err(ConfigError::Malformed(file, reason)) =
                    self.read(place, Path::new(value), depth + 1)
                {
                    return Err(ConfigError::Malformed(file, reason));
                }
            }
            "lxc.rootfs.path" => self.rootfs = text.map(str::to_owned),
            "lxc.init.cmd" => self.init = text.map(str::to_owned),
            "lxc.environment" if text.is_none() => self.environment.clear(),
            "lxc.environment" => self.environment.push(value.to_owned()),
            "lxc.mount.entry" if text.is_none() => self.mounts.clear(),
            "lxc.mount.entry" => self.mounts.extend(bind(value)),
            "lxc.cgroup.dir.container" | "lxc.cgroup.dir" => {
                self.cgroup = text.and_then(|dir| dir.rsplit('/').next().map(str::to_owned));
            }
            _ => {}
        }
        Ok(())
    }

    fn config(self, place: &Place<'_>, program: &[String]) -> Config {
        let init = self.init.as_deref().unwrap_or(DEFAULT_INIT);
        let args = match program {
            [] => init.split_whitespace().map(str::to_owned).collect(),
            program => program.to_vec(),
        };
        let rootfs = self.rootfs.unwrap_or_else(|| "/".into());
        Config {
            oci_version: OCI_VERSION.into(),
            args,
            env: self.environment,
            cwd: "/".into(),
            rootfs: place
                .directory
                .join(rootfs.strip_prefix("dir:").unwrap_or(&rootfs)),
            binds: self.mounts,
            own_pids: true,
            cgroup: self.cgroup,
            ..Config::default()
        }
    }
}

/// A value without the quotes around it.
fn unquoted(value: &str) -> &str {
    let within = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    within('"').or_else(|| within('\'')).unwrap_or(value)
}

/// The version of the state that hooks get for a container without one.
const OCI_VERSION: &str = "1.0.2";

/// `SOURCE DESTINATION TYPE OPTIONS …` as in fstab; the destination may lack its first slash.
fn bind(entry: &str) -> Option<(PathBuf, PathBuf)> {
    let mut fields = entry.split_whitespace();
    let (source, destination) = (fields.next()?, fields.next()?);
    let (_, options) = (fields.next()?, fields.next()?);
    let bind = options.split(',').any(|o| o == "bind" || o == "rbind");
    bind.then(|| (Path::new("/").join(destination), source.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys_with(text: &str, program: &[&str], settings: &[&str]) -> Config {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("config");
        std::fs::write(&file, text.replace("DIR", scratch.path().to_str().unwrap())).unwrap();
        std::fs::write(scratch.path().join("more"), "lxc.init.cmd = /more x\n").unwrap();
        let mut request = Request::of_lxc(scratch.path(), "c");
        request.config = Some("config".into());
        request.program = program.iter().map(|p| (*p).to_owned()).collect();
        request.settings = settings.iter().map(|p| (*p).to_owned()).collect();
        let view = View::own().unwrap();
        let place = Place {
            view: &view,
            directory: scratch.path(),
        };
        let mut config = read(&place, &request, scratch.path()).unwrap();
        // As if there was no directory that paths begin at.
        if let Ok(rest) = config.rootfs.strip_prefix(scratch.path()) {
            config.rootfs = rest.to_owned();
        }
        config
    }

    fn keys(text: &str, program: &[&str]) -> Config {
        keys_with(text, program, &[])
    }

    #[test]
    fn program_and_root() {
        let config = keys(
            "# x\nlxc.rootfs.path = dir:/r\nlxc.init.cmd = /bin/sh -c x\n",
            &[],
        );
        assert_eq!(config.rootfs, Path::new("/r"));
        assert_eq!(config.args, ["/bin/sh", "-c", "x"]);
        assert_eq!(keys("", &[]).args, ["/sbin/init"]);
        assert_eq!(keys("lxc.init.cmd = /x\n", &["/y", "z"]).args, ["/y", "z"]);
        assert_eq!(keys("lxc.include = DIR/more\n", &[]).args, ["/more", "x"]);
        // It includes itself.
        assert_eq!(
            keys("lxc.include = DIR/config\nlxc.init.cmd = /x\n", &[]).args,
            ["/x"]
        );
    }

    #[test]
    fn settings_of_the_command_line_come_last() {
        let text = "lxc.rootfs.path = /r\nlxc.init.cmd = /x\nlxc.environment = A=1\n";
        let with = |settings: &[&str]| keys_with(text, &[], settings);
        let config = with(&[
            "lxc.rootfs.path=dir:/s",
            "lxc.init.cmd=/y z",
            "lxc.uts.name=u",
        ]);
        assert_eq!(config.rootfs, Path::new("/s"));
        assert_eq!(config.args, ["/y", "z"]);
        assert_eq!(with(&["lxc.rootfs.path=r/s"]).rootfs, Path::new("r/s"));
        assert_eq!(with(&["lxc.init.cmd="]).args, ["/sbin/init"]);
        assert_eq!(with(&["lxc.environment=B=2=3"]).env, ["A=1", "B=2=3"]);
        assert!(with(&["lxc.environment="]).env.is_empty());
        assert_eq!(with(&["lxc.include=more"]).args, ["/more", "x"]);
        // The second to be wrong usage is LXC's business.
        assert_eq!(with(&["lxc.init.cmd=/a", "nonsense"]).args, ["/a"]);
    }

    #[test]
    fn values_may_be_quoted() {
        let config = keys("lxc.init.cmd = \"/x y\"\nlxc.rootfs.path = '/r'\n", &[]);
        assert_eq!(config.args, ["/x", "y"]);
        assert_eq!(config.rootfs, Path::new("/r"));
    }

    #[test]
    fn the_path_of_all_containers() {
        let scratch = tempfile::tempdir().unwrap();
        let etc = scratch.path().join("etc/lxc");
        std::fs::create_dir_all(&etc).unwrap();
        let view = View::own().unwrap().below(scratch.path()).unwrap();
        assert_eq!(path(&view), None);
        for (text, expected) in [
            ("lxc.lxcpath = /srv/lxc/\n", Some("/srv/lxc")),
            (
                "#lxc.lxcpath=/x\na = b\nlxc.lxcpath=/y\nlxc.lxcpath=/z\n",
                Some("/y"),
            ),
            ("lxc.lxcpath = relative\n", None),
            ("lxc.default_config = /x\n", None),
        ] {
            std::fs::write(etc.join("lxc.conf"), text).unwrap();
            assert_eq!(path(&view).as_deref(), expected.map(Path::new), "{text}");
        }
    }

    #[test]
    fn mounts_and_cgroup() {
        let config = keys(
            "lxc.mount.entry = /h/bin bin none bind,ro 0 0\nlxc.mount.entry = proc proc proc rw 0 0\n\
             lxc.cgroup.dir.container = a/b\n",
            &[],
        );
        assert_eq!(config.binds, [("/bin".into(), "/h/bin".into())]);
        assert_eq!(config.cgroup.as_deref(), Some("b"));
    }

    #[test]
    fn the_daemons_title() {
        let argv = ["[lxc monitor] /var/lib/lxc c1".to_owned()];
        assert_eq!(monitored(&argv), Some(("/var/lib/lxc".into(), "c1".into())));
        assert_eq!(monitored(&["lxc-start".to_owned()]), None);
    }
}
