//! `create`: everything but the user's program.
//!
//! Validate everything first, then make the directory, the cgroup, the container; whatever fails is taken back, with the
//! poststop hooks run if a hook has run before (runtime-spec, runtime.md, Lifecycle).

use std::fs::OpenOptions;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result, anyhow, bail};
use hook_model::{Phase, State, Status, tree};
use hook_tree::names;

use super::birth::{self, Birth};
use super::{destroy, hooks};
use crate::ahead::Ahead;
use crate::cgroup::{self, Cgroup, CgroupPlan};
use crate::console::Terminal;
use crate::interrupts;
use crate::limits;
use crate::lxc::gate::Waiting;
use crate::lxc::tools::{self, Monitor};
use crate::mountpoint;
use crate::mounts;
use crate::prepare::{self, Prepared};
use crate::process::Process;
use crate::record::Record;
use crate::records::Records;
use crate::request::{Request, Runtime};
use crate::spec::{CONFIG_FILE, Namespace};
use crate::store::{Container, Lock, Locked};
use crate::sync::Listener;
use crate::{configuration, guest, hook_files, startup};

/// A created container.
pub struct Created {
    /// Its init.
    pub init: Process,
    /// The master of its terminal, if this program serves it.
    pub master: Option<OwnedFd>,
    /// What was written down, for who goes on with it at once.
    pub locked: Locked,
    /// lxc-start, which is being ended. Init is a child of the nearest subreaper when it has.
    pub lxc: Monitor,
}

/// Creates a container.
pub fn create(runtime: &Runtime, request: Request) -> Result<Created> {
    crate::spec::validate_id(&request.id)?;
    let container = Container::at(&runtime.root, &request.id);
    if container.exists() {
        bail!("container {} already exists", request.id);
    }
    // It gets ready while the bundle is checked.
    let waiting = Waiting::begin(&container, &runtime.root);
    let configuration = configuration::load(runtime.config.as_deref())?;
    let sources = hook_files::sources(&request.hooks_dirs, &configuration);
    let runtime = &Runtime {
        hooks_log: runtime.hooks_log.clone().or(configuration.hooks_log),
        ..runtime.clone()
    };
    let (prepared, ahead) = prepare::prepare(runtime, &request, &sources)?;
    let preserved = startup::claim(request.preserve_fds)?;
    let lock = container.make(&runtime.root, prepared.access)?;
    let mut attempt = Attempt {
        runtime,
        container: &container,
        request: &request,
        prepared,
        record: None,
        pid_written: false,
    };
    match attempt.carry_out(preserved, ahead, waiting) {
        Ok((init, master, state, lxc)) => Ok(Created {
            init,
            master,
            lxc,
            locked: Locked {
                lock,
                state,
                record: attempt.record.context("no record")?,
            },
        }),
        Err(error) => {
            let error = interrupts::explain(error);
            attempt.take_back(lock);
            Err(match mounts::is_chrooted() {
                true => error.context(
                    "cannot make containers in a chroot, only in the root of the mount namespace",
                ),
                false => error,
            })
        }
    }
}

/// Init, the master of the terminal if this program serves it, the state as it was written, and lxc-start.
type Made = (Process, Option<OwnedFd>, State, Monitor);

struct Attempt<'a> {
    runtime: &'a Runtime,
    container: &'a Container,
    request: &'a Request,
    prepared: Prepared,
    record: Option<Record>,
    /// Whether the pid file holds this container's pid, and not something of the caller's.
    pid_written: bool,
}

impl Attempt<'_> {
    fn carry_out(
        &mut self,
        preserved: Vec<OwnedFd>,
        ahead: Ahead,
        waiting: Option<Waiting>,
    ) -> Result<Made> {
        let mut state = self.state();
        let plan = self.cgroup_plan()?;
        let launcher =
            std::fs::metadata(&self.prepared.launcher).context("look at the launcher")?;
        self.write_record(Record {
            created: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            rootfs: self.prepared.rootfs.clone(),
            own_pid_namespace: self.prepared.namespaces.pid.is_new(),
            launcher: (launcher.dev(), launcher.ino()),
            init: None,
            cgroup: Some(plan.record().clone()),
            hooks_log: self.runtime.hooks_log.clone(),
            pins: self.prepared.pins.clone(),
            destroyer: None,
        })?;
        // Not before it is known where it is: whoever deletes what a killed command has left removes it.
        let mountpoint = mountpoint::acquire(&self.prepared.rootfs)?;
        let (mut cgroup, listener) = self.make_ready(plan, &state)?;
        let namespaces = ahead.finish()?;
        // LXC cannot be held where it becomes root of another user namespace.
        let waiting = waiting.filter(|_| self.prepared.namespaces.user == Namespace::Inherited);
        let waiting = waiting.and_then(Waiting::ready);
        self.write_lxc_config()?;
        let records = Records::of(self.container, self.runtime.hooks_log.as_deref());
        let mut birth = Birth::begin(
            self.runtime,
            self.container,
            &self.prepared,
            &cgroup,
            listener,
            namespaces,
            waiting,
        )?;
        cgroup.settle();
        // While LXC starts.
        self.write_other_files(&state)?;
        birth.open_sources(&self.prepared, &cgroup)?;
        limits::devices(&self.prepared, &cgroup)?;
        let init = birth.mount_hook()?;
        state.pid = Some(init.pid);
        let terminal = self.meet(&mut birth, init, &state)?;
        let Prepared { hooks, pins, .. } = &self.prepared;
        hooks::run(hooks, pins, Phase::Prestart, &state, &records)?;
        hooks::run(hooks, pins, Phase::CreateRuntime, &state, &records)?;
        birth.create_container_hooks(&records)?;
        state.status = Status::Created;
        guest::write_state(
            self.container,
            &state,
            init.inner_pid(),
            self.prepared.access,
        )?;
        // While LXC pivots: nobody else reads it before the lock is released.
        self.container.write_state(&state)?;
        birth.init_reported(init)?;
        if limits::count_lxc(&self.prepared) {
            birth.lxc_gone()?;
        }
        limits::apply(init, &self.prepared, &cgroup)?;
        interrupts::check("the container is not created")?;
        let master = birth::hand_over(terminal.as_ref(), &self.request.terminals)?;
        if let Some(path) = &self.request.pid_file {
            write_pid_file(path, init.pid)?;
            self.pid_written = true;
        }
        birth.release_init(terminal, &preserved, &mountpoint)?;
        Ok((init, master, state, birth.into_monitor()))
    }

    /// Makes everything that LXC must find: the first files, the sync socket, the cgroup.
    fn make_ready(&mut self, plan: CgroupPlan, state: &State) -> Result<(Cgroup, Listener)> {
        let prepared = &self.prepared;
        self.write_first_files(state)?;
        let listener = Listener::bind(
            &self.container.file(names::GUEST),
            names::SYNC,
            prepared.access,
        )?;
        let cgroup = plan.create().context("make cgroup")?;
        if let Some(root) = prepared.user_namespace_root() {
            cgroup
                .delegate(root.into())
                .context("delegate the cgroup to the user namespace")?;
        }
        self.update_record(|record| record.cgroup = Some(cgroup.record().clone()))?;
        Ok((cgroup, listener))
    }

    /// The rendezvous: makes the mounts, and at the same time writes down who init is and sets what its namespaces hold.
    fn meet(
        &mut self,
        birth: &mut Birth,
        init: Process,
        state: &State,
    ) -> Result<Option<Terminal>> {
        let record = self.record.as_mut().context("no record")?;
        record.init = Some(init);
        let (container, prepared, record) = (self.container, &self.prepared, &*record);
        birth.make_mounts(init, prepared, || {
            container.write_record(record)?;
            if prepared.has_hooks_before_pivot() {
                container.write_state(state)?;
                guest::write_state(container, state, init.inner_pid(), prepared.access)?;
            }
            limits::namespaced(init, prepared)
        })
    }

    fn state(&self) -> State {
        State {
            oci_version: crate::OCI_VERSION.to_owned(),
            id: self.request.id.clone(),
            status: Status::Creating,
            pid: None,
            bundle: self.request.bundle.clone(),
            annotations: self.prepared.annotations.clone(),
        }
    }

    fn cgroup_plan(&self) -> Result<CgroupPlan> {
        let path = self.prepared.cgroups_path.as_deref();
        let plan = CgroupPlan::new(
            path,
            &self.request.id,
            self.runtime.systemd_cgroup,
            &self.prepared.layout,
        );
        match plan {
            Err(error @ cgroup::Error::Path { .. }) => {
                let config = self.request.bundle.join(CONFIG_FILE);
                Err(error).with_context(|| config.display().to_string())
            }
            other => Ok(other?),
        }
    }

    fn write_record(&mut self, record: Record) -> Result<()> {
        self.container.write_record(&record)?;
        self.record = Some(record);
        Ok(())
    }

    fn update_record(&mut self, change: impl FnOnce(&mut Record)) -> Result<()> {
        let mut record = self.record.clone().context("no record")?;
        change(&mut record);
        self.write_record(record)
    }

    /// What LXC reads. From then on an `lxc-start` would start the container.
    fn write_lxc_config(&self) -> Result<()> {
        let config = self.prepared.lxc_config.as_bytes();
        let path = self.container.file(names::LXC_CONFIG);
        self.container.replace(&path, config, 0o600)
    }

    /// The state and the poststop hooks: a container that exists has them.
    fn write_first_files(&self, state: &State) -> Result<()> {
        let container = self.container;
        container.write_state(state)?;
        self.write_hooks(&[Phase::Poststop], state)?;
        guest::make(container, self.prepared.access)
    }

    /// What is read after the rendezvous, or by people.
    fn write_other_files(&self, state: &State) -> Result<()> {
        let Prepared {
            hooks,
            loaded,
            init_files,
            ..
        } = &self.prepared;
        let container = self.container;
        let config = serde_json::to_vec(&loaded.raw)?;
        container.replace(&container.file(names::OCI_CONFIG), &config, 0o600)?;
        let others = [
            Phase::Prestart,
            Phase::CreateRuntime,
            Phase::CreateContainer,
            Phase::Poststart,
        ];
        self.write_hooks(&others, state)?;
        guest::write(container, init_files, hooks)?;
        let aside = container.file(tools::ASIDE);
        std::fs::create_dir(&aside).with_context(|| format!("make {}", aside.display()))?;
        guest::write_state(container, state, None, self.prepared.access)?;
        self.prepared.access.share(&container.file(names::GUEST))
    }

    fn write_hooks(&self, phases: &[Phase], state: &State) -> Result<()> {
        let cwd = [
            (Phase::CreateContainer, self.prepared.rootfs.as_path()),
            (Phase::Poststop, state.bundle.as_path()),
        ];
        let options = tree::Options {
            cwd: &cwd,
            ..Default::default()
        };
        let dir = self.container.file(names::HOOKS);
        tree::write(&dir, &self.prepared.hooks, phases, &options)?;
        // The launcher looks for the createContainer hooks with the rights of the container's root, and must be able to see that
        // there are none.
        let inside = dir.join(Phase::CreateContainer.dir_name());
        if phases.contains(&Phase::CreateContainer) && dir.is_dir() {
            self.prepared.access.passage(&dir)?;
            if inside.is_dir() {
                self.prepared.access.share(&inside)?;
            }
        }
        Ok(())
    }

    /// Takes back what was made. Poststop hooks run if the container began to exist.
    fn take_back(self, lock: Lock) {
        let state = self.state();
        // For lxc-destroy, if it came to an end before LXC.
        if let Err(error) = self.write_lxc_config() {
            log::warn!("{}", crate::errors::one_line(&error));
        }
        for error in destroy::destroy(self.runtime, self.container, state, self.record) {
            log::warn!("{}", crate::errors::one_line(&error));
        }
        drop(lock);
        if let Some(path) = self.request.pid_file.as_ref().filter(|_| self.pid_written) {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Written beside and renamed, because engines read it as soon as it is there. The directory may be one in which
/// others can write: nothing that lies there is followed.
fn write_pid_file(path: &Path, pid: i32) -> Result<()> {
    let name = path.file_name().context("pid file has no name")?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}", std::process::id()));
    let temporary = path.with_file_name(hidden);
    // Of a process that had this pid before and was killed.
    let _ = std::fs::remove_file(&temporary);
    let mut file = OpenOptions::new();
    file.write(true).create_new(true).mode(0o644);
    file.open(&temporary)
        .and_then(|mut file| file.write_all(pid.to_string().as_bytes()))
        .and_then(|()| std::fs::rename(&temporary, path))
        .map_err(|e| {
            let _ = std::fs::remove_file(&temporary);
            anyhow!(e)
        })
        .with_context(|| format!("write pid file {}", path.display()))
}
