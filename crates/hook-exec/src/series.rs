//! Hooks one after the other, each from its start to its record.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hook_model::{Hook, Phase, Record};
use nix::errno::Errno;

use crate::capture::{Buffer, Output};
use crate::context::Context;
use crate::error::CallError;
use crate::image::Image;
use crate::running::{Remains, Running};
use crate::spawn::{self, Birthplace, Spawn};
use crate::stdin::state_file;
use crate::sys;

/// Hooks that run one after the other: what serves them all is made once, and what the next one needs while one runs.
pub struct Series<'a> {
    context: &'a Context<'a>,
    birthplace: Option<Birthplace>,
    /// Serves the output of all of them.
    buffer: Buffer,
    /// The next hook's, made ahead.
    stdio: Option<Stdio>,
    image: Option<(&'a Hook, Image)>,
    /// The last hook's, to be closed while the next one runs.
    remains: Option<Remains>,
    /// The hook that is expected after this one.
    pub next: Option<&'a Hook>,
}

/// The standard descriptors of a hook, and our ends of them.
struct Stdio {
    stdin: OwnedFd,
    stdout: (Output, OwnedFd),
    stderr: (Output, OwnedFd),
}

impl Stdio {
    fn new(state: &[u8], limit: Option<usize>) -> Result<Stdio, CallError> {
        Ok(Stdio {
            stdin: state_file(state)?,
            stdout: Output::new(limit)?,
            stderr: Output::new(None)?,
        })
    }
}

impl<'a> Series<'a> {
    /// Hooks of this context. Nothing is made yet.
    pub fn new(context: &'a Context<'a>) -> Series<'a> {
        Series {
            context,
            birthplace: None,
            buffer: Buffer::default(),
            stdio: None,
            image: None,
            remains: None,
            next: None,
        }
    }

    /// Runs a hook. `executable` may be the reason why there is none.
    pub fn run(
        &mut self,
        executable: Result<Option<BorrowedFd<'_>>, String>,
        hook: &'a Hook,
        phase: Phase,
        index: u32,
        limit: Option<usize>,
    ) -> (Record, Option<Vec<u8>>) {
        let start = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let began = Instant::now();
        let mut record = Record {
            phase,
            index,
            path: hook.path_str().into_owned(),
            argv: hook.argv(),
            pid: 0,
            start_ns: nanoseconds(start),
            duration_ns: 0,
            exit_status: None,
            signal: None,
            timed_out: false,
            error: None,
            stdout: String::new(),
            stderr: String::new(),
        };
        // A timeout beyond the range of the clock is none.
        let own = hook
            .deadline()
            .and_then(|timeout| began.checked_add(timeout));
        let deadline = own.into_iter().chain(self.context.deadline).min();
        let mut output = None;
        let started = executable.and_then(|file| {
            let image = match self.image.take() {
                Some((known, image)) if std::ptr::eq(known, hook) => image,
                _ => self.image_of(hook)?,
            };
            let child = self.spawn(file, &image, limit, &mut record.pid);
            child.map_err(|error| error.to_string())
        });
        match started {
            Ok(running) => {
                self.remains = None;
                if let Some(next) = self.next {
                    // What is wrong with them is said when they are needed.
                    self.stdio = Stdio::new(self.context.state, None).ok();
                    self.image = self.image_of(next).ok().map(|image| (next, image));
                }
                let (whole, remains) =
                    running.finish(deadline, self.context, &mut self.buffer, &mut record);
                output = whole;
                self.remains = Some(remains);
            }
            Err(error) => record.error = Some(error),
        }
        record.duration_ns = nanoseconds(began.elapsed());
        (record, output)
    }

    fn image_of(&self, hook: &Hook) -> Result<Image, String> {
        Image::new(hook, hook.environ(), self.context.cwd)
    }

    /// Tells the pid as soon as there is one, even of a process that then failed to execute the hook.
    fn spawn(
        &mut self,
        executable: Option<BorrowedFd<'_>>,
        image: &Image,
        limit: Option<usize>,
        pid: &mut u32,
    ) -> Result<Running, CallError> {
        // Standard descriptors are replaced before the executable is used.
        let executable = match executable {
            None => None,
            Some(fd) => {
                let copy = fd.try_clone_to_owned().map_err(|e| {
                    CallError::of("fcntl(F_DUPFD_CLOEXEC)")(
                        e.raw_os_error().map_or(Errno::EINVAL, Errno::from_raw),
                    )
                })?;
                Some(sys::above_stdio(copy)?)
            }
        };
        let Stdio {
            stdin,
            stdout: (stdout, hook_stdout),
            stderr: (stderr, hook_stderr),
        } = match self.stdio.take() {
            Some(ready) if limit.is_none() => ready,
            _ => Stdio::new(self.context.state, limit)?,
        };
        let plan = Spawn {
            path: &image.path,
            argv: &image.argv,
            envp: &image.envp,
            executable: executable.as_ref().map(AsFd::as_fd),
            cwd: &image.cwd,
            stdio: [stdin.as_fd(), hook_stdout.as_fd(), hook_stderr.as_fd()],
            die_with_caller: self.context.die_with_caller,
        };
        let birthplace = match &mut self.birthplace {
            Some(known) => known,
            unknown => unknown.insert(Birthplace::new()?),
        };
        let child = spawn::spawn(birthplace, &plan, pid)?;
        Ok(Running {
            child,
            stdout,
            stderr,
        })
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
