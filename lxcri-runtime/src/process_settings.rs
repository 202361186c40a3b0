//! What init needs to become the container's process: the files below `guest/init` (docs/hook-tree.md).
//!
//! The environment is the bundle's. Unlike runc and crun this runtime does not add a missing `HOME` from
//! the image's /etc/passwd: the spec does not ask for it, and it would mean to parse a file of the image
//! as root. Engines set `HOME` themselves.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;

use hook_tree::{Groups, Rlimit, Setting, TreeError, encode_cmdline, encode_string, names};
use oci_spec::runtime::{LinuxPersonalityDomain as Domain, PosixRlimitType as Limit, Process};

use crate::seccomp;
use crate::spec::{self, HostFacts, LoadedSpec, Pointer, Problem};

/// The files of init, as bytes, and what of the process others than init must apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitFiles {
    /// `init/cmdline`.
    pub cmdline: Vec<u8>,
    /// `init/environ`.
    pub environ: Vec<u8>,
    /// `init/settings`.
    pub settings: Vec<u8>,
    /// `init/seccomp`, when there is a filter.
    pub seccomp: Option<Vec<u8>>,
    /// The process's environment, for startContainer hooks without one of their own.
    pub environment: Vec<String>,
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

/// Makes the files of init for a bundle that [`spec::check()`] found nothing wrong with. `preserve_fds` is
/// the number of descriptors from 3 on that the process inherits.
///
/// # Errors
/// When the seccomp profile cannot be compiled or a file would be larger than init reads.
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
    let environment = environment(process);
    let flags = filter.as_ref().map(|filter| filter.flags);
    let terminal = process.terminal().unwrap_or(false);
    Ok(InitFiles {
        cmdline: cmdline(process)?,
        environ: environ(&environment)?,
        settings: settings(loaded, process, host, flags, preserve_fds)?,
        environment,
        console_size: console_size(process).filter(|_| terminal),
        oom_score_adj: process.oom_score_adj(),
        unknown_syscalls: filter
            .as_ref()
            .map(|filter| filter.unknown.clone())
            .unwrap_or_default(),
        seccomp: filter.map(|filter| filter.program),
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

fn cmdline(process: &Process) -> Result<Vec<u8>, Problem> {
    let at = at().key("args");
    let args = process.args().as_deref().unwrap_or_default();
    let program = args.first().map(String::as_str).unwrap_or_default();
    encoded(&at, |sink| encode_cmdline(program.as_bytes(), args, sink))
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

/// Not `encode_environ`, which keeps `OCI_HOOK_TIMEOUT` for itself: in a container's process that is a
/// variable like any other.
fn environ(environment: &[String]) -> Result<Vec<u8>, Problem> {
    encoded(&at().key("env"), |sink| {
        environment.iter().try_for_each(|entry| {
            if !entry.contains('=') {
                return Err(TreeError::NoEquals);
            }
            encode_string(entry.as_bytes(), sink)
        })
    })
}

fn settings(
    loaded: &LoadedSpec,
    process: &Process,
    host: &HostFacts,
    seccomp_flags: Option<u32>,
    preserve_fds: u32,
) -> Result<Vec<u8>, Problem> {
    let user = process.user();
    let groups = user.additional_gids().as_deref().unwrap_or_default();
    let capabilities = spec::capabilities(loaded, host).sets;
    let mut all = vec![
        Setting::Cwd(process.cwd().as_os_str().as_bytes()),
        Setting::Uid(user.uid()),
        Setting::Gid(user.gid()),
        Setting::Groups(Groups::from_list(groups)),
        Setting::Bounding(capabilities.bounding),
        Setting::Effective(capabilities.effective),
        Setting::Permitted(capabilities.permitted),
        Setting::Inheritable(capabilities.inheritable),
        Setting::Ambient(capabilities.ambient),
        Setting::Session,
    ];
    all.extend(user.umask().map(Setting::Umask));
    if process.no_new_privileges().unwrap_or(false) {
        all.push(Setting::NoNewPrivs);
    }
    if process.terminal().unwrap_or(false) {
        all.push(Setting::Terminal);
    }
    all.extend(process.rlimits().iter().flatten().map(|limit| {
        Setting::Rlimit(Rlimit {
            resource: resource(limit.typ()),
            soft: limit.soft(),
            hard: limit.hard(),
        })
    }));
    all.extend(seccomp_flags.map(Setting::SeccompFlags));
    // Without AppArmor only "unconfined" gets here, and is the case anyway.
    let text = |label: &'_ Option<String>, enabled: bool| {
        let label = label.as_deref().filter(|l| enabled && !l.is_empty());
        label.map(str::as_bytes).map(<[u8]>::to_vec)
    };
    let profile = text(process.apparmor_profile(), host.apparmor);
    let label = text(process.selinux_label(), host.selinux);
    all.extend(profile.as_deref().map(Setting::Apparmor));
    all.extend(label.as_deref().map(Setting::Selinux));
    if preserve_fds > 0 {
        all.push(Setting::Preserve(preserve_fds));
    }
    let linux = loaded.spec.linux().as_ref();
    let personality = linux.and_then(|linux| linux.personality().as_ref());
    all.extend(personality.map(|p| Setting::Personality(domain(p.domain()))));
    encoded(&at(), |sink| {
        all.iter().try_for_each(|setting| setting.encode(sink))
    })
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

fn encoded(
    at: &Pointer,
    encode: impl FnOnce(hook_tree::Sink) -> Result<(), TreeError>,
) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    encode(&mut |piece| bytes.extend_from_slice(piece))
        .map_err(|error| Problem::new(at.clone(), error.text()))?;
    if bytes.len() > names::FILE_LIMIT {
        return Err(Problem::new(at.clone(), "larger than 2 MiB"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hook_tree::{Cmdline, Environ, Settings};
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
        let settings = Settings::parse(&files.settings).unwrap();
        assert_eq!(settings.cwd.unwrap().to_str().unwrap(), "/work dir");
        assert_eq!((settings.uid, settings.gid), (Some(5), Some(6)));
        let groups: Vec<u32> = settings.groups.unwrap().iter().collect();
        assert_eq!(groups, [7, 8]);
        assert_eq!(settings.umask, Some(0o22));
        assert!(settings.no_new_privs && settings.terminal && settings.session);
        assert_eq!(settings.bounding, Some(0b100001));
        assert_eq!(settings.permitted, Some(0b100001));
        assert_eq!(settings.effective, Some(0b000001));
        assert_eq!(settings.inheritable, Some(0b100000));
        assert_eq!(settings.ambient, Some(0b100000));
        assert_eq!(settings.seccomp_flags, Some(2));
        assert_eq!(settings.apparmor, Some(&b"profile"[..]));
        assert_eq!(settings.selinux, Some(&b"label"[..]));
        assert_eq!(settings.preserve, Some(2));
        assert_eq!(settings.personality, Some(8));
        let limits: Vec<Rlimit> = settings.rlimits().collect();
        let limit = |resource, soft, hard| Rlimit {
            resource,
            soft,
            hard,
        };
        assert_eq!(limits, [limit(7, 1, 2), limit(4, 0, u64::MAX)]);
        assert_eq!(
            files.console_size,
            Some(ConsoleSize {
                rows: 24,
                columns: 80
            })
        );
        assert_eq!(files.oom_score_adj, Some(-5));
        assert_eq!(files.unknown_syscalls, ["nonsense"]);
        assert!(files.seccomp.is_some_and(|program| program.len() >= 8));
    }

    #[test]
    fn a_bare_process_has_no_capability_and_no_group() {
        let files = files(json!({"consoleSize": {"height": 1, "width": 1}}), json!({}));
        let settings = Settings::parse(&files.settings).unwrap();
        assert_eq!((settings.uid, settings.gid), (Some(0), Some(0)));
        assert_eq!(settings.groups.unwrap().iter().count(), 0);
        for set in [
            settings.bounding,
            settings.effective,
            settings.permitted,
            settings.inheritable,
            settings.ambient,
        ] {
            assert_eq!(set, Some(0));
        }
        assert!(settings.session && !settings.terminal && !settings.no_new_privs);
        assert_eq!(settings.umask, None);
        assert_eq!(settings.preserve, None);
        assert_eq!(settings.personality, None);
        assert_eq!(settings.seccomp_flags, None);
        assert_eq!(settings.apparmor, None);
        assert_eq!(files.seccomp, None);
        assert_eq!(files.console_size, None);
        assert_eq!(files.oom_score_adj, None);
        assert_eq!(files.environ, b"");
    }

    #[test]
    fn arguments_are_kept_as_they_are() {
        let files = files(json!({"args": ["sh", "", "-c", "a\nb"]}), json!({}));
        let cmdline = Cmdline::parse_program(&files.cmdline).unwrap();
        assert_eq!(cmdline.path().to_bytes(), b"sh");
        let argv: Vec<&[u8]> = cmdline.argv().map(|a| a.to_bytes()).collect();
        assert_eq!(argv, [&b"sh"[..], b"", b"-c", b"a\nb"]);
    }

    #[test]
    fn the_last_of_two_variables_holds() {
        let env = json!(["A=1", "PATH=/x", "A=2", "OCI_HOOK_TIMEOUT=x", "B==", "A="]);
        let files = files(json!({"env": env}), json!({}));
        assert_eq!(
            files.environment,
            ["A=", "PATH=/x", "OCI_HOOK_TIMEOUT=x", "B=="]
        );
        let environ = Environ::parse_program(&files.environ).unwrap();
        assert_eq!(environ.entries().count(), 4);
        assert_eq!(environ.get("OCI_HOOK_TIMEOUT"), Some(&b"x"[..]));
    }

    #[test]
    fn without_the_security_modules_no_attribute_is_written() {
        let loaded = loaded(json!({"apparmorProfile": "unconfined"}), json!({}));
        let apparmor = |host: &HostFacts| {
            let files = init_files(&loaded, host, 0).unwrap();
            Settings::parse(&files.settings).unwrap().apparmor.is_some()
        };
        assert!(apparmor(&host()));
        assert!(!apparmor(&HostFacts::plain()));
    }

    #[test]
    fn files_that_init_would_not_read_are_errors() {
        let long = "x".repeat(names::FILE_LIMIT);
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
