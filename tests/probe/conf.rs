//! The probe's orders: lines of `key value` in the file that has the executed path plus `.conf`.
//!
//! A file and not arguments or variables, because argv and environment are what the tests look at.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

/// One attempt at something that a container may forbid.
pub enum Attempt {
    /// Open a file for writing, creating it if needed.
    Write(String),
    /// Make the device node of /dev/kmsg (major 1, minor 11) at a path and open it.
    Device(String),
    /// A system call with plain numbers.
    Call([i64; 6]),
}

/// What to do with standard input.
#[derive(Clone, Copy, PartialEq)]
pub enum Stdin {
    /// Leave it alone.
    Ignore,
    /// Read it to the end.
    Read,
    /// Close it at once.
    Close,
}

/// The orders.
pub struct Conf {
    pub out: Option<String>,
    pub label: String,
    pub stdin: Stdin,
    pub see: Vec<String>,
    pub cat: Vec<String>,
    pub list: Vec<String>,
    pub attempts: Vec<(String, Attempt)>,
    /// Bytes to print on stdout and stderr before the messages.
    pub fill: [usize; 2],
    pub say: [Option<String>; 2],
    pub grandchild_ms: Option<u64>,
    pub sleep_ms: u64,
    /// Wait until this file exists, at most a minute.
    pub wait_for: Option<String>,
    pub signal: Option<i32>,
    pub exit: i32,
}

impl Conf {
    /// Reads the orders of the program at `path`; the error is a line for stderr.
    pub fn read(path: &OsStr) -> Result<Self, String> {
        let mut name = path.to_os_string();
        name.push(".conf");
        let text =
            fs::read_to_string(Path::new(&name)).map_err(|e| format!("{}: {e}", name.display()))?;
        let mut conf = Conf {
            out: None,
            label: String::new(),
            stdin: Stdin::Ignore,
            see: Vec::new(),
            cat: Vec::new(),
            list: Vec::new(),
            attempts: Vec::new(),
            fill: [0; 2],
            say: [None, None],
            grandchild_ms: None,
            sleep_ms: 0,
            wait_for: None,
            signal: None,
            exit: 0,
        };
        for line in text.lines() {
            conf.line(line)
                .ok_or_else(|| format!("{}: bad line: {line}", name.display()))?;
        }
        Ok(conf)
    }

    fn line(&mut self, line: &str) -> Option<()> {
        let (key, value) = line.split_once(' ')?;
        let owned = value.to_string();
        match key {
            "out" => self.out = Some(owned),
            "label" => self.label = owned,
            "stdin" => {
                self.stdin = match value {
                    "read" => Stdin::Read,
                    "close" => Stdin::Close,
                    "ignore" => Stdin::Ignore,
                    _ => return None,
                }
            }
            "see" => self.see.push(owned),
            "cat" => self.cat.push(owned),
            "list" => self.list.push(owned),
            "try-write" => self.attempts.push((line.into(), Attempt::Write(owned))),
            "try-device" => self.attempts.push((line.into(), Attempt::Device(owned))),
            "try-call" => {
                let mut numbers = [0; 6];
                for (i, word) in value.split(' ').enumerate() {
                    *numbers.get_mut(i)? = word.parse().ok()?;
                }
                self.attempts.push((line.into(), Attempt::Call(numbers)));
            }
            "fill-stdout" => self.fill[0] = value.parse().ok()?,
            "fill-stderr" => self.fill[1] = value.parse().ok()?,
            "say-stdout" => self.say[0] = Some(owned),
            "say-stderr" => self.say[1] = Some(owned),
            "grandchild" => self.grandchild_ms = Some(value.parse().ok()?),
            "sleep" => self.sleep_ms = value.parse().ok()?,
            "wait-for" => self.wait_for = Some(owned),
            "signal" => self.signal = Some(value.parse().ok()?),
            "exit" => self.exit = value.parse().ok()?,
            _ => return None,
        }
        Some(())
    }
}
