//! Mounts and the root file system as the container's process sees them.

use lxcri_tests::bundle::{Bundle, Image};
use lxcri_tests::command::Cmd;
use lxcri_tests::container::{Container, observe};
use lxcri_tests::mountinfo::{EROFS, add_mounts, mount};
use lxcri_tests::need;
use lxcri_tests::phase::PHASES;
use lxcri_tests::probe::{Orders, Record, Records};
use lxcri_tests::runtime::Runtime;
use lxcri_tests::scratch::Scratch;
use serde_json::{Value, json};

const EPERM: i64 = 1;

/// Adds mounts to a bundle, and returns what the probe sees, mountinfo included.
#[track_caller]
fn with_mounts(
    runtime: &Runtime,
    scratch: &Scratch,
    mounts: &[Value],
    orders: impl FnOnce(Orders) -> Orders,
) -> (Record, Records) {
    let mut bundle = Bundle::new(scratch, Image::Busybox);
    add_mounts(&mut bundle, mounts);
    let record = observe(runtime, scratch, &mut bundle, |o| {
        orders(o.with("cat", "/proc/self/mountinfo"))
    });
    (record, bundle.records())
}

#[test]
fn the_default_bundle() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let text = include_str!("../data/runc-spec.json");
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    let ours = bundle.config["mounts"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    bundle.config = serde_json::from_str(text).expect("JSON");
    bundle.config["process"]["terminal"] = json!(false);
    let masked = [
        "/proc/kcore",
        "/proc/keys",
        "/proc/timer_list",
        "/proc/latency_stats",
    ];
    // The directory of the records.
    add_mounts(&mut bundle, &ours[ours.len() - 1..]);
    let record = observe(runtime, &scratch, &mut bundle, |o| {
        let o = o
            .with("cat", "/proc/self/mountinfo")
            .with("try-write", "/x")
            .with("try-write", "/proc/sys/kernel/hostname");
        let o = masked.iter().fold(o, |o, path| o.with("cat", path));
        o.with("list", "/proc/acpi")
            .with("list", "/dev")
            .with("list", "/")
    });
    assert_eq!(record.text("hostname"), "runc");
    mount(&record, "/").has(&["ro"]);
    assert_eq!(mount(&record, "/proc").kind, "proc");
    assert_eq!(mount(&record, "/dev").has(&["nosuid"]).kind, "tmpfs");
    assert_eq!(
        mount(&record, "/dev/pts").has(&["nosuid", "noexec"]).kind,
        "devpts"
    );
    assert_eq!(
        mount(&record, "/dev/shm")
            .has(&["nosuid", "noexec", "nodev"])
            .kind,
        "tmpfs"
    );
    assert_eq!(
        mount(&record, "/dev/mqueue")
            .has(&["nosuid", "noexec", "nodev"])
            .kind,
        "mqueue"
    );
    assert_eq!(
        mount(&record, "/sys")
            .has(&["ro", "nosuid", "noexec", "nodev"])
            .kind,
        "sysfs"
    );
    let cgroup = mount(&record, "/sys/fs/cgroup");
    assert!(
        ["tmpfs", "cgroup2"].contains(&cgroup.kind.as_str()),
        "{cgroup:?}"
    );
    cgroup.has(&["nosuid", "noexec", "nodev"]);
    let table = record.file("/proc/self/mountinfo").unwrap_or_default();
    let hierarchies: Vec<&str> = table
        .lines()
        .filter(|line| line.contains(" - cgroup"))
        .collect();
    assert!(
        !hierarchies.is_empty() && hierarchies.iter().all(|line| line.contains(" ro,")),
        "{hierarchies:?}"
    );
    mount(&record, "/proc/sys").has(&["ro"]);
    let records = bundle.records();
    assert_eq!(records.attempt("process", "try-write /x"), Some(EROFS));
    assert_eq!(
        records.attempt("process", "try-write /proc/sys/kernel/hostname"),
        Some(EROFS)
    );
    for path in masked
        .iter()
        .filter(|path| std::path::Path::new(path).exists())
    {
        assert_eq!(record.file(path), Some(""), "{path} is masked");
    }
    assert!(
        record.0["list"]["/proc/acpi"]
            .as_array()
            .is_none_or(Vec::is_empty),
        "a masked directory is empty"
    );
}

#[test]
fn default_devices_and_links() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let (record, records) = with_mounts(runtime, &scratch, &[], |o| {
        let devices = ["null", "zero", "full", "random", "urandom", "tty"];
        let o = devices
            .iter()
            .fold(o, |o, name| o.with("see", format!("/dev/{name}")));
        let o = o
            .with("list", "/dev")
            .with("see", "/dev/fd/0")
            .with("see", "/dev/ptmx")
            .with("list", "/dev/pts");
        o.with("try-write", "/dev/null")
            .with("try-write", "/dev/full")
            .with("try-device", "/dev/kmsg-of-the-host")
    });
    for name in ["null", "zero", "full", "random", "urandom", "tty", "ptmx"] {
        assert!(record.sees(&format!("/dev/{name}")), "/dev/{name}");
    }
    let listed = record.0["list"]["/dev"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    for name in ["fd", "stdin", "stdout", "stderr", "pts", "shm"] {
        assert!(
            listed.contains(&json!(name)),
            "{name} is missing: {listed:?}"
        );
    }
    assert!(record.sees("/dev/fd/0"), "/dev/fd leads to the descriptors");
    assert_eq!(records.attempt("process", "try-write /dev/null"), Some(0));
    assert_eq!(
        records.attempt("process", "try-device /dev/kmsg-of-the-host"),
        Some(EPERM)
    );
}

#[test]
fn an_allowed_device() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.config["linux"]["devices"] = json!([{"path": "/dev/own", "type": "c", "major": 1, "minor": 5, "fileMode": 0o640, "uid": 7, "gid": 8}]);
    if let Some(list) = bundle.config["linux"]["resources"]["devices"].as_array_mut() {
        list.push(json!({"allow": true, "type": "c", "major": 1, "minor": 5, "access": "rw"}));
    }
    bundle.shell("head -c 3 /dev/own | tail -c 1 >/dev/null && ls -ln /dev/own");
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let outcome = container.running().run().success();
    let words: Vec<&str> = outcome.stdout.split_whitespace().collect();
    assert_eq!(
        (words[0], words[2], words[3], words[4], words[5]),
        ("crw-r-----", "7", "8", "1,", "5"),
        "{}",
        outcome.stdout
    );
}

#[test]
fn options_of_a_tmpfs() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mounts = [
        json!({"destination": "/made/tmpfs", "type": "tmpfs", "source": "tmpfs",
               "options": ["nosuid", "nodev", "noexec", "noatime", "mode=711", "size=1024k"]}),
        json!({"destination": "/readonly", "type": "tmpfs", "source": "tmpfs", "options": ["ro"]}),
        json!({"destination": "/joined", "type": "tmpfs", "options": ["nosuid", "mode=711,size=512k"]}),
    ];
    let (record, records) = with_mounts(runtime, &scratch, &mounts, |o| {
        o.with("try-write", "/made/tmpfs/x")
            .with("try-write", "/readonly/x")
    });
    let made = mount(&record, "/made/tmpfs");
    made.has(&["rw", "nosuid", "nodev", "noexec", "noatime"]);
    assert!(
        made.superblock.contains(&"size=1024k".into())
            && made.superblock.contains(&"mode=711".into()),
        "{made:?}"
    );
    mount(&record, "/readonly").has(&["ro"]);
    let joined = mount(&record, "/joined");
    joined.has(&["nosuid"]);
    assert!(
        joined.superblock.contains(&"size=512k".into())
            && joined.superblock.contains(&"mode=711".into()),
        "{joined:?}"
    );
    assert_eq!(
        records.attempt("process", "try-write /made/tmpfs/x"),
        Some(0)
    );
    assert_eq!(
        records.attempt("process", "try-write /readonly/x"),
        Some(EROFS)
    );
}

#[test]
fn bind_mounts_of_directories_and_files() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    scratch.mkdir("source");
    scratch.write("source/file", "content of the file");
    let bind = |to: &str, from: &str, options: &[&str]| json!({"destination": to, "type": "bind", "source": scratch.join(from), "options": options});
    let mounts = [
        bind("/directory", "source", &["bind", "rw"]),
        bind(
            "/readonly",
            "source",
            &["rbind", "ro", "nosuid", "nodev", "noexec"],
        ),
        bind("/etc/file", "source/file", &["bind", "ro"]),
        // Later mounts cover earlier ones.
        bind("/directory/inner", "source", &["bind"]),
        json!({"destination": "/no-type", "source": scratch.join("source"), "options": ["bind", "ro"]}),
    ];
    let (record, records) = with_mounts(runtime, &scratch, &mounts, |o| {
        let o = o
            .with("cat", "/etc/file")
            .with("cat", "/directory/inner/file")
            .with("cat", "/no-type/file");
        let o = o
            .with("try-write", "/directory/new")
            .with("try-write", "/readonly/new");
        o.with("try-write", "/etc/file")
            .with("try-write", "/no-type/new")
    });
    for path in ["/etc/file", "/directory/inner/file", "/no-type/file"] {
        assert_eq!(record.file(path), Some("content of the file"), "{path}");
    }
    mount(&record, "/readonly").has(&["ro", "nosuid", "nodev", "noexec"]);
    assert!(!mount(&record, "/directory").options.contains(&"ro".into()));
    assert_eq!(
        records.attempt("process", "try-write /directory/new"),
        Some(0)
    );
    for path in ["/readonly/new", "/etc/file", "/no-type/new"] {
        assert_eq!(
            records.attempt("process", &format!("try-write {path}")),
            Some(EROFS),
            "{path}"
        );
    }
    assert!(
        scratch.join("source/new").exists(),
        "written through to the host"
    );
}

#[test]
fn propagation() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    if runtime.has_view() {
        return need::skip("LXCRI_TEST_CGROUPS hides the mounts of the test from the runtime");
    }
    let scratch = Scratch::new();
    scratch.mkdir("source");
    // A shared mount on the host, so that slave and shared have a peer to belong to.
    let source = scratch.join("source");
    let mounted = nix::mount::mount(
        Some("tmpfs"),
        &source,
        Some("tmpfs"),
        nix::mount::MsFlags::empty(),
        None::<&str>,
    );
    mounted.expect("a tmpfs");
    nix::mount::mount(
        None::<&str>,
        &source,
        None::<&str>,
        nix::mount::MsFlags::MS_SHARED,
        None::<&str>,
    )
    .expect("make-shared");
    let below = scratch.mkdir("source/below");
    let (tmpfs, flags) = (Some("tmpfs"), nix::mount::MsFlags::empty());
    nix::mount::mount(tmpfs, &below, tmpfs, flags, None::<&str>).expect("a tmpfs below");
    let bind = |to: &str, how: &str| json!({"destination": to, "type": "bind", "source": source, "options": ["rbind", how]});
    let mounts = [
        bind("/plain", "shared"),
        bind("/private", "rprivate"),
        bind("/slave", "rslave"),
        bind("/shared", "rshared"),
        bind("/unbindable", "unbindable"),
    ];
    let (record, _) = with_mounts(runtime, &scratch, &mounts, |o| o);
    assert_eq!(mount(&record, "/private").tags, Vec::<String>::new());
    assert_eq!(mount(&record, "/slave").tags, ["master"]);
    assert!(mount(&record, "/shared").tags.contains(&"shared".into()));
    assert_eq!(mount(&record, "/unbindable").tags, ["unbindable"]);

    // What root of a user namespace mounts must not appear on the host.
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    add_mounts(&mut bundle, &mounts);
    bundle.user_namespace(100_000, 65_536);
    bundle.process(&bundle.orders("below").with("cat", "/proc/self/mountinfo"));
    let container = Container::new(runtime, &scratch, &mut bundle, "below");
    container.running().run().success();
    let record = container.record("below");
    for point in [
        "/slave",
        "/shared",
        "/shared/below",
        "/plain",
        "/plain/below",
    ] {
        let tags = mount(&record, point).tags;
        assert!(tags.contains(&"master".into()), "{point}: {tags:?}");
    }
}

#[test]
fn the_root_is_private_to_the_container_by_default() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let (record, _) = with_mounts(runtime, &scratch, &[], |o| o);
    let tags = mount(&record, "/").tags;
    assert!(!tags.contains(&"shared".into()), "{tags:?}");
}

#[test]
fn what_is_covered_for_lxc_is_covered_for_nobody_else() {
    let Some(runtime) = need::lxcri() else {
        return;
    };
    let scratch = Scratch::new();
    // As under systemd all mounts are shared, so that a mount in the wrong place would appear on the host. The copy of the
    // host's mounts in which this is tried ends with the command.
    let host = scratch.join("host");
    let wrapper = format!(
        "#!/bin/sh\nexec unshare --mount --propagation private /bin/sh -c 'mount --make-rshared / && \"$0\" \"$@\"; status=$?; \
         {LOOK} >>{}; exit $status' {} \"$@\"\n",
        host.display(),
        runtime.program.display()
    );
    let mut shared = runtime.clone();
    shared.program = scratch.write("lxcri-shared", wrapper);
    scratch.mode("lxcri-shared", 0o755);
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    let hooks = ["prestart", "createRuntime", "createContainer"];
    for phase in PHASES.iter().filter(|p| hooks.contains(&p.name)) {
        let script = format!("{LOOK} >>{}", scratch.join(phase.name).display());
        let args = json!(["sh", "-c", script]);
        bundle.hook(
            phase,
            json!({"path": "/bin/sh", "args": args, "env": ["PATH=/usr/bin:/bin"]}),
        );
    }
    let container = Container::new(&shared, &scratch, &mut bundle, "covered");
    container.create().success();
    container.delete_force().success();
    let expected = Cmd::new("/bin/sh").args(["-c", LOOK]).run().stdout;
    for phase in hooks {
        let seen = std::fs::read_to_string(scratch.join(phase)).unwrap_or_default();
        assert_eq!(seen, expected, "{phase}");
    }
    let seen = std::fs::read_to_string(host).unwrap_or_default();
    assert_eq!(seen, expected.repeat(2), "host after create and delete");
}

/// Says which file the shell is, and which cgroup file systems there are.
const LOOK: &str = "echo $(stat -L -c %d:%i /bin/sh) $(ls /sys/fs/cgroup)";
