//! The process inside: does LXC's part of a start, and answers the test's requests as launcher and as program.

use std::fs;
use std::io::IoSlice;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use lxcri_runtime::mounts::make_superblock;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, connect, recv, send,
    sendmsg, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;
use nix::unistd::{Gid, Uid, chdir, fchdir, pivot_root, setresgid, setresuid};

use crate::sys::uninterrupted;

/// `outer` makes the namespaces, `inner` lives in them; `hook` is run by LXC in its own.
pub const ROLE: &str = "LXCRI_TEST_ROLE";
pub const SOCKET: &str = "LXCRI_TEST_SOCKET";
pub const ROOTFS: &str = "LXCRI_TEST_ROOTFS";
/// Names of namespaces, and of what LXC does before the hook, separated by commas.
pub const WANT: &str = "LXCRI_TEST_WANT";

/// No request takes anywhere near as long.
pub const PATIENCE: Duration = Duration::from_secs(60);

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

pub fn is_wanted() -> bool {
    std::env::var_os(ROLE).is_some()
}

pub fn main() -> ExitCode {
    let outcome = match std::env::var(ROLE).as_deref() {
        Ok("outer") => outer(),
        Ok("hook") => hook(),
        _ => inner(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("role: {error}");
            ExitCode::FAILURE
        }
    }
}

fn wants(what: &str) -> bool {
    std::env::var(WANT).is_ok_and(|list| list.split(',').any(|item| item == what))
}

fn outer() -> Outcome<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    if wants("user") {
        unshare(CloneFlags::CLONE_NEWUSER)?;
        let channel = dial()?;
        send(channel.as_raw_fd(), b"map", MsgFlags::empty())?;
        receive(&channel)?;
        setresgid(Gid::from_raw(0), Gid::from_raw(0), Gid::from_raw(0))?;
        setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0))?;
        // Changing ids takes the signal back.
        set_pdeathsig(Signal::SIGKILL)?;
    }
    let mut flags = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWIPC;
    flags |= CloneFlags::CLONE_NEWUTS;
    if wants("net") {
        flags |= CloneFlags::CLONE_NEWNET;
    }
    if wants("cgroup") {
        flags |= CloneFlags::CLONE_NEWCGROUP;
    }
    unshare(flags)?;
    Command::new("/proc/self/exe").env(ROLE, "inner").status()?;
    Ok(())
}

fn inner() -> Outcome<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    let rootfs = std::env::var(ROOTFS)?;
    let quiet = None::<&str>;
    // What LXC has done when lxc.hook.mount runs.
    mount(
        quiet,
        "/",
        quiet,
        MsFlags::MS_REC | MsFlags::MS_SLAVE,
        quiet,
    )?;
    if wants("cover") {
        let cover = Path::new(&rootfs).with_extension("cover");
        mount(
            Some(&cover),
            "/sys/fs/cgroup",
            quiet,
            MsFlags::MS_BIND,
            quiet,
        )?;
    }
    mount(
        Some(rootfs.as_str()),
        rootfs.as_str(),
        quiet,
        MsFlags::MS_BIND | MsFlags::MS_REC,
        quiet,
    )?;
    let dev = format!("{rootfs}/dev");
    if wants("lxcdev") {
        mount(
            Some("none"),
            dev.as_str(),
            Some("tmpfs"),
            MsFlags::empty(),
            quiet,
        )?;
    }
    let lxc_dev = wants("lxcdev")
        .then(|| {
            nix::fcntl::open(
                dev.as_str(),
                nix::fcntl::OFlag::O_PATH,
                nix::sys::stat::Mode::empty(),
            )
        })
        .transpose()?;
    serve(&rootfs, lxc_dev.as_ref())
}

/// LXC has done its part already; what remains is the launcher's.
fn hook() -> Outcome<()> {
    serve("", None)
}

fn serve(rootfs: &str, lxc_dev: Option<&OwnedFd>) -> Outcome<()> {
    let channel = dial()?;
    send(channel.as_raw_fd(), b"hook", MsgFlags::empty())?;
    loop {
        let Some(request) = receive(&channel)? else {
            return Ok(());
        };
        let words: Vec<&str> = request.split('\0').collect();
        let (verb, arguments) = words.split_first().ok_or("empty request")?;
        if *verb == "done" {
            return reply(&channel, "=", None);
        }
        if *verb == "make" {
            let options: Vec<String> = arguments[3..]
                .iter()
                .map(|option| (*option).to_owned())
                .collect();
            let source = Some(arguments[1]).filter(|source| !source.is_empty());
            match make_superblock(arguments[0], source, &options, arguments[2].parse()?) {
                Ok(fd) => reply(&channel, "=", Some(fd))?,
                Err(error) => reply(&channel, &format!("!{error}"), None)?,
            }
            continue;
        }
        let text = match answer(verb, arguments, rootfs, lxc_dev) {
            Ok(text) => format!("={text}"),
            Err(error) => format!("!{error}"),
        };
        reply(&channel, &text, None)?;
    }
}

fn answer(
    verb: &str,
    arguments: &[&str],
    rootfs: &str,
    lxc_dev: Option<&OwnedFd>,
) -> Outcome<String> {
    let first = arguments.first().copied().unwrap_or_default();
    Ok(match verb {
        "pivot" => {
            pivot(rootfs, lxc_dev)?;
            String::new()
        }
        "read" => String::from_utf8_lossy(&fs::read(first)?).into_owned(),
        "write" => {
            fs::write(first, arguments.get(1).copied().unwrap_or_default())?;
            String::new()
        }
        "mkdir" => {
            fs::create_dir(first)?;
            String::new()
        }
        "list" => {
            let mut names: Vec<String> = fs::read_dir(first)?
                .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
                .collect::<Result<_, _>>()?;
            names.sort();
            names.join(" ")
        }
        "link" => fs::read_link(first)?.display().to_string(),
        "stat" => {
            let found = fs::symlink_metadata(first)?;
            let kind = found.file_type();
            let letter = match () {
                () if kind.is_dir() => 'd',
                () if kind.is_symlink() => 'l',
                () if kind.is_char_device() => 'c',
                () if kind.is_block_device() => 'b',
                () if kind.is_fifo() => 'p',
                () => '-',
            };
            let device = found.rdev();
            format!(
                "{letter} {:04o} {}:{} {}:{}",
                found.mode() & 0o7777,
                found.uid(),
                found.gid(),
                nix::sys::stat::major(device),
                nix::sys::stat::minor(device)
            )
        }
        "umount" => {
            umount2(first, MntFlags::MNT_DETACH)?;
            String::new()
        }
        // As a hook or the program would.
        "tmpfs" => {
            mount(
                Some("x"),
                first,
                Some("tmpfs"),
                MsFlags::empty(),
                None::<&str>,
            )?;
            String::new()
        }
        "rw" => {
            let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND;
            mount(None::<&str>, first, None::<&str>, flags, None::<&str>)?;
            String::new()
        }
        "host" => nix::unistd::gethostname()?.to_string_lossy().into_owned(),
        other => return Err(format!("unknown request {other}").into()),
    })
}

/// What LXC does between the mount hook and init, as strace shows it.
fn pivot(rootfs: &str, lxc_dev: Option<&OwnedFd>) -> Outcome<()> {
    let quiet = None::<&str>;
    if let Some(dev) = lxc_dev {
        nix::unistd::symlinkat("/proc/self/fd", dev, "fd")?;
    }
    let old = fs::File::open("/")?;
    chdir(rootfs)?;
    pivot_root(".", ".")?;
    fchdir(&old)?;
    mount(
        quiet,
        ".",
        quiet,
        MsFlags::MS_REC | MsFlags::MS_SLAVE,
        quiet,
    )?;
    umount2(".", MntFlags::MNT_DETACH)?;
    chdir("/")?;
    mount(
        quiet,
        ".",
        quiet,
        MsFlags::MS_REC | MsFlags::MS_SHARED,
        quiet,
    )?;
    Ok(())
}

fn dial() -> Outcome<OwnedFd> {
    let channel = socket(
        AddressFamily::Unix,
        SockType::SeqPacket,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    setsockopt(
        &channel,
        sockopt::ReceiveTimeout,
        &TimeVal::new(PATIENCE.as_secs() as i64, 0),
    )?;
    connect(
        channel.as_raw_fd(),
        &UnixAddr::new(Path::new(&std::env::var(SOCKET)?))?,
    )?;
    Ok(channel)
}

/// `None` at the end of the test.
fn receive(channel: &OwnedFd) -> Outcome<Option<String>> {
    let mut buffer = vec![0; 65536];
    let length = uninterrupted(|| recv(channel.as_raw_fd(), &mut buffer, MsgFlags::empty()))?;
    Ok((length > 0).then(|| String::from_utf8_lossy(&buffer[..length]).into_owned()))
}

fn reply(channel: &OwnedFd, text: &str, fd: Option<OwnedFd>) -> Outcome<()> {
    let fds: Vec<i32> = fd.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&fds)];
    let control = if fds.is_empty() { &[][..] } else { &rights[..] };
    let text = [IoSlice::new(text.as_bytes())];
    sendmsg::<()>(channel.as_raw_fd(), &text, control, MsgFlags::empty(), None)?;
    Ok(())
}
