//! What init does to become the container's process, in an order in which each step is still permitted.

use hook_tree::{names, sync};

use crate::list::{Argument, List, Place};
use crate::program::Program;
use crate::{Error, capabilities};

/// Exit code of a launcher for which a system call failed that concerns itself.
const SYSTEM: u8 = 5;
/// Exit code of a launcher that could not apply a setting.
const SETTING: u8 = 17;
/// Bytes of `struct sock_filter`.
const INSTRUCTION: usize = names::SECCOMP_INSTRUCTION;
/// `PROC_SUPER_MAGIC` of linux/magic.h.
const PROC_MAGIC: u64 = 0x9fa0;
/// Words of `struct statfs`, with room to spare.
const STATFS_WORDS: usize = 32;
/// `PATH_MAX` in words.
const PATH_WORDS: usize = 512;

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

/// What becomes of stdio, and so how many descriptors come with [`sync::INIT_GO`], behind the preserved ones. One more
/// follows, which is closed when /.lxcri has been detached.
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

/// Capability sets as masks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Those that can be in the bounding set when init begins.
    pub known: u64,
    /// Those that stay there.
    pub bounding: u64,
    /// The effective set.
    pub effective: u64,
    /// The permitted set.
    pub permitted: u64,
    /// The inheritable set.
    pub inheritable: u64,
    /// The ambient set.
    pub ambient: u64,
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
        // it need not allow the calls in between.
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
        if self.no_new_privs {
            self.load(&mut list, filter);
        }
        self.tell_start(&mut list);
        program.execute(&mut list, &prepared)?;
        list.finish()
    }

    /// The number of the first descriptor for stdio.
    fn first_stdio(&self) -> u32 {
        sync::FIRST_RECEIVED + self.preserve
    }

    /// The number of the one that holds the mount point.
    fn holder(&self) -> u32 {
        self.first_stdio()
            + match self.stdio {
                Stdio::Keep => 0,
                Stdio::Terminal => 1,
                Stdio::Three => 3,
            }
    }

    /// Detaches /.lxcri: neither hooks nor the program see anything there. Then lets go of the mount point, and not only
    /// at execve, which closes descriptors in an order of its own: `start` removes the directory as soon as it hears that
    /// the program is executed.
    fn leave_guest(&self, list: &mut List) -> Result<(), Error> {
        let path = list.string(names::GUEST_MOUNT.as_bytes())?;
        let flags = libc::MNT_DETACH | libc::UMOUNT_NOFOLLOW;
        let text = format!("umount2({})", names::GUEST_MOUNT);
        list.call(libc::SYS_umount2, &[path.into(), flags.into()], text);
        let holder = self.holder();
        list.call(
            libc::SYS_close,
            &[holder.into()],
            format!("close({holder})"),
        );
        Ok(())
    }

    /// Session and stdio, which the startContainer hooks already belong to.
    fn take_session(&self, list: &mut List) {
        if self.session || self.stdio == Stdio::Terminal {
            // Where LXC has already made one.
            let call = list.call(libc::SYS_setsid, &[], "setsid()");
            call.tolerate(&[libc::EPERM]);
        }
        let first = self.first_stdio();
        if self.stdio == Stdio::Terminal {
            let arguments = [first.into(), libc::TIOCSCTTY.into(), 0.into()];
            list.call(libc::SYS_ioctl, &arguments, "ioctl(TIOCSCTTY)");
        }
        for number in 0..3 {
            match self.stdio {
                Stdio::Keep => {}
                Stdio::Terminal => duplicate(list, first, number),
                Stdio::Three => duplicate(list, first + number, number),
            }
        }
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

    /// Some directories only the user may enter, for example on a FUSE or root-squashed NFS mount; others only root.
    fn change_directory_and_user(&self, list: &mut List) -> Result<(), Error> {
        let Some(cwd) = &self.cwd else {
            self.change_user(list);
            return Ok(());
        };
        let cwd = Directory::of(list, cwd)?;
        let entry = list.next();
        cwd.enter(list, &[libc::EACCES]);
        self.change_user(list);
        cwd.enter(list, &[]);
        cwd.check(list);
        let done = list.jump();
        list.lead(entry, 0, list.next());
        cwd.check(list);
        self.change_user(list);
        list.lead(done, 0, list.next());
        Ok(())
    }

    fn change_user(&self, list: &mut List) {
        if let Some(groups) = &self.groups {
            let ids: Vec<u8> = groups.iter().flat_map(|id| id.to_ne_bytes()).collect();
            let ids = list.bytes(&ids);
            let arguments = [groups.len().into(), ids.into()];
            list.call(
                libc::SYS_setgroups,
                &arguments,
                format!("setgroups({groups:?})"),
            );
        }
        if let Some(gid) = self.gid {
            list.call(
                libc::SYS_setresgid,
                &[gid.into(); 3],
                format!("setresgid({gid})"),
            );
        }
        if let Some(uid) = self.uid {
            list.call(
                libc::SYS_setresuid,
                &[uid.into(); 3],
                format!("setresuid({uid})"),
            );
        }
    }

    /// Tells the security module which profile or label the program is to have.
    fn label(&self, list: &mut List) -> Result<(), Error> {
        const ATTRIBUTE: &str = "/proc/self/attr/exec";
        let label = match (&self.apparmor, &self.selinux) {
            (Some(profile), _) => {
                // Before Linux 5.1 AppArmor has no directory of its own.
                let first = list.next();
                open(list, "/proc/self/attr/apparmor/exec")?;
                let found = list.jump();
                list.lead(first, -i64::from(libc::ENOENT), list.next());
                open(list, ATTRIBUTE)?;
                list.lead(found, 0, list.next());
                format!("exec {profile}")
            }
            (None, Some(label)) => {
                open(list, ATTRIBUTE)?;
                label.clone()
            }
            (None, None) => return Ok(()),
        };
        // An image may have put a file of its own in the way (CVE-2019-16884).
        let statfs = list.words(&[0; STATFS_WORDS]);
        let arguments = [Argument::Kept, statfs.into()];
        list.call(
            libc::SYS_fstatfs,
            &arguments,
            format!("fstatfs({ATTRIBUTE})"),
        );
        list.compare(
            statfs,
            u64::MAX,
            PROC_MAGIC,
            format!("{ATTRIBUTE}: not on procfs"),
        );
        let bytes = list.string(label.as_bytes())?;
        let arguments = [Argument::Kept, bytes.into(), label.len().into()];
        list.call(
            libc::SYS_write,
            &arguments,
            format!("write({ATTRIBUTE}, {label})"),
        );
        Ok(())
    }

    /// Puts the preserved descriptors from 3 on, where the launcher's own were, and lets no other through execve.
    fn arrange_descriptors(&self, list: &mut List) {
        for number in 0..self.preserve {
            duplicate(list, sync::FIRST_RECEIVED + number, 3 + number);
        }
        let first = 3 + self.preserve;
        let arguments = [
            first.into(),
            u32::MAX.into(),
            libc::CLOSE_RANGE_CLOEXEC.into(),
        ];
        let text = format!("close_range({first}, CLOSE_RANGE_CLOEXEC)");
        list.call(libc::SYS_close_range, &arguments, text);
    }

    /// Says that the program is executed next. Without it, `start` could not tell a program that was executed from an
    /// init that was killed just now.
    fn tell_start(&self, list: &mut List) {
        let fifo = self.holder() + 1;
        let line = list.bytes(b">\n");
        list.call(
            libc::SYS_write,
            &[fifo.into(), line.into(), 2.into()],
            format!("write({})", names::SYNCFIFO),
        );
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

/// dup3(2) without O_CLOEXEC.
fn duplicate(list: &mut List, from: u32, to: u32) {
    let arguments = [from.into(), to.into(), 0.into()];
    list.call(libc::SYS_dup3, &arguments, format!("dup3({from}, {to})"));
}

/// Opens an attribute for writing and keeps it.
fn open(list: &mut List, path: &str) -> Result<(), Error> {
    let place = list.string(path.as_bytes())?;
    let arguments = [
        libc::AT_FDCWD.into(),
        place.into(),
        (libc::O_WRONLY | libc::O_CLOEXEC).into(),
    ];
    list.call(libc::SYS_openat, &arguments, format!("open({path})"))
        .keep();
    Ok(())
}

/// The working directory in a list.
struct Directory {
    path: Place,
    /// Where getcwd(2) puts its path.
    name: Place,
    text: Vec<u8>,
}

impl Directory {
    fn of(list: &mut List, path: &[u8]) -> Result<Directory, Error> {
        Ok(Directory {
            path: list.string(path)?,
            name: list.words(&[0; PATH_WORDS]),
            text: [b"chdir(", path, b")"].concat(),
        })
    }

    fn enter(&self, list: &mut List, tolerated: &[i32]) {
        list.call(libc::SYS_chdir, &[self.path.into()], &self.text)
            .tolerate(tolerated);
    }

    /// Outside of the root, reached through an inherited descriptor, would be a way out (CVE-2024-21626). The kernel names
    /// such a directory with `(unreachable)` in front.
    fn check(&self, list: &mut List) {
        let size = PATH_WORDS * size_of::<u64>();
        list.call(
            libc::SYS_getcwd,
            &[self.name.into(), size.into()],
            "getcwd()",
        );
        let text = [&self.text, &b": outside of the root"[..]].concat();
        list.compare(self.name, 0xff, b'/'.into(), text);
    }
}
