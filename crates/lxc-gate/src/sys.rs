//! The system calls, what the C library has, and what the linkers look for.

use core::arch::asm;
use core::ffi::{CStr, c_char, c_int};
use core::ptr::null_mut;

use lxc_entry::Entry;
use lxc_entry::gate::{LIMIT, PACKET, SOCKET};

unsafe extern "C" {
    /// environ(7).
    static mut environ: *mut *const c_char;
}

/// Where the dynamic linker finds what it calls (System V ABI, Initialization and Termination Functions).
#[used]
// SAFETY: the section holds pointers to such functions.
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = crate::constructor;

/// Referenced by the precompiled `core`, never called: the workspace aborts on panic.
// SAFETY: nothing else in the library has this name.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// Takes LD_PRELOAD out of the environment. Returns whether it was there.
pub fn forget_preload() -> bool {
    // SAFETY: NULL, or an array of NUL-ended strings that ends with NULL; there is one thread.
    unsafe {
        let mut entry = environ;
        while !entry.is_null() && !(*entry).is_null() {
            if CStr::from_ptr(*entry)
                .to_bytes()
                .starts_with(b"LD_PRELOAD=")
            {
                while !(*entry).is_null() {
                    *entry = *entry.add(1);
                    entry = entry.add(1);
                }
                return true;
            }
            entry = entry.add(1);
        }
        false
    }
}

/// Ends the process, and with it the connection.
pub fn exit() -> ! {
    // SAFETY: does not return.
    unsafe { libc::_exit(127) }
}

/// Descriptors that a packet may have: a directory, a cgroup, files of v1 cgroups, namespaces.
const DESCRIPTORS: usize = 2 + 2 * LIMIT;

/// Bytes of a `struct cmsghdr` (cmsg(3)) before its data.
const HEADER: usize = size_of::<libc::cmsghdr>();

/// A packet with its descriptors.
pub struct Received {
    bytes: [u8; PACKET],
    length: usize,
    control: Control,
}

/// One control message, as the kernel writes it.
#[repr(C)]
struct Control {
    header: libc::cmsghdr,
    fds: [c_int; DESCRIPTORS],
}

impl Received {
    /// Nothing yet.
    pub fn new() -> Received {
        Received {
            bytes: [0; PACKET],
            length: 0,
            control: Control {
                header: libc::cmsghdr {
                    cmsg_len: 0,
                    cmsg_level: 0,
                    cmsg_type: 0,
                },
                fds: [-1; DESCRIPTORS],
            },
        }
    }

    /// Waits for a packet. `None` at the end of the connection and for what is not one whole packet.
    pub fn wait(&mut self) -> Option<()> {
        let mut part = libc::iovec {
            iov_base: self.bytes.as_mut_ptr().cast(),
            iov_len: self.bytes.len(),
        };
        // SAFETY: all zeros are a message without anything; it has fields that are not named.
        let mut message: libc::msghdr = unsafe { core::mem::zeroed() };
        message.msg_iov = &mut part;
        message.msg_iovlen = 1;
        message.msg_control = (&raw mut self.control).cast();
        message.msg_controllen = size_of::<Control>() as _;
        loop {
            // SAFETY: the message names memory that lives and is not used otherwise, with its lengths.
            match unsafe { libc::recvmsg(SOCKET, &mut message, 0) } {
                0 => return None,
                length @ 1.. => {
                    self.length = length as usize;
                    let cut = message.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC);
                    return (cut == 0).then_some(());
                }
                // SAFETY: a thread's errno is always there.
                _ if unsafe { *libc::__errno_location() } == libc::EINTR => {}
                _ => return None,
            }
        }
    }

    /// The packet.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// Its descriptors.
    pub fn fds(&self) -> &[c_int] {
        let header = &self.control.header;
        let data = header.cmsg_len.saturating_sub(HEADER);
        match (header.cmsg_level, header.cmsg_type) {
            (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                self.control.fds.get(..data / size_of::<c_int>())
            }
            _ => None,
        }
        .unwrap_or_default()
    }
}

/// Enters what the runtime wants, answers, and leaves nothing open but stdio.
pub fn enter(cgroup: Option<c_int>, entry: &Entry) -> Option<()> {
    // SAFETY: one thread, whose process ends when something fails.
    unsafe {
        if let Some(cgroup) = cgroup {
            be_born_in(cgroup)?;
        }
        // A runtime that has ended before the new process is to die with it is noticed by the answer.
        lxc_entry::join(entry).ok()?;
        answer(&libc::getpid().to_ne_bytes())?;
        (libc::close_range(SOCKET as u32, u32::MAX, 0) == 0).then_some(())
    }
}

/// Sends something to the runtime. `None` if it is gone.
pub fn answer(bytes: &[u8]) -> Option<()> {
    // SAFETY: memory that lives, with its length.
    let sent = unsafe {
        libc::send(
            SOCKET,
            bytes.as_ptr().cast(),
            bytes.len(),
            libc::MSG_NOSIGNAL,
        )
    };
    (sent == bytes.len() as isize).then_some(())
}

/// Goes on as a new process in a v2 cgroup, with this one's parent, and ends this one.
///
/// Moving takes the kernel several milliseconds, being born there nothing (CLONE_INTO_CGROUP). The two share their memory: the
/// old process makes no use of it any more.
///
/// # Safety
/// One thread.
unsafe fn be_born_in(cgroup: c_int) -> Option<()> {
    let mut own_tid: *mut c_int = null_mut();
    // SAFETY: the kernel writes one pointer, to where the C library keeps the thread's id, and clears that at the end of the
    // thread unless it is told not to.
    unsafe {
        let known = libc::prctl(libc::PR_GET_TID_ADDRESS, &raw mut own_tid) == 0;
        libc::syscall(libc::SYS_set_tid_address, null_mut::<c_int>());
        let args = libc::clone_args {
            flags: (libc::CLONE_VM | libc::CLONE_PARENT) as u64 | CLONE_INTO_CGROUP,
            pidfd: 0,
            child_tid: 0,
            parent_tid: 0,
            // That of this process, because of CLONE_PARENT.
            exit_signal: 0,
            stack: 0,
            stack_size: 0,
            tls: 0,
            set_tid: 0,
            set_tid_size: 0,
            cgroup: cgroup as u64,
        };
        // This processor is free as soon as this process has ended, and knows its memory; the runtime is busy on another one.
        let held = hold();
        if go_on_as_child(&args) != 0 {
            return None;
        }
        if let Some(all) = &held {
            libc::sched_setaffinity(0, size_of_val(all), all);
        }
        let tid = libc::syscall(libc::SYS_set_tid_address, own_tid);
        if known && !own_tid.is_null() {
            *own_tid = tid as c_int;
        }
        Some(())
    }
}

/// Holds the calling thread, and so a new process, on its processor, if it may run on all of its cpuset: as
/// `hook_exec::affinity` does. Returns the mask with which the new process lets itself go.
fn hold() -> Option<libc::cpu_set_t> {
    // SAFETY: a set of processors is an array of bits, which may all be 0 and all be 1.
    unsafe {
        let mut before: libc::cpu_set_t = core::mem::zeroed();
        let mut after = before;
        let mut here = before;
        let all: libc::cpu_set_t = core::mem::transmute([u8::MAX; size_of::<libc::cpu_set_t>()]);
        let size = size_of_val(&all);
        let known = libc::sched_getaffinity(0, size, &mut before) == 0
            && libc::sched_setaffinity(0, size, &all) == 0;
        if !known {
            return None;
        }
        let processor = libc::sched_getcpu();
        if libc::sched_getaffinity(0, size, &mut after) != 0
            || !libc::CPU_EQUAL(&before, &after)
            || processor < 0
        {
            libc::sched_setaffinity(0, size, &before);
            return None;
        }
        libc::CPU_SET(processor as usize, &mut here);
        libc::sched_setaffinity(0, size, &here);
        Some(all)
    }
}

/// linux/sched.h; not in every version of the libc crate.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// clone3(2) on the same stack. The child returns 0, the parent does not return but exits with 0. A negated errno where there
/// is no child.
///
/// # Safety
/// The arguments ask for a child that shares the memory and has no stack of its own.
unsafe fn go_on_as_child(args: &libc::clone_args) -> isize {
    let result: isize;
    // SAFETY: between the call and its end the parent uses registers only, so the stack is the child's alone.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jle 2f",
            "xor edi, edi",
            "mov eax, {exit_group}",
            "syscall",
            "ud2",
            "2:",
            exit_group = const libc::SYS_exit_group,
            inlateout("rax") libc::SYS_clone3 as isize => result,
            in("rdi") args,
            in("rsi") size_of::<libc::clone_args>(),
            out("rcx") _,
            out("r11") _,
        );
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!(
            "svc 0",
            "cmp x0, 0",
            "b.le 2f",
            "mov x0, 0",
            "mov x8, {exit_group}",
            "svc 0",
            "brk 1",
            "2:",
            exit_group = const libc::SYS_exit_group,
            inlateout("x0") args => result,
            in("x1") size_of::<libc::clone_args>(),
            inout("x8") libc::SYS_clone3 => _,
        );
    }
    result
}
