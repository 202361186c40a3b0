//! What init applies to the process and how it finds the program.
#![deny(unsafe_code)]

mod support;

use call_list::{Capabilities, Process};
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use support::container::{Container, at, capabilities, limit, possible, status_line, user};

#[test]
fn settings_are_applied() {
    if !possible() {
        return;
    }
    let script = "busybox cat /proc/self/status /proc/self/limits /proc/self/personality; umask; busybox id -G; pwd";
    let settings = Process {
        uid: Some(1000),
        gid: Some(1001),
        groups: Some(vec![5, 4294967294, 7]),
        umask: Some(0o27),
        no_new_privs: true,
        capabilities: Some(Capabilities {
            bounding: 0x2400,
            permitted: 0x2400,
            effective: 0x400,
            inheritable: 0x2000,
            ambient: 0x2000,
            ..capabilities()
        }),
        rlimits: vec![limit(7, 77, 99), limit(4, 0, u64::MAX)],
        session: true,
        personality: Some(8),
        ..at("/work")
    };
    let output = Container::new(script, settings).run().output();
    assert_eq!(status_line(&output, "Uid:"), "1000\t1000\t1000\t1000");
    assert_eq!(status_line(&output, "Gid:"), "1001\t1001\t1001\t1001");
    assert_eq!(status_line(&output, "Groups:"), "5 7 4294967294");
    assert_eq!(status_line(&output, "Umask:"), "0027");
    assert_eq!(status_line(&output, "NoNewPrivs:"), "1");
    // execve as an ordinary user: permitted and effective become the ambient set.
    for (key, value) in [
        ("CapBnd:", 0x2400),
        ("CapInh:", 0x2000),
        ("CapAmb:", 0x2000),
        ("CapPrm:", 0x2000),
    ] {
        assert_eq!(status_line(&output, key), format!("{value:016x}"), "{key}");
    }
    let files = status_line(&output, "Max open files");
    assert_eq!(
        files.split_whitespace().collect::<Vec<_>>(),
        ["77", "99", "files"]
    );
    let core = status_line(&output, "Max core file size");
    assert_eq!(
        core.split_whitespace().collect::<Vec<_>>(),
        ["0", "unlimited", "bytes"]
    );
    assert!(
        output.contains("00000008\n0027\n1001 5 7 4294967294\n/work\n"),
        "{output}"
    );
    for key in ["SigBlk:", "SigIgn:"] {
        assert_eq!(status_line(&output, key), "0000000000000000");
    }
}

#[test]
fn root_keeps_no_more_than_it_was_given() {
    if !possible() {
        return;
    }
    let settings = Process {
        gid: Some(0),
        groups: Some(vec![]),
        capabilities: Some(Capabilities {
            bounding: 0x21,
            permitted: 0x21,
            effective: 0x21,
            ..capabilities()
        }),
        ..user(0)
    };
    let output = Container::new("busybox cat /proc/self/status", settings)
        .run()
        .output();
    assert_eq!(status_line(&output, "CapEff:"), "0000000000000021");
    assert_eq!(status_line(&output, "CapBnd:"), "0000000000000021");
    assert_eq!(status_line(&output, "Groups:"), "");
    assert_eq!(status_line(&output, "NoNewPrivs:"), "0");
}

/// A filter that answers mkdir with EPERM and allows everything else.
#[cfg(target_arch = "x86_64")]
fn filter() -> Vec<u8> {
    const MKDIR: u32 = 83;
    let instructions: [(u16, u8, u8, u32); 4] = [
        (0x20, 0, 0, 0),
        (0x15, 0, 1, MKDIR),
        (0x06, 0, 0, 0x0005_0001),
        (0x06, 0, 0, 0x7fff_0000),
    ];
    instructions
        .iter()
        .flat_map(|(code, yes, no, value)| {
            let mut bytes = code.to_ne_bytes().to_vec();
            bytes.extend([*yes, *no]);
            bytes.extend(value.to_ne_bytes());
            bytes
        })
        .collect()
}

#[test]
#[cfg(target_arch = "x86_64")]
fn seccomp_is_loaded_with_and_without_no_new_privs() {
    if !possible() {
        return;
    }
    let no_new_privs = Process {
        no_new_privs: true,
        ..user(1000)
    };
    let powerless = Process {
        capabilities: Some(Capabilities::default()),
        ..user(1000)
    };
    for settings in [Process::default(), no_new_privs, powerless] {
        let script = "busybox cat /proc/self/status; busybox mkdir /tmp/d 2>&1; busybox touch /tmp/f && echo touched";
        let settings = Process {
            seccomp: filter(),
            ..settings
        };
        let output = Container::new(script, settings).run().output();
        assert_eq!(status_line(&output, "Seccomp:"), "2");
        assert!(
            output.contains("can't create directory '/tmp/d': Operation not permitted"),
            "{output}"
        );
        assert!(output.ends_with("touched\n"), "{output}");
    }
}

#[test]
fn the_program_is_looked_up_like_execvp_does() {
    if !possible() {
        return;
    }
    let with = |name: &str, environ: &[&str]| {
        let container =
            Container::with_program(&[name, "sh", "-c", "echo here"], environ, at("/bin"));
        fs::write(container.rootfs("tmp/notexec"), "x").unwrap();
        fs::create_dir(container.rootfs("tmp/busybox")).unwrap();
        container.run()
    };
    assert_eq!(with("busybox", &["PATH=/nowhere:/bin"]).output(), "here\n");
    assert_eq!(with("busybox", &["PATH=/tmp:/bin"]).output(), "here\n");
    assert_eq!(
        with("busybox", &["PATH=/tmp/notexec:/bin"]).output(),
        "here\n"
    );
    assert_eq!(with("busybox", &["PATH=:"]).output(), "here\n");
    assert_eq!(with("busybox", &[]).output(), "here\n");
    assert_eq!(with("./busybox", &["PATH=/nowhere"]).output(), "here\n");
    with("nonesuch", &["PATH=/bin:/tmp"])
        .fails_with(18, "execve(nonesuch): executable file not found in $PATH");
    with("busybox", &["PATH=/nowhere"]).fails_with(18, "executable file not found in $PATH");
    with("notexec", &["PATH=/bin:/tmp:/nowhere"])
        .fails_with(18, "execve(notexec): permission denied (EACCES)");
    with("/tmp/notexec", &[]).fails_with(18, "execve(/tmp/notexec): permission denied (EACCES)");
    with("/nonesuch", &[]).fails_with(18, "execve(/nonesuch): no such file or directory (ENOENT)");
}

#[test]
fn settings_that_cannot_be_applied_are_named() {
    if !possible() {
        return;
    }
    let fails =
        |settings: Process, text: &str| Container::new("echo", settings).run().fails_with(17, text);
    fails(
        at("/nonesuch"),
        "chdir(/nonesuch): no such file or directory (ENOENT)",
    );
    fails(
        at("/bin/busybox"),
        "chdir(/bin/busybox): not a directory (ENOTDIR)",
    );
    let limited = |limit| Process {
        rlimits: vec![limit],
        ..Process::default()
    };
    fails(
        limited(limit(7, 2, 1)),
        "setrlimit(7, [2, 1]): invalid argument (EINVAL)",
    );
    fails(
        limited(limit(60, 1, 1)),
        "setrlimit(60, [1, 1]): invalid argument (EINVAL)",
    );
}

#[test]
fn a_directory_that_only_root_may_enter() {
    if !possible() {
        return;
    }
    let container = Container::new(
        "busybox pwd",
        Process {
            capabilities: Some(Capabilities::default()),
            cwd: Some(b"/work".to_vec()),
            ..user(1000)
        },
    );
    fs::set_permissions(container.rootfs("work"), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(container.run().output(), "/work\n");
}

/// CVE-2024-21626: a descriptor of a directory outside must not become the working directory.
#[test]
fn a_working_directory_outside_of_the_root_is_refused() {
    if !possible() {
        return;
    }
    let outside = fs::File::open("/").unwrap();
    // 5 is the first that the runtime hands over.
    let path = "/proc/self/fd/5";
    let settings = Process {
        preserve: 1,
        ..at(path)
    };
    let (created, connection) = Container::new("busybox pwd", settings).create();
    connection.release(&[outside.as_raw_fd()]);
    drop(connection);
    created
        .start()
        .fails_with(17, &format!("chdir({path}): outside of the root"));
}
