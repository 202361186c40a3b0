//! Compiled filters, run by an interpreter and loaded into the kernel.

use super::interpreter::{Call, run};
use super::*;
use serde_json::{Value, json};
use std::process::Command;

const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;
const KILL_THREAD: u32 = 0;
const KILL_PROCESS: u32 = 0x8000_0000;
const TRAP: u32 = 0x0003_0000;
const TRACE: u32 = 0x7ff0_0000;
const LOG: u32 = 0x7ffc_0000;

#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xc000_00b7;

fn typed(seccomp: Value) -> LinuxSeccomp {
    serde_json::from_value(seccomp).unwrap()
}

fn compiled(seccomp: Value) -> Filter {
    compile(&typed(seccomp)).unwrap()
}

fn verdict(filter: &Filter, name: &str, args: [u64; 6]) -> u32 {
    let number = ScmpSyscall::from_name(name).unwrap().as_raw_syscall();
    let arch = NATIVE;
    run(&filter.program, &Call { number, arch, args })
}

/// Names of some hundred system calls of this architecture.
fn many_names() -> Vec<String> {
    let names = (0..=450).filter_map(|n| ScmpSyscall::from_raw_syscall(n).get_name().ok());
    let names: Vec<String> = names.collect();
    assert!(names.len() > 250, "{}", names.len());
    names
}

#[test]
fn every_action() {
    for (action, errno, expected) in [
        ("SCMP_ACT_KILL", None, KILL_THREAD),
        ("SCMP_ACT_KILL_THREAD", None, KILL_THREAD),
        ("SCMP_ACT_KILL_PROCESS", None, KILL_PROCESS),
        ("SCMP_ACT_TRAP", None, TRAP),
        ("SCMP_ACT_ERRNO", None, ERRNO | 1),
        ("SCMP_ACT_ERRNO", Some(38), ERRNO | 38),
        ("SCMP_ACT_ERRNO", Some(0), ERRNO),
        ("SCMP_ACT_TRACE", None, TRACE | 1),
        ("SCMP_ACT_TRACE", Some(77), TRACE | 77),
        ("SCMP_ACT_LOG", None, LOG),
    ] {
        let filter = compiled(json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["getppid"], "action": action, "errnoRet": errno}],
        }));
        assert_eq!(verdict(&filter, "getppid", [0; 6]), expected, "{action}");
        assert_eq!(verdict(&filter, "getuid", [0; 6]), ALLOW, "{action}");

        let filter = compiled(json!({
            "defaultAction": action, "defaultErrnoRet": errno,
            "syscalls": [{"names": ["getuid"], "action": "SCMP_ACT_ALLOW"}],
        }));
        assert_eq!(verdict(&filter, "getppid", [0; 6]), expected, "{action}");
        assert_eq!(verdict(&filter, "getuid", [0; 6]), ALLOW, "{action}");
    }
}

#[test]
fn every_operator() {
    const BIG: u64 = 0x1_0000_0005;
    for (op, value, two, hits, misses) in [
        ("SCMP_CMP_NE", BIG, 0, vec![5, BIG + 1], vec![BIG]),
        ("SCMP_CMP_LT", BIG, 0, vec![BIG - 1, 7], vec![BIG, u64::MAX]),
        ("SCMP_CMP_LE", BIG, 0, vec![BIG, 0], vec![BIG + 1]),
        ("SCMP_CMP_EQ", BIG, 0, vec![BIG], vec![5, BIG + 1]),
        ("SCMP_CMP_GE", BIG, 0, vec![BIG, u64::MAX], vec![BIG - 1]),
        ("SCMP_CMP_GT", BIG, 0, vec![BIG + 1], vec![BIG, 6]),
        // valueTwo is what remains under the mask in value.
        (
            "SCMP_CMP_MASKED_EQ",
            0xf0,
            0x30,
            vec![0x30, 0x13f, BIG + 0x30],
            vec![0x20, 0xf0],
        ),
    ] {
        let filter = compiled(json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["kill"], "action": "SCMP_ACT_ERRNO", "args": [
                {"index": 1, "value": value, "valueTwo": two, "op": op},
            ]}],
        }));
        for (list, expected) in [(hits, ERRNO | 1), (misses, ALLOW)] {
            for argument in list {
                let found = verdict(&filter, "kill", [9, argument, 9, 9, 9, 9]);
                assert_eq!(found, expected, "{op} {argument:#x}");
            }
        }
    }
}

#[test]
fn arguments_of_a_group_must_all_match_unless_one_is_compared_twice() {
    let args = |second: u32| {
        json!({
            "defaultAction": "SCMP_ACT_ERRNO",
            "syscalls": [{"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [
                {"index": 0, "value": 1, "op": "SCMP_CMP_EQ"},
                {"index": second, "value": 2, "op": "SCMP_CMP_EQ"},
            ]}],
        })
    };
    let both = compiled(args(1));
    assert_eq!(verdict(&both, "socket", [1, 2, 0, 0, 0, 0]), ALLOW);
    assert_eq!(verdict(&both, "socket", [1, 3, 0, 0, 0, 0]), ERRNO | 1);
    let either = compiled(args(0));
    for (argument, expected) in [(1, ALLOW), (2, ALLOW), (3, ERRNO | 1)] {
        assert_eq!(
            verdict(&either, "socket", [argument, 0, 0, 0, 0, 0]),
            expected
        );
    }
}

#[test]
fn unknown_and_redundant_names_are_no_errors() {
    let filter = compiled(json!({
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
        "syscalls": [
            {"names": ["read", "time_travel", ""], "action": "SCMP_ACT_ALLOW"},
            {"names": ["mount"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
            {"names": ["umount2"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1},
            {"names": ["read", "read"], "action": "SCMP_ACT_ALLOW"},
        ],
    }));
    assert_eq!(filter.unknown, ["time_travel", ""]);
    assert_eq!(verdict(&filter, "read", [0; 6]), ALLOW);
    assert_eq!(verdict(&filter, "mount", [0; 6]), ERRNO | 38);
    assert_eq!(verdict(&filter, "umount2", [0; 6]), ERRNO | 1);
}

#[test]
fn only_listed_architectures_and_the_native_one_pass() {
    let filter = compiled(json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["getppid"], "action": "SCMP_ACT_ERRNO"}]}));
    let call = |arch| Call {
        number: 0,
        arch,
        ..Call::default()
    };
    assert_eq!(run(&filter.program, &call(NATIVE)), ALLOW);
    assert_eq!(run(&filter.program, &call(0x4000_0003)), KILL_THREAD);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn foreign_architectures_have_their_own_numbers() {
    let filter = compiled(json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": [{"names": ["getpid"], "action": "SCMP_ACT_ALLOW"}],
    }));
    let call = |arch, number| Call {
        number,
        arch,
        ..Call::default()
    };
    assert_eq!(run(&filter.program, &call(NATIVE, 39)), ALLOW);
    assert_eq!(run(&filter.program, &call(NATIVE, 20)), ERRNO | 1);
    assert_eq!(run(&filter.program, &call(0x4000_0003, 20)), ALLOW);
    assert_eq!(run(&filter.program, &call(0x4000_0003, 39)), ERRNO | 1);
    // x32 shares the architecture of x86_64 and marks its numbers.
    assert_eq!(run(&filter.program, &call(NATIVE, 0x4000_0000 + 39)), ALLOW);
}

#[test]
fn every_architecture_is_in_the_table_once() {
    for (i, (arch, token)) in ARCHITECTURES.iter().enumerate() {
        assert!(
            ARCHITECTURES[..i]
                .iter()
                .all(|(a, t)| a != arch && t != token)
        );
    }
    // The library in use may be too old for one; then the error says where and why.
    let text = compile(&typed(json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_S390X"],
    })));
    let text = text.unwrap_err().to_string();
    assert!(
        text.starts_with("/linux/seccomp/architectures/0: libseccomp ")
            && text.contains("seccomp_arch_add()"),
        "{text}"
    );
}

#[test]
fn flags_have_the_kernels_numbers() {
    let flags =
        |names: Value| compiled(json!({"defaultAction": "SCMP_ACT_ALLOW", "flags": names})).flags;
    assert_eq!(flags(json!([])), 0);
    assert_eq!(flags(json!(["SECCOMP_FILTER_FLAG_TSYNC"])), 1);
    assert_eq!(flags(json!(["SECCOMP_FILTER_FLAG_LOG"])), 2);
    assert_eq!(
        flags(json!([
            "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
            "SECCOMP_FILTER_FLAG_LOG"
        ])),
        6
    );
}

#[test]
fn a_large_profile_is_small_enough_and_right() {
    let names = many_names();
    let filter = compiled(json!({
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
        "syscalls": [
            {"names": names, "action": "SCMP_ACT_ALLOW"},
            {"names": ["swapon"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "args": [
                {"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]},
        ],
    }));
    assert_eq!(
        filter.program.len() % hook_tree::names::SECCOMP_INSTRUCTION,
        0
    );
    let instructions = filter.program.len() / hook_tree::names::SECCOMP_INSTRUCTION;
    assert!(
        (names.len()..hook_tree::names::SECCOMP_LIMIT).contains(&instructions),
        "{instructions}"
    );
    for name in &names {
        assert_eq!(verdict(&filter, name, [0; 6]), ALLOW, "{name}");
    }
    let call = Call {
        number: 4000,
        arch: NATIVE,
        ..Call::default()
    };
    assert_eq!(run(&filter.program, &call), ERRNO | 38);
}

/// The environment variable that turns [`loaded_by_a_child`] into the child.
const CHILD: &str = "LXCRI_TEST_SECCOMP_CHILD";

/// The kernel takes the large profile, and it works. A filter cannot be taken off again, so a child
/// process loads it: this test, run once more.
#[test]
fn loaded_by_a_child() {
    const ODD_ERRNO: i32 = 99;
    if std::env::var_os(CHILD).is_some() {
        let names: Vec<String> = many_names();
        let not_mkdir = names.iter().filter(|n| !n.starts_with("mkdir"));
        let profile = typed(json!({
            "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": ODD_ERRNO,
            "syscalls": [{"names": not_mkdir.collect::<Vec<_>>(), "action": "SCMP_ACT_ALLOW"}],
        }));
        let (mut context, _) = build(&profile).unwrap();
        context.set_ctl_nnp(true).unwrap();
        context.load().unwrap();
        let error = std::fs::create_dir("/nowhere/to/be/made").unwrap_err();
        println!("errno={:?}", error.raw_os_error());
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "seccomp::tests::loaded_by_a_child",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(text.contains(&format!("errno=Some({ODD_ERRNO})")), "{text}");
}
