//! The arguments of an execve that the kernel holds, out of the registers and the memory of the task.
//!
//! /proc/PID/cmdline still shows the old program then. A task that is blocked in a system call shows the call's number and
//! arguments in /proc/PID/syscall (proc(5)); both need CAP_SYS_PTRACE.

use std::fs;
use std::io::IoSliceMut;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

/// Most arguments that are read; an engine passes some twenty.
const MOST: usize = 512;
/// Most bytes of all arguments together.
const MOST_BYTES: usize = 128 << 10;
/// Pages are read one by one: a read that crosses into an unmapped page fails as a whole.
const PAGE: usize = 4096;
/// How long a task may be shown as running after its event was read: it is on its way to sleep.
const PATIENCE: Duration = Duration::from_secs(1);

/// Why arguments could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The task has ended, or its state cannot be read.
    #[error("read /proc/{0}/syscall: {1}")]
    Syscall(i32, std::io::Error),
    /// The task is not in a call that executes a program.
    #[error("task {0} is not in execve: {1:?}")]
    NotExecve(i32, String),
    /// The task's memory cannot be read.
    #[error("process_vm_readv({0}, {1:#x}): {2}")]
    Memory(i32, usize, Errno),
    /// More arguments than any runtime is given.
    #[error("the arguments of task {0} exceed {MOST} or {MOST_BYTES} bytes")]
    TooMany(i32),
}

/// Reads the arguments that the task `tid` executes a program with. The task must be held in that call.
pub fn of_held(tid: i32) -> Result<Vec<String>, DecodeError> {
    let mut address = argv_address(tid)?;
    let mut arguments = Vec::new();
    let mut bytes = 0;
    loop {
        let mut pointer = [0; size_of::<usize>()];
        read(tid, address, &mut pointer)?;
        let pointer = usize::from_ne_bytes(pointer);
        if pointer == 0 {
            return Ok(arguments);
        }
        let argument = string(tid, pointer, MOST_BYTES - bytes)?;
        bytes += argument.len();
        arguments.push(String::from_utf8_lossy(&argument).into_owned());
        if arguments.len() > MOST {
            return Err(DecodeError::TooMany(tid));
        }
        address = address.wrapping_add(size_of::<usize>());
    }
}

/// Whether a task is about to execute a program: held by somebody, or on its way.
pub fn is_executing(tid: i32) -> bool {
    let text = fs::read_to_string(format!("/proc/{tid}/syscall")).unwrap_or_default();
    matches!(parse(&text), Call::Execve(_))
}

/// The address of the argument vector in the task's memory.
fn argv_address(tid: i32) -> Result<usize, DecodeError> {
    let began = Instant::now();
    let mut pause = Duration::from_micros(20);
    loop {
        let text = fs::read_to_string(format!("/proc/{tid}/syscall"))
            .map_err(|e| DecodeError::Syscall(tid, e))?;
        match parse(&text) {
            Call::Execve(address) => return Ok(address),
            Call::Running if began.elapsed() < PATIENCE => std::thread::sleep(pause),
            Call::Running | Call::Other => {
                return Err(DecodeError::NotExecve(tid, text.trim().to_owned()));
            }
        }
        pause = (pause * 2).min(Duration::from_millis(5));
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Call {
    /// With the address of argv.
    Execve(usize),
    /// Not asleep yet.
    Running,
    Other,
}

/// `59 0x55d0 0x55d8 0x55e0 …`: the number in decimal, the arguments in hexadecimal.
fn parse(text: &str) -> Call {
    if text.starts_with("running") {
        return Call::Running;
    }
    let mut fields = text.split_whitespace();
    let number = fields
        .next()
        .and_then(|field| field.parse::<libc::c_long>().ok());
    let before = match number {
        Some(libc::SYS_execve) => 1,
        Some(libc::SYS_execveat) => 2,
        _ => return Call::Other,
    };
    let address = fields
        .nth(before)
        .and_then(|field| usize::from_str_radix(field.strip_prefix("0x")?, 16).ok());
    address.map_or(Call::Other, Call::Execve)
}

/// A string without its NUL, of at most `most` bytes.
fn string(tid: i32, mut address: usize, most: usize) -> Result<Vec<u8>, DecodeError> {
    let mut text = Vec::new();
    loop {
        let mut piece = [0; PAGE];
        let piece = &mut piece[..PAGE - address % PAGE];
        read(tid, address, piece)?;
        if let Some(end) = piece.iter().position(|byte| *byte == 0) {
            text.extend_from_slice(&piece[..end]);
            return Ok(text);
        }
        text.extend_from_slice(piece);
        if text.len() > most {
            return Err(DecodeError::TooMany(tid));
        }
        address = address.wrapping_add(piece.len());
    }
}

/// Fills `buffer` from the task's memory.
fn read(tid: i32, address: usize, buffer: &mut [u8]) -> Result<(), DecodeError> {
    let len = buffer.len();
    let remote = [RemoteIoVec { base: address, len }];
    let error = |errno| DecodeError::Memory(tid, address, errno);
    let count = process_vm_readv(Pid::from_raw(tid), &mut [IoSliceMut::new(buffer)], &remote)
        .map_err(error)?;
    if count == len {
        Ok(())
    } else {
        Err(error(Errno::EFAULT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_blocked_task() {
        let number = libc::SYS_execve;
        let line = format!("{number} 0x10 0x7ffd20 0x30 0x0 0x0 0x0 0x7ffd 0x7f1c\n");
        assert_eq!(parse(&line), Call::Execve(0x7ffd20));
        let number = libc::SYS_execveat;
        let line = format!("{number} 0x3 0x10 0xab 0x30 0x1000 0x0 0x7ffd 0x7f1c\n");
        assert_eq!(parse(&line), Call::Execve(0xab));
        assert_eq!(parse("running\n"), Call::Running);
        for other in [
            "0 0x1 0x2 0x3 0x4 0x5 0x6 0x7 0x8",
            "-1 0x7ff 0x7f1",
            "",
            "x",
        ] {
            assert_eq!(parse(other), Call::Other, "{other}");
        }
    }

    #[test]
    fn strings_end_anywhere() {
        let tid = nix::unistd::gettid().as_raw();
        let mut memory = vec![b'x'; 3 * PAGE];
        memory[2 * PAGE + 7] = 0;
        let address = memory.as_ptr() as usize;
        let text = string(tid, address + 5, MOST_BYTES).unwrap();
        assert_eq!(text.len(), 2 * PAGE + 2);
        let long = string(tid, address, PAGE).unwrap_err().to_string();
        assert!(long.contains("exceed"), "{long}");
        let bad = string(tid, 16, PAGE).unwrap_err().to_string();
        assert!(bad.contains("process_vm_readv"), "{bad}");
    }

    #[test]
    fn a_task_elsewhere_is_refused() {
        let mut child = std::process::Command::new("sleep")
            .arg("30")
            .spawn()
            .unwrap();
        let pid = child.id().cast_signed();
        // Until it has executed sleep it is in execve, with memory that comes and goes.
        let refused = (0..1000).any(|_| {
            std::thread::sleep(Duration::from_millis(1));
            matches!(of_held(pid), Err(DecodeError::NotExecve(..)))
        });
        let _ = child.kill();
        let _ = child.wait();
        assert!(refused);
    }
}
