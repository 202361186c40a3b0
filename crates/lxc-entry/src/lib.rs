//! How the process that becomes `lxc-start` enters a container's cgroups and namespaces, and the packet that tells it.
//!
//! It hides things from LXC before it executes `lxc-start` ([`hide`]). It enters the container ([`join`]) then as well, or when
//! `lxc-start` is loaded already and waits (`lxc-gate`). Both may make system calls only, so this needs neither std nor memory.
#![no_std]
#![deny(unsafe_code)]

pub mod gate;
#[allow(unsafe_code)]
mod sys;

use core::ffi::{CStr, c_int};

pub use sys::{hide, join, mount_id};

/// Where cgroup file systems are mounted on every distribution that LXC supports.
const CGROUP_ROOT: &CStr = c"/sys/fs/cgroup";

/// The step of entering a v1 cgroup, which [`Failure::entered`] tells apart from others.
pub const ENTER_CGROUP: &str = "write(tasks, 0)";

/// What a process enters.
pub struct Entry<'a> {
    /// The container's directory, which becomes the working directory.
    pub directory: c_int,
    /// Files of v1 cgroups, open for writing: `tasks`, not `cgroup.procs`.
    ///
    /// A thread that moves itself alone need not wait until no process of the machine forks or executes, which takes the
    /// kernel several milliseconds (`cgroup_procs_write_start` since Linux 5.17).
    pub tasks: &'a [c_int],
    /// Namespaces to join, CLONE_NEW* with each, or 0. A user namespace comes last, and the process becomes its root.
    pub namespaces: &'a [(c_int, c_int)],
}

/// A shell that is covered in the mount namespace of the process.
#[derive(Clone, Copy)]
pub struct Shell<'a> {
    /// Its file, an absolute path without symlinks.
    pub path: &'a CStr,
    /// The mount in which it lies.
    pub mount_point: &'a CStr,
    /// The program that is mounted over it.
    pub cover: &'a CStr,
}

/// What went wrong on the way.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    /// The step.
    pub step: &'static str,
    /// The error of its system call.
    pub errno: c_int,
    /// How many v1 cgroups were entered before.
    pub entered: usize,
}
