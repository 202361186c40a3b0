//! Control groups: where the container's processes are, and the limits that hold for them.

use std::fs;
use std::path::Path;

use lxcri_tests::bundle::{Bundle, Image};
use lxcri_tests::cgroups::{Layout, directory, hierarchies};
use lxcri_tests::container::{Container, observe};
use lxcri_tests::scratch::Scratch;
use lxcri_tests::{leaks, need};
use nix::mount::{MsFlags, mount};
use serde_json::{Value, json};

/// One limit: the resource, its controller, and the file and value in v1 and v2.
struct Limit {
    resources: Value,
    controller: &'static str,
    v1: (&'static str, &'static str),
    v2: (&'static str, &'static str),
}

/// Whoever pauses a container by hand can end it all the same.
#[test]
fn a_frozen_container_is_killed() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.shell("exec sleep 600");
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    container.create().success();
    container.start().success();
    let v1 = Path::new("/sys/fs/cgroup/freezer").join(&container.id);
    let v2 = Path::new("/sys/fs/cgroup").join(&container.id);
    if v1.is_dir() {
        fs::write(v1.join("freezer.state"), "FROZEN").expect("freezer.state");
    } else if v2.is_dir() {
        fs::write(v2.join("cgroup.freeze"), "1").expect("cgroup.freeze");
    } else {
        return need::skip("no freezer");
    }
    container.kill("KILL").success();
    assert!(container.wait_for("stopped"));
    container.delete().success();
}

#[test]
fn limits_are_written() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let limit = |resources: Value, controller, v1, v2| Limit {
        resources,
        controller,
        v1,
        v2,
    };
    let all = [
        limit(
            json!({"memory": {"limit": 67_108_864}}),
            "memory",
            ("memory.limit_in_bytes", "67108864"),
            ("memory.max", "67108864"),
        ),
        limit(
            json!({"memory": {"limit": 67_108_864, "reservation": 33_554_432}}),
            "memory",
            ("memory.soft_limit_in_bytes", "33554432"),
            ("memory.low", "33554432"),
        ),
        limit(
            json!({"pids": {"limit": 33}}),
            "pids",
            ("pids.max", "33"),
            ("pids.max", "33"),
        ),
        // The upper end of both scales: the curve between the ends has changed with the versions of the runtimes.
        limit(
            json!({"cpu": {"shares": 262_144}}),
            "cpu",
            ("cpu.shares", "262144"),
            ("cpu.weight", "10000"),
        ),
        limit(
            json!({"cpu": {"quota": 50_000, "period": 100_000}}),
            "cpu",
            ("cpu.cfs_quota_us", "50000"),
            ("cpu.max", "50000 100000"),
        ),
        limit(
            json!({"cpu": {"cpus": "0", "mems": "0"}}),
            "cpuset",
            ("cpuset.cpus", "0"),
            ("cpuset.cpus", "0"),
        ),
    ];
    let mut checked = 0;
    for limit in all {
        let scratch = Scratch::new();
        let mut bundle = Bundle::new(&scratch, Image::Busybox);
        bundle.config["linux"]["resources"] = limit.resources.clone();
        bundle.shell("sleep 600");
        let container = Container::new(runtime, &scratch, &mut bundle, "c");
        let Some((path, v1)) = directory(runtime.layout, &container.id, limit.controller) else {
            continue;
        };
        let (file, value) = if v1 { limit.v1 } else { limit.v2 };
        container.create().success();
        container.start().success();
        let found = fs::read_to_string(path.join(file))
            .unwrap_or_else(|e| format!("{}: {e}", path.join(file).display()));
        assert_eq!(found.trim(), value, "{file} for {}", limit.resources);
        checked += 1;
    }
    if checked == 0 {
        need::skip("no controller for any of the limits");
    }
}

#[test]
fn init_is_in_its_cgroup_everywhere() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.shell("sleep 600");
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    container.create().success();
    let table = fs::read_to_string(format!("/proc/{}/cgroup", container.pid().expect("a pid")))
        .unwrap_or_default();
    for line in table.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (
            fields.next().unwrap_or_default(),
            fields.next().unwrap_or_default(),
        );
        // A hierarchy that the runtime cannot see stays as it is.
        let hidden = if controllers.is_empty() {
            Layout::V1
        } else {
            Layout::V2
        };
        if runtime.layout == hidden {
            continue;
        }
        assert!(path.ends_with(&format!("/{}", container.id)), "{line}");
    }
    container.delete_force().success();
    leaks::assert_none(scratch.marker());
}

#[test]
fn nested_and_missing_paths() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    for path in [Some("parent/child"), None] {
        let scratch = Scratch::new();
        let mut bundle = Bundle::new(&scratch, Image::Busybox);
        bundle.shell("sleep 600");
        // The setting is taken back after the constructor has filled it in.
        drop(Container::of_saved(runtime, &scratch, &bundle, "c"));
        if let Some(path) = path {
            bundle.config["linux"]["cgroupsPath"] = json!(format!("/{}-{path}", scratch.marker()));
        }
        bundle.save();
        let container = Container::of_saved(runtime, &scratch, &bundle, "c");
        container.create().success();
        container.start().success();
        let table = fs::read_to_string(format!("/proc/{}/cgroup", container.pid().expect("a pid")))
            .unwrap_or_default();
        assert!(table.contains(path.unwrap_or(&container.id)), "{table}");
        container.delete_force().success();
        let mut left = lxcri_tests::cgroups::find(scratch.marker());
        // The parent may belong to others as well: engines make and remove it.
        left.retain(|path| {
            path.to_string_lossy().contains("child")
                || path.to_string_lossy().contains(&container.id)
        });
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn the_process_sees_its_own_cgroup_as_root() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.config["mounts"]
        .as_array_mut()
        .expect("a list")
        .push(json!({
            "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
            "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]
        }));
    let record = observe(runtime, &scratch, &mut bundle, |o| {
        o.with("cat", "/proc/self/cgroup")
            .with("list", "/sys/fs/cgroup")
            .with("cat", "/sys/fs/cgroup/pids/cgroup.procs")
    });
    let table = record.file("/proc/self/cgroup").unwrap_or_default();
    assert!(
        table
            .lines()
            .all(|line| line.ends_with(":/") || (runtime.has_view() && line.starts_with("0:"))),
        "{table}"
    );
    if hierarchies(runtime.layout).contains_key("pids") {
        let listed = record.0["list"]["/sys/fs/cgroup"].to_string();
        assert!(
            listed.contains("\"pids\"") && listed.contains("\"memory\""),
            "{listed}"
        );
        assert!(
            record
                .file("/sys/fs/cgroup/pids/cgroup.procs")
                .is_some_and(|p| p.lines().any(|l| l == "1")),
            "init in its root"
        );
    }
}

/// Mounting cgroup2 outside a cgroup namespace sets the options of the machine's hierarchy: what is not named is taken away.
#[test]
fn the_machines_hierarchy_keeps_its_options() {
    let Some(runtime) = need::lxcri() else {
        return;
    };
    let Some(point) = hierarchies(runtime.layout).remove("") else {
        return;
    };
    let delegation = Delegation::begin(&point);
    let before = options(&point);
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.without_namespace("cgroup");
    if let Some(mounts) = bundle.config["mounts"].as_array_mut() {
        mounts.push(json!({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup"}));
    }
    bundle.shell("cat /proc/self/mountinfo");
    let container = Container::new(runtime, &scratch, &mut bundle, "options");
    let outcome = container.running().run().success();
    let after = options(&point);
    drop(delegation);
    assert_eq!(after, before);
    // Another mount of the machine's hierarchy, of the container's part of it.
    let line = outcome.stdout.lines().find(|l| l.contains(" - cgroup2 "));
    let root = line.and_then(|l| l.split(' ').nth(3)).unwrap_or_default();
    assert!(root.ends_with(&container.id), "{line:?}");
    leaks::assert_none(scratch.marker());
}

/// The options of the file system at a mount point.
fn options(point: &Path) -> String {
    let table = fs::read_to_string("/proc/self/mountinfo").expect("read mountinfo");
    let place = format!(" {} ", point.display());
    let line = table.lines().rfind(|line| line.contains(&place));
    let (_, rest) = line.and_then(|l| l.split_once(" - ")).expect("a mount");
    rest.to_owned()
}

/// What mountinfo shows at the end where there is no option.
const NO_OPTIONS: &str = " rw";

/// An option that can be lost, where there was none and it can be set. Dropping it takes it away again.
struct Delegation<'a>(Option<&'a Path>);

impl<'a> Delegation<'a> {
    fn begin(point: &'a Path) -> Self {
        // Whatever is there would be lost itself.
        let empty = options(point).ends_with(NO_OPTIONS);
        Delegation((empty && remount(point, Some("nsdelegate"))).then_some(point))
    }
}

impl Drop for Delegation<'_> {
    fn drop(&mut self) {
        if let Some(point) = self.0 {
            remount(point, None);
        }
    }
}

fn remount(point: &Path, options: Option<&str>) -> bool {
    mount(
        None::<&str>,
        point,
        None::<&str>,
        MsFlags::MS_REMOUNT,
        options,
    )
    .is_ok()
}

#[test]
fn a_limit_of_one_process_does_not_stop_the_runtime() {
    let Some(runtime) = need::lxcri() else { return };
    if directory(runtime.layout, "x", "pids").is_none() {
        return need::skip("no pids controller");
    }
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.config["linux"]["resources"]["pids"] = json!({"limit": 1});
    let record = observe(runtime, &scratch, &mut bundle, |o| o);
    assert_eq!(record.number("pid"), 1);
}

#[test]
fn the_memory_limit_holds() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    if directory(runtime.layout, "x", "memory").is_none() {
        return need::skip("no memory controller");
    }
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.config["linux"]["resources"]["memory"] = json!({"limit": 16_777_216});
    // A child that is killed for its size, in a container that goes on.
    bundle.shell("tail -c 200000000 /dev/zero >/dev/null; echo status $?");
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let outcome = container.running().run().success();
    assert_eq!(outcome.stdout, "status 137\n");
}
