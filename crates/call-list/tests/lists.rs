//! Lists carried out by a kernel that only takes notes: order, texts, and where an error leads.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::ffi::c_long;

use call_list::{Capabilities, Error, Process, Rlimit, Stdio, Superblock};
use hook_tree::calls::{ADDRESS, End, Machine, NO_ERRNO, carry_out};

/// Answers calls with 0, or with what is laid down for the n-th call of a number.
#[derive(Default)]
struct Kernel {
    answers: Vec<(c_long, usize, i64)>,
    calls: Vec<(c_long, [u64; 5])>,
    hooks_after: Option<usize>,
}

impl Machine for Kernel {
    fn call(&mut self, number: u64, arguments: [u64; 5]) -> i64 {
        let number = number as c_long;
        let before = self.count(number);
        self.calls.push((number, arguments));
        let found = |(of, at, _): &&(c_long, usize, i64)| (*of, *at) == (number, before);
        self.answers.iter().find(found).map_or(0, |answer| answer.2)
    }

    fn run_hooks(&mut self) {
        self.hooks_after = Some(self.calls.len());
    }
}

impl Kernel {
    fn answering(answers: &[(c_long, usize, i32)]) -> Kernel {
        Kernel {
            answers: answers
                .iter()
                .map(|(number, at, answer)| (*number, *at, i64::from(*answer)))
                .collect(),
            ..Kernel::default()
        }
    }

    fn count(&self, number: c_long) -> usize {
        self.calls.iter().filter(|call| call.0 == number).count()
    }

    fn numbers(&self) -> Vec<c_long> {
        self.calls.iter().map(|call| call.0).collect()
    }
}

fn run(bytes: &[u8], kernel: &mut Kernel) -> (End, String) {
    let (words, rest) = bytes.as_chunks();
    assert!(rest.is_empty(), "whole words");
    let words: Vec<Cell<u64>> = words
        .iter()
        .map(|word| Cell::new(u64::from_ne_bytes(*word)))
        .collect();
    let end = carry_out(&words, kernel);
    let text = match end.text.checked_sub(ADDRESS) {
        Some(at) => string(bytes, at as usize),
        None => String::new(),
    };
    (end, text)
}

fn string(bytes: &[u8], at: usize) -> String {
    let bytes = bytes[at..].split(|byte| *byte == 0).next().unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn word(bytes: &[u8], address: u64) -> u64 {
    let at = (address - ADDRESS) as usize;
    u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn process(program: &str) -> Process {
    Process {
        program: program.to_owned(),
        arguments: vec!["argv0".to_owned(), "b".to_owned()],
        environment: vec!["A=1".to_owned(), "PATH=/x:/y:".to_owned()],
        ..Process::default()
    }
}

/// What a program that is executed returns here, for nothing is executed.
const NEVER: i32 = -libc::ENOEXEC;

#[test]
fn the_order_of_everything() {
    let everything = Process {
        cwd: Some(b"/work".to_vec()),
        uid: Some(1),
        gid: Some(2),
        groups: Some(vec![3, 4]),
        umask: Some(0o22),
        no_new_privs: true,
        capabilities: Some(Capabilities {
            known: 0b111,
            bounding: 0b101,
            ambient: 0b100,
            ..Capabilities::default()
        }),
        rlimits: vec![Rlimit {
            resource: 7,
            soft: 8,
            hard: 9,
        }],
        seccomp: vec![0; 16],
        selinux: Some("label".to_owned()),
        session: true,
        stdio: Stdio::Terminal,
        preserve: 2,
        personality: Some(8),
        ..process("/bin/x")
    };
    // getcwd and fstatfs would write what is compared afterwards; up to there the first run goes.
    let bytes = everything.compile().unwrap();
    let mut kernel = Kernel::default();
    let (end, text) = run(&bytes, &mut kernel);
    assert_eq!(
        (end.result, end.code, text.as_str()),
        (NO_ERRNO, 17, "chdir(/work): outside of the root")
    );
    use libc::*;
    assert_eq!(
        kernel.numbers(),
        [
            SYS_umount2,
            SYS_close,
            SYS_setsid,
            SYS_ioctl,
            SYS_dup3,
            SYS_dup3,
            SYS_dup3,
            SYS_personality,
            SYS_umask,
            SYS_prlimit64,
            SYS_prctl,
            SYS_prctl,
            SYS_chdir,
            SYS_getcwd,
        ]
    );
    assert_eq!(kernel.hooks_after, Some(7));
    // Without what is compared, the rest.
    let rest = Process {
        cwd: None,
        selinux: None,
        ..everything
    };
    let bytes = rest.compile().unwrap();
    let mut kernel = Kernel::answering(&[(SYS_execve, 0, NEVER)]);
    run(&bytes, &mut kernel);
    assert_eq!(
        kernel.numbers()[12..],
        [
            SYS_setgroups,
            SYS_setresgid,
            SYS_setresuid,
            SYS_capset,
            SYS_prctl,
            SYS_prctl,
            SYS_dup3,
            SYS_dup3,
            SYS_close_range,
            SYS_rt_sigaction,
            SYS_prctl,
            SYS_write,
            SYS_seccomp,
            SYS_execve,
        ]
    );
    // Preserved descriptors come first, then the terminal, the mount point's and the FIFO.
    let arguments = |number, at| {
        let mut of = kernel.calls.iter().filter(|call| call.0 == number);
        of.nth(at).unwrap().1
    };
    assert_eq!(arguments(SYS_close, 0)[0], 8);
    assert_eq!(arguments(SYS_dup3, 2)[..2], [7, 2]);
    assert_eq!(arguments(SYS_dup3, 4)[..2], [6, 4]);
    assert_eq!(arguments(SYS_close_range, 0)[0], 5);
    assert_eq!(arguments(SYS_write, 0)[0], 9);
    let [_, _, filter, ..] = arguments(SYS_seccomp, 0);
    assert_eq!(word(&bytes, filter), 2);
    assert_eq!(word(&bytes, word(&bytes, filter + 8)), 0);
}

#[test]
fn a_filter_without_no_new_privs_comes_first() {
    let process = Process {
        uid: Some(1),
        seccomp: vec![0; 8],
        ..process("/x")
    };
    let mut kernel = Kernel::answering(&[(libc::SYS_execve, 0, NEVER)]);
    run(&process.compile().unwrap(), &mut kernel);
    let place = |number| {
        let numbers = kernel.numbers();
        numbers.iter().position(|other| *other == number).unwrap()
    };
    assert!(place(libc::SYS_seccomp) < place(libc::SYS_setresuid));
}

#[test]
fn the_program_gets_its_strings() {
    let bytes = process("/bin/x").compile().unwrap();
    let mut kernel = Kernel::answering(&[(libc::SYS_execve, 0, -libc::E2BIG)]);
    let (end, text) = run(&bytes, &mut kernel);
    assert_eq!(
        (end.result, end.code, text.as_str()),
        (-i64::from(libc::E2BIG), 18, "execve(/bin/x)")
    );
    let [path, argv, envp, ..] = kernel.calls.last().unwrap().1;
    let at = |address: u64| string(&bytes, (address - ADDRESS) as usize);
    assert_eq!(at(path), "/bin/x");
    for (vector, strings) in [(argv, ["argv0", "b"]), (envp, ["A=1", "PATH=/x:/y:"])] {
        for (index, expected) in strings.iter().enumerate() {
            assert_eq!(at(word(&bytes, vector + 8 * index as u64)), *expected);
        }
        assert_eq!(word(&bytes, vector + 16), 0);
    }
}

#[test]
fn programs_are_looked_for_like_execvp_does() {
    use libc::{EACCES, ENOENT, ENOEXEC, ENOTDIR};
    let bytes = process("prog").compile().unwrap();
    let search = |errors: [i32; 3]| {
        let answers: Vec<_> = errors
            .iter()
            .enumerate()
            .map(|(at, error)| (libc::SYS_execve, at, -error))
            .collect();
        let mut kernel = Kernel::answering(&answers);
        let (_, text) = run(&bytes, &mut kernel);
        let tried = kernel
            .calls
            .iter()
            .filter(|call| call.0 == libc::SYS_execve)
            .map(|call| string(&bytes, (call.1[0] - ADDRESS) as usize))
            .collect::<Vec<_>>();
        (tried.join(" "), text)
    };
    let all = "/x/prog /y/prog prog".to_owned();
    let missing = "execve(prog): executable file not found in $PATH".to_owned();
    let denied = "execve(prog): permission denied (EACCES)".to_owned();
    assert_eq!(search([ENOENT, ENOTDIR, ENOENT]), (all.clone(), missing));
    for errors in [
        [EACCES, ENOENT, ENOENT],
        [ENOENT, EACCES, ENOENT],
        [ENOENT, ENOENT, EACCES],
        [EACCES, EACCES, EACCES],
    ] {
        assert_eq!(search(errors), (all.clone(), denied.clone()), "{errors:?}");
    }
    let other = ("/x/prog /y/prog".to_owned(), "execve(/y/prog)".to_owned());
    assert_eq!(search([ENOENT, ENOEXEC, ENOENT]), other);
    assert_eq!(search([EACCES, ENOEXEC, ENOENT]), other);
}

#[test]
fn a_directory_that_root_may_not_enter_is_tried_as_the_user() {
    use libc::{EACCES, ENOENT, SYS_chdir, SYS_getcwd, SYS_setresuid};
    let process = Process {
        cwd: Some(b"/work".to_vec()),
        uid: Some(1),
        ..process("/x")
    };
    let bytes = process.compile().unwrap();
    let calls = |answers: &[(c_long, usize, i32)]| {
        let mut kernel = Kernel::answering(answers);
        let (end, text) = run(&bytes, &mut kernel);
        let wanted = [SYS_chdir, SYS_getcwd, SYS_setresuid];
        let numbers = kernel.numbers();
        let of: Vec<_> = numbers.into_iter().filter(|n| wanted.contains(n)).collect();
        (of, end.result, text)
    };
    let outside = "chdir(/work): outside of the root".to_owned();
    assert_eq!(
        calls(&[]),
        (vec![SYS_chdir, SYS_getcwd], NO_ERRNO, outside.clone())
    );
    let second = vec![SYS_chdir, SYS_setresuid, SYS_chdir];
    assert_eq!(
        calls(&[(SYS_chdir, 0, -EACCES)]),
        ([&second[..], &[SYS_getcwd]].concat(), NO_ERRNO, outside)
    );
    let text = "chdir(/work)".to_owned();
    let denied = [(SYS_chdir, 0, -EACCES), (SYS_chdir, 1, -EACCES)];
    assert_eq!(calls(&denied), (second, -i64::from(EACCES), text.clone()));
    assert_eq!(
        calls(&[(SYS_chdir, 0, -ENOENT)]),
        (vec![SYS_chdir], -i64::from(ENOENT), text)
    );
}

#[test]
fn the_profile_is_written_where_the_kernel_has_it() {
    use libc::{EACCES, ENOENT, SYS_openat};
    let process = Process {
        apparmor: Some("profile".to_owned()),
        ..process("/x")
    };
    let bytes = process.compile().unwrap();
    let opened = |answers: &[(c_long, usize, i32)]| {
        let mut kernel = Kernel::answering(answers);
        let (_, text) = run(&bytes, &mut kernel);
        let paths = kernel.calls.iter().filter(|call| call.0 == SYS_openat);
        let paths: Vec<_> = paths
            .map(|call| string(&bytes, (call.1[1] - ADDRESS) as usize))
            .collect();
        (paths, text)
    };
    let new = "/proc/self/attr/apparmor/exec".to_owned();
    let old = "/proc/self/attr/exec".to_owned();
    let fake = "/proc/self/attr/exec: not on procfs".to_owned();
    assert_eq!(
        opened(&[(SYS_openat, 0, 9)]),
        (vec![new.clone()], fake.clone())
    );
    assert_eq!(
        opened(&[(SYS_openat, 0, -ENOENT), (SYS_openat, 1, 9)]),
        (vec![new.clone(), old], fake)
    );
    assert_eq!(
        opened(&[(SYS_openat, 0, -EACCES)]),
        (vec![new.clone()], format!("open({new})"))
    );
}

#[test]
fn a_session_that_is_there_is_none_to_make() {
    let process = Process {
        session: true,
        ..process("/x")
    };
    let bytes = process.compile().unwrap();
    let mut kernel = Kernel::answering(&[
        (libc::SYS_setsid, 0, -libc::EPERM),
        (libc::SYS_execve, 0, NEVER),
    ]);
    assert_eq!(run(&bytes, &mut kernel).1, "execve(/x)");
}

#[test]
fn superblocks_go_on_with_their_context() {
    let superblock = Superblock {
        fstype: "tmpfs",
        options: &["ro", "size=1k", "k=a=b"],
        attributes: 14,
    };
    let packet = superblock.packet().unwrap();
    assert_eq!(packet[0], hook_tree::sync::MAKE_MOUNT);
    let mut kernel = Kernel::answering(&[(libc::SYS_fsopen, 0, 5), (libc::SYS_fsmount, 0, 6)]);
    let (end, _) = run(&packet, &mut kernel);
    assert_eq!((end.result, end.kept), (6, 5));
    let at = |address: u64| string(&packet, (address - ADDRESS) as usize);
    let options: Vec<_> = kernel.calls[1..4]
        .iter()
        .map(|(number, [context, command, key, value, _])| {
            assert_eq!((*number, *context), (libc::SYS_fsconfig, 5));
            let value = (*value != 0).then(|| at(*value));
            (*command, at(*key), value)
        })
        .collect();
    let option = |command, key: &str, value: Option<&str>| {
        (command, key.to_owned(), value.map(str::to_owned))
    };
    assert_eq!(
        options,
        [
            option(0, "ro", None),
            option(1, "size", Some("1k")),
            option(1, "k", Some("a=b")),
        ]
    );
    let mut kernel = Kernel::answering(&[(libc::SYS_fsconfig, 1, -libc::EINVAL)]);
    assert_eq!(run(&packet, &mut kernel).1, "fsconfig(tmpfs, size=1k)");
}

#[test]
fn what_no_process_can_be_is_refused() {
    let refused = |process: Process| process.compile().unwrap_err();
    assert_eq!(refused(process("")), Error::NoProgram);
    assert_eq!(refused(process("a\0b")), Error::InnerNul);
    let nobody = Process {
        arguments: vec![],
        ..process("/x")
    };
    assert_eq!(refused(nobody), Error::NoArguments);
    for size in [7, 8 * 4097] {
        let filtered = Process {
            seccomp: vec![0; size],
            ..process("/x")
        };
        assert_eq!(refused(filtered), Error::BadFilter);
    }
    let long = "x".repeat(100_000);
    let superblock = Superblock {
        fstype: "tmpfs",
        options: &[&long],
        attributes: 0,
    };
    assert_eq!(superblock.packet(), Err(Error::TooLarge));
}
