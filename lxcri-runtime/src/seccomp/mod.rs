//! Compiles `linux.seccomp` with libseccomp into the program that init loads into the kernel.
#![forbid(unsafe_code)]

#[cfg(test)]
mod interpreter;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{Read, Seek};

use libseccomp::error::SeccompError;
use libseccomp::{
    ScmpAction, ScmpArch, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall,
};
use nix::sys::memfd::{MFdFlags, memfd_create};
use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction as Action, LinuxSeccompArg,
    LinuxSeccompFilterFlag as Flag, LinuxSeccompOperator as Operator, LinuxSyscall,
};

use crate::spec::{Pointer, Problem};

/// What an action returns when the bundle names no errno.
const DEFAULT_ERRNO: u32 = libc::EPERM as u32;

/// A compiled filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// `struct sock_filter` after `struct sock_filter`, in the byte order of this machine.
    pub program: Vec<u8>,
    /// The flags for `seccomp(SECCOMP_SET_MODE_FILTER)`.
    pub flags: u32,
    /// Names of system calls that libseccomp does not know; left out, as runc does, because profiles
    /// are written for newer kernels and older libraries alike.
    pub unknown: Vec<String>,
}

/// Compiles a filter.
///
/// # Errors
/// When libseccomp cannot represent a rule or an architecture; the problem names its place.
pub fn compile(seccomp: &LinuxSeccomp) -> Result<Filter, Problem> {
    let (context, unknown) = build(seccomp)?;
    let program = export(&context)
        .map_err(|what| Problem::new(at(), format!("cannot be compiled: {what}")))?;
    let flags = seccomp
        .flags()
        .iter()
        .flatten()
        .fold(0, |all, f| all | flag(*f));
    Ok(Filter {
        program,
        flags,
        unknown,
    })
}

/// The actions that profiles may use.
pub const ACTIONS: [Action; 8] = [
    Action::ScmpActKill,
    Action::ScmpActKillProcess,
    Action::ScmpActKillThread,
    Action::ScmpActTrap,
    Action::ScmpActErrno,
    Action::ScmpActTrace,
    Action::ScmpActAllow,
    Action::ScmpActLog,
];

/// The operators that profiles may use.
pub const OPERATORS: [Operator; 7] = [
    Operator::ScmpCmpNe,
    Operator::ScmpCmpLt,
    Operator::ScmpCmpLe,
    Operator::ScmpCmpEq,
    Operator::ScmpCmpGe,
    Operator::ScmpCmpGt,
    Operator::ScmpCmpMaskedEq,
];

/// The flags that profiles may use.
pub const FLAGS: [Flag; 3] = [
    Flag::SeccompFilterFlagTsync,
    Flag::SeccompFilterFlagLog,
    Flag::SeccompFilterFlagSpecAllow,
];

/// The architectures that profiles may name.
pub fn architectures() -> impl Iterator<Item = Arch> {
    let named = ARCHITECTURES.iter().map(|(arch, _)| *arch);
    named.filter(|arch| *arch != Arch::ScmpArchNative)
}

/// The version of libseccomp in use, like `2.5.4`.
pub fn library_version() -> Option<String> {
    let version = libseccomp::ScmpVersion::current().ok()?;
    Some(format!(
        "{}.{}.{}",
        version.major, version.minor, version.micro
    ))
}

fn at() -> Pointer {
    Pointer::at("/linux/seccomp")
}

fn build(seccomp: &LinuxSeccomp) -> Result<(ScmpFilterContext, Vec<String>), Problem> {
    let default = action(seccomp.default_action(), seccomp.default_errno_ret())
        .ok_or_else(|| Problem::unsupported(at().key("defaultAction")))?;
    // Without libseccomp's binary tree: compiling one takes half as long again (3 ms for an engine's
    // profile), while kernels since 5.11 remember which calls are allowed whatever their arguments and
    // do not run the filter for those at all.
    let mut context = ScmpFilterContext::new(default)
        .map_err(|error| problem(at().key("defaultAction"), "seccomp_init", &error))?;
    for (i, arch) in seccomp.architectures().iter().flatten().enumerate() {
        let place = || at().key("architectures").index(i);
        let token = architecture(*arch).ok_or_else(|| Problem::unsupported(place()))?;
        context
            .add_arch(token)
            .map_err(|error| problem(place(), "seccomp_arch_add", &error))?;
    }
    let syscalls = seccomp.syscalls().as_deref().unwrap_or_default();
    let mut unknown = Vec::new();
    for (i, syscall) in syscalls.iter().enumerate() {
        let place = || at().key("syscalls").index(i);
        let wanted = action(syscall.action(), syscall.errno_ret())
            .ok_or_else(|| Problem::unsupported(place().key("action")))?;
        if wanted == default {
            // libseccomp calls that an error (EACCES), but it is only redundant.
            continue;
        }
        let comparisons = comparisons(syscall);
        for (j, name) in syscall.names().iter().enumerate() {
            let Ok(number) = ScmpSyscall::from_name(name) else {
                unknown.push(name.clone());
                continue;
            };
            add(&mut context, wanted, number, &comparisons).map_err(|error| {
                problem(
                    place().key("names").index(j),
                    "seccomp_rule_add_array",
                    &error,
                )
            })?;
        }
    }
    Ok((context, unknown))
}

/// Adds one rule for each list of comparisons; a call must fulfil all of one list.
fn add(
    context: &mut ScmpFilterContext,
    action: ScmpAction,
    number: ScmpSyscall,
    comparisons: &[Vec<ScmpArgCompare>],
) -> Result<(), SeccompError> {
    for list in comparisons {
        match context.add_rule_conditional(action, number, list) {
            Ok(_) => {}
            // The rule is there already: profiles name a call in more than one group.
            Err(error) if error.sysrawrc() == Some(-libc::EEXIST) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The comparisons of a group. libseccomp compares each argument once in a rule; where a profile
/// compares one twice, each comparison becomes a rule of its own, which is how runc reads that.
fn comparisons(syscall: &LinuxSyscall) -> Vec<Vec<ScmpArgCompare>> {
    let args = syscall.args().as_deref().unwrap_or_default();
    let twice = args
        .iter()
        .enumerate()
        .any(|(i, arg)| args[..i].iter().any(|other| other.index() == arg.index()));
    let all = args.iter().map(comparison);
    if twice {
        all.map(|one| vec![one]).collect()
    } else {
        vec![all.collect()]
    }
}

fn comparison(arg: &LinuxSeccompArg) -> ScmpArgCompare {
    let operator = match arg.op() {
        Operator::ScmpCmpNe => ScmpCompareOp::NotEqual,
        Operator::ScmpCmpLt => ScmpCompareOp::Less,
        Operator::ScmpCmpLe => ScmpCompareOp::LessOrEqual,
        Operator::ScmpCmpEq => ScmpCompareOp::Equal,
        Operator::ScmpCmpGe => ScmpCompareOp::GreaterEqual,
        Operator::ScmpCmpGt => ScmpCompareOp::Greater,
        Operator::ScmpCmpMaskedEq => ScmpCompareOp::MaskedEqual(arg.value()),
    };
    let datum = match arg.op() {
        // Here the first value is the mask.
        Operator::ScmpCmpMaskedEq => arg.value_two().unwrap_or(0),
        _ => arg.value(),
    };
    // An index beyond what fits is beyond what libseccomp takes, too.
    let index = u32::try_from(arg.index()).unwrap_or(u32::MAX);
    ScmpArgCompare::new(index, operator, datum)
}

fn action(action: Action, errno: Option<u32>) -> Option<ScmpAction> {
    let errno = errno.unwrap_or(DEFAULT_ERRNO);
    Some(match action {
        Action::ScmpActKill | Action::ScmpActKillThread => ScmpAction::KillThread,
        Action::ScmpActKillProcess => ScmpAction::KillProcess,
        Action::ScmpActTrap => ScmpAction::Trap,
        Action::ScmpActErrno => ScmpAction::Errno(i32::try_from(errno).ok()?),
        Action::ScmpActTrace => ScmpAction::Trace(u16::try_from(errno).ok()?),
        Action::ScmpActLog => ScmpAction::Log,
        Action::ScmpActAllow => ScmpAction::Allow,
        Action::ScmpActNotify => return None,
    })
}

/// The architectures with the spec's names. Big and little endian do not mix in one filter, and an old
/// library may lack one.
const ARCHITECTURES: [(Arch, ScmpArch); 24] = [
    (Arch::ScmpArchX86, ScmpArch::X86),
    (Arch::ScmpArchX86_64, ScmpArch::X8664),
    (Arch::ScmpArchX32, ScmpArch::X32),
    (Arch::ScmpArchArm, ScmpArch::Arm),
    (Arch::ScmpArchAarch64, ScmpArch::Aarch64),
    (Arch::ScmpArchMips, ScmpArch::Mips),
    (Arch::ScmpArchMips64, ScmpArch::Mips64),
    (Arch::ScmpArchMips64n32, ScmpArch::Mips64N32),
    (Arch::ScmpArchMipsel, ScmpArch::Mipsel),
    (Arch::ScmpArchMipsel64, ScmpArch::Mipsel64),
    (Arch::ScmpArchMipsel64n32, ScmpArch::Mipsel64N32),
    (Arch::ScmpArchPpc, ScmpArch::Ppc),
    (Arch::ScmpArchPpc64, ScmpArch::Ppc64),
    (Arch::ScmpArchPpc64le, ScmpArch::Ppc64Le),
    (Arch::ScmpArchS390, ScmpArch::S390),
    (Arch::ScmpArchS390x, ScmpArch::S390X),
    (Arch::ScmpArchParisc, ScmpArch::Parisc),
    (Arch::ScmpArchParisc64, ScmpArch::Parisc64),
    (Arch::ScmpArchRiscv64, ScmpArch::Riscv64),
    (Arch::ScmpArchLoongarch64, ScmpArch::Loongarch64),
    (Arch::ScmpArchM68k, ScmpArch::M68k),
    (Arch::ScmpArchSh, ScmpArch::Sh),
    (Arch::ScmpArchSheb, ScmpArch::Sheb),
    (Arch::ScmpArchNative, ScmpArch::Native),
];

fn architecture(arch: Arch) -> Option<ScmpArch> {
    ARCHITECTURES
        .iter()
        .find(|(spec, _)| *spec == arch)
        .map(|(_, token)| *token)
}

/// The number of a flag in `linux/seccomp.h`.
const fn flag(flag: Flag) -> u32 {
    (match flag {
        Flag::SeccompFilterFlagTsync => libc::SECCOMP_FILTER_FLAG_TSYNC,
        Flag::SeccompFilterFlagLog => libc::SECCOMP_FILTER_FLAG_LOG,
        Flag::SeccompFilterFlagSpecAllow => libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW,
        Flag::SeccompFilterFlagWaitKillableRecv => libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
    }) as u32
}

/// libseccomp before 2.6 exports to a descriptor only.
fn export(context: &ScmpFilterContext) -> Result<Vec<u8>, String> {
    let memory = memfd_create(c"seccomp", MFdFlags::MFD_CLOEXEC)
        .map_err(|errno| format!("memfd_create(seccomp): {errno}"))?;
    let mut file = File::from(memory);
    context
        .export_bpf(&file)
        .map_err(|error| format!("seccomp_export_bpf(): {error}"))?;
    let mut program = Vec::new();
    file.rewind()
        .and_then(|()| file.read_to_end(&mut program))
        .map_err(|error| format!("read(memfd): {error}"))?;
    Ok(program)
}

fn problem(at: Pointer, call: &str, error: &SeccompError) -> Problem {
    let version = library_version().unwrap_or_default();
    Problem::new(
        at,
        format!("libseccomp {version} refuses it: {call}(): {error}"),
    )
}
