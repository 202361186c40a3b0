//! Limits on the real thing: set, and read back from the kernel.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use oci_spec::runtime::LinuxResources;

use super::testing::{Sleeper, Temporary, in_every_view, soon, unique};
use super::*;

in_every_view!(
    "cgroup::apply_tests",
    limits_are_what_the_kernel_then_says,
    limits_can_be_raised_and_lowered_in_any_order,
    an_impossible_limit_names_its_field,
    a_limit_below_what_is_in_use_is_refused_when_asked_to_check,
    what_a_check_lets_pass_can_be_applied,
    figures,
);

fn parse(json: &str) -> LinuxResources {
    serde_json::from_str(json).unwrap()
}

/// The content of a file of the container's cgroup, in whichever hierarchy has it.
fn read(cgroup: &Cgroup, file: &str) -> String {
    let member = cgroup
        .record()
        .members
        .iter()
        .find(|m| m.path.join(file).exists());
    let member = member.unwrap_or_else(|| panic!("no {file} in {:?}", cgroup.record()));
    std::fs::read_to_string(member.path.join(file))
        .unwrap()
        .trim()
        .to_owned()
}

/// A controller, resources that need it, and what they leave in which file on v1 and on v2.
type Limit = (
    &'static str,
    &'static str,
    (&'static str, &'static str),
    (&'static str, &'static str),
);

/// Fields whose controller this view has, with the file and what it must read, for v1 and for v2.
const LIMITS: [Limit; 14] = [
    (
        "memory",
        r#"{"memory":{"limit":33554432,"swap":67108864,"reservation":16777216}}"#,
        ("memory.limit_in_bytes", "33554432"),
        ("memory.max", "33554432"),
    ),
    (
        "memory",
        r#"{"memory":{"limit":33554432,"swap":33554432}}"#,
        ("memory.memsw.limit_in_bytes", "33554432"),
        ("memory.swap.max", "0"),
    ),
    (
        "memory",
        r#"{"memory":{"reservation":16777216}}"#,
        ("memory.soft_limit_in_bytes", "16777216"),
        ("memory.low", "16777216"),
    ),
    (
        "cpu",
        r#"{"cpu":{"shares":512}}"#,
        ("cpu.shares", "512"),
        ("cpu.weight", "59"),
    ),
    (
        "cpu",
        r#"{"cpu":{"quota":20000,"period":50000}}"#,
        ("cpu.cfs_quota_us", "20000"),
        ("cpu.max", "20000 50000"),
    ),
    (
        "cpu",
        r#"{"cpu":{"period":50000}}"#,
        ("cpu.cfs_period_us", "50000"),
        ("cpu.max", "max 50000"),
    ),
    (
        "cpu",
        r#"{"cpu":{"burst":5000,"quota":20000}}"#,
        ("cpu.cfs_burst_us", "5000"),
        ("cpu.max.burst", "5000"),
    ),
    (
        "cpu",
        r#"{"cpu":{"idle":1}}"#,
        ("cpu.idle", "1"),
        ("cpu.idle", "1"),
    ),
    (
        "cpuset",
        r#"{"cpu":{"cpus":"0"}}"#,
        ("cpuset.cpus", "0"),
        ("cpuset.cpus", "0"),
    ),
    (
        "cpuset",
        r#"{"cpu":{"mems":"0"}}"#,
        ("cpuset.mems", "0"),
        ("cpuset.mems", "0"),
    ),
    (
        "pids",
        r#"{"pids":{"limit":17}}"#,
        ("pids.max", "17"),
        ("pids.max", "17"),
    ),
    (
        "pids",
        r#"{"pids":{"limit":-1}}"#,
        ("pids.max", "max"),
        ("pids.max", "max"),
    ),
    (
        "hugetlb",
        r#"{"hugepageLimits":[{"pageSize":"2MB","limit":4194304}]}"#,
        ("hugetlb.2MB.limit_in_bytes", "4194304"),
        ("hugetlb.2MB.max", "4194304"),
    ),
    (
        "hugetlb",
        r#"{"hugepageLimits":[{"pageSize":"2MB","limit":4194304}]}"#,
        ("hugetlb.2MB.rsvd.limit_in_bytes", "4194304"),
        ("hugetlb.2MB.rsvd.max", "4194304"),
    ),
];

fn limits_are_what_the_kernel_then_says(layout: &CgroupLayout) {
    let mut tried = 0;
    for (controller, json, v1, v2) in LIMITS {
        let Some(hierarchy) = layout.controller(controller) else {
            let problems = check(&parse(json), layout);
            // No limit needs no controller.
            assert!(!problems.is_empty() || json.contains("-1"), "{json}");
            continue;
        };
        let (file, want) = match hierarchy.version {
            Version::V1 => v1,
            Version::V2 => v2,
        };
        assert_eq!(check(&parse(json), layout), [], "{json}");
        let cgroup = Temporary::new(layout);
        let _sleeper = Sleeper::within(&cgroup.0);
        cgroup
            .0
            .apply_limits(&parse(json))
            .unwrap_or_else(|e| panic!("{json}: {e}"));
        assert_eq!(read(&cgroup.0, file), want, "{json}");
        tried += 1;
    }
    println!(
        "{tried} of {} limits tried in {:?}",
        LIMITS.len(),
        layout.mode()
    );
    assert!(tried > 0 || layout.mode() == Mode::Unified);
    block_io(layout);
    only_v1(layout);
    unified(layout);
}

fn block_io(layout: &CgroupLayout) {
    let Some(hierarchy) = layout.controller("blkio").or(layout.controller("io")) else {
        return;
    };
    let cgroup = Temporary::new(layout);
    let weight = cgroup
        .0
        .apply_limits(&parse(r#"{"blockIO":{"weight":300}}"#));
    match weight {
        Ok(()) if hierarchy.version == Version::V1 => {
            let file = ["blkio.weight", "blkio.bfq.weight"].into_iter().find(|f| {
                hierarchy.mount_point.join(f).exists()
                    || cgroup.0.record().v1("blkio").unwrap().path.join(f).exists()
            });
            assert!(read(&cgroup.0, file.unwrap()).ends_with("300"));
        }
        Ok(()) => assert!(["io.bfq.weight", "io.weight"].iter().any(|f| {
            let path = cgroup.0.record().unified().unwrap().path.join(f);
            std::fs::read_to_string(path).is_ok_and(|t| t.contains("300") || t.contains("2930"))
        })),
        Err(e) => assert!(
            e.to_string().contains("/blockIO/weight: not supported"),
            "{e}"
        ),
    }
    // A disk of this machine, if it has one.
    let disk = std::fs::read_dir("/sys/block")
        .into_iter()
        .flatten()
        .flatten()
        .find_map(|entry| {
            let number = std::fs::read_to_string(entry.path().join("dev")).ok()?;
            let size = std::fs::read_to_string(entry.path().join("size")).ok()?;
            (size.trim() != "0").then(|| number.trim().to_owned())
        });
    let Some(disk) = disk else { return };
    let (major, minor) = disk.split_once(':').unwrap();
    let json = format!(
        r#"{{"blockIO":{{"throttleReadBpsDevice":[{{"major":{major},"minor":{minor},"rate":1048576}}],
        "throttleWriteIOPSDevice":[{{"major":{major},"minor":{minor},"rate":77}}]}}}}"#
    );
    cgroup.0.apply_limits(&parse(&json)).unwrap();
    match hierarchy.version {
        Version::V1 => {
            assert_eq!(
                read(&cgroup.0, "blkio.throttle.read_bps_device"),
                format!("{disk} 1048576")
            );
            assert_eq!(
                read(&cgroup.0, "blkio.throttle.write_iops_device"),
                format!("{disk} 77")
            );
        }
        Version::V2 => assert_eq!(
            read(&cgroup.0, "io.max"),
            format!("{disk} rbps=1048576 wbps=max riops=max wiops=77")
        ),
    }
}

fn only_v1(layout: &CgroupLayout) {
    if layout
        .controller("memory")
        .is_none_or(|h| h.version == Version::V2)
    {
        return;
    }
    let cgroup = Temporary::new(layout);
    let json = r#"{"memory":{"swappiness":7,"disableOOMKiller":true,"kernelTCP":4096,"useHierarchy":true}}"#;
    cgroup.0.apply_limits(&parse(json)).unwrap();
    assert_eq!(read(&cgroup.0, "memory.swappiness"), "7");
    assert!(read(&cgroup.0, "memory.oom_control").starts_with("oom_kill_disable 1"));
    assert_eq!(read(&cgroup.0, "memory.kmem.tcp.limit_in_bytes"), "4096");
}

fn unified(layout: &CgroupLayout) {
    let json = r#"{"unified":{"cgroup.max.depth":"3"}}"#;
    if layout.unified().is_none() {
        assert_eq!(
            check(&parse(json), layout)[0].to_string(),
            "/linux/resources/unified/cgroup.max.depth: not supported: this machine has no cgroup v2 hierarchy"
        );
        return;
    }
    let cgroup = Temporary::new(layout);
    cgroup.0.apply_limits(&parse(json)).unwrap();
    assert_eq!(read(&cgroup.0, "cgroup.max.depth"), "3");
    let error = cgroup
        .0
        .apply_limits(&parse(r#"{"unified":{"cgroup.max.nothing":"3"}}"#))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("/unified/cgroup.max.nothing: not supported: ")
            && error.to_string().ends_with("has no cgroup.max.nothing"),
        "{error}"
    );
}

fn limits_can_be_raised_and_lowered_in_any_order(layout: &CgroupLayout) {
    if layout.controller("memory").is_none() || layout.controller("cpu").is_none() {
        return super::testing::absent("no memory and cpu controllers in this view");
    }
    let cgroup = Temporary::new(layout);
    for mib in [64, 256, 32, 512] {
        let bytes: u64 = mib << 20;
        let json = format!(
            r#"{{"memory":{{"limit":{bytes},"swap":{bytes}}},"cpu":{{"quota":{},"period":{},"burst":{}}}}}"#,
            mib * 100,
            mib * 1000,
            mib * 50
        );
        cgroup
            .0
            .apply_limits(&parse(&json))
            .unwrap_or_else(|e| panic!("{json}: {e}"));
        let file = match layout.controller("memory").unwrap().version {
            Version::V1 => "memory.memsw.limit_in_bytes",
            Version::V2 => "memory.max",
        };
        assert_eq!(read(&cgroup.0, file), bytes.to_string());
    }
}

fn an_impossible_limit_names_its_field(layout: &CgroupLayout) {
    let cgroup = Temporary::new(layout);
    if layout.controller("cpuset").is_some() {
        let error = cgroup
            .0
            .apply_limits(&parse(r#"{"cpu":{"cpus":"100000"}}"#))
            .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("/linux/resources/cpu/cpus: write(")
                && error.to_string().contains("cpuset.cpus, \"100000\"): "),
            "{error}"
        );
    }
    let error = cgroup
        .0
        .apply_limits(&parse(r#"{"rdma":{"none":{"hcaHandles":1}}}"#))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("/linux/resources/rdma/none: "),
        "{error}"
    );
}

fn a_limit_below_what_is_in_use_is_refused_when_asked_to_check(layout: &CgroupLayout) {
    if layout.controller("memory").is_none() {
        return super::testing::absent("no memory controller in this view");
    }
    let cgroup = Temporary::new(layout);
    // It has its memory charged to the cgroup because it comes into being inside.
    let fds = cgroup.0.entrance_fds(false).unwrap();
    let member = cgroup.0.record().members.iter().position(|m| {
        m.controllers.iter().any(|c| c == "memory") || layout.mode() == Mode::Unified
    });
    let fd = fds.into_iter().nth(member.unwrap()).unwrap();
    let child = Command::new("sh")
        .args(["-c", "echo 0 >&0; exec sleep 600"])
        .stdin(Stdio::from(fd))
        .spawn()
        .unwrap();
    let mut sleeper = Sleeper(child);
    let deadline = soon();
    while std::fs::read_to_string(format!("/proc/{}/comm", sleeper.pid()))
        .unwrap()
        .trim()
        != "sleep"
    {
        assert!(Instant::now() < deadline);
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let error = cgroup
        .0
        .apply_limits(&parse(
            r#"{"memory":{"limit":4096,"checkBeforeUpdate":true}}"#,
        ))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("/linux/resources/memory/limit: invalid: ")
            && error.to_string().ends_with(" bytes are in use"),
        "{error}"
    );
    assert!(sleeper.0.try_wait().unwrap().is_none());
}

fn what_a_check_lets_pass_can_be_applied(layout: &CgroupLayout) {
    // As `runc spec` and podman write it, with every limit that this view can set.
    let mut resources = r#"{"devices":[{"allow":false,"access":"rwm"}]"#.to_owned();
    for (controller, json) in [
        ("pids", r#","pids":{"limit":2048}"#),
        (
            "memory",
            r#","memory":{"limit":104857600,"swap":209715200}"#,
        ),
        (
            "cpu",
            r#","cpu":{"shares":1024,"quota":50000,"period":100000}"#,
        ),
    ] {
        if layout.controller(controller).is_some() {
            resources.push_str(json);
        }
    }
    let resources = parse(&(resources + "}"));
    assert_eq!(check(&resources, layout), []);
    let cgroup = Temporary::at(layout, &format!("/{}/deeper/leaf", unique()));
    cgroup.0.apply(Some(&resources)).unwrap();
    assert!(Path::new(&cgroup.0.record().members[0].path).exists());
}

/// Prints what it costs; nothing to assert, machines differ.
fn figures(layout: &CgroupLayout) {
    let mut best = [u128::MAX; 6];
    for _ in 0..20 {
        let begin = Instant::now();
        let layout = CgroupLayout::detect().unwrap();
        let detected = begin.elapsed();
        let begin = Instant::now();
        let plan = CgroupPlan::new(Some(Path::new(&unique())), "c1", false, &layout).unwrap();
        let cgroup = Temporary(plan.create().unwrap());
        let created = begin.elapsed();
        let begin = Instant::now();
        cgroup.0.apply_devices(&[]).unwrap();
        let devices = begin.elapsed();
        let sleeper = Sleeper::new();
        let begin = Instant::now();
        cgroup.0.add(sleeper.pid()).unwrap();
        let joined = begin.elapsed();
        let json = if layout.controller("memory").is_some() {
            r#"{"memory":{"limit":104857600,"swap":209715200},"pids":{"limit":100},"cpu":{"shares":512}}"#
        } else {
            "{}"
        };
        let resources = parse(json);
        let begin = Instant::now();
        cgroup.0.apply_limits(&resources).unwrap();
        let applied = begin.elapsed();
        drop(sleeper);
        let begin = Instant::now();
        assert!(cgroup.0.remove(soon()).is_empty());
        let removed = begin.elapsed();
        for (best, time) in best
            .iter_mut()
            .zip([detected, created, devices, joined, applied, removed])
        {
            *best = (*best).min(time.as_micros());
        }
    }
    let [detect, create, devices, join, apply, remove] = best;
    println!(
        "{:?}: detect {detect} µs, create {create}, device rules {devices}, join {join}, apply {apply}, remove {remove}",
        layout.mode()
    );
}
