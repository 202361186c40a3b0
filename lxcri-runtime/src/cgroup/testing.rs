//! What the tests of this module share: skipping with a reason, cgroups that vanish with the test, a view of pure v2.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use super::{Cgroup, CgroupLayout, CgroupPlan, Error, Mode};

/// Prints why a test does not run here; with LXCRI_TEST_MUST_RUN=1 that is a failure.
pub fn skip(reason: &str) {
    assert!(
        std::env::var_os("LXCRI_TEST_MUST_RUN").is_none_or(|v| v != "1"),
        "LXCRI_TEST_MUST_RUN=1, but: {reason}"
    );
    println!("skipped: {reason}");
}

/// Prints that there is nothing to test in this view of the machine: a kernel gives each controller to one version.
pub fn absent(what: &str) {
    println!("nothing to test: {what}");
}

/// The layout of this machine, when cgroups can be made in it.
pub fn writable_layout() -> Option<CgroupLayout> {
    if !nix::unistd::geteuid().is_root() {
        skip("needs root");
        return None;
    }
    match CgroupLayout::detect() {
        Ok(layout) => {
            if layout.hierarchies().iter().any(|h| {
                nix::unistd::access(&h.mount_point, nix::unistd::AccessFlags::W_OK).is_err()
            }) {
                skip("a cgroup hierarchy is mounted read-only");
                return None;
            }
            Some(layout)
        }
        Err(Error::NoHierarchy) => {
            skip("no cgroup hierarchy is mounted");
            None
        }
        Err(e) => panic!("{e}"),
    }
}

/// A cgroup path that no other test and no other run uses.
pub fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "lxcri-test-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn soon() -> Instant {
    Instant::now() + PATIENCE
}

/// A cgroup that is killed and removed at the end of the test.
pub struct Temporary(pub Cgroup);

impl Temporary {
    pub fn new(layout: &CgroupLayout) -> Self {
        Self::at(layout, &unique())
    }

    pub fn at(layout: &CgroupLayout, path: &str) -> Self {
        let plan = CgroupPlan::new(Some(Path::new(path)), "c1", false, layout).unwrap();
        Temporary(plan.create().unwrap())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.0.pids(true).is_ok_and(|pids| !pids.is_empty()) {
            let _ = self.0.signal_all(libc::SIGKILL);
        }
        let errors = self.0.remove(soon());
        if !std::thread::panicking() {
            assert!(errors.is_empty(), "{errors:?}");
        }
    }
}

/// A process that sleeps, killed and reaped at the end of the test.
pub struct Sleeper(pub Child);

impl Sleeper {
    pub fn new() -> Self {
        let sleep = Command::new("sleep")
            .arg("600")
            .stdin(Stdio::null())
            .spawn();
        Sleeper(sleep.unwrap())
    }

    pub fn within(cgroup: &Cgroup) -> Self {
        let sleeper = Self::new();
        cgroup.add(sleeper.pid()).unwrap();
        sleeper
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.0.id() as i32)
    }

    /// Waits for its end, and tells the signal that brought it.
    pub fn killed_by(&mut self) -> Option<i32> {
        use std::os::unix::process::ExitStatusExt;
        let deadline = soon();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.signal();
            }
            assert!(
                Instant::now() < deadline,
                "process {} does not end",
                self.0.id()
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const VIEW: &str = "LXCRI_TEST_CGROUP_VIEW";

/// Runs the test `name` (its full path) once more in a mount namespace of its own that shows what `script` leaves, and
/// returns `true` in that second run only.
pub fn in_view(view: &str, script: &str, name: &str) -> bool {
    if std::env::var(VIEW).is_ok_and(|v| v == view) {
        return true;
    }
    if writable_layout().is_none() {
        return false;
    }
    let output = Command::new("unshare")
        .args(["-m", "--propagation", "private", "sh", "-ec"])
        .arg(format!("{script}\nexec \"$@\""))
        .arg("sh")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(VIEW, view)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    println!("{text}");
    assert!(output.status.success(), "in the {view} view: {text}");
    assert!(
        text.contains("1 passed"),
        "no test called {name} in the {view} view"
    );
    false
}

/// [`in_view`] of pure v2. Controllers that this kernel has given to v1 are missing in it.
pub fn in_v2_view(name: &str) -> bool {
    in_view(
        "v2",
        "umount -R /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup",
        name,
    )
}

/// [`in_view`] of v1 alone; on a machine without v1 hierarchies there is nothing to see.
pub fn in_v1_view(name: &str) -> bool {
    if writable_layout().is_some_and(|l| l.mode() == Mode::Unified) {
        absent("this machine has no v1 hierarchies");
        return false;
    }
    in_view(
        "v1",
        "if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi",
        name,
    )
}

/// Three tests from each function: on the machine as it is, with v1 alone, with v2 alone. `$module` is the path of the module
/// that calls it.
macro_rules! in_every_view {
    ($module:literal, $($name:ident),* $(,)?) => {
        mod native {
            $(#[test] fn $name() {
                if let Some(layout) = $crate::cgroup::testing::writable_layout() {
                    super::$name(&layout)
                }
            })*
        }
        mod v1 {
            $(#[test] fn $name() {
                if $crate::cgroup::testing::in_v1_view(concat!($module, "::v1::", stringify!($name))) {
                    let layout = $crate::cgroup::CgroupLayout::detect().unwrap();
                    assert_eq!(layout.mode(), $crate::cgroup::Mode::Legacy);
                    super::$name(&layout)
                }
            })*
        }
        mod v2 {
            $(#[test] fn $name() {
                if $crate::cgroup::testing::in_v2_view(concat!($module, "::v2::", stringify!($name))) {
                    let layout = $crate::cgroup::CgroupLayout::detect().unwrap();
                    assert_eq!(layout.mode(), $crate::cgroup::Mode::Unified);
                    super::$name(&layout)
                }
            })*
        }
    };
}
pub(super) use in_every_view;
