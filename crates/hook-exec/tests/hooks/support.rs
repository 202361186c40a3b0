//! Hooks made of shell text, and a watch over the time that they take.

use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{RwLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use hook_exec::{Context, Record};
use hook_model::{Hook, HookFailure, Phase};

pub const STATE: &[u8] = br#"{"ociVersion":"1.2.0","id":"c1"}"#;

/// While one thread writes an executable, another's child could hold a copy of the descriptor, and execve would say
/// ETXTBSY. So hooks run under the shared lock and files are written under the exclusive one.
static FILES: RwLock<()> = RwLock::new(());

/// [`hook_exec::run_hook`] under the lock.
pub fn run_hook(hook: &Hook, phase: Phase, index: u32, context: &Context<'_>) -> Record {
    let _guard = FILES.read().unwrap();
    hook_exec::run_hook(hook, phase, index, context)
}

/// [`hook_exec::run_hook_at`] under the lock.
pub fn run_hook_at(executable: &File, hook: &Hook, context: &Context<'_>) -> Record {
    let _guard = FILES.read().unwrap();
    hook_exec::run_hook_at(executable.as_fd(), hook, Phase::Prestart, 1, context)
}

/// [`hook_exec::run_filter`] under the lock.
pub fn run_filter(hook: &Hook, context: &Context<'_>, limit: usize) -> (Record, Option<Vec<u8>>) {
    let _guard = FILES.read().unwrap();
    hook_exec::run_filter(None, hook, Phase::CreateRuntime, 1, context, limit)
}

/// [`hook_exec::run_phase`] under the lock.
pub fn run_phase(
    hooks: &[Hook],
    phase: Phase,
    context: &Context<'_>,
    on_record: impl FnMut(&Record),
) -> Vec<HookFailure> {
    let _guard = FILES.read().unwrap();
    hook_exec::run_phase(hooks, phase, context, on_record)
}

/// [`hook_exec::run_phase_with`] under the lock.
pub fn run_phase_with(
    hooks: &[Hook],
    phase: Phase,
    context: &Context<'_>,
    open: impl FnMut(&Hook) -> Result<Option<OwnedFd>, String>,
    on_record: impl FnMut(&Record),
) -> Vec<HookFailure> {
    let _guard = FILES.read().unwrap();
    hook_exec::run_phase_with(hooks, phase, context, open, on_record)
}

/// Runs the hook and fails when it takes longer than `limit`.
pub fn run_within(limit: Duration, hook: Hook, state: &[u8], cwd: &Path) -> Record {
    let (send, receive) = mpsc::channel();
    let (state, cwd) = (state.to_owned(), cwd.to_owned());
    thread::spawn(move || {
        let _ = send.send(run_hook(
            &hook,
            Phase::CreateRuntime,
            1,
            &Context::new(&state, &cwd),
        ));
    });
    let record = receive
        .recv_timeout(limit)
        .expect("the hook takes too long");
    assert!(
        record.pid == 0 || !alive(record.pid),
        "the hook is not reaped"
    );
    record
}

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the hook in the root directory.
pub fn run(hook: Hook) -> Record {
    run_within(PATIENCE, hook, STATE, Path::new("/"))
}

/// A hook that is shell text, with the default environment.
pub fn sh(script: &str) -> Hook {
    Hook {
        args: Some(vec!["sh".into(), "-c".into(), script.into()]),
        ..Hook::new("/bin/sh")
    }
}

/// A hook with arguments from argv[0] on.
pub fn program(path: &str, args: &[&str]) -> Hook {
    Hook {
        args: Some(args.iter().map(|a| (*a).to_owned()).collect()),
        ..Hook::new(path)
    }
}

/// Fails with the whole record unless the hook succeeded.
pub fn succeeded(record: Record) -> Record {
    assert!(record.succeeded(), "{record:?}");
    record
}

/// Writes a file with a mode.
pub fn write(path: PathBuf, content: &str, mode: u32) -> PathBuf {
    let _guard = FILES.write().unwrap();
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

/// Whether a process exists that is more than a zombie.
pub fn alive(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    let state = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

/// Waits for a process that is not our child to end.
pub fn ends_soon(pid: u32) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while alive(pid) {
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
    true
}

/// Ends a process by its pid when the test ends.
pub struct Reaper(pub u32);

impl Drop for Reaper {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.0).unwrap());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
    }
}
