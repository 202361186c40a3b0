//! Two hundred containers at once.

use std::collections::BTreeMap;
use std::fs;
use std::thread;

use lxcri_tests::command::wait_until;
use lxcri_tests::need;

use crate::fake::Fake;
use crate::real::Real;
use crate::watcher::{PATIENCE, Watcher};

/// Events of a kind by id, each of which may appear once.
fn by_id(watcher: &Watcher, kind: &str) -> BTreeMap<String, (i64, String)> {
    let mut all = BTreeMap::new();
    for event in watcher.events(kind) {
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let pid = event["pid"].as_i64().unwrap_or_default();
        let before = all.insert(text("id"), (pid, text("bundle")));
        assert!(before.is_none(), "twice: {event}");
    }
    all
}

#[test]
fn two_hundred_containers_at_once() {
    let Some(real) = Real::new("runc") else {
        return;
    };
    let count = need::count("LXCRI_TEST_BURST", 200);
    let watcher = Watcher::start(real.options(&["--timeout", "60s", "--prestart", "/bin/true"]));
    let bundles: Vec<_> = (0..count)
        .map(|n| real.bundle(&format!("c{n}"), "sleep 0.2"))
        .collect();
    let command = |verb: &str| real.command().deadline(PATIENCE * 4).arg(verb);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|n| {
                let (bundle, id) = (&bundles[n], real.scratch.id(&format!("c{n}")));
                scope.spawn(move || {
                    let pid_file = bundle.join("pid");
                    let made = command(if n % 2 == 0 { "run" } else { "create" })
                        .args(["--pid-file"])
                        .arg(&pid_file)
                        .arg("--bundle")
                        .arg(bundle)
                        .arg(&id)
                        .run();
                    made.success();
                    if n % 2 == 1 {
                        command("start").arg(&id).run().success();
                    }
                    // `run` deletes the file's container, not the file.
                    let pid = fs::read_to_string(pid_file).expect("pid file");
                    (
                        id,
                        (
                            pid.trim().parse().expect("number"),
                            bundle.display().to_string(),
                        ),
                    )
                })
            })
            .collect();
        let expected: BTreeMap<String, (i64, String)> = threads
            .into_iter()
            .map(|t| t.join().expect("thread"))
            .collect();
        assert!(
            wait_until(PATIENCE, || watcher.events("removed").len() >= count),
            "{} added, {} removed",
            watcher.events("added").len(),
            watcher.events("removed").len()
        );
        assert_eq!(by_id(&watcher, "added"), expected);
        assert_eq!(by_id(&watcher, "removed"), expected);
    });
    let mut late = watcher.events("added");
    late.retain(|event| event["gated"] != true);
    assert!(late.is_empty(), "{late:?}\n{}", watcher.output());
    for n in (1..count).step_by(2) {
        let id = real.scratch.id(&format!("c{n}"));
        real.command()
            .args(["delete", "--force"])
            .arg(id)
            .run()
            .success();
    }
    assert_eq!(watcher.end(), "");
}

/// More at a time than any machine starts containers, of a runtime that costs nothing.
#[test]
fn a_thousand_starts_at_once() {
    let Some(fake) = Fake::new() else { return };
    let watcher = Watcher::start(fake.with(&["--timeout", "60s"]));
    let containers: Vec<_> = (0..1000)
        .map(|n| fake.container(&format!("c{n}")))
        .collect();
    thread::scope(|scope| {
        for container in &containers {
            scope.spawn(|| container.start().expect("execve"));
        }
    });
    let expected: BTreeMap<_, _> = containers
        .iter()
        .map(|c| {
            (
                c.id.clone(),
                (i64::from(c.pid()), c.bundle.display().to_string()),
            )
        })
        .collect();
    assert!(wait_until(PATIENCE, || watcher.events("added").len()
        >= containers.len()));
    assert_eq!(by_id(&watcher, "added"), expected);
    drop(containers);
    assert!(wait_until(PATIENCE, || watcher.events("removed").len()
        >= expected.len()));
    assert_eq!(by_id(&watcher, "removed"), expected);
    assert_eq!(watcher.end(), "");
}
