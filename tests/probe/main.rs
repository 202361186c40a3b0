//! The probe: a static program that is run as hook and as container process, and writes down everything it can see of
//! itself. It knows nothing of any runtime's code, so its word can be compared between runtimes.
//!
//! Its orders are in the file named like the executed path plus `.conf` (see `conf.rs`). Each event is one line of JSON,
//! appended with one write to the file that `out` names: `start` with all observations, `end` when it is about to leave, and
//! `grandchild` with the pid of the process that stays behind holding stdout and stderr.
//!
//! Exit statuses of its own: 120 no orders, 121 cannot write the record.
#![no_main]
#![deny(unsafe_code)]

mod conf;
mod json;
mod observe;
#[allow(unsafe_code)]
mod sys;

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use conf::{Attempt, Conf, Stdin};
use json::{Json, object, plain, text};

/// Carries out one run; the result is the exit status.
pub fn run(args: Vec<OsString>) -> i32 {
    let first = observe::First::look();
    let path = sys::exec_path().unwrap_or_default();
    let conf = match Conf::read(&path) {
        Ok(conf) => conf,
        Err(message) => {
            sys::write_all(2, format!("probe: {message}\n").as_bytes());
            return 120;
        }
    };
    let stdin = match conf.stdin {
        Stdin::Read => Some(sys::read_stdin(3000)),
        Stdin::Close => {
            sys::close_descriptor(0);
            None
        }
        Stdin::Ignore => None,
    };
    if let Err(e) = emit(&conf, observe::record(&first, &args, &conf, stdin)) {
        sys::write_all(
            2,
            format!("probe: {}: {e}\n", conf.out.as_deref().unwrap_or("-")).as_bytes(),
        );
        return 121;
    }
    for (line, attempt) in &conf.attempts {
        let fields = [
            ("event", text("try")),
            ("label", text(&conf.label)),
            ("what", text(line)),
            ("errno", plain(make(attempt))),
        ];
        let _ = emit(&conf, object(fields));
    }
    for fd in [0, 1] {
        fill(fd + 1, conf.fill[fd as usize]);
        if let Some(message) = &conf.say[fd as usize] {
            sys::write_all(fd + 1, format!("{message}\n").as_bytes());
        }
    }
    if let Some(ms) = conf.grandchild_ms
        && sys::fork_child()
    {
        let _ = emit(&conf, event(&conf, "grandchild"));
        sleep(Duration::from_millis(ms));
        return 0;
    }
    sleep(Duration::from_millis(conf.sleep_ms));
    if let Some(path) = &conf.wait_for {
        let end = Instant::now() + Duration::from_secs(60);
        while !Path::new(path).exists() && Instant::now() < end {
            sleep(Duration::from_millis(2));
        }
    }
    let _ = emit(&conf, event(&conf, "end"));
    if let Some(number) = conf.signal {
        sys::die_by(number);
    }
    conf.exit
}

fn event(conf: &Conf, name: &str) -> Json {
    let [pid, ..] = sys::ids();
    object([
        ("event", text(name)),
        ("label", text(&conf.label)),
        ("pid", plain(pid)),
        ("mono_ns", plain(sys::clock(1))),
    ])
}

/// Appends one line with one write, so that lines of processes that run at the same time do not mix.
fn emit(conf: &Conf, record: Json) -> std::io::Result<()> {
    let line = record.0 + "\n";
    match &conf.out {
        Some(path) => OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o666)
            .open(path)?
            .write_all(line.as_bytes()),
        None => Ok(()),
    }
}

fn fill(fd: i32, mut count: usize) {
    if count == 0 {
        return;
    }
    let line = [b'x'; 1024];
    while count > 0 {
        let n = count.min(line.len());
        if !sys::write_all(fd, &line[..n]) {
            return;
        }
        count -= n;
    }
    sys::write_all(fd, b"\n");
}

/// The error number that the attempt ended with, 0 for success.
fn make(attempt: &Attempt) -> i32 {
    let errno = |e: std::io::Error| e.raw_os_error().unwrap_or(-1);
    match attempt {
        Attempt::Write(path) => OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_or_else(errno, |_| 0),
        Attempt::Device(path) => match sys::make_node(path.as_ref(), 0o020_600, 0x10b) {
            0 => OpenOptions::new()
                .read(true)
                .open(path)
                .map_or_else(errno, |_| 0),
            number => number,
        },
        Attempt::Call(numbers) => sys::raw(*numbers),
    }
}
