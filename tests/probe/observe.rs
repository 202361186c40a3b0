//! What the probe finds out about itself and about the container that it was told of.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::conf::Conf;
use crate::json::{Json, array, object, option, os, plain, text};
use crate::sys;

const NAMESPACES: [&str; 8] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];
/// The kernel's resource numbers, in order.
const LIMITS: [&str; 16] = [
    "CPU",
    "FSIZE",
    "DATA",
    "STACK",
    "CORE",
    "RSS",
    "NPROC",
    "NOFILE",
    "MEMLOCK",
    "AS",
    "LOCKS",
    "SIGPENDING",
    "MSGQUEUE",
    "NICE",
    "RTPRIO",
    "RTTIME",
];

/// What must be read before the probe itself opens or changes anything.
pub struct First {
    descriptors: Vec<(i32, i32)>,
    blocked: u64,
    ignored: u64,
    caught: u64,
    realtime: i64,
    monotonic: i64,
}

impl First {
    /// Looks.
    pub fn look() -> Self {
        let (realtime, monotonic) = (sys::clock(0), sys::clock(1));
        let (ignored, caught) = sys::dispositions();
        First {
            descriptors: sys::descriptors(),
            blocked: sys::blocked_signals(),
            ignored,
            caught,
            realtime,
            monotonic,
        }
    }
}

/// All observations as one JSON object.
pub fn record(
    first: &First,
    args: &[OsString],
    conf: &Conf,
    stdin: Option<(Vec<u8>, bool)>,
) -> Json {
    let [pid, ppid, pgid, sid] = sys::ids();
    let (uid, gid) = sys::users();
    let (no_new_privs, seccomp) = sys::restrictions();
    let [hostname, domainname] = sys::names();
    let [inheritable, permitted, effective, bounding, ambient] = sys::capabilities();
    let state_pid = stdin
        .as_ref()
        .and_then(|(bytes, _)| pid_in(&String::from_utf8_lossy(bytes)));
    let eof = stdin.as_ref().map(|(_, eof)| plain(eof));
    object([
        ("event", text("start")),
        ("label", text(&conf.label)),
        ("argv", array(args.iter().map(os))),
        ("execfn", option(sys::exec_path().map(os))),
        ("env", array(sys::environment().iter().map(os))),
        ("stdin", option(stdin.map(|(bytes, _)| text(bytes)))),
        ("stdin_eof", option(eof)),
        ("cwd", option(std::env::current_dir().ok().map(os))),
        ("pid", plain(pid)),
        ("ppid", plain(ppid)),
        ("pgid", plain(pgid)),
        ("sid", plain(sid)),
        ("ns", namespaces("self")),
        (
            "fds",
            array(
                first
                    .descriptors
                    .iter()
                    .map(|&(fd, flags)| descriptor(fd, flags)),
            ),
        ),
        ("sig_blocked", signals(first.blocked)),
        ("sig_ignored", signals(first.ignored)),
        ("sig_caught", signals(first.caught)),
        ("umask", plain(sys::file_mask())),
        (
            "rlimits",
            object(
                LIMITS
                    .iter()
                    .zip(0..)
                    .map(|(name, n)| (name, array(sys::limit(n).map(plain)))),
            ),
        ),
        (
            "caps",
            object([
                ("inheritable", plain(inheritable)),
                ("permitted", plain(permitted)),
                ("effective", plain(effective)),
                ("bounding", plain(bounding)),
                ("ambient", plain(ambient)),
            ]),
        ),
        ("uid", array(uid.map(plain))),
        ("gid", array(gid.map(plain))),
        ("groups", array(sys::groups().into_iter().map(plain))),
        ("no_new_privs", plain(no_new_privs)),
        ("seccomp", plain(seccomp)),
        ("hostname", os(hostname)),
        ("domainname", os(domainname)),
        ("terminal", option(sys::terminal(0).map(plain))),
        ("start_ns", plain(first.realtime)),
        ("mono_ns", plain(first.monotonic)),
        ("root", identity("/")),
        ("cwd_id", identity(".")),
        (
            "see",
            object(conf.see.iter().map(|path| (path.as_str(), identity(path)))),
        ),
        (
            "cat",
            object(conf.cat.iter().map(|path| (path.as_str(), content(path)))),
        ),
        (
            "list",
            object(conf.list.iter().map(|path| (path.as_str(), entries(path)))),
        ),
        ("target", option(state_pid.map(target))),
    ])
}

/// The process that the state names, as far as this namespace's /proc shows it.
fn target(pid: u32) -> Json {
    let base = format!("/proc/{pid}");
    object([
        ("pid", plain(pid)),
        ("ns", namespaces(&pid.to_string())),
        (
            "root",
            option(fs::read_link(format!("{base}/root")).ok().map(os)),
        ),
        ("root_id", identity(&format!("{base}/root/."))),
        ("mountinfo", content(&format!("{base}/mountinfo"))),
        ("cmdline", content(&format!("{base}/cmdline"))),
        ("comm", content(&format!("{base}/comm"))),
    ])
}

fn namespaces(process: &str) -> Json {
    let link = |kind: &str| fs::read_link(format!("/proc/{process}/ns/{kind}")).ok();
    object(
        NAMESPACES
            .iter()
            .filter_map(|kind| link(kind).map(|value| (*kind, os(value)))),
    )
}

fn descriptor(fd: i32, flags: i32) -> Json {
    let target = fs::read_link(format!("/proc/self/fd/{fd}")).ok().map(os);
    object([
        ("fd", plain(fd)),
        ("flags", plain(flags)),
        ("target", option(target)),
    ])
}

fn signals(mask: u64) -> Json {
    array((1..=64).filter(|n| mask >> (n - 1) & 1 == 1).map(plain))
}

/// `device:inode` of what a path leads to, null where there is nothing to see.
fn identity(path: &str) -> Json {
    option(
        fs::metadata(path)
            .ok()
            .map(|m| text(format!("{}:{}", m.dev(), m.ino()))),
    )
}

fn content(path: &str) -> Json {
    match fs::read(path) {
        Ok(bytes) => text(bytes),
        Err(e) => object([("errno", plain(e.raw_os_error().unwrap_or(-1)))]),
    }
}

fn entries(path: &str) -> Json {
    let Ok(all) = fs::read_dir(Path::new(path)) else {
        return option(None);
    };
    let mut names: Vec<OsString> = all.flatten().map(|e| e.file_name()).collect();
    names.sort();
    array(names.iter().map(os))
}

/// The number after `"pid":`. The tests parse the document properly; the probe only needs to know where to look.
fn pid_in(state: &str) -> Option<u32> {
    let rest = state
        .split_once("\"pid\"")?
        .1
        .trim_start()
        .strip_prefix(':')?
        .trim_start();
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().filter(|&pid| pid != 0)
}
