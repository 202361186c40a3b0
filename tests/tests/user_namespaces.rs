//! User namespaces that exist already and are joined by path.

use std::fs;
use std::path::{Path, PathBuf};

use lxcri_tests::bundle::{Bundle, Image};
use lxcri_tests::command::{Cmd, PATIENCE, Running, wait_until};
use lxcri_tests::container::Container;
use lxcri_tests::phase::{PHASES, Place};
use lxcri_tests::scratch::Scratch;
use lxcri_tests::{leaks, need};
use serde_json::{Value, json};

/// The host's first id in the namespaces of these tests, and how many there are.
const FIRST: u32 = 200_000;
const COUNT: u32 = 65_536;

/// A user namespace, kept alive by a process.
struct Owner(Running);

impl Owner {
    fn new() -> Self {
        let owner = Owner(Cmd::new("unshare").args(["--user", "sleep", "600"]).spawn());
        let own = fs::read_link("/proc/self/ns/user").expect("a link");
        let made = || {
            let command = fs::read_to_string(owner.file("comm")).unwrap_or_default();
            fs::read_link(owner.path()).is_ok_and(|l| l != own) && command == "sleep\n"
        };
        assert!(wait_until(PATIENCE, made), "no namespace");
        for map in ["uid_map", "gid_map"] {
            fs::write(owner.file(map), format!("0 {FIRST} {COUNT}\n")).expect(map);
        }
        owner
    }

    fn file(&self, name: &str) -> PathBuf {
        Path::new("/proc").join(self.0.pid().to_string()).join(name)
    }

    fn path(&self) -> PathBuf {
        self.file("ns/user")
    }

    fn link(&self) -> String {
        fs::read_link(self.path())
            .expect("a link")
            .to_string_lossy()
            .into_owned()
    }
}

/// Makes the bundle's container join a user namespace. Nothing is said of its maps, the image belongs to its root.
fn join(bundle: &mut Bundle, path: &Path) {
    bundle.user_namespace(FIRST, COUNT);
    set_path(bundle, "user", path);
    bundle.config["linux"]["uidMappings"] = Value::Null;
    bundle.config["linux"]["gidMappings"] = Value::Null;
}

/// Replaces an entry of the list of namespaces, or adds it.
fn set_path(bundle: &mut Bundle, kind: &str, path: &Path) {
    bundle.without_namespace(kind);
    if let Some(list) = bundle.config["linux"]["namespaces"].as_array_mut() {
        list.push(json!({"type": kind, "path": path}));
    }
}

fn words(text: Option<&str>) -> Vec<String> {
    let text = text.unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn a_whole_life_in_a_namespace_of_another_process() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let owner = Owner::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    join(&mut bundle, &owner.path());
    let maps = json!([{"containerID": 0, "hostID": FIRST, "size": COUNT}]);
    // As podman repeats them.
    bundle.config["linux"]["uidMappings"] = maps.clone();
    bundle.config["linux"]["gidMappings"] = maps;
    bundle.config["hostname"] = json!("joined");
    bundle.config["linux"]["sysctl"] = json!({"net.ipv4.ip_unprivileged_port_start": "77"});
    for phase in &PHASES {
        let path = bundle.probe_as(phase.name, |orders| orders.with("stdin", "read"));
        bundle.hook(phase, json!({"path": path}));
    }
    let port = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
    bundle.process(
        &bundle
            .orders("process")
            .with("cat", "/proc/self/uid_map")
            .with("cat", "/proc/self/gid_map")
            .with("cat", port)
            .with("try-write", "/root/x"),
    );
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    container.create().success();
    container.start().success();
    let record = container.record("process");
    for file in ["/proc/self/uid_map", "/proc/self/gid_map"] {
        let expected = ["0".to_owned(), FIRST.to_string(), COUNT.to_string()];
        assert_eq!(words(record.file(file)), expected, "{file}");
    }
    assert_eq!(record.text("hostname"), "joined");
    assert_eq!(record.file(port), Some("77\n"));
    assert_eq!(record.numbers("uid"), [0; 3]);
    assert_eq!(record.0["ns"]["user"], owner.link());
    assert_eq!(record.number("pid"), 1, "a pid namespace of its own");
    assert!(container.wait_for("stopped"));
    container.delete().success();
    drop(container);
    let own = fs::read_link("/proc/self/ns/user").expect("a link");
    let records = bundle.records();
    for phase in &PHASES {
        let inside = phase.place == Place::Inside;
        let label = format!("{}:{}", if inside { "inside" } else { "host" }, phase.name);
        let hook = records
            .started(&label)
            .unwrap_or_else(|| panic!("{label}: no record"));
        let expected = match phase.place {
            Place::Runtime => own.to_string_lossy().into_owned(),
            Place::Outside | Place::Inside => owner.link(),
        };
        assert_eq!(hook.0["ns"]["user"], expected, "{label}");
        assert_eq!(hook.numbers("uid")[0], 0, "{label}");
    }
    leaks::assert_none(scratch.marker());
    assert!(fs::read_link(owner.path()).is_ok(), "its owner lives on");
}

#[test]
fn two_containers_in_one_namespace() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let owner = Owner::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    join(&mut bundle, &owner.path());
    bundle.shell("sleep 600");
    let first = Container::new(runtime, &scratch, &mut bundle, "first");
    first.create().success();
    first.start().success();
    let pid = first.pid().expect("a pid");
    // As in a pod: beside the user namespace, those of the first container, which that owns.
    let kinds = [
        ("network", "net"),
        ("ipc", "ipc"),
        ("uts", "uts"),
        ("pid", "pid"),
        ("user", "user"),
    ];
    let mut other = Bundle::named(&scratch, Image::Busybox, "other");
    join(&mut other, &owner.path());
    for (kind, link) in kinds {
        set_path(
            &mut other,
            kind,
            Path::new(&format!("/proc/{pid}/ns/{link}")),
        );
    }
    other.config["hostname"] = Value::Null;
    other.process(&other.orders("second"));
    let second = Container::new(runtime, &scratch, &mut other, "second");
    second.create().success();
    second.start().success();
    let record = second.record("second");
    for (_, link) in kinds {
        let of_first = fs::read_link(format!("/proc/{pid}/ns/{link}")).expect("a link");
        assert_eq!(record.0["ns"][link].as_str(), of_first.to_str(), "{link}");
    }
    assert!(second.wait_for("stopped"));
    second.delete().success();
    assert_eq!(first.status(), "running");
    first.delete_force().success();
    leaks::assert_none(scratch.marker());
}

#[test]
fn a_namespace_kept_by_a_file() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    if runtime.has_view() {
        return need::skip("LXCRI_TEST_CGROUPS hides the mounts of the test from the runtime");
    }
    let scratch = Scratch::new();
    let file = scratch.write("userns", "");
    let owner = Owner::new();
    let (link, none) = (owner.link(), None::<&str>);
    nix::mount::mount(
        Some(&owner.path()),
        &file,
        none,
        nix::mount::MsFlags::MS_BIND,
        none,
    )
    .expect("a bind mount");
    drop(owner);
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    join(&mut bundle, &file);
    bundle.config["process"]["user"] = json!({"uid": 1000, "gid": 1000, "additionalGids": [2000]});
    let record = lxcri_tests::container::observe(runtime, &scratch, &mut bundle, |o| o);
    assert_eq!(record.0["ns"]["user"], link);
    assert_eq!(record.numbers("uid"), [1000; 3]);
    assert!(record.numbers("groups").contains(&2000));
}

#[test]
fn what_cannot_be_joined() {
    let Some(runtime) = need::lxcri() else {
        return;
    };
    let owner = Owner::new();
    let other_maps = json!([{"containerID": 0, "hostID": FIRST + 1, "size": COUNT}]);
    let cases: [(&str, PathBuf, Value, Value, &str); 5] = [
        (
            "own",
            "/proc/self/ns/user".into(),
            Value::Null,
            json!(0),
            "/path: user namespace /proc/self/ns/user: it is the runtime's own",
        ),
        (
            "kind",
            "/proc/self/ns/net".into(),
            Value::Null,
            json!(0),
            "/path: /proc/self/ns/net is a namespace of type network, not user",
        ),
        (
            "missing",
            "/nowhere".into(),
            Value::Null,
            json!(0),
            "/path: open(/nowhere): ",
        ),
        (
            "maps",
            owner.path(),
            other_maps,
            json!(0),
            "/linux/uidMappings: not those of /proc/",
        ),
        (
            "user",
            owner.path(),
            Value::Null,
            json!(COUNT),
            "/process/user/uid: 65536 is not mapped in /proc/",
        ),
    ];
    for (name, path, maps, uid, expected) in cases {
        let scratch = Scratch::new();
        let mut bundle = Bundle::new(&scratch, Image::Busybox);
        join(&mut bundle, &path);
        bundle.config["linux"]["uidMappings"] = maps;
        bundle.config["process"]["user"]["uid"] = uid;
        let container = Container::new(runtime, &scratch, &mut bundle, name);
        let outcome = container.create().failure();
        assert!(outcome.error().contains(expected), "{name}: {outcome}");
        assert!(!container.is_on_disk(), "{name}");
        drop(container);
        leaks::assert_none(scratch.marker());
    }
}

#[test]
fn an_image_in_which_its_root_cannot_write() {
    let Some(runtime) = need::lxcri() else {
        return;
    };
    let scratch = Scratch::new();
    let owner = Owner::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    join(&mut bundle, &owner.path());
    std::os::unix::fs::chown(bundle.rootfs(), Some(0), Some(0)).expect("an owner");
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let outcome = container.create().failure();
    let error = outcome.error();
    assert!(
        error.contains("/root/path: ") && error.contains(" is not writable for the root of /proc/"),
        "{outcome}"
    );
}
