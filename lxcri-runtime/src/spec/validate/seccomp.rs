//! `linux.seccomp`, as far as it can be judged without libseccomp.

use oci_spec::runtime::{LinuxSeccompAction as Action, Spec};

use super::super::pointer::Pointer;
use super::super::problem::Problems;
use super::Report;

/// The kernel's limit on an errno, `MAX_ERRNO`.
const MAX_ERRNO: u32 = 4095;
/// The kernel's limit on the message to a tracer, `SECCOMP_RET_DATA`.
const MAX_TRACE: u32 = 0xffff;
/// A system call has six arguments.
const MAX_INDEX: usize = 5;

pub(super) fn validate(spec: &Spec, report: &mut Report) {
    let linux = spec.linux().as_ref();
    let Some(seccomp) = linux.and_then(|linux| linux.seccomp().as_ref()) else {
        return;
    };
    let at = Pointer::at("/linux/seccomp");
    let problems = &mut report.problems;
    errno(
        seccomp.default_action(),
        seccomp.default_errno_ret(),
        || at.key("defaultErrnoRet"),
        problems,
    );
    for (i, syscall) in seccomp.syscalls().iter().flatten().enumerate() {
        let at = || at.key("syscalls").index(i);
        if syscall.names().is_empty() {
            problems.add(at().key("names"), "empty");
        }
        errno(
            syscall.action(),
            syscall.errno_ret(),
            || at().key("errnoRet"),
            problems,
        );
        for (j, arg) in syscall.args().iter().flatten().enumerate() {
            if arg.index() > MAX_INDEX {
                problems.add(
                    at().key("args").index(j).key("index"),
                    format!("{} is greater than {MAX_INDEX}", arg.index()),
                );
            }
        }
    }
}

/// "When the action doesn't support an errno, the runtime MUST print an error and fail"
/// (config-linux.md, Seccomp).
fn errno(action: Action, errno: Option<u32>, at: impl Fn() -> Pointer, problems: &mut Problems) {
    let Some(errno) = errno else { return };
    let limit = match action {
        Action::ScmpActErrno => MAX_ERRNO,
        Action::ScmpActTrace => MAX_TRACE,
        _ => {
            problems.add(at(), format!("{action} takes no errno"));
            return;
        }
    };
    if errno > limit {
        problems.add(at(), format!("{errno} is greater than {limit}"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{problems, with};
    use serde_json::json;

    #[test]
    fn errnos_names_and_arguments() {
        let raw = with(
            "/linux/seccomp",
            json!({
                "defaultAction": "SCMP_ACT_KILL", "defaultErrnoRet": 1,
                "syscalls": [
                    {"names": [], "action": "SCMP_ACT_ERRNO", "errnoRet": 4096},
                    {"names": ["read"], "action": "SCMP_ACT_TRACE", "errnoRet": 65535},
                    {"names": ["read"], "action": "SCMP_ACT_TRACE", "errnoRet": 65536},
                    {"names": ["read"], "action": "SCMP_ACT_ALLOW", "errnoRet": 0},
                    {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [
                        {"index": 5, "value": 1, "op": "SCMP_CMP_EQ"},
                        {"index": 6, "value": 1, "op": "SCMP_CMP_EQ"},
                    ]},
                ],
            }),
        );
        assert_eq!(
            problems(&raw),
            [
                "/linux/seccomp/defaultErrnoRet: SCMP_ACT_KILL takes no errno",
                "/linux/seccomp/syscalls/0/names: empty",
                "/linux/seccomp/syscalls/0/errnoRet: 4096 is greater than 4095",
                "/linux/seccomp/syscalls/2/errnoRet: 65536 is greater than 65535",
                "/linux/seccomp/syscalls/3/errnoRet: SCMP_ACT_ALLOW takes no errno",
                "/linux/seccomp/syscalls/4/args/1/index: 6 is greater than 5",
            ]
        );
    }
}
