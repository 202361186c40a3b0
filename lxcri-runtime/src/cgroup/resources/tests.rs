//! Each field of `linux.resources` on v1, v2 and hybrid.

use oci_spec::runtime::LinuxResources;

use super::super::record::Version;
use super::{Controllers, Missing, settings};

fn v1() -> Controllers {
    Controllers {
        v1: [
            "memory", "cpu", "cpuset", "blkio", "pids", "devices", "hugetlb", "net_cls",
            "net_prio", "rdma",
        ]
        .map(str::to_owned)
        .to_vec(),
        v2: vec![],
        unified: false,
    }
}

fn v2() -> Controllers {
    Controllers {
        v1: vec![],
        v2: ["memory", "cpu", "cpuset", "io", "pids", "hugetlb", "rdma"]
            .map(str::to_owned)
            .to_vec(),
        unified: true,
    }
}

fn none() -> Controllers {
    Controllers {
        unified: true,
        ..Controllers::default()
    }
}

fn parse(json: &str) -> LinuxResources {
    serde_json::from_str(json).unwrap()
}

/// `file=value`, alternatives separated by `|`, a trailing `?` for a file that may be missing.
fn written(json: &str, controllers: &Controllers) -> Vec<String> {
    let (settings, problems) = settings(&parse(json), controllers);
    assert_eq!(problems, [], "{json}");
    settings
        .iter()
        .map(|setting| {
            let choices: Vec<String> = setting
                .choices
                .iter()
                .map(|c| format!("{}={}", c.file, c.value))
                .collect();
            let optional = if setting.missing == Missing::Skip {
                "?"
            } else {
                ""
            };
            choices.join("|") + optional
        })
        .collect()
}

fn refused(json: &str, controllers: &Controllers) -> Vec<String> {
    let (_, problems) = settings(&parse(json), controllers);
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn memory_on_v1() {
    let json = r#"{"memory":{"limit":1000,"swap":2000,"reservation":500,"kernelTCP":300,"swappiness":0,
        "disableOOMKiller":true,"useHierarchy":true}}"#;
    assert_eq!(
        written(json, &v1()),
        [
            "memory.limit_in_bytes=1000",
            "memory.memsw.limit_in_bytes=2000",
            "memory.soft_limit_in_bytes=500",
            "memory.kmem.tcp.limit_in_bytes=300",
            "memory.swappiness=0",
            "memory.oom_control=1",
        ]
    );
    assert_eq!(
        written(
            r#"{"memory":{"limit":-1,"swap":-1,"reservation":-1,"kernelTCP":-1}}"#,
            &v1()
        ),
        [
            "memory.limit_in_bytes=-1?",
            "memory.memsw.limit_in_bytes=-1?",
            "memory.soft_limit_in_bytes=-1?",
            "memory.kmem.tcp.limit_in_bytes=-1?",
        ]
    );
}

#[test]
fn memory_on_v2() {
    assert_eq!(
        written(
            r#"{"memory":{"limit":1000,"swap":3000,"reservation":500}}"#,
            &v2()
        ),
        ["memory.max=1000", "memory.swap.max=2000", "memory.low=500"]
    );
    // No swap at all: the difference is 0 and must be written.
    assert_eq!(
        written(r#"{"memory":{"limit":1000,"swap":1000}}"#, &v2()),
        ["memory.max=1000", "memory.swap.max=0"]
    );
    assert_eq!(
        written(
            r#"{"memory":{"limit":-1,"swap":-1,"reservation":-1}}"#,
            &v2()
        ),
        ["memory.max=max?", "memory.swap.max=max?", "memory.low=max?"]
    );
    assert_eq!(
        written(r#"{"memory":{"limit":-1}}"#, &v2()),
        ["memory.max=max?", "memory.swap.max=max?"]
    );
    assert_eq!(
        written(r#"{"memory":{"swap":-1}}"#, &v2()),
        ["memory.swap.max=max?"]
    );
    assert_eq!(
        refused(r#"{"memory":{"limit":2000,"swap":1000}}"#, &v2()),
        ["/linux/resources/memory/swap: invalid: less than memory.limit, which it includes"]
    );
    assert_eq!(
        refused(r#"{"memory":{"swap":1000}}"#, &v2()),
        ["/linux/resources/memory/swap: invalid: needs memory.limit: cgroup v2 limits swap alone"]
    );
    assert_eq!(
        refused(
            r#"{"memory":{"swappiness":10,"disableOOMKiller":true,"kernelTCP":5,"useHierarchy":false}}"#,
            &v2()
        ),
        [
            "/linux/resources/memory/kernelTCP: not supported: cgroup v2 has no such setting",
            "/linux/resources/memory/swappiness: not supported: cgroup v2 has no such setting",
            "/linux/resources/memory/disableOOMKiller: not supported: cgroup v2 has no such setting",
            "/linux/resources/memory/useHierarchy: not supported: the kernel always accounts for sub-cgroups",
        ]
    );
}

#[test]
fn memory_that_no_version_takes() {
    for controllers in [v1(), v2()] {
        assert_eq!(
            refused(r#"{"memory":{"kernel":4096}}"#, &controllers),
            [
                "/linux/resources/memory/kernel: not supported: the kernel has no limit for its own memory any more"
            ]
        );
        assert_eq!(
            refused(r#"{"memory":{"limit":-2}}"#, &controllers),
            ["/linux/resources/memory/limit: invalid: a number of bytes or -1"]
        );
        assert_eq!(
            refused(r#"{"memory":{"swappiness":101}}"#, &controllers),
            ["/linux/resources/memory/swappiness: invalid: 0 to 100"]
        );
    }
}

#[test]
fn check_before_update_compares_with_what_is_in_use() {
    for (controllers, file) in [(v1(), "memory.usage_in_bytes"), (v2(), "memory.current")] {
        let json = r#"{"memory":{"limit":1000,"checkBeforeUpdate":true}}"#;
        let (settings, _) = settings(&parse(json), &controllers);
        assert_eq!(settings[0].not_below, Some(file));
    }
}

#[test]
fn zero_is_not_set_and_no_limit_needs_no_controller() {
    let zero = r#"{"memory":{"limit":0,"swap":0,"reservation":0,"kernel":0,"kernelTCP":0,"disableOOMKiller":false},
        "cpu":{"shares":0,"quota":0,"period":0,"realtimeRuntime":0,"realtimePeriod":0,"cpus":"","mems":""},
        "pids":{"limit":0},"blockIO":{"weight":0,"leafWeight":0},"network":{"classID":0,"priorities":[]},
        "hugepageLimits":[],"rdma":{"mlx":{}},"unified":{}}"#;
    for controllers in [v1(), v2(), none()] {
        assert_eq!(written(zero, &controllers), Vec::<String>::new());
    }
    let unlimited = r#"{"memory":{"limit":-1,"swap":-1},"pids":{"limit":-1},"cpu":{"quota":-1,"idle":0,"burst":0}}"#;
    assert_eq!(written(unlimited, &none()), Vec::<String>::new());
}

#[test]
fn cpu_on_v1() {
    let json = r#"{"cpu":{"shares":512,"quota":20000,"period":50000,"burst":1000,"idle":1,"realtimePeriod":500000,
        "realtimeRuntime":950,"cpus":"0-1","mems":"0"}}"#;
    assert_eq!(
        written(json, &v1()),
        [
            "cpu.shares=512",
            "cpu.cfs_period_us=50000",
            "cpu.cfs_quota_us=20000",
            "cpu.cfs_burst_us=1000",
            "cpu.rt_period_us=500000",
            "cpu.rt_runtime_us=950",
            "cpu.idle=1",
            "cpuset.cpus=0-1",
            "cpuset.mems=0",
        ]
    );
    // Burst alone is a request of its own.
    assert_eq!(
        written(r#"{"cpu":{"burst":1000}}"#, &v1()),
        ["cpu.cfs_burst_us=1000"]
    );
    assert_eq!(
        written(r#"{"cpu":{"quota":-5}}"#, &v1()),
        ["cpu.cfs_quota_us=-1?"]
    );
    assert_eq!(
        refused(r#"{"cpu":{"shares":1,"idle":2}}"#, &v1()),
        [
            "/linux/resources/cpu/shares: invalid: 2 to 262144",
            "/linux/resources/cpu/idle: invalid: 0 or 1",
        ]
    );
}

#[test]
fn cpu_on_v2() {
    assert_eq!(
        written(
            r#"{"cpu":{"shares":1024,"quota":20000,"period":50000,"burst":1000,"idle":1,"cpus":"0"}}"#,
            &v2()
        ),
        [
            "cpu.weight=100",
            "cpu.max=20000 50000",
            "cpu.max.burst=1000",
            "cpu.idle=1",
            "cpuset.cpus=0"
        ]
    );
    assert_eq!(
        written(r#"{"cpu":{"quota":20000}}"#, &v2()),
        ["cpu.max=20000 100000"]
    );
    assert_eq!(
        written(r#"{"cpu":{"period":50000}}"#, &v2()),
        ["cpu.max=max 50000?"]
    );
    assert_eq!(
        written(r#"{"cpu":{"quota":-1,"period":50000}}"#, &v2()),
        ["cpu.max=max 50000?"]
    );
    assert_eq!(
        refused(r#"{"cpu":{"realtimePeriod":1,"realtimeRuntime":1}}"#, &v2()),
        [
            "/linux/resources/cpu/realtimePeriod: not supported: cgroup v2 has no such setting",
            "/linux/resources/cpu/realtimeRuntime: not supported: cgroup v2 has no such setting",
        ]
    );
}

const BLOCK_IO: &str = r#"{"blockIO":{"weight":10,"weightDevice":[{"major":8,"minor":0,"weight":1000}],
    "throttleReadBpsDevice":[{"major":8,"minor":0,"rate":5}],"throttleWriteBpsDevice":[{"major":8,"minor":1,"rate":6}],
    "throttleReadIOPSDevice":[{"major":8,"minor":2,"rate":7}],"throttleWriteIOPSDevice":[{"major":8,"minor":3,"rate":0}]}}"#;

#[test]
fn block_io_on_both() {
    assert_eq!(
        written(BLOCK_IO, &v1()),
        [
            "blkio.weight=10|blkio.bfq.weight=10",
            "blkio.weight_device=8:0 1000|blkio.bfq.weight_device=8:0 1000",
            "blkio.throttle.read_bps_device=8:0 5",
            "blkio.throttle.write_bps_device=8:1 6",
            "blkio.throttle.read_iops_device=8:2 7",
            "blkio.throttle.write_iops_device=8:3 0",
        ]
    );
    assert_eq!(
        written(BLOCK_IO, &v2()),
        [
            "io.bfq.weight=10|io.weight=1",
            "io.bfq.weight=8:0 1000|io.weight=8:0 10000",
            "io.max=8:0 rbps=5",
            "io.max=8:1 wbps=6",
            "io.max=8:2 riops=7",
            "io.max=8:3 wiops=max",
        ]
    );
    let leaf =
        r#"{"blockIO":{"leafWeight":20,"weightDevice":[{"major":8,"minor":0,"leafWeight":30}]}}"#;
    assert_eq!(
        written(leaf, &v1()),
        ["blkio.leaf_weight=20", "blkio.leaf_weight_device=8:0 30"]
    );
    assert_eq!(
        refused(leaf, &v2()),
        [
            "/linux/resources/blockIO/leafWeight: not supported: cgroup v2 has no such setting",
            "/linux/resources/blockIO/weightDevice/0/leafWeight: not supported: cgroup v2 has no such setting",
        ]
    );
    assert_eq!(
        refused(
            r#"{"blockIO":{"weight":5,"throttleReadIOPSDevice":[{"major":8,"minor":0,"rate":4294967296}]}}"#,
            &v1()
        ),
        [
            "/linux/resources/blockIO/weight: invalid: 10 to 1000",
            "/linux/resources/blockIO/throttleReadIOPSDevice/0/rate: invalid: more than 4294967295 operations per second",
        ]
    );
}

#[test]
fn pids_and_huge_pages() {
    for controllers in [v1(), v2()] {
        assert_eq!(
            written(r#"{"pids":{"limit":7}}"#, &controllers),
            ["pids.max=7"]
        );
        assert_eq!(
            written(r#"{"pids":{"limit":-1}}"#, &controllers),
            ["pids.max=max?"]
        );
    }
    let huge = r#"{"hugepageLimits":[{"pageSize":"2MB","limit":4194304}]}"#;
    assert_eq!(
        written(huge, &v1()),
        [
            "hugetlb.2MB.limit_in_bytes=4194304",
            "hugetlb.2MB.rsvd.limit_in_bytes=4194304?"
        ]
    );
    assert_eq!(
        written(huge, &v2()),
        ["hugetlb.2MB.max=4194304", "hugetlb.2MB.rsvd.max=4194304?"]
    );
    assert_eq!(
        refused(huge, &none()),
        [
            "/linux/resources/hugepageLimits/0/pageSize: not supported: this machine has no hugetlb controller"
        ]
    );
    for size in ["", "MB", "2M", "2MB/../../x", "x2MB", "2 MB", "2mb"] {
        let json = format!(r#"{{"hugepageLimits":[{{"pageSize":"{size}","limit":1}}]}}"#);
        assert_eq!(
            refused(&json, &v2()),
            ["/linux/resources/hugepageLimits/0/pageSize: invalid: a number and KB, MB or GB"],
            "{size}"
        );
    }
}

#[test]
fn network_and_rdma() {
    let network = r#"{"network":{"classID":1048577,"priorities":[{"name":"eth0","priority":5},{"name":"lo","priority":1}]}}"#;
    assert_eq!(
        written(network, &v1()),
        [
            "net_cls.classid=1048577",
            "net_prio.ifpriomap=eth0 5",
            "net_prio.ifpriomap=lo 1"
        ]
    );
    assert_eq!(
        refused(network, &v2()),
        [
            "/linux/resources/network/classID: not supported: this machine has no net_cls controller",
            "/linux/resources/network/priorities/0: not supported: this machine has no net_prio controller",
            "/linux/resources/network/priorities/1: not supported: this machine has no net_prio controller",
        ]
    );
    let rdma = r#"{"rdma":{"mlx5_1":{"hcaHandles":3,"hcaObjects":10000},"a/b":{"hcaObjects":1}}}"#;
    for controllers in [v1(), v2()] {
        assert_eq!(
            written(rdma, &controllers),
            [
                "rdma.max=a/b hca_object=1",
                "rdma.max=mlx5_1 hca_handle=3 hca_object=10000"
            ]
        );
    }
    assert_eq!(
        refused(rdma, &none()),
        [
            "/linux/resources/rdma/a~1b: not supported: this machine has no rdma controller",
            "/linux/resources/rdma/mlx5_1: not supported: this machine has no rdma controller",
        ]
    );
}

#[test]
fn unified_goes_to_v2_files_only() {
    let json = r#"{"unified":{"memory.high":"1000","io.max":"8:0 rbps=1\n8:1 rbps=2\n","cgroup.max.depth":"3"}}"#;
    assert_eq!(
        written(json, &v2()),
        [
            "cgroup.max.depth=3",
            "io.max=8:0 rbps=1",
            "io.max=8:1 rbps=2",
            "memory.high=1000"
        ]
    );
    assert_eq!(
        refused(r#"{"unified":{"memory.high":"1"}}"#, &v1()),
        [
            "/linux/resources/unified/memory.high: not supported: this machine has no cgroup v2 hierarchy"
        ]
    );
    // Hybrid: the hierarchy is there, its memory controller is not.
    let mut hybrid = v1();
    hybrid.unified = true;
    hybrid.v2 = vec!["hugetlb".to_owned()];
    assert_eq!(
        refused(r#"{"unified":{"memory.high":"1"}}"#, &hybrid),
        [
            "/linux/resources/unified/memory.high: not supported: cgroup v2 has no memory controller on this machine"
        ]
    );
    assert_eq!(
        written(r#"{"unified":{"hugetlb.2MB.max":"0"}}"#, &hybrid),
        ["hugetlb.2MB.max=0"]
    );
    for file in [
        "../memory.max",
        "memory.max/..",
        "memory",
        ".max",
        "memory.",
        "",
    ] {
        let json = format!(r#"{{"unified":{{"{file}":"1"}}}}"#);
        assert!(
            refused(&json, &v2())[0].ends_with("invalid: not the name of a cgroup file"),
            "{file}"
        );
    }
    for file in [
        "cgroup.procs",
        "cgroup.kill",
        "cgroup.freeze",
        "cgroup.subtree_control",
    ] {
        let json = format!(r#"{{"unified":{{"{file}":"1"}}}}"#);
        assert!(
            refused(&json, &v2())[0].contains("limits nothing"),
            "{file}"
        );
    }
}

#[test]
fn a_controller_that_v2_has_beside_v1_is_found() {
    let hybrid = Controllers {
        v1: vec!["memory".to_owned()],
        v2: vec!["hugetlb".to_owned(), "io".to_owned()],
        unified: true,
    };
    let (settings, problems) = settings(
        &parse(
            r#"{"memory":{"limit":5},"blockIO":{"weight":100},"hugepageLimits":[{"pageSize":"1GB","limit":0}]}"#,
        ),
        &hybrid,
    );
    assert_eq!(problems, []);
    let versions: Vec<Version> = settings.iter().map(|s| s.version).collect();
    assert_eq!(
        versions,
        [Version::V1, Version::V2, Version::V2, Version::V2]
    );
}

#[test]
fn without_controllers_every_limit_is_refused_by_name() {
    let json = r#"{"memory":{"limit":1},"cpu":{"shares":2,"quota":1,"cpus":"0"},"pids":{"limit":1},"blockIO":{"weight":10}}"#;
    assert_eq!(
        refused(json, &none()),
        [
            "/linux/resources/memory/limit: not supported: this machine has no memory controller",
            "/linux/resources/cpu/shares: not supported: this machine has no cpu controller",
            "/linux/resources/cpu/quota: not supported: this machine has no cpu controller",
            "/linux/resources/cpu/cpus: not supported: this machine has no cpuset controller",
            "/linux/resources/blockIO/weight: not supported: this machine has no blkio controller",
            "/linux/resources/pids/limit: not supported: this machine has no pids controller",
        ]
    );
}
