//! The life of a real cgroup, in every view this machine can give.

use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::testing::{PATIENCE, Sleeper, Temporary, in_every_view, soon, unique};
use super::*;

in_every_view!(
    "cgroup::tests",
    a_process_enters_every_hierarchy_and_is_listed,
    existing_and_used_is_refused_existing_and_empty_is_taken,
    kill_reaches_sub_cgroups_and_frozen_processes,
    other_signals_reach_all_and_leave_the_freezer_as_it_was,
    freeze_stops_and_thaw_resumes,
    remove_takes_sub_cgroups_and_only_own_parents,
    remove_waits_for_the_last_process,
    remove_names_who_is_still_there,
    a_plan_that_was_not_carried_out_kills_and_removes_nothing_of_others,
    a_failed_create_leaves_nothing,
    entrance_fds_take_a_process_in,
    a_process_is_born_inside,
    a_delegated_cgroup_belongs_to_its_user,
    containers_that_share_a_parent_come_and_go_at_once,
    processes_that_fork_without_end_are_killed,
    without_a_freezer_all_are_signalled_all_the_same,
);

fn plan(layout: &CgroupLayout, path: &str) -> CgroupPlan {
    CgroupPlan::new(Some(Path::new(path)), "c1", false, layout).unwrap()
}

fn a_process_enters_every_hierarchy_and_is_listed(layout: &CgroupLayout) {
    let name = unique();
    let cgroup = Temporary::at(layout, &name);
    let sleeper = Sleeper::within(&cgroup.0);
    let own = std::fs::read_to_string(format!("/proc/{}/cgroup", sleeper.pid())).unwrap();
    for hierarchy in layout.hierarchies() {
        let line = own
            .lines()
            .find(|line| {
                let controllers = line.split(':').nth(1).unwrap();
                match hierarchy.version {
                    Version::V1 => controllers == hierarchy.controllers.join(","),
                    Version::V2 => controllers.is_empty(),
                }
            })
            .unwrap();
        assert!(line.ends_with(&format!("/{name}")), "{line}");
    }
    assert_eq!(cgroup.0.pids(false).unwrap(), [sleeper.pid().as_raw()]);
    assert_eq!(cgroup.0.record().members.len(), layout.hierarchies().len());
    // What another command reads from disk is as good.
    let text = serde_json::to_string(cgroup.0.record()).unwrap();
    let again = Cgroup::from_record(serde_json::from_str(&text).unwrap());
    assert_eq!(again.pids(true).unwrap(), [sleeper.pid().as_raw()]);
}

fn existing_and_used_is_refused_existing_and_empty_is_taken(layout: &CgroupLayout) {
    let name = unique();
    let first = Temporary::at(layout, &name);
    let sleeper = Sleeper::within(&first.0);
    let error = plan(layout, &name).create().unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with(&format!("is in use by process {}", sleeper.pid())),
        "{error}"
    );
    assert_eq!(first.0.pids(false).unwrap().len(), 1);
    drop(sleeper);
    let again = plan(layout, &name).create().unwrap();
    assert_eq!(again.record().state, State::Made);
    first.0.freeze(soon()).unwrap();
    let error = plan(layout, &name).create().unwrap_err();
    assert!(matches!(error, Error::Frozen { .. }), "{error}");
    first.0.thaw().unwrap();
}

fn kill_reaches_sub_cgroups_and_frozen_processes(layout: &CgroupLayout) {
    let cgroup = Temporary::new(layout);
    let mut outer = Sleeper::within(&cgroup.0);
    let member = cgroup.0.record().primary().unwrap();
    let below = member.path.join("a/b");
    std::fs::create_dir_all(&below).unwrap();
    let mut inner = Sleeper::within(&cgroup.0);
    std::fs::write(below.join("cgroup.procs"), inner.pid().to_string()).unwrap();
    assert_eq!(cgroup.0.pids(false).unwrap(), [outer.pid().as_raw()]);
    let mut both = [outer.pid().as_raw(), inner.pid().as_raw()];
    both.sort_unstable();
    assert_eq!(cgroup.0.pids(true).unwrap(), both);
    cgroup.0.freeze(soon()).unwrap();
    cgroup.0.signal_all(libc::SIGKILL).unwrap();
    assert_eq!(outer.killed_by(), Some(9));
    assert_eq!(inner.killed_by(), Some(9));
}

fn other_signals_reach_all_and_leave_the_freezer_as_it_was(layout: &CgroupLayout) {
    let cgroup = Temporary::new(layout);
    let mut sleepers = [Sleeper::within(&cgroup.0), Sleeper::within(&cgroup.0)];
    cgroup.0.freeze(soon()).unwrap();
    cgroup.0.signal_all(libc::SIGUSR1).unwrap();
    // On v2 a frozen process may die at once, on v1 it waits for the thaw; the cgroup stays frozen either way.
    assert!(cgroup.0.is_frozen().unwrap());
    cgroup.0.thaw().unwrap();
    for sleeper in &mut sleepers {
        assert_eq!(sleeper.killed_by(), Some(10));
    }
    let mut last = Sleeper::within(&cgroup.0);
    cgroup.0.signal_all(libc::SIGTERM).unwrap();
    assert!(!cgroup.0.is_frozen().unwrap());
    assert_eq!(last.killed_by(), Some(15));
}

fn freeze_stops_and_thaw_resumes(layout: &CgroupLayout) {
    let cgroup = Temporary::new(layout);
    let mut child = Command::new("sh")
        .args(["-c", "read line; echo \"$line\""])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    cgroup
        .0
        .add(nix::unistd::Pid::from_raw(child.id() as i32))
        .unwrap();
    cgroup.0.freeze(soon()).unwrap();
    assert!(cgroup.0.is_frozen().unwrap());
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"go\n").unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert!(child.try_wait().unwrap().is_none(), "it ran while frozen");
    cgroup.0.thaw().unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"go\n");
    assert!(!cgroup.0.is_frozen().unwrap());
}

fn remove_takes_sub_cgroups_and_only_own_parents(layout: &CgroupLayout) {
    let top = unique();
    let outer = Temporary::at(layout, &format!("{top}-out"));
    let record = outer.0.record().clone();
    let plan = plan(layout, &format!("/{top}/mid/leaf"));
    for member in &plan.record().members {
        assert_eq!(member.parents.len(), 2, "{member:?}");
    }
    let cgroup = plan.create().unwrap();
    for member in &cgroup.record().members {
        std::fs::create_dir_all(member.path.join("x/y/z")).unwrap();
    }
    // Somebody else's, beside it.
    let other = CgroupPlan::new(
        Some(Path::new(&format!("/{top}/other"))),
        "c2",
        false,
        layout,
    )
    .unwrap()
    .create()
    .unwrap();
    assert_eq!(cgroup.remove(soon()).len(), 0);
    for (member, other) in cgroup.record().members.iter().zip(&other.record().members) {
        assert!(!member.path.exists() && !member.parents[0].exists());
        assert!(other.path.exists() && member.parents[1].exists());
    }
    assert_eq!(other.remove(soon()).len(), 0);
    // Neither takes a parent that was there, so the first one's record still has the last word.
    assert_eq!(cgroup.remove(soon()).len(), 0);
    for member in &cgroup.record().members {
        assert!(!member.parents[1].exists());
    }
    assert!(record.members.iter().all(|m| m.path.exists()));
}

fn remove_waits_for_the_last_process(layout: &CgroupLayout) {
    let cgroup = Temporary::new(layout);
    let child = Command::new("sleep").arg("0.2").spawn().unwrap();
    cgroup
        .0
        .add(nix::unistd::Pid::from_raw(child.id() as i32))
        .unwrap();
    let reaper = std::thread::spawn(move || {
        let mut child = child;
        child.wait().unwrap()
    });
    let begin = Instant::now();
    let errors = cgroup.0.remove(soon());
    assert!(errors.is_empty(), "{errors:?}");
    assert!(begin.elapsed() < PATIENCE / 2);
    for member in &cgroup.0.record().members {
        assert!(!member.path.exists());
    }
    reaper.join().unwrap();
}

fn remove_names_who_is_still_there(layout: &CgroupLayout) {
    let cgroup = Temporary::new(layout);
    let mut sleeper = Sleeper::within(&cgroup.0);
    let begin = Instant::now();
    let errors = cgroup.0.remove(begin + Duration::from_millis(50));
    assert!(begin.elapsed() < PATIENCE / 2);
    assert_eq!(errors.len(), layout.hierarchies().len());
    for error in &errors {
        let text = error.to_string();
        assert!(
            text.ends_with(&format!("still in use by process {}", sleeper.pid())),
            "{text}"
        );
    }
    assert!(
        sleeper.0.try_wait().unwrap().is_none(),
        "remove kills nothing"
    );
}

fn a_plan_that_was_not_carried_out_kills_and_removes_nothing_of_others(layout: &CgroupLayout) {
    let name = unique();
    let planned = plan(layout, &name).record().clone();
    let theirs = Temporary::at(layout, &name);
    let mut sleeper = Sleeper::within(&theirs.0);
    let ours = Cgroup::from_record(planned);
    assert!(ours.pids(true).unwrap().is_empty());
    ours.signal_all(libc::SIGKILL).unwrap();
    let begin = Instant::now();
    assert!(ours.remove(soon()).is_empty());
    assert!(begin.elapsed() < PATIENCE / 2);
    assert!(sleeper.0.try_wait().unwrap().is_none());
    assert!(theirs.0.record().members.iter().all(|m| m.path.exists()));
    // With nobody inside it is what a killed runtime left behind.
    drop(sleeper);
    assert!(ours.remove(soon()).is_empty());
    assert!(theirs.0.record().members.iter().all(|m| !m.path.exists()));
}

fn a_failed_create_leaves_nothing(layout: &CgroupLayout) {
    let name = unique();
    let blocker = Temporary::at(layout, &format!("/{name}/leaf"));
    let _sleeper = Sleeper::within(&blocker.0);
    // Free the first hierarchies, so that the failure comes in the last one.
    let members = &blocker.0.record().members;
    let (last, first) = members.split_last().unwrap();
    let moved = std::fs::read_to_string(last.path.join("cgroup.procs")).unwrap();
    for member in first {
        std::fs::write(member.mount_point.join("cgroup.procs"), moved.trim()).unwrap();
        std::fs::remove_dir(&member.path).unwrap();
        std::fs::remove_dir(&member.parents[0]).unwrap();
    }
    let error = plan(layout, &format!("/{name}/leaf")).create().unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    for member in first {
        assert!(
            !member.path.exists() && !member.parents[0].exists(),
            "{member:?}"
        );
    }
    assert!(last.path.exists());
}

fn entrance_fds_take_a_process_in(layout: &CgroupLayout) {
    let cgroup = Temporary::new(layout);
    for (fd, member) in cgroup
        .0
        .entrance_fds(false)
        .unwrap()
        .into_iter()
        .zip(&cgroup.0.record().members)
    {
        let output = Command::new("sh")
            .args(["-c", "echo 0 >&0; cat /proc/$$/cgroup"])
            .stdin(Stdio::from(fd))
            .output()
            .unwrap();
        let name = member
            .path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.matches(&name).count(), 1, "{text}");
    }
    let all = cgroup.0.entrance_fds(false).unwrap().len();
    let without_v2 = cgroup.0.entrance_fds(true).unwrap().len();
    match layout.mode() {
        Mode::Legacy => assert!(cgroup.0.dir_fd().unwrap().is_none() && all == without_v2),
        Mode::Unified | Mode::Hybrid => {
            assert!(cgroup.0.dir_fd().unwrap().is_some() && all == without_v2 + 1)
        }
    }
}

/// clone3(2) with CLONE_INTO_CGROUP takes such a descriptor; writing to a file below it proves the same.
fn a_process_is_born_inside(layout: &CgroupLayout) {
    let cgroup = Temporary::new(layout);
    let Some(dir) = cgroup.0.dir_fd().unwrap() else {
        return super::testing::absent("v1 has no CLONE_INTO_CGROUP");
    };
    let link = std::fs::read_link(format!("/proc/self/fd/{}", dir.as_raw_fd())).unwrap();
    assert_eq!(link, cgroup.0.record().unified().unwrap().path);
    let flags = nix::fcntl::fcntl(&dir, nix::fcntl::FcntlArg::F_GETFD).unwrap();
    assert_eq!(flags, nix::libc::FD_CLOEXEC);
}

fn a_delegated_cgroup_belongs_to_its_user(layout: &CgroupLayout) {
    let cgroup = Temporary::new(layout);
    cgroup
        .0
        .delegate(nix::unistd::Uid::from_raw(12345))
        .unwrap();
    let owner = |path: &Path| std::fs::metadata(path).unwrap().uid();
    for member in &cgroup.0.record().members {
        let want = match member.version {
            Version::V2 => 12345,
            Version::V1 => 0,
        };
        assert_eq!(owner(&member.path), want);
        assert_eq!(owner(&member.path.join("cgroup.procs")), want);
        assert_eq!(owner(member.path.parent().unwrap()), 0);
    }
    if let Some(member) = cgroup.0.record().unified() {
        assert_eq!(
            owner(&member.path.join("cgroup.kill")),
            0,
            "limits and killing stay the runtime's"
        );
    }
}

fn containers_that_share_a_parent_come_and_go_at_once(layout: &CgroupLayout) {
    let parent = unique();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let parent = &parent;
            scope.spawn(move || {
                for round in 0..25 {
                    let path = format!("/{parent}/pod/c{thread}-{round}");
                    let cgroup = plan(layout, &path).create().unwrap();
                    assert!(cgroup.remove(soon()).is_empty());
                }
            });
        }
    });
    for hierarchy in layout.hierarchies() {
        // Whoever made the parents last also saw them empty, or lost the race for it to nobody.
        let left = hierarchy.mount_point.join(&parent);
        let _ = std::fs::remove_dir(left.join("pod"));
        let _ = std::fs::remove_dir(&left);
        assert!(!left.exists());
    }
}

fn processes_that_fork_without_end_are_killed(layout: &CgroupLayout) {
    let cgroup = Temporary::new(layout);
    // Each generation ends after starting the next: nobody who lists process ids one by one catches up. It ends by itself
    // after some seconds, should the test be killed.
    let script = "relay() { [ $SECONDS -gt 5 ] || (relay &) ; }; read go; while [ $SECONDS -le 5 ]; do (relay &); done";
    let mut child = Command::new("bash")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    cgroup
        .0
        .add(nix::unistd::Pid::from_raw(child.id() as i32))
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"go\n").unwrap();
    let deadline = soon();
    while cgroup.0.pids(true).unwrap().len() < 2 {
        assert!(Instant::now() < deadline, "it does not fork");
        std::thread::sleep(Duration::from_millis(1));
    }
    cgroup.0.signal_all(libc::SIGKILL).unwrap();
    child.wait().unwrap();
    let errors = cgroup.0.remove(soon());
    assert!(errors.is_empty(), "{errors:?}");
}

fn without_a_freezer_all_are_signalled_all_the_same(layout: &CgroupLayout) {
    let whole = Temporary::new(layout);
    let mut record = whole.0.record().clone();
    record
        .members
        .retain(|m| m.version == Version::V1 && m.controllers != ["freezer"]);
    if record.members.is_empty() {
        return super::testing::absent("v2 always has a freezer");
    }
    let cgroup = Cgroup::from_record(record);
    assert!(matches!(
        cgroup.freeze(soon()),
        Err(Error::NoFreezer { .. })
    ));
    for signal in [libc::SIGTERM, libc::SIGKILL] {
        let mut sleepers = [Sleeper::within(&whole.0), Sleeper::within(&whole.0)];
        cgroup.signal_all(signal).unwrap();
        for sleeper in &mut sleepers {
            assert_eq!(sleeper.killed_by(), Some(signal));
        }
    }
}
