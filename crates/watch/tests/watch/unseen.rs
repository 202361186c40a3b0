//! Containers that no gate has seen: there before us, or started while nobody looked.

use std::time::{Duration, Instant};

use lxcri_tests::command::wait_until;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::fake::Fake;
use crate::real::Real;
use crate::watcher::{PATIENCE, Role, Watcher};

fn hook(fake: &Fake) -> String {
    let log = fake.log().display().to_string();
    fake.hook("hook", &format!("echo \"$STATUS $ID\" >> {log}"))
}

#[test]
fn containers_that_were_there_before_are_adopted() {
    let Some(fake) = Fake::new() else { return };
    let mut running = fake.container("running");
    running.mark_started();
    let created = fake.container("created");
    // Start times have a resolution of ten milliseconds.
    std::thread::sleep(Duration::from_millis(50));
    let hook = hook(&fake);
    let watcher = Watcher::start(fake.with(&["--prestart", &hook, "--poststop", &hook]));
    let event = watcher.await_event("added", &running.id);
    assert_eq!(
        (&event["gated"], &event["adopted"]),
        (&false.into(), &true.into()),
        "{event}"
    );
    assert_eq!(event["pid"], running.pid());
    // One that waits for its start is held then, as any other.
    created.start().expect("execve");
    let event = watcher.await_event("added", &created.id);
    assert_eq!(
        (&event["gated"], &event["adopted"]),
        (&true.into(), &false.into()),
        "{event}"
    );
    running.kill();
    watcher.await_event("removed", &running.id);
    let expected = [
        format!("created {}", created.id),
        format!("stopped {}", running.id),
    ];
    assert!(wait_until(PATIENCE, || fake.lines().len() >= 2));
    watcher.end();
    assert_eq!(
        fake.lines(),
        expected,
        "no prestart for what was there before"
    );
}

/// Its runtime is not one of those that are watched, its root directory is.
#[test]
fn a_start_that_no_gate_saw_is_noticed_late() {
    let Some(fake) = Fake::new() else { return };
    let hook = hook(&fake);
    let watcher = Watcher::start(fake.with(&["--prestart", &hook, "--poststop", &hook]));
    let mut container = fake.container("c");
    std::thread::sleep(Duration::from_millis(1500));
    assert!(
        watcher.events("added").is_empty(),
        "it has not been started"
    );
    container.mark_started();
    let event = watcher.await_event("added", &container.id);
    assert_eq!(
        (&event["gated"], &event["adopted"]),
        (&false.into(), &false.into()),
        "{event}"
    );
    container.kill();
    watcher.await_event("removed", &container.id);
    assert!(wait_until(PATIENCE, || fake.lines().len() >= 2));
    watcher.end();
    let expected = [
        format!("running {}", container.id),
        format!("stopped {}", container.id),
    ];
    assert_eq!(fake.lines(), expected);
}

/// Starts that passed while there was no responder are found as well.
#[test]
fn a_gap_is_reconciled() {
    let Some(fake) = Fake::new() else { return };
    let watcher = Watcher::start(fake.options());
    let containers: Vec<_> = (0..20).map(|n| fake.container(&format!("c{n}"))).collect();
    for (n, container) in containers.iter().enumerate() {
        if n == 5 {
            watcher.signal(Role::Responder, Signal::SIGKILL);
        }
        if n == 10 {
            watcher.signal(Role::Worker, Signal::SIGSTOP);
        }
        container.start().expect("execve");
        container.mark_started();
    }
    for container in &containers {
        watcher.await_event("added", &container.id);
    }
    assert_eq!(watcher.events("added").len(), containers.len(), "each once");
    watcher.end();
}

/// LXC's containers are in no directory that is watched: they are found because somebody was told of a gap.
#[test]
fn whoever_started_in_a_gap_is_looked_for() {
    let Some(real) = Real::new("lxc-start") else {
        return;
    };
    let id = real.scratch.id("c");
    real.lxc(&id, "exec sleep 600");
    let watcher = Watcher::start(real.options(&[]));
    // Nobody starts another responder, so this start passes.
    watcher.signal(Role::Supervisor, Signal::SIGSTOP);
    watcher.signal(Role::Responder, Signal::SIGKILL);
    real.command_of_lxc(&id).arg("-d").run().success();
    watcher.signal(Role::Supervisor, Signal::SIGCONT);
    let added = watcher.await_event("added", &id);
    assert_eq!(
        (&added["gated"], &added["adopted"]),
        (&false.into(), &false.into()),
        "{added}"
    );
    let pid = added["pid"].as_i64().and_then(|pid| pid.try_into().ok());
    kill(Pid::from_raw(pid.expect("a pid")), Signal::SIGKILL).expect("kill");
    watcher.await_event("removed", &id);
    watcher.end();
}

#[test]
fn a_container_is_added_once_however_often_it_is_started() {
    let Some(fake) = Fake::new() else { return };
    let log = fake.log().display().to_string();
    let go = fake.scratch.join("go");
    let script = format!(
        "echo \"$STATUS $ID\" >> {log}; until test -e {}; do sleep 0.05; done",
        go.display()
    );
    let slow = fake.hook("slow", &script);
    let watcher = Watcher::start(fake.with(&["--timeout", "50s", "--prestart", &slow]));
    let container = fake.container("c");
    // crun executes itself twice, and people repeat themselves. All of them wait for the hook.
    std::thread::scope(|scope| {
        let start = || container.start().map(|_| Instant::now());
        let starts: Vec<_> = (0..5).map(|_| scope.spawn(start)).collect();
        assert!(wait_until(PATIENCE, || !fake.lines().is_empty()), "no hook");
        std::thread::sleep(Duration::from_millis(500));
        let released = Instant::now();
        fake.scratch.write("go", "");
        for start in starts {
            let ended = start.join().expect("thread").expect("execve");
            assert!(ended >= released, "{:?} too early", released - ended);
        }
    });
    assert_eq!(watcher.events("added").len(), 1);
    assert_eq!(fake.lines().len(), 1);
    watcher.end();
}
