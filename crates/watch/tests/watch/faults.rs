//! Whatever happens to one of our processes, held starts go on, and watching does, too.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lxcri_tests::command::wait_until;
use nix::sys::signal::Signal;

use crate::fake::Fake;
use crate::watcher::{PATIENCE, Role, Watcher};

/// The deadline of a start, and how long after it at the latest it goes on.
const DEADLINE: Duration = Duration::from_secs(4);
const AFTER: Duration = Duration::from_secs(1);

/// How long a start was held, on a machine that was that late itself.
pub struct Held {
    took: Duration,
    late: Duration,
}

impl Held {
    /// It was let go in time: as is promised where nothing else is running. Three processes take part, each of which a busy
    /// machine makes wait.
    #[track_caller]
    pub fn in_time(&self) {
        let Held { took, late } = *self;
        println!("held for {took:?}, the machine {late:?} late");
        assert!(
            took <= DEADLINE + AFTER + late * 3,
            "held for {took:?}, the machine was {late:?} late"
        );
    }
}

/// By how much a thread is woken too late in this time, all together.
fn lateness(running: &AtomicBool) -> Duration {
    let pause = Duration::from_millis(5);
    let mut late = Duration::ZERO;
    while running.load(Ordering::Relaxed) {
        let before = Instant::now();
        thread::sleep(pause);
        late += before.elapsed().saturating_sub(pause);
    }
    late
}

/// A start is held by a hook that does not end; something happens; how long it was held. What comes out of the happening
/// is dropped when the start has gone on, or should have long ago.
pub fn held_while<T>(
    name: &str,
    happens: impl FnOnce(&Fake, &Watcher) -> T,
) -> Option<(Fake, Watcher, Held)> {
    let fake = Fake::new()?;
    let log = fake.log().display().to_string();
    let hook = fake.hook("hook", &format!("echo \"$ID\" >> {log}; exec sleep 3600"));
    let watcher = Watcher::start(fake.with(&["--timeout", "4s", "--prestart", &hook]));
    let container = fake.container(name);
    let waiting = AtomicBool::new(true);
    let held = thread::scope(|scope| {
        let machine = scope.spawn(|| lateness(&waiting));
        let start = scope.spawn(|| {
            let took = container.start();
            waiting.store(false, Ordering::Relaxed);
            took
        });
        assert!(wait_until(PATIENCE, || !fake.lines().is_empty()), "no hook");
        let happening = happens(&fake, &watcher);
        wait_until(PATIENCE, || start.is_finished());
        drop(happening);
        Held {
            late: machine.join().expect("thread"),
            took: start.join().expect("thread").expect("execve"),
        }
    });
    drop(container);
    Some((fake, watcher, held))
}

/// Another start is held by another hook: the watcher is itself again.
pub fn watches_again(fake: &Fake, watcher: &Watcher) {
    // Its hook ends at the deadline, so the start takes at least that long if it is held.
    let held = wait_until(PATIENCE, || {
        let name = format!("again{}", fake.lines().len());
        let container = fake.container(&name);
        container.start().expect("execve") >= Duration::from_secs(3)
    });
    assert!(held, "nothing is held any more:\n{}", watcher.output());
}

fn goes_on(role: Role, signal: Signal) {
    let Some((fake, watcher, held)) = held_while("c", |_, watcher| watcher.signal(role, signal))
    else {
        return;
    };
    held.in_time();
    if role == Role::Supervisor {
        if signal == Signal::SIGSTOP {
            watcher.signal(role, Signal::SIGCONT);
            watches_again(&fake, &watcher);
            watcher.end();
        }
        return;
    }
    watches_again(&fake, &watcher);
    let errors = watcher.end();
    assert!(errors.contains("starting another"), "{errors}");
}

#[test]
fn a_hook_that_hangs_is_killed_and_the_start_goes_on() {
    let Some((_fake, watcher, held)) = held_while("c", |_, _| {}) else {
        return;
    };
    held.in_time();
    assert!(held.took >= DEADLINE - AFTER, "{:?}", held.took);
    let errors = watcher.end();
    assert!(errors.contains("timed out"), "{errors}");
}

#[test]
fn responder_killed() {
    goes_on(Role::Responder, Signal::SIGKILL);
}

#[test]
fn responder_stopped() {
    goes_on(Role::Responder, Signal::SIGSTOP);
}

#[test]
fn worker_killed() {
    goes_on(Role::Worker, Signal::SIGKILL);
}

#[test]
fn worker_stopped() {
    goes_on(Role::Worker, Signal::SIGSTOP);
}

#[test]
fn supervisor_killed() {
    goes_on(Role::Supervisor, Signal::SIGKILL);
}

#[test]
fn supervisor_stopped() {
    goes_on(Role::Supervisor, Signal::SIGSTOP);
}

#[test]
fn the_stop_key_of_a_terminal_stops_nobody() {
    let Some((_fake, watcher, held)) = held_while("c", |_, watcher| {
        for role in [Role::Supervisor, Role::Responder, Role::Worker] {
            watcher.signal(role, Signal::SIGTSTP);
        }
    }) else {
        return;
    };
    held.in_time();
    watcher.end();
}

#[test]
fn a_worker_that_died_loses_no_container() {
    let Some(fake) = Fake::new() else { return };
    let log = fake.log().display().to_string();
    let hook = fake.hook("hook", &format!("echo \"$STATUS $ID $STATE\" >> {log}"));
    let watcher = Watcher::start(fake.with(&["--prestart", &hook, "--poststop", &hook]));
    let mut stays = fake.container("stays");
    let mut ends = fake.container("ends");
    for container in [&stays, &ends] {
        container.start().expect("execve");
        container.mark_started();
        watcher.await_event("added", &container.id);
    }
    watcher.signal(Role::Worker, Signal::SIGKILL);
    ends.kill();
    watcher.await_event("removed", &ends.id);
    stays.kill();
    watcher.await_event("removed", &stays.id);
    wait_until(PATIENCE, || fake.lines().len() >= 4);
    watcher.end();
    let mut lines = fake.lines();
    lines.sort();
    assert_eq!(lines.len(), 4, "{lines:#?}");
    for container in [&stays, &ends] {
        let of = |status: &str| {
            let start = format!("{status} {} ", container.id);
            lines
                .iter()
                .filter(|line| line.starts_with(&start))
                .cloned()
                .collect::<Vec<_>>()
        };
        let (created, stopped) = (of("created"), of("stopped"));
        assert_eq!((created.len(), stopped.len()), (1, 1), "{lines:#?}");
        // The same bundle and annotations as before.
        assert!(stopped[0].contains("test.name"), "{stopped:?}");
        assert!(
            stopped[0].contains(container.bundle.to_str().expect("UTF-8")),
            "{stopped:?}"
        );
    }
}

#[test]
fn ready_is_said_once() {
    let Some(fake) = Fake::new() else { return };
    let watcher = Watcher::start(fake.options());
    for role in [Role::Worker, Role::Responder] {
        let old = watcher.pid(role);
        watcher.signal(role, Signal::SIGKILL);
        assert!(wait_until(PATIENCE, || watcher.pid(role) != old));
    }
    let container = fake.container("c");
    assert!(wait_until(PATIENCE, || {
        container.start().expect("execve");
        !watcher.events_of("added", &container.id).is_empty()
    }));
    assert_eq!(watcher.events("ready").len(), 1);
    watcher.end();
}
