//! Callers with unusual signal dispositions, and callers that die. A binary of its own: both concern the whole process.
#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod sys;

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hook_exec::{Context, run_hook};
use hook_model::{Hook, Phase};
use nix::sys::signal::{SigHandler, Signal};

fn sh(script: &str) -> Hook {
    Hook {
        args: Some(vec!["sh".into(), "-c".into(), script.into()]),
        ..Hook::new("/bin/sh")
    }
}

/// Runs a test of this binary as a process of its own, with a deadline.
fn helper(name: &str, pid_file: Option<&Path>) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            name,
            "--nocapture",
            "--test-threads=1",
        ])
        .envs(pid_file.map(|file| (PID_FILE, file)))
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

fn wait(mut child: std::process::Child) -> std::process::ExitStatus {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("the helper hangs");
        }
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_callers_dispositions_do_not_matter() {
    assert!(wait(helper("with_odd_dispositions", None)).success());
}

#[test]
#[ignore = "run by the_callers_dispositions_do_not_matter"]
fn with_odd_dispositions() {
    for signal in [
        Signal::SIGCHLD,
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGUSR1,
    ] {
        sys::set(signal, SigHandler::SigIgn);
    }
    sys::set(Signal::SIGPIPE, SigHandler::SigDfl);
    let state = vec![b' '; 1 << 20];
    let context = Context::new(&state, Path::new("/"));
    let run = |script: &str| run_hook(&sh(script), Phase::Prestart, 1, &context);

    let caller = nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    assert_eq!(run("umask").stdout, "0022\n");
    assert_eq!(
        nix::sys::stat::umask(caller).bits(),
        0o077,
        "the caller keeps its own"
    );

    let before = open_descriptors();
    let record = run("grep ^SigIgn /proc/$$/status; kill -TERM $$");
    assert_eq!(record.stdout, "SigIgn:\t0000000000000000\n");
    assert_eq!(record.signal, Some(15), "{record:?}");
    // With the default disposition of SIGPIPE a write to a closed pipe would end this process.
    assert_eq!(run("exec 0<&-; exit 3").exit_status, Some(3));
    assert_eq!(
        run_hook(&Hook::new("/no/such"), Phase::Prestart, 1, &context).exit_status,
        None
    );
    assert_eq!(open_descriptors(), before, "a descriptor is left open");
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Tells the helper where the hook shall write its pid.
const PID_FILE: &str = "HOOK_EXEC_TEST_PID_FILE";

#[test]
fn a_hook_can_die_with_its_caller() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let mut child = helper("runs_a_long_hook", Some(&file));
    let pid = soon(|| {
        std::fs::read_to_string(&file)
            .ok()
            .filter(|pid| pid.ends_with('\n'))
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let pid = pid.expect("the hook does not start");
    soon(|| (!alive(pid.trim())).then_some(())).expect("the hook lives on");
}

#[test]
#[ignore = "run by a_hook_can_die_with_its_caller"]
fn runs_a_long_hook() {
    let file = std::env::var(PID_FILE).unwrap();
    let context = Context {
        die_with_caller: true,
        ..Context::new(b"", Path::new("/"))
    };
    run_hook(
        &sh(&format!("echo $$ >{file}; exec sleep 600")),
        Phase::Prestart,
        1,
        &context,
    );
}

fn soon<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        if let Some(found) = look() {
            return Some(found);
        }
        thread::sleep(Duration::from_millis(5));
    }
    None
}

/// Whether the process exists and is no zombie that nobody reaps.
fn alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next())
        .is_some_and(|state| !matches!(state, 'Z' | 'X'))
}
