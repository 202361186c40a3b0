//! What is run: an image of one static program, OCI bundles like those of `runc spec`, LXC containers made by hand.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use lxcri_tests::cgroups::Layout;
use serde_json::{Value, json};

/// The configuration that `runc spec` writes, on a machine without the cgroup namespace that it adds on v2.
const SPEC: &str = include_str!("../data/runc-spec.json");

/// What a normal LXC container has in Debian's template (common.conf), as far as the OCI bundle has it as well.
const LXC: &str = "\
lxc.mount.auto = proc:mixed sys:mixed cgroup:mixed
lxc.autodev = 1
lxc.mount.entry = tmpfs dev/shm tmpfs nosuid,noexec,nodev,mode=1777,size=65536k,create=dir 0 0
lxc.mount.entry = mqueue dev/mqueue mqueue nosuid,noexec,nodev,create=dir 0 0
lxc.pty.max = 1024
lxc.cap.keep = audit_write kill net_bind_service
lxc.no_new_privs = 1
lxc.prlimit.nofile = 1024
";

/// The devices that every OCI runtime allows beside what the bundle says.
const DEVICES: [&str; 8] = [
    "c 1:3", "c 1:5", "c 1:7", "c 1:8", "c 1:9", "c 5:0", "c 5:2", "c 136:*",
];

/// Neither mounts nor devices nor limits.
const LXC_BARE: &str = "lxc.autodev = 0\nlxc.pty.max = 0\n";

/// Directories with what is run, on a tmpfs.
pub struct Images {
    directory: PathBuf,
    /// The static program on the host.
    pub tiny: PathBuf,
}

impl Images {
    /// Makes the root file systems: /bin/true, and mount points.
    pub fn new(directory: PathBuf, tiny: &Path) -> Result<Self> {
        let images = Images {
            tiny: directory.join("tiny"),
            directory,
        };
        for rootfs in [images.rootfs("oci"), images.rootfs("lxc")] {
            for name in ["bin", "dev", "proc", "sys/fs/cgroup", "times", "tmp"] {
                fs::create_dir_all(rootfs.join(name))
                    .with_context(|| format!("mkdir {}", rootfs.display()))?;
            }
            install(tiny, &rootfs.join("bin/true"))?;
        }
        install(tiny, &images.tiny)?;
        Ok(images)
    }

    fn rootfs(&self, name: &str) -> PathBuf {
        self.directory.join(format!("rootfs-{name}"))
    }

    /// A file for the times of hooks, empty, which lies in the second directory where [`Images::times_mount`] is mounted.
    pub fn times(&self, id: &str) -> Result<(PathBuf, PathBuf)> {
        let outside = self.directory.join("times");
        fs::create_dir_all(&outside).context("mkdir times")?;
        write(&outside.join(id), "")?;
        Ok((outside.join(id), Path::new("/times").join(id)))
    }

    /// The mount of the directory of these files in a container.
    pub fn times_mount(&self) -> Value {
        let source = self.directory.join("times");
        json!({"destination": "/times", "type": "bind", "source": source, "options": ["bind", "rw"]})
    }

    /// Writes a bundle that runs `args` as container `id`, and returns its directory. It is what `runc spec` writes where cgroups
    /// have this layout, but for what `change` changes.
    pub fn bundle(
        &self,
        id: &str,
        args: &[&str],
        layout: Layout,
        change: impl FnOnce(&mut Value),
    ) -> Result<PathBuf> {
        let mut config: Value = serde_json::from_str(SPEC).context("runc-spec.json")?;
        config["process"]["terminal"] = json!(false);
        config["process"]["args"] = json!(args);
        config["root"]["path"] = json!(self.rootfs("oci"));
        config["linux"]["cgroupsPath"] = json!(format!("/{id}"));
        if layout == Layout::V2 {
            let namespaces = config["linux"]["namespaces"].as_array_mut();
            namespaces
                .context("runc-spec.json: no namespaces")?
                .push(json!({"type": "cgroup"}));
        }
        change(&mut config);
        let path = self.directory.join(format!("bundle-{id}"));
        fs::create_dir_all(&path).with_context(|| format!("mkdir {}", path.display()))?;
        write(
            &path.join("config.json"),
            &serde_json::to_string_pretty(&config)?,
        )?;
        Ok(path)
    }

    /// Writes an LXC container below `lxcpath` that runs `command`, with the namespaces of the bundle.
    pub fn lxc(&self, lxcpath: &Path, id: &str, command: &str, bare: bool) -> Result<()> {
        let path = lxcpath.join(id);
        fs::create_dir_all(&path).with_context(|| format!("mkdir {}", path.display()))?;
        let mut text = format!(
            "lxc.uts.name = lxc\nlxc.rootfs.path = dir:{}\nlxc.net.0.type = empty\nlxc.init.cmd = {command}\n\
             lxc.apparmor.profile = unconfined\nlxc.tty.max = 0\n\
             lxc.console.path = none\n{}",
            self.rootfs("lxc").display(),
            if bare { LXC_BARE } else { LXC }
        );
        for key in ["lxc.cgroup.devices", "lxc.cgroup2.devices"] {
            if !bare {
                text += &format!("{key}.deny = a\n");
                for device in DEVICES {
                    text += &format!("{key}.allow = {device} rwm\n");
                }
            }
        }
        write(&path.join("config"), &text)
    }
}

fn install(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("copy {} to {}", from.display(), to.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("chmod {}", to.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("write {}", path.display()))
}
