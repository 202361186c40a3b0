//! What init needs to become the container's process: its list of system calls (docs/hook-tree.md).
//!
//! The environment is the bundle's. Unlike runc and crun this runtime does not add a missing `HOME` from
//! the image's /etc/passwd: the spec does not ask for it, and it would mean to parse a file of the image
//! as root. Engines set `HOME` themselves.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;

use call_list::{Capabilities, Rlimit, Stdio};
use hook_tree::names;
use oci_spec::runtime::{LinuxPersonalityDomain as Domain, PosixRlimitType as Limit, Process};

use crate::seccomp;
use crate::spec::{self, HostFacts, LoadedSpec, Namespaces, Pointer, Problem};

/// The file of init, and what of the process others than init must apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitFiles {
    /// The process. Its environment is that of startContainer hooks without one of their own, too.
    pub process: call_list::Process,
    /// `init/calls`: the process as a list of system calls.
    pub calls: Vec<u8>,
    /// Rows and columns of the terminal, when there is one and the bundle says how large.
    pub console_size: Option<ConsoleSize>,
    /// What to write to /proc/PID/oom_score_adj.
    pub oom_score_adj: Option<i32>,
    /// Names of system calls in the profile that libseccomp does not know. To be logged at debug level.
    pub unknown_syscalls: Vec<String>,
}

/// The size of a terminal in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsoleSize {
    /// `process.consoleSize.height`
    pub rows: u16,
    /// `process.consoleSize.width`
    pub columns: u16,
}

/// Greatest size in bytes of the arguments, and of the environment: by default the kernel takes no more (execve(2)).
const STRINGS_LIMIT: usize = 2 << 20;

/// Makes the list of init for a bundle that [`spec::check()`] found nothing wrong with. `preserve_fds` is
/// the number of descriptors from 3 on that the process inherits.
///
/// # Errors
/// When the seccomp profile cannot be compiled or something is larger than init takes.
pub fn init_files(
    loaded: &LoadedSpec,
    host: &HostFacts,
    preserve_fds: u32,
) -> Result<InitFiles, Problem> {
    let process = loaded
        .spec
        .process()
        .as_ref()
        .ok_or_else(|| Problem::new(at(), "missing"))?;
    let filter = filter(loaded)?;
    let settings = settings(loaded, process, host, filter.as_ref(), preserve_fds);
    check_size(&at().key("args"), &settings.arguments)?;
    check_size(&at().key("env"), &settings.environment)?;
    let calls = settings
        .compile()
        .map_err(|error| Problem::new(at(), error.to_string()))?;
    let terminal = process.terminal().unwrap_or(false);
    Ok(InitFiles {
        process: settings,
        calls,
        console_size: console_size(process).filter(|_| terminal),
        oom_score_adj: process.oom_score_adj(),
        unknown_syscalls: filter.map(|filter| filter.unknown).unwrap_or_default(),
    })
}

fn at() -> Pointer {
    Pointer::at("/process")
}

fn filter(loaded: &LoadedSpec) -> Result<Option<seccomp::Filter>, Problem> {
    let linux = loaded.spec.linux().as_ref();
    let Some(profile) = linux.and_then(|linux| linux.seccomp().as_ref()) else {
        return Ok(None);
    };
    let filter = seccomp::compile(profile)?;
    let instructions = filter.program.len() / names::SECCOMP_INSTRUCTION;
    if instructions > names::SECCOMP_LIMIT {
        return Err(Problem::new(
            Pointer::at("/linux/seccomp"),
            format!(
                "compiles to {instructions} instructions, the kernel takes {}",
                names::SECCOMP_LIMIT
            ),
        ));
    }
    Ok(Some(filter))
}

fn check_size(at: &Pointer, strings: &[String]) -> Result<(), Problem> {
    let size: usize = strings.iter().map(|string| string.len() + 1).sum();
    if size > STRINGS_LIMIT {
        return Err(Problem::new(at.clone(), "larger than 2 MiB"));
    }
    Ok(())
}

/// The environment as the process gets it: of entries with the same name the last one holds, as with
/// runc and crun, because which of two a program finds differs between languages.
fn environment(process: &Process) -> Vec<String> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut entries: Vec<&String> = Vec::new();
    for entry in process.env().iter().flatten() {
        let name = entry.split('=').next().unwrap_or_default();
        match places.get(name) {
            Some(place) => entries[*place] = entry,
            None => {
                places.insert(name, entries.len());
                entries.push(entry);
            }
        }
    }
    entries.into_iter().cloned().collect()
}

fn settings(
    loaded: &LoadedSpec,
    process: &Process,
    host: &HostFacts,
    filter: Option<&seccomp::Filter>,
    preserve: u32,
) -> call_list::Process {
    let user = process.user();
    // Without AppArmor only "unconfined" gets here, and is the case anyway.
    let label = |label: &Option<String>, enabled: bool| {
        label.clone().filter(|label| enabled && !label.is_empty())
    };
    let arguments = process.args().clone().unwrap_or_default();
    let linux = loaded.spec.linux().as_ref();
    let personality = linux.and_then(|linux| linux.personality().as_ref());
    call_list::Process {
        program: arguments.first().cloned().unwrap_or_default(),
        arguments,
        environment: environment(process),
        cwd: Some(process.cwd().as_os_str().as_bytes().to_vec()),
        uid: Some(user.uid()),
        gid: Some(user.gid()),
        groups: Some(user.additional_gids().clone().unwrap_or_default()),
        umask: user.umask(),
        no_new_privs: process.no_new_privileges().unwrap_or(false),
        capabilities: Some(capabilities(loaded, host)),
        rlimits: rlimits(process),
        seccomp: filter
            .map(|filter| filter.program.clone())
            .unwrap_or_default(),
        seccomp_flags: filter.map(|filter| filter.flags).unwrap_or_default(),
        apparmor: label(process.apparmor_profile(), host.apparmor),
        selinux: label(process.selinux_label(), host.selinux),
        session: true,
        stdio: match process.terminal() {
            Some(true) => Stdio::Terminal,
            _ => Stdio::Three,
        },
        preserve,
        personality: personality.map(|p| domain(p.domain())),
    }
}

fn capabilities(loaded: &LoadedSpec, host: &HostFacts) -> Capabilities {
    let sets = spec::capabilities(loaded, host).sets;
    // In a user namespace of its own init begins with all.
    let inherited = match Namespaces::of(&loaded.spec).user.is_private() {
        true => u64::MAX,
        false => host.bounding,
    };
    Capabilities {
        known: inherited & (u64::MAX >> (63 - host.last_capability.min(63))),
        bounding: sets.bounding,
        effective: sets.effective,
        permitted: sets.permitted,
        inheritable: sets.inheritable,
        ambient: sets.ambient,
    }
}

fn rlimits(process: &Process) -> Vec<Rlimit> {
    let limits = process.rlimits().iter().flatten().map(|limit| Rlimit {
        resource: resource(limit.typ()),
        soft: limit.soft(),
        hard: limit.hard(),
    });
    limits.collect()
}

fn console_size(process: &Process) -> Option<ConsoleSize> {
    let size = process.console_size()?;
    let rows = u16::try_from(size.height()).ok()?;
    let columns = u16::try_from(size.width()).ok()?;
    Some(ConsoleSize { rows, columns })
}

/// Numbers of `linux/personality.h`.
const fn domain(domain: Domain) -> u32 {
    match domain {
        Domain::PerLinux => 0x0000,
        Domain::PerLinux32 => 0x0008,
    }
}

const fn resource(limit: Limit) -> u32 {
    match limit {
        Limit::RlimitCpu => libc::RLIMIT_CPU,
        Limit::RlimitFsize => libc::RLIMIT_FSIZE,
        Limit::RlimitData => libc::RLIMIT_DATA,
        Limit::RlimitStack => libc::RLIMIT_STACK,
        Limit::RlimitCore => libc::RLIMIT_CORE,
        Limit::RlimitRss => libc::RLIMIT_RSS,
        Limit::RlimitNproc => libc::RLIMIT_NPROC,
        Limit::RlimitNofile => libc::RLIMIT_NOFILE,
        Limit::RlimitMemlock => libc::RLIMIT_MEMLOCK,
        Limit::RlimitAs => libc::RLIMIT_AS,
        Limit::RlimitLocks => libc::RLIMIT_LOCKS,
        Limit::RlimitSigpending => libc::RLIMIT_SIGPENDING,
        Limit::RlimitMsgqueue => libc::RLIMIT_MSGQUEUE,
        Limit::RlimitNice => libc::RLIMIT_NICE,
        Limit::RlimitRtprio => libc::RLIMIT_RTPRIO,
        Limit::RlimitRttime => libc::RLIMIT_RTTIME,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::path::Path;

    fn loaded(process: Value, linux: Value) -> LoadedSpec {
        let mut raw = json!({
            "ociVersion": "1.0.2", "root": {"path": "rootfs"},
            "process": {"cwd": "/", "args": ["sh"]},
            "linux": {"namespaces": [{"type": "mount"}]},
        });
        for (name, part) in [("process", process), ("linux", linux)] {
            for (key, value) in part.as_object().unwrap() {
                raw[name][key] = value.clone();
            }
        }
        let loaded = spec::parse(raw.to_string().as_bytes(), Path::new("config.json")).unwrap();
        let context = spec::Context {
            host: host(),
            systemd_cgroup: false,
            own_namespaces: Vec::new(),
        };
        let report = spec::check(&loaded, &context);
        assert!(report.problems.is_empty(), "{}", report.problems);
        loaded
    }

    fn host() -> HostFacts {
        HostFacts {
            apparmor: true,
            selinux: true,
            ..HostFacts::plain()
        }
    }

    fn files(process: Value, linux: Value) -> InitFiles {
        init_files(&loaded(process, linux), &host(), 0).unwrap()
    }

    #[test]
    fn everything_reaches_the_settings() {
        let process = json!({
            "cwd": "/work dir", "terminal": true, "consoleSize": {"height": 24, "width": 80},
            "user": {"uid": 5, "gid": 6, "umask": 18, "additionalGids": [7, 8]},
            "noNewPrivileges": true, "oomScoreAdj": -5,
            "apparmorProfile": "profile", "selinuxLabel": "label",
            "capabilities": {
                "bounding": ["CAP_CHOWN", "CAP_KILL"], "permitted": ["CAP_CHOWN", "CAP_KILL"],
                "effective": ["CAP_CHOWN"], "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL"],
            },
            "rlimits": [
                {"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2},
                {"type": "RLIMIT_CORE", "soft": 0, "hard": 18446744073709551615u64},
            ],
        });
        let linux = json!({
            "personality": {"domain": "LINUX32"},
            "seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_LOG"],
                "syscalls": [{"names": ["swapon", "nonsense"], "action": "SCMP_ACT_ERRNO"}]},
        });
        let files = init_files(&loaded(process, linux), &host(), 2).unwrap();
        let settings = &files.process;
        assert_eq!(settings.cwd.as_deref(), Some(&b"/work dir"[..]));
        assert_eq!((settings.uid, settings.gid), (Some(5), Some(6)));
        assert_eq!(settings.groups, Some(vec![7, 8]));
        assert_eq!(settings.umask, Some(0o22));
        assert!(settings.no_new_privs && settings.session);
        assert_eq!(settings.stdio, Stdio::Terminal);
        let sets = settings.capabilities.unwrap();
        assert_eq!(sets.known, (1 << (host().last_capability + 1)) - 1);
        assert_eq!(sets.bounding, 0b100001);
        assert_eq!(sets.permitted, 0b100001);
        assert_eq!(sets.effective, 0b000001);
        assert_eq!(sets.inheritable, 0b100000);
        assert_eq!(sets.ambient, 0b100000);
        assert_eq!(settings.seccomp_flags, 2);
        assert_eq!(settings.apparmor.as_deref(), Some("profile"));
        assert_eq!(settings.selinux.as_deref(), Some("label"));
        assert_eq!(settings.preserve, 2);
        assert_eq!(settings.personality, Some(8));
        let limit = |resource, soft, hard| Rlimit {
            resource,
            soft,
            hard,
        };
        assert_eq!(settings.rlimits, [limit(7, 1, 2), limit(4, 0, u64::MAX)]);
        assert_eq!(
            files.console_size,
            Some(ConsoleSize {
                rows: 24,
                columns: 80
            })
        );
        assert_eq!(files.oom_score_adj, Some(-5));
        assert_eq!(files.unknown_syscalls, ["nonsense"]);
        assert!(settings.seccomp.len() >= 8);
    }

    #[test]
    fn a_bare_process_has_no_capability_and_no_group() {
        let files = files(json!({"consoleSize": {"height": 1, "width": 1}}), json!({}));
        let settings = &files.process;
        assert_eq!((settings.uid, settings.gid), (Some(0), Some(0)));
        assert_eq!(settings.groups, Some(vec![]));
        let known = settings.capabilities.unwrap().known;
        assert_eq!(
            settings.capabilities,
            Some(Capabilities {
                known,
                ..Capabilities::default()
            })
        );
        assert!(settings.session && !settings.no_new_privs);
        assert_eq!(settings.stdio, Stdio::Three);
        assert_eq!(settings.umask, None);
        assert_eq!(settings.preserve, 0);
        assert_eq!(settings.personality, None);
        assert_eq!(settings.apparmor, None);
        assert!(settings.seccomp.is_empty());
        assert_eq!(files.console_size, None);
        assert_eq!(files.oom_score_adj, None);
        assert!(settings.environment.is_empty());
    }

    #[test]
    fn arguments_are_kept_as_they_are() {
        let files = files(json!({"args": ["sh", "", "-c", "a\nb"]}), json!({}));
        assert_eq!(files.process.program, "sh");
        assert_eq!(files.process.arguments, ["sh", "", "-c", "a\nb"]);
    }

    #[test]
    fn the_last_of_two_variables_holds() {
        let env = json!(["A=1", "PATH=/x", "A=2", "OCI_HOOK_TIMEOUT=x", "B==", "A="]);
        let files = files(json!({"env": env}), json!({}));
        assert_eq!(
            files.process.environment,
            ["A=", "PATH=/x", "OCI_HOOK_TIMEOUT=x", "B=="]
        );
    }

    #[test]
    fn without_the_security_modules_no_attribute_is_written() {
        let loaded = loaded(json!({"apparmorProfile": "unconfined"}), json!({}));
        let apparmor = |host: &HostFacts| {
            let files = init_files(&loaded, host, 0).unwrap();
            files.process.apparmor.is_some()
        };
        assert!(apparmor(&host()));
        assert!(!apparmor(&HostFacts::plain()));
    }

    #[test]
    fn files_that_init_would_not_read_are_errors() {
        let long = "x".repeat(STRINGS_LIMIT);
        for (process, place) in [
            (json!({"args": ["sh", long]}), "/process/args"),
            (json!({"env": [format!("A={long}")]}), "/process/env"),
        ] {
            let error = init_files(&loaded(process, json!({})), &host(), 0).unwrap_err();
            assert_eq!(error.to_string(), format!("{place}: larger than 2 MiB"));
        }
    }

    #[test]
    fn filters_that_the_kernel_would_not_take_are_errors() {
        let many: Vec<Value> = (0..5000)
            .map(|i| {
                json!({"names": ["ioctl"], "action": "SCMP_ACT_ERRNO", "args": [
                {"index": 1, "value": i, "op": "SCMP_CMP_EQ"}]})
            })
            .collect();
        let seccomp = json!({"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": many}});
        let result = init_files(&loaded(json!({}), seccomp), &host(), 0);
        let text = result.map(drop).unwrap_err().to_string();
        assert!(
            text.starts_with("/linux/seccomp: compiles to ")
                && text.ends_with(" instructions, the kernel takes 4096"),
            "{text}"
        );
    }

    #[test]
    fn limits_have_the_kernels_numbers() {
        for (limit, number) in [
            (Limit::RlimitCpu, 0),
            (Limit::RlimitStack, 3),
            (Limit::RlimitCore, 4),
            (Limit::RlimitNofile, 7),
            (Limit::RlimitLocks, 10),
            (Limit::RlimitRttime, 15),
        ] {
            assert_eq!(resource(limit), number);
        }
    }
}
