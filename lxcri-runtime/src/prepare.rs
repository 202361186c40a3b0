//! What can be known and checked before anything is made: the bundle, resolved.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use hook_model::{HookSet, Phase, check};
use hooks_d::Sources;

use crate::access::Access;
use crate::ahead::{self, Ahead};
use crate::cgroup::{self, Cgroup, CgroupLayout};
use crate::hook_files;
use crate::interrupts;
use crate::joined::Joined;
use crate::launcher;
use crate::lxc::{config, tools};
use crate::mountinfo;
use crate::mounts::{CgroupView, Facts, MountPlan};
use crate::pins::Pins;
use crate::process_settings::{self, InitFiles};
use crate::request::{Request, Runtime, Terminals};
use crate::spec::{self, HostFacts, LoadedSpec, Namespace, Namespaces};
use crate::store::Container;
use crate::sysctl::KernelSettings;
use crate::user_namespace::join;

/// A bundle that can be run here, as far as that is known without making anything.
pub struct Prepared {
    /// Absolute path of the bundle.
    pub bundle: PathBuf,
    /// Absolute path of the root file system.
    pub rootfs: PathBuf,
    /// The installed launcher.
    pub launcher: PathBuf,
    /// Where the namespaces come from.
    pub namespaces: Namespaces,
    /// Who else may look into the container's directory.
    pub access: Access,
    /// The hooks of all phases.
    pub hooks: HookSet,
    /// What their executables must contain.
    pub pins: Pins,
    /// The mounts.
    pub mounts: MountPlan,
    /// The host's cgroup file systems, as the mounts need them.
    pub cgroup_view: CgroupView,
    /// The same, as the runtime uses them.
    pub layout: CgroupLayout,
    /// `linux.cgroupsPath`.
    pub cgroups_path: Option<PathBuf>,
    /// Host name, domain name and kernel parameters.
    pub kernel_settings: KernelSettings,
    /// The LXC configuration.
    pub lxc_config: String,
    /// What init needs.
    pub init_files: InitFiles,
    /// Whether the process gets a terminal.
    pub terminal: bool,
    /// Rows and columns of the terminal.
    pub console_size: Option<(u16, u16)>,
    /// The process's user as the host sees it, if it has one there.
    pub owner: Option<u32>,
    /// Root in the container's user namespace as the host sees it.
    pub root_owner: Option<u32>,
    /// The bundle's annotations.
    pub annotations: BTreeMap<String, String>,
    /// The bundle.
    pub loaded: LoadedSpec,
}

/// Loads and checks the bundle. Nothing is made but namespaces, which go away when this process ends.
pub fn prepare(
    runtime: &Runtime,
    request: &Request,
    sources: &Sources,
) -> Result<(Prepared, Ahead)> {
    let (loaded, pins) = hook_files::load(&request.bundle, sources)?;
    // precreate hooks end with this process, and so does all that is made before the first thread.
    interrupts::catch()?;
    // Nothing is lost when something is found wrong: these namespaces go away with this process.
    let mut namespaces = Namespaces::of(&loaded.spec);
    let kernel_settings = KernelSettings::new(&loaded.spec);
    let ahead = ahead::begin(&namespaces, kernel_settings.as_ref().ok());
    let joined = Joined::of(&loaded.spec);
    namespaces.inherit(&joined.own);
    let context = spec::Context {
        host: HostFacts::read(),
        systemd_cgroup: runtime.systemd_cgroup,
        own_namespaces: joined.own,
    };
    let mut report = spec::check(&loaded, &context);
    report.problems.extend(joined.problems);
    for warning in &report.warnings {
        log::warn!("config.json: {warning}");
    }
    for note in &report.notes {
        log::debug!("config.json: {note}");
    }
    let in_config = || format!("{}", request.bundle.join(spec::CONFIG_FILE).display());
    report
        .problems
        .into_result()
        .map_err(|problems| anyhow!("{}: {problems}", in_config()))?;
    // startContainer's paths belong to the container and cannot be looked at yet.
    let on_host = Phase::ALL.map(|p| (p != Phase::StartContainer).then_some(p));
    let on_host: Vec<Phase> = on_host.into_iter().flatten().collect();
    check::check_executables(&loaded.hooks, &on_host).with_context(in_config)?;

    let kernel_settings = kernel_settings.with_context(in_config)?;
    tools::Lxc::find()?;
    let launcher = launcher::find()?;
    let linux = loaded.spec.linux().as_ref();
    let process = loaded
        .spec
        .process()
        .as_ref()
        .context("/process: missing")?;
    let rootfs = rootfs(&loaded, &request.bundle).with_context(in_config)?;
    let mountinfo = mountinfo::read().context("read /proc/self/mountinfo")?;
    let cgroup_view = CgroupView::from_mountinfo(&mountinfo);
    let mut facts = Facts::from_spec(&loaded.spec, cgroup_view.clone());
    facts.cgroup_ns = namespaces.cgroup.is_private();
    if let Namespace::Path(path) = &namespaces.user {
        let stated = facts.user_ns.take().unwrap_or_default();
        let joined = join::check(&loaded.spec, path, &stated, &rootfs).with_context(in_config)?;
        facts.user_ns = Some(joined);
    }
    let mounts = MountPlan::new(&loaded.spec, &facts).with_context(in_config)?;
    let layout = CgroupLayout::from_mountinfo(&mountinfo).context("find the cgroup hierarchies")?;
    if let Some(resources) = linux.and_then(|l| l.resources().as_ref()) {
        let problems = cgroup::check(resources, &layout);
        if !problems.is_empty() {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            bail!("{}: {}", in_config(), problems.join("; "));
        }
    }
    // Compiling a large seccomp profile takes milliseconds.
    let settings = process_settings::init_files(&loaded, &context.host, request.preserve_fds)
        .map_err(|p| anyhow!("{}: {p}", in_config()))?;
    let terminal = process.terminal().unwrap_or(false);
    check_terminal(terminal, &request.terminals).with_context(in_config)?;
    let uid = process.user().uid();
    let owner = match &facts.user_ns {
        Some(maps) => maps.host_uid(uid),
        None => Some(uid),
    };
    let container = Container::at(&runtime.root, &request.id);
    let maps = facts
        .user_ns
        .clone()
        .filter(|_| namespaces.user.is_new())
        .unwrap_or_default();
    let lxc_config = config::render(&config::Input {
        rootfs: &rootfs,
        dir: &container.dir,
        launcher: &launcher,
        namespaces: &namespaces,
        uid_maps: &maps.uids,
        gid_maps: &maps.gids,
        new_keyring: request.new_keyring,
        has_poststop: !loaded.hooks.get(Phase::Poststop).is_empty(),
    })?;
    let prepared = Prepared {
        bundle: request.bundle.clone(),
        rootfs,
        launcher,
        access: Access {
            group: facts.user_ns.as_ref().and_then(|maps| maps.host_gid(0)),
        },
        hooks: loaded.hooks.clone(),
        pins,
        mounts,
        cgroup_view,
        layout,
        cgroups_path: linux
            .and_then(|l| l.cgroups_path().clone())
            .filter(|p| !p.as_os_str().is_empty()),
        kernel_settings,
        lxc_config,
        console_size: settings.console_size.map(|s| (s.rows, s.columns)),
        init_files: settings,
        terminal,
        owner,
        root_owner: facts.user_ns.as_ref().and_then(|maps| maps.host_uid(0)),
        annotations: loaded
            .spec
            .annotations()
            .clone()
            .unwrap_or_default()
            .into_iter()
            .collect(),
        namespaces,
        loaded,
    };
    Ok((prepared, ahead))
}

/// The root file system: below the bundle unless its path is absolute.
fn rootfs(loaded: &LoadedSpec, bundle: &Path) -> Result<PathBuf> {
    let path = loaded
        .spec
        .root()
        .as_ref()
        .context("/root: missing")?
        .path();
    let path = bundle.join(path);
    let resolved =
        fs::canonicalize(&path).with_context(|| format!("/root/path: {}", path.display()))?;
    if !resolved.is_dir() {
        bail!("/root/path: {} is not a directory", path.display());
    }
    if resolved == Path::new("/") {
        bail!("/root/path: the host's root cannot be a container's");
    }
    Ok(resolved)
}

fn check_terminal(terminal: bool, terminals: &Terminals) -> Result<()> {
    match terminals {
        Terminals::None if terminal => {
            bail!(
                "/process/terminal: --console-socket is missing, and somebody must serve the terminal"
            )
        }
        Terminals::Socket(_) if !terminal => {
            bail!("--console-socket: /process/terminal is not true")
        }
        _ => Ok(()),
    }
}

impl Prepared {
    /// Whether hooks run before the pivot.
    pub fn has_hooks_before_pivot(&self) -> bool {
        let phases = [
            Phase::Prestart,
            Phase::CreateRuntime,
            Phase::CreateContainer,
        ];
        phases
            .iter()
            .any(|phase| !self.hooks.get(*phase).is_empty())
    }

    /// The host's user that is root in the container, if the cgroup is to be its own (config-linux.md, Cgroup ownership).
    pub fn user_namespace_root(&self) -> Option<u32> {
        self.root_owner
            .filter(|_| self.namespaces.user.is_private() && self.namespaces.cgroup.is_new())
    }

    /// The host's user and group that are root in the user namespace that the container joins.
    pub fn joined_root(&self) -> Option<(u32, u32)> {
        match self.namespaces.user {
            Namespace::Path(_) => self.root_owner.zip(self.access.group),
            _ => None,
        }
    }

    /// What /proc/PID/cgroup says of a process in the container's cgroup (cgroups(7)).
    pub fn own_cgroups(&self, cgroup: &Cgroup) -> String {
        let mut text = String::new();
        for (number, member) in cgroup.record().members.iter().enumerate() {
            let below = member
                .path
                .strip_prefix(&member.mount_point)
                .unwrap_or(Path::new(""));
            let root = self
                .cgroup_view
                .hierarchies
                .iter()
                .find(|h| h.point == member.mount_point)
                .map(|h| &h.root);
            let path = root.map_or(Path::new("/"), |r| r.as_path()).join(below);
            let path = String::from_utf8_lossy(path.as_os_str().as_bytes()).into_owned();
            let number = if member.controllers.is_empty() {
                0
            } else {
                number + 1
            };
            text += &format!("{number}:{}:{path}\n", member.controllers.join(","));
        }
        text
    }
}
