//! Namespaces: new, shared by path, absent; host name, sysctl, user namespaces.

use std::fs;

use lxcri_tests::bundle::{Bundle, Image};
use lxcri_tests::container::{Container, observe};
use lxcri_tests::need;
use lxcri_tests::phase::PHASES;
use lxcri_tests::runtime::Kind;
use lxcri_tests::scratch::Scratch;
use serde_json::json;

fn own(kind: &str) -> String {
    fs::read_link(format!("/proc/self/ns/{kind}"))
        .map(|l| l.to_string_lossy().into_owned())
        .unwrap_or_default()
}

#[test]
fn host_name() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.config["hostname"] = json!("name-of-the-test");
    let before = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let record = observe(runtime, &scratch, &mut bundle, |o| o);
    assert_eq!(record.text("hostname"), "name-of-the-test");
    assert_eq!(
        fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default(),
        before
    );
}

#[test]
fn domain_name() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    if runtime.kind == Kind::Runc || runtime.kind == Kind::Crun {
        // Newer than the versions in Debian 12.
        return;
    }
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.config["domainname"] = json!("domain.test");
    assert_eq!(
        observe(runtime, &scratch, &mut bundle, |o| o).text("domainname"),
        "domain.test"
    );
}

#[test]
fn absent_namespaces_are_the_callers() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    for kind in ["network", "ipc", "uts", "cgroup", "pid"] {
        let scratch = Scratch::new();
        let mut bundle = Bundle::new(&scratch, Image::Busybox);
        bundle.without_namespace(kind);
        if kind == "uts" {
            bundle.config["hostname"] = json!(null);
        }
        if kind == "network" {
            // sysfs belongs to the network namespace; there is none in this bundle, but mqueue's owner matters as well.
            bundle.config["hostname"] = json!("still-new");
        }
        let record = observe(runtime, &scratch, &mut bundle, |o| o);
        for name in ["net", "ipc", "uts", "cgroup", "pid", "mnt"] {
            let same = record.0["ns"][name] == own(name);
            let expected = name == kind || (name, kind) == ("net", "network");
            assert_eq!(same, expected, "bundle without {kind}: {name}");
        }
    }
}

#[test]
fn namespaces_of_another_container() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.shell("sleep 600");
    let first = Container::new(runtime, &scratch, &mut bundle, "first");
    first.create().success();
    first.start().success();
    let pid = first.pid().expect("a pid");
    // As in a pod: the second container joins what the first has made.
    let mut other = Bundle::named(&scratch, Image::Busybox, "other");
    let kinds = [
        ("network", "net"),
        ("ipc", "ipc"),
        ("uts", "uts"),
        ("pid", "pid"),
    ];
    other.config["hostname"] = json!(null);
    for (kind, _) in kinds {
        other.without_namespace(kind);
    }
    if let Some(list) = other.config["linux"]["namespaces"].as_array_mut() {
        list.extend(
            kinds.map(
                |(kind, link)| json!({"type": kind, "path": format!("/proc/{pid}/ns/{link}")}),
            ),
        );
    }
    // Nothing is said of it: it is that of the runtime, with others joined, too.
    other.without_namespace("cgroup");
    other.process(&other.orders("second"));
    let second = Container::new(runtime, &scratch, &mut other, "second");
    second.create().success();
    second.start().success();
    let record = second.record("second");
    for (_, link) in kinds {
        let of_first = fs::read_link(format!("/proc/{pid}/ns/{link}")).expect("a link");
        assert_eq!(record.0["ns"][link].as_str(), of_first.to_str(), "{link}");
    }
    assert_eq!(record.0["ns"]["cgroup"], own("cgroup"));
    assert_ne!(
        record.0["ns"]["mnt"].as_str(),
        fs::read_link(format!("/proc/{pid}/ns/mnt"))
            .expect("a link")
            .to_str()
    );
    assert_ne!(record.number("pid"), 1);
    second.wait_for("stopped");
    assert_eq!(
        first.status(),
        "running",
        "the end of the second does not end the first"
    );
}

#[test]
fn a_network_namespace_kept_by_a_file() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    if runtime.has_view() {
        return need::skip("LXCRI_TEST_CGROUPS hides the mounts of the test from the runtime");
    }
    let scratch = Scratch::new();
    // As CNI keeps them: the namespace is bind-mounted on a file and has no process.
    let file = scratch.write("netns", "");
    let target = file.clone();
    let thread = std::thread::spawn(move || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)?;
        let link = fs::read_link("/proc/thread-self/ns/net").unwrap_or_default();
        let none = None::<&str>;
        nix::mount::mount(
            Some("/proc/thread-self/ns/net"),
            &target,
            none,
            nix::mount::MsFlags::MS_BIND,
            none,
        )?;
        nix::Result::Ok(link)
    });
    let link = thread.join().expect("a thread").expect("a namespace");
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.without_namespace("network");
    if let Some(list) = bundle.config["linux"]["namespaces"].as_array_mut() {
        list.push(json!({"type": "network", "path": file}));
    }
    let record = observe(runtime, &scratch, &mut bundle, |o| o);
    assert_eq!(record.0["ns"]["net"].as_str(), link.to_str());
}

#[test]
fn sysctl() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.config["linux"]["sysctl"] =
        json!({"net.ipv4.ip_unprivileged_port_start": "77", "kernel.shmmni": "4097"});
    let (port, shared) = (
        "/proc/sys/net/ipv4/ip_unprivileged_port_start",
        "/proc/sys/kernel/shmmni",
    );
    let before = fs::read_to_string(port).unwrap_or_default();
    let record = observe(runtime, &scratch, &mut bundle, |o| {
        o.with("cat", port).with("cat", shared)
    });
    assert_eq!(
        (record.file(port), record.file(shared)),
        (Some("77\n"), Some("4097\n"))
    );
    assert_eq!(
        fs::read_to_string(port).unwrap_or_default(),
        before,
        "the host's own value"
    );
}

#[test]
fn a_user_namespace_of_its_own() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.user_namespace(100_000, 65_536);
    let container = {
        bundle.process(
            &bundle
                .orders("process")
                .with("cat", "/proc/self/uid_map")
                .with("cat", "/proc/self/gid_map")
                .with("try-write", "/root/x")
                .with("wait-for", scratch.join("out/go").display()),
        );
        Container::new(runtime, &scratch, &mut bundle, "c")
    };
    container.create().success();
    container.start().success();
    let record = container.record("process");
    for file in ["/proc/self/uid_map", "/proc/self/gid_map"] {
        let words: Vec<&str> = record
            .file(file)
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        assert_eq!(words, ["0", "100000", "65536"], "{file}");
    }
    assert_eq!(record.numbers("uid"), [0, 0, 0]);
    assert_ne!(record.0["ns"]["user"], own("user"));
    let status = fs::read_to_string(format!("/proc/{}/status", container.pid().expect("a pid")))
        .unwrap_or_default();
    let uid = status
        .lines()
        .find(|line| line.starts_with("Uid:"))
        .unwrap_or_default();
    assert_eq!(uid.split_whitespace().nth(1), Some("100000"), "{uid}");
    scratch.write("out/go", "");
    assert!(container.wait_for("stopped"));
    container.delete().success();
    lxcri_tests::leaks::assert_none(scratch.marker());
}

/// The launcher looks for createContainer hooks with the rights of the container's root, wherever there are hooks.
#[test]
fn hooks_of_any_phase_alone_in_a_user_namespace() {
    for phase in &PHASES {
        let Some(runtime) = need::runtime() else {
            return;
        };
        let scratch = Scratch::new();
        let mut bundle = Bundle::new(&scratch, Image::Busybox);
        bundle.user_namespace(100_000, 65_536);
        let path = bundle.probe_as(phase.name, |orders| orders);
        bundle.hook(phase, json!({"path": path}));
        bundle.shell("exit 0");
        let container = Container::new(runtime, &scratch, &mut bundle, "c");
        container.running().run().success();
        drop(container);
        let records = bundle.records();
        let ran = records.labels("start");
        assert_eq!(ran.len(), 1, "{}: {ran:?}", phase.name);
    }
}

#[test]
fn an_ordinary_user_in_a_user_namespace() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.user_namespace(100_000, 65_536);
    bundle.config["process"]["user"] = json!({"uid": 1000, "gid": 1000, "additionalGids": [2000]});
    let record = observe(runtime, &scratch, &mut bundle, |o| o);
    assert_eq!(record.numbers("uid"), [1000; 3]);
    assert!(record.numbers("groups").contains(&2000));
}
