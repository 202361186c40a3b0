//! LXC's configuration, as far as it says which program a container runs and where its root file system is.

use std::path::{Path, PathBuf};

use crate::adapter::Request;
use crate::bundle::{Config, ConfigError};
use crate::process;
use crate::view::View;

/// Most bytes of one configuration file.
const LIMIT: u64 = 1 << 20;
/// How deep files include one another.
const DEPTH: usize = 8;
/// What LXC runs when nothing else is said.
const DEFAULT_INIT: &str = "/sbin/init";

/// Reads the configuration of the container that a command line starts. `directory` is the container's own.
pub fn read(view: &View, request: &Request, directory: &Path) -> Result<Config, ConfigError> {
    let mut keys = Keys::default();
    let file = match &request.config {
        Some(file) => file.clone(),
        None => directory.join("config"),
    };
    keys.read(view, &file, 0)?;
    Ok(keys.config(&request.program))
}

/// Whether a container's directory is one that lxcri has made: lxcri starts LXC for its own containers.
pub fn is_lxcris(view: &View, directory: &Path) -> bool {
    view.exists(&directory.join("record.json"))
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
    fn read(&mut self, view: &View, file: &Path, depth: usize) -> Result<(), ConfigError> {
        let bytes = view.read(file, LIMIT)?;
        for line in String::from_utf8_lossy(&bytes).lines() {
            let Some((key, value)) = line.split_once('=') else {
                continue;
            };
            let value = value.trim();
            match key.trim() {
                // A directory of files, or one that is missing, says nothing about program and root.
                "lxc.include" if depth < DEPTH => {
                    if let Err(ConfigError::Malformed(file, reason)) =
                        self.read(view, Path::new(value), depth + 1)
                    {
                        return Err(ConfigError::Malformed(file, reason));
                    }
                }
                "lxc.rootfs.path" => self.rootfs = Some(value.to_owned()),
                "lxc.init.cmd" => self.init = Some(value.to_owned()),
                "lxc.environment" => self.environment.push(value.to_owned()),
                "lxc.mount.entry" => self.mounts.extend(bind(value)),
                "lxc.cgroup.dir.container" | "lxc.cgroup.dir" => {
                    self.cgroup = value.rsplit('/').next().map(str::to_owned);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn config(self, program: &[String]) -> Config {
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
            rootfs: rootfs.strip_prefix("dir:").unwrap_or(&rootfs).into(),
            binds: self.mounts,
            own_pids: true,
            cgroup: self.cgroup,
            ..Config::default()
        }
    }
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

    fn keys(text: &str, program: &[&str]) -> Config {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("config");
        std::fs::write(&file, text.replace("DIR", scratch.path().to_str().unwrap())).unwrap();
        std::fs::write(scratch.path().join("more"), "lxc.init.cmd = /more x\n").unwrap();
        let mut keys = Keys::default();
        keys.read(&View::own().unwrap(), &file, 0).unwrap();
        let program: Vec<String> = program.iter().map(|p| (*p).to_owned()).collect();
        keys.config(&program)
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
