//! A scope of a real systemd (a machine that runs it on cgroup v2 alone; tests/uml/run.sh makes one).

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::super::testing::{Sleeper, absent, soon, unique, writable_layout};
use super::super::{Cgroup, CgroupLayout, CgroupPlan, Error, Mode};

/// A scope that is killed and stopped at the end of the test.
struct Scope(Cgroup);

impl Drop for Scope {
    fn drop(&mut self) {
        self.0.settle();
        let _ = self.0.signal_all(libc::SIGKILL);
        let errors = self.0.remove(soon());
        if !std::thread::panicking() {
            assert!(errors.is_empty(), "{errors:?}");
        }
    }
}

fn systemd_layout() -> Option<CgroupLayout> {
    let layout = writable_layout()?;
    if !Path::new("/run/systemd/system").is_dir() || layout.mode() != Mode::Unified {
        absent("systemd does not run on cgroup v2 alone here");
        return None;
    }
    Some(layout)
}

fn plan(layout: &CgroupLayout, name: &str) -> CgroupPlan {
    let notation = format!("lxcri-test.slice:lxcri:{name}");
    CgroupPlan::new(Some(Path::new(&notation)), name, true, layout).unwrap()
}

fn property(unit: &str, name: &str) -> String {
    let output = Command::new("systemctl")
        .args(["show", "--value", "-p", name, unit])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_scope_lives_with_the_container() {
    let Some(layout) = systemd_layout() else {
        return;
    };
    let name = unique();
    let begin = Instant::now();
    let mut scope = Scope(plan(&layout, &name).create().unwrap());
    println!("scope made in {:?}", begin.elapsed());
    let unit = scope.0.record().unit.clone().unwrap();
    assert_eq!(unit, format!("lxcri-{name}.scope"));
    let path = scope.0.record().members[0].path.clone();
    assert!(
        path.ends_with(format!("lxcri.slice/lxcri-test.slice/{unit}")),
        "{path:?}"
    );
    assert_eq!(property(&unit, "Delegate"), "yes");
    // The placeholder is not the container's.
    assert!(scope.0.pids(true).unwrap().is_empty());
    let mut sleeper = Sleeper::within(&scope.0);
    scope.0.settle();
    assert_eq!(scope.0.pids(true).unwrap(), [sleeper.pid().as_raw()]);
    assert_eq!(property(&unit, "ActiveState"), "active");
    let error = plan(&layout, &name).create().unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    // Another command, from what is on disk.
    let text = serde_json::to_string(scope.0.record()).unwrap();
    let again = Cgroup::from_record(serde_json::from_str(&text).unwrap());
    again.signal_all(libc::SIGKILL).unwrap();
    assert_eq!(sleeper.killed_by(), Some(9));
    let begin = Instant::now();
    let errors = again.remove(soon());
    assert!(errors.is_empty(), "{errors:?}");
    println!("scope removed in {:?}", begin.elapsed());
    assert!(!path.exists());
    assert_eq!(property(&unit, "LoadState"), "not-found");
    // The name is free at once.
    drop(Scope(plan(&layout, &name).create().unwrap()));
}

#[test]
fn limits_survive_a_reload_of_systemd() {
    let Some(layout) = systemd_layout() else {
        return;
    };
    let mut scope = Scope(plan(&layout, &unique()).create().unwrap());
    let _sleeper = Sleeper::within(&scope.0);
    scope.0.settle();
    let json = r#"{"memory":{"limit":67108864,"swap":67108864},"pids":{"limit":33},
        "cpu":{"shares":512,"quota":20000,"period":50000}}"#;
    let begin = Instant::now();
    scope
        .0
        .apply(Some(&serde_json::from_str(json).unwrap()))
        .unwrap();
    println!("applied in {:?}", begin.elapsed());
    let path = scope.0.record().members[0].path.clone();
    let limits = || {
        [
            "memory.max",
            "memory.swap.max",
            "pids.max",
            "cpu.weight",
            "cpu.max",
        ]
        .map(|file| {
            std::fs::read_to_string(path.join(file))
                .unwrap()
                .trim()
                .to_owned()
        })
    };
    let want = ["67108864", "0", "33", "59", "20000 50000"];
    assert_eq!(limits(), want);
    assert!(
        Command::new("systemctl")
            .arg("daemon-reload")
            .status()
            .unwrap()
            .success()
    );
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(limits(), want);
}

#[test]
fn a_runtime_that_dies_early_leaves_no_scope() {
    let Some(layout) = systemd_layout() else {
        return;
    };
    let cgroup = plan(&layout, &unique()).create().unwrap();
    let (unit, path) = (
        cgroup.record().unit.clone().unwrap(),
        cgroup.record().members[0].path.clone(),
    );
    drop(cgroup);
    let deadline = soon();
    while path.exists() || property(&unit, "LoadState") != "not-found" {
        assert!(Instant::now() < deadline, "{unit} is still there");
        std::thread::sleep(Duration::from_millis(10));
    }
}
