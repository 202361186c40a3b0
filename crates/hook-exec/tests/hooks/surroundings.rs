//! What a hook finds: arguments, environment, stdin, directory, descriptors, group, signals, processors.

use std::fs::File;
use std::num::NonZeroU64;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::thread;

use hook_exec::Context;
use hook_model::{DEFAULT_PATH, Hook, Phase};
use nix::sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::Pid;

use crate::support::*;

#[test]
fn argv_zero_differs_from_the_path() {
    let record = succeeded(run(program(
        "/bin/cat",
        &["other name", "/proc/self/cmdline"],
    )));
    assert_eq!(record.stdout, "other name\0/proc/self/cmdline\0");
    assert_eq!((record.path.as_str(), record.argv.len()), ("/bin/cat", 2));
}

#[test]
fn arguments_may_be_missing_or_empty() {
    let record = succeeded(run(Hook {
        args: Some(vec![]),
        ..Hook::new("/bin/true")
    }));
    assert_eq!(record.argv, ["/bin/true"]);
    let record = succeeded(run(program(
        "/usr/bin/printf",
        &["printf", "<%s>", "", "a b\n"],
    )));
    assert_eq!(record.stdout, "<><a b\n>");
}

#[test]
fn the_environment_is_exact() {
    let environ = |hook: Hook| succeeded(run(hook)).stdout;
    let cat = || program("/bin/cat", &["cat", "/proc/self/environ"]);
    assert!(
        std::env::vars_os().count() > 1,
        "the caller has an environment that could leak"
    );
    assert_eq!(environ(cat()), format!("{DEFAULT_PATH}\0"));
    assert_eq!(
        environ(Hook {
            env: Some(vec![]),
            ..cat()
        }),
        ""
    );
    let hook = Hook {
        env: Some(vec!["B=2 ü".into(), "A=".into(), "B=3".into()]),
        timeout: NonZeroU64::new(9),
        ..cat()
    };
    assert_eq!(environ(hook), "B=2 ü\0A=\0B=3\0OCI_HOOK_TIMEOUT=9\0");
}

#[test]
fn the_state_is_on_stdin() {
    assert_eq!(
        succeeded(run(program("/bin/cat", &["cat"])))
            .stdout
            .as_bytes(),
        STATE
    );
    let by_name = succeeded(run(program("/bin/cat", &["cat", "/dev/stdin"])));
    assert_eq!(by_name.stdout.as_bytes(), STATE);
    let empty = run_within(PATIENCE, program("/bin/cat", &["cat"]), b"", Path::new("/"));
    assert_eq!(succeeded(empty).stdout, "");
}

#[test]
fn a_large_state_need_not_be_read() {
    let state = vec![b' '; 1 << 20];
    let with = |script: &str| succeeded(run_within(PATIENCE, sh(script), &state, Path::new("/")));
    with("exit 0");
    with("exec 0<&-; sleep 0.05");
    with("head -c 10 >/dev/null");
    assert_eq!(with("wc -c").stdout.trim(), "1048576");
}

#[test]
fn the_state_cannot_be_changed() {
    let record = succeeded(run(sh(
        "echo x >&0 && exit 1; echo x >/dev/stdin && exit 2; cat",
    )));
    assert_eq!(record.stdout.as_bytes(), STATE);
}

#[test]
fn the_working_directory_is_the_given_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap();
    let record = run_within(PATIENCE, sh("/bin/pwd -P"), STATE, &path);
    assert_eq!(succeeded(record).stdout.trim_end(), path.to_str().unwrap());
}

#[test]
fn a_missing_working_directory_is_an_error() {
    let record = run_within(PATIENCE, sh("exit 0"), STATE, Path::new("/no/such/bundle"));
    assert_eq!(
        record.error.as_deref(),
        Some("chdir(/no/such/bundle): no such file or directory (ENOENT)")
    );
    let record = run_within(PATIENCE, sh("exit 0"), STATE, Path::new("/dev/null"));
    assert!(
        record
            .error
            .unwrap()
            .ends_with(": not a directory (ENOTDIR)")
    );
}

#[test]
fn leaked_descriptors_are_not_seen() {
    // dup makes a descriptor without close-on-exec, as a careless library would.
    let leaked = nix::unistd::dup(File::open("/dev/null").unwrap()).unwrap();
    let listed = succeeded(run(program("/bin/ls", &["ls", "/proc/self/fd"]))).stdout;
    assert_eq!(
        listed.split_whitespace().collect::<Vec<_>>(),
        ["0", "1", "2", "3"],
        "3 is the directory that ls reads"
    );
    assert!(leaked.as_raw_fd() > 2);
    // The same when the executable itself comes from a descriptor.
    let ls = File::open("/bin/ls").unwrap();
    let hook = program("/shown/in/record", &["ls", "/proc/self/fd"]);
    let record = run_hook_at(&ls, &hook, &Context::new(STATE, Path::new("/")));
    assert_eq!(succeeded(record).stdout, listed);
}

#[test]
fn the_standard_descriptors_are_what_they_should_be() {
    let record = succeeded(run(sh(
        "readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2; cat /proc/$$/fdinfo/1",
    )));
    let lines: Vec<_> = record.stdout.lines().collect();
    assert!(lines[0].contains("oci-state"), "{lines:?}");
    assert!(
        lines[1].starts_with("pipe:") && lines[2].starts_with("pipe:") && lines[1] != lines[2],
        "{lines:?}"
    );
    let flags = lines
        .iter()
        .find_map(|line| line.strip_prefix("flags:"))
        .unwrap()
        .trim();
    assert_eq!(
        u32::from_str_radix(flags, 8).unwrap() & 0o4000,
        0,
        "stdout is non-blocking"
    );
}

#[test]
fn the_hook_leads_its_own_group() {
    let record = succeeded(run(program("/bin/cat", &["cat", "/proc/self/stat"])));
    let fields: Vec<_> = record.stdout.split(' ').collect();
    assert_eq!(fields[0], record.pid.to_string());
    assert_eq!(fields[4], fields[0], "process group");
    assert_eq!(fields[3], std::process::id().to_string(), "parent");
}

#[test]
fn no_signal_is_ignored_or_blocked() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .unwrap()
        .trim();
    assert_ne!(
        u64::from_str_radix(ignored, 16).unwrap(),
        0,
        "the test harness ignores SIGPIPE, which could leak"
    );
    let mut blocked = SigSet::empty();
    blocked.add(Signal::SIGTERM);
    blocked.add(Signal::SIGUSR1);
    blocked.thread_block().unwrap();
    let hook = program("/bin/cat", &["cat", "/proc/self/status"]);
    let record = succeeded(run_hook(
        &hook,
        Phase::Prestart,
        1,
        &Context::new(STATE, Path::new("/")),
    ));
    for name in ["SigBlk:", "SigIgn:", "SigCgt:", "SigPnd:"] {
        let line = record
            .stdout
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap();
        assert!(line.ends_with("\t0000000000000000"), "{line}");
    }
    let after = SigSet::thread_get_mask().unwrap();
    assert!(
        after.contains(Signal::SIGTERM) && !after.contains(Signal::SIGINT),
        "the caller's mask is as before"
    );
}

/// The kernel's list of the processors of this thread.
fn processors() -> String {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let allowed = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:\t"));
    format!("{}\n", allowed.unwrap())
}

/// That two hooks of one series may run on the processors that their caller may run on, and that it may still do so.
fn assert_processors_are_inherited() {
    let before = processors();
    let name = "s/^Cpus_allowed_list:\\t//p";
    let hook = program("/bin/sed", &["sed", "-n", name, "/proc/self/status"]);
    let mut seen = Vec::new();
    let context = Context::new(STATE, Path::new("/"));
    let failures = run_phase(&[hook.clone(), hook], Phase::Prestart, &context, |record| {
        seen.push(record.stdout.clone())
    });
    assert_eq!(failures, []);
    assert_eq!(seen, [before.as_str(), &before]);
    assert_eq!(processors(), before, "of the caller");
}

#[test]
fn the_processors_are_those_of_the_caller() {
    let own = Pid::from_raw(0);
    let mut one = CpuSet::new();
    one.set(sched_getcpu().unwrap()).unwrap();
    // Each in a thread of its own, since the mask is that of a thread.
    thread::spawn(assert_processors_are_inherited)
        .join()
        .unwrap();
    thread::spawn(move || {
        sched_setaffinity(own, &one).unwrap();
        assert_processors_are_inherited();
        assert_eq!(sched_getaffinity(own), Ok(one));
    })
    .join()
    .unwrap();
}

#[test]
fn a_failed_execution_leaves_the_processors_of_the_caller() {
    thread::spawn(|| {
        let before = processors();
        let record = run(program("/gone/hook", &["hook"]));
        assert!(record.error.is_some(), "{record:?}");
        assert_eq!(processors(), before);
    })
    .join()
    .unwrap();
}

#[test]
fn an_open_executable_is_run() {
    let env = File::open("/usr/bin/env").unwrap();
    let hook = Hook {
        env: Some(vec!["A=1".into()]),
        ..program("/gone", &["env"])
    };
    let context = Context::new(STATE, Path::new("/"));
    let record = succeeded(run_hook_at(&env, &hook, &context));
    assert_eq!(
        (record.stdout.as_str(), record.path.as_str()),
        ("A=1\n", "/gone")
    );
}

#[test]
fn hooks_of_many_threads_do_not_mix() {
    thread::scope(|scope| {
        for n in 0..8 {
            scope.spawn(move || {
                let state = format!("state {n}");
                let context = Context::new(state.as_bytes(), Path::new("/"));
                for _ in 0..40 {
                    let record = run_hook(
                        &sh("cat; ls /proc/self/fd >&2"),
                        Phase::Prestart,
                        1,
                        &context,
                    );
                    assert_eq!(
                        (record.stdout.as_str(), record.stderr.as_str()),
                        (&*state, "0\n1\n2\n3\n")
                    );
                }
            });
        }
    });
}
