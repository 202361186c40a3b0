//! The library: events with pidfds and configurations, holds, containers found otherwise, close.

use std::io;
use std::os::fd::AsFd;
use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use watch::{Container, ContainerEvent, Options, WatchError, Watcher};

use crate::fake::Fake;
use crate::watcher::{PATIENCE, program};

fn options(fake: &Fake, more: &[&str]) -> Options {
    Options {
        program: program(),
        arguments: fake.with(more).into_iter().map(Into::into).collect(),
        hold: false,
    }
}

fn added(watcher: &Watcher) -> Container {
    match watcher.next(PATIENCE) {
        Some(ContainerEvent::Added(container)) => container,
        other => panic!("{other:?}"),
    }
}

fn removed(watcher: &Watcher) -> Container {
    match watcher.next(PATIENCE) {
        Some(ContainerEvent::Removed(container)) => container,
        other => panic!("{other:?}"),
    }
}

fn has_ended(container: &Container) -> bool {
    let pidfd = container.pidfd.as_ref().expect("pidfd");
    let mut fds = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).expect("poll") == 1
}

#[test]
fn events() {
    let Some(fake) = Fake::new() else { return };
    let watcher = Watcher::start(&options(&fake, &[])).expect("start");
    let mut container = fake.container("c");
    container.start().expect("execve");
    let event = added(&watcher);
    assert_eq!((&event.id, event.pid), (&container.id, container.pid()));
    assert_eq!(
        (&event.bundle, &*event.runtime),
        (&container.bundle, "runc")
    );
    assert!(event.gated && !event.adopted && event.hold.is_none());
    let text = std::fs::read_to_string(container.bundle.join("config.json")).expect("read");
    assert_eq!(event.configuration.as_ref().map(|c| c.get()), Some(&*text));
    assert!(!has_ended(&event));
    container.kill();
    assert!(has_ended(&event));
    let gone = removed(&watcher);
    assert_eq!((&gone.id, gone.pid), (&container.id, container.pid()));
    assert_eq!(gone.configuration.map(|c| c.get().to_owned()), Some(text));
    watcher.close();
}

#[test]
fn a_start_is_held_until_it_is_released_or_denied() {
    let Some(fake) = Fake::new() else { return };
    let mut options = options(&fake, &["--timeout", "50s"]);
    options.hold = true;
    let watcher = Watcher::start(&options).expect("start");
    for allow in [true, false] {
        let container = fake.container(if allow { "allowed" } else { "denied" });
        thread::scope(|scope| {
            let start = scope.spawn(|| container.start());
            let event = added(&watcher);
            thread::sleep(Duration::from_millis(300));
            assert!(!start.is_finished());
            let hold = event.hold.expect("a hold");
            if allow {
                hold.release();
            } else {
                hold.deny();
            }
            let result = start.join().expect("thread");
            let denied = result.is_err_and(|e| e.kind() == io::ErrorKind::PermissionDenied);
            assert_eq!(denied, !allow);
        });
        drop(container);
        removed(&watcher);
    }
}

#[test]
fn closing_lets_go_and_so_does_the_time() {
    let Some(fake) = Fake::new() else { return };
    for timeout in ["1s", "50s"] {
        let mut options = options(&fake, &["--timeout", timeout]);
        options.hold = true;
        let watcher = Watcher::start(&options).expect("start");
        let container = fake.container(timeout);
        thread::scope(|scope| {
            let start = scope.spawn(|| container.start());
            let event = added(&watcher);
            if timeout == "50s" {
                watcher.close();
            }
            let took = start.join().expect("thread").expect("execve");
            assert!(took < Duration::from_secs(20), "{took:?}");
            drop(event);
        });
    }
}

#[test]
fn a_container_found_otherwise() {
    let Some(fake) = Fake::new() else { return };
    let watcher = Watcher::start(&options(&fake, &[])).expect("start");
    let mut process = Command::new("sleep").arg("600").spawn().expect("sleep");
    let pid = process.id().cast_signed();
    watcher
        .watch(pid, "mine", fake.scratch.path())
        .expect("watch");
    let event = added(&watcher);
    assert_eq!((&*event.id, event.pid, event.gated), ("mine", pid, false));
    process.kill().and_then(|()| process.wait()).expect("kill");
    assert_eq!(removed(&watcher).pid, pid);
}

#[test]
fn what_cannot_be_started_is_said() {
    let nowhere = Options {
        program: "/nonexistent".into(),
        ..Options::default()
    };
    assert!(matches!(Watcher::start(&nowhere), Err(WatchError::Run(..))));
    let wrong = Options {
        program: program(),
        arguments: vec!["--dir".into(), "/nonexistent".into()],
        hold: false,
    };
    assert!(matches!(Watcher::start(&wrong), Err(WatchError::Ended(_))));
}
