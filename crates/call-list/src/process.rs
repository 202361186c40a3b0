//! What init does to become the container's process, in an order in which each step is still permitted.

use hook_tree::names;

use crate::Error;
use crate::capabilities::{self, Capabilities};
use crate::list::{List, Place};
use crate::program::Program;

/// Exit code of a launcher for which a system call failed that concerns itself.
const SYSTEM: u8 = 5;
/// Exit code of a launcher that could not apply a setting.
const SETTING: u8 = 17;
/// Bytes of `struct sock_filter`.
const INSTRUCTION: usize = names::SECCOMP_INSTRUCTION;

/// The container's process. What is `None` or empty stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Path of the program, or a name to be looked up in the `PATH` of its environment.
    pub program: String,
    /// Its arguments from argv\[0\] on.
    pub arguments: Vec<String>,
    /// Its environment, as `NAME=value`.
    pub environment: Vec<String>,
    /// Absolute path of the working directory.
    pub cwd: Option<Vec<u8>>,
    /// User id.
    pub uid: Option<u32>,
    /// Group id.
    pub gid: Option<u32>,
    /// Supplementary groups.
    pub groups: Option<Vec<u32>>,
    /// Mask for new files.
    pub umask: Option<u32>,
    /// Whether executing grants no privileges any more.
    pub no_new_privs: bool,
    /// The five sets.
    pub capabilities: Option<Capabilities>,
    /// Resource limits.
    pub rlimits: Vec<Rlimit>,
    /// Instructions of the seccomp filter, `struct sock_filter` each.
    pub seccomp: Vec<u8>,
    /// Flags for `seccomp(SECCOMP_SET_MODE_FILTER)`.
    pub seccomp_flags: u32,
    /// Profile of AppArmor to change to on execve.
    pub apparmor: Option<String>,
    /// Label of SELinux for the executed process.
    pub selinux: Option<String>,
    /// Whether it gets a session of its own, unless it has one.
    pub session: bool,
    /// What becomes stdin, stdout and stderr.
    pub stdio: Stdio,
    /// So many descriptors from 3 on stay open.
    pub preserve: u32,
    /// Execution domain.
    pub personality: Option<u32>,
}

/// What becomes of stdio, and so how many descriptors come with [`INIT_GO`](hook_tree::sync::INIT_GO), behind the
/// preserved ones. One more follows, which is closed when /.lxcri has been detached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stdio {
    /// It stays as it is.
    #[default]
    Keep,
    /// One descriptor, the slave side of a terminal, becomes all of it and the controlling terminal.
    Terminal,
    /// Three descriptors become stdin, stdout and stderr.
    Three,
}

/// A resource limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rlimit {
    /// The kernel's number of the resource (`RLIMIT_*`).
    pub resource: u32,
    /// Soft limit.
    pub soft: u64,
    /// Hard limit.
    pub hard: u64,
}

impl Process {
    /// Compiles the list for `init/calls`.
    ///
    /// # Errors
    /// An [`Error`] for what no process can be.
    pub fn compile(&self) -> Result<Vec<u8>, Error> {
        let mut list = List::new(SYSTEM);
        let program = Program {
            path: &self.program,
            arguments: &self.arguments,
            environment: &self.environment,
        };
        let prepared = program.prepare(&mut list)?;
        let filter = self.filter(&mut list)?;
        self.leave_guest(&mut list)?;
        list.code = SETTING;
        self.take_session(&mut list);
        list.hooks();
        self.apply_limits(&mut list);
        // Without no_new_privs a filter needs CAP_SYS_ADMIN, which is about to go; with it, the filter comes last so that
        // it need allow none but execve.
        if !self.no_new_privs {
            self.load(&mut list, filter);
        }
        if let Some(sets) = &self.capabilities {
            capabilities::begin(&mut list, sets);
        }
        self.change_directory_and_user(&mut list)?;
        if let Some(sets) = &self.capabilities {
            capabilities::finish(&mut list, sets);
        }
        self.arrange_descriptors(&mut list);
        restore_sigpipe(&mut list);
        if self.no_new_privs {
            let arguments = [libc::PR_SET_NO_NEW_PRIVS.into(), 1.into()];
            list.call(libc::SYS_prctl, &arguments, "prctl(PR_SET_NO_NEW_PRIVS, 1)");
        }
        self.label(&mut list)?;
        self.tell_start(&mut list);
        if self.no_new_privs {
            self.load(&mut list, filter);
        }
        program.execute(&mut list, &prepared)?;
        list.finish()
    }

    fn apply_limits(&self, list: &mut List) {
        if let Some(personality) = self.personality {
            let text = format!("personality({personality:#x})");
            list.call(libc::SYS_personality, &[personality.into()], text);
        }
        if let Some(mask) = self.umask {
            list.call(libc::SYS_umask, &[mask.into()], format!("umask({mask:o})"));
        }
        for limit in &self.rlimits {
            let Rlimit {
                resource,
                soft,
                hard,
            } = *limit;
            let pair = list.words(&[soft, hard]);
            let arguments = [0.into(), resource.into(), pair.into(), 0.into()];
            let text = format!("setrlimit({resource}, [{soft}, {hard}])");
            list.call(libc::SYS_prlimit64, &arguments, text);
        }
    }

    /// `struct sock_fprog` of the filter, if there is one.
    fn filter(&self, list: &mut List) -> Result<Option<Place>, Error> {
        let count = self.seccomp.len() / INSTRUCTION;
        if !self.seccomp.len().is_multiple_of(INSTRUCTION) || count > names::SECCOMP_LIMIT {
            return Err(Error::BadFilter);
        }
        if count == 0 {
            return Ok(None);
        }
        let instructions = list.bytes(&self.seccomp);
        let program = list.words(&[count as u64]);
        list.pointer(instructions);
        Ok(Some(program))
    }

    fn load(&self, list: &mut List, filter: Option<Place>) {
        if let Some(filter) = filter {
            let flags = self.seccomp_flags;
            let arguments = [
                libc::SECCOMP_SET_MODE_FILTER.into(),
                flags.into(),
                filter.into(),
            ];
            let text = format!("seccomp(SECCOMP_SET_MODE_FILTER, {flags:#x})");
            list.call(libc::SYS_seccomp, &arguments, text);
        }
    }
}

/// The launcher ignores SIGPIPE, which execve would hand on.
fn restore_sigpipe(list: &mut List) {
    // `struct sigaction` of the kernel for SIG_DFL, without flags, restorer and mask.
    let action = list.words(&[0; 4]);
    let arguments = [
        libc::SIGPIPE.into(),
        action.into(),
        0.into(),
        size_of::<u64>().into(),
    ];
    list.call(
        libc::SYS_rt_sigaction,
        &arguments,
        "rt_sigaction(SIGPIPE, SIG_DFL)",
    );
}
