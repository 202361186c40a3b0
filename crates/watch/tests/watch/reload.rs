//! Declarative hooks that change while containers come and go: the next start has the new ones.

use std::fs;
use std::io;
use std::path::PathBuf;

use lxcri_tests::command::wait_until;
use nix::sys::signal::Signal;
use serde_json::json;

use crate::fake::Fake;
use crate::watcher::{PATIENCE, Role, Watcher};

struct Setting {
    fake: Fake,
    watcher: Watcher,
    directory: PathBuf,
}

impl Setting {
    /// A watcher of an empty directory, for which a broken file is a failing hook, and that is a reason to deny a start.
    fn new() -> Option<Setting> {
        let fake = Fake::new()?;
        let directory = fake.scratch.mkdir("hooks.d");
        let path = directory.display().to_string();
        let options = ["--on-failure", "deny", "--hooks-dir", &path];
        Some(Setting {
            watcher: Watcher::start(fake.with(&options)),
            fake,
            directory,
        })
    }

    /// A declaration whose hook says `word`.
    fn declaration(&self, word: &str) -> String {
        let log = self.fake.log().display().to_string();
        let path = self
            .fake
            .hook(word, &format!("echo \"{word} $ID\" >> {log}"));
        json!({
            "version": "1.0.0",
            "hook": {"path": path},
            "when": {"always": true},
            "stages": ["prestart"],
        })
        .to_string()
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.directory.join(name), content).expect("write");
    }

    /// What the hooks said at a start, or that it was denied.
    fn start(&self) -> String {
        let container = self
            .fake
            .container(&format!("c{}", self.fake.lines().len()));
        let before = self.fake.lines().len();
        match container.start() {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => return "denied".into(),
            Err(e) => panic!("{e}"),
        }
        let lines = self.fake.lines().split_off(before);
        let words = lines.iter().filter_map(|line| line.split(' ').next());
        words.collect::<Vec<_>>().join(" ")
    }

    /// Waits until starts are like this; files are read again after a moment.
    #[track_caller]
    fn becomes(&self, expected: &str) {
        let mut last = String::new();
        wait_until(PATIENCE, || {
            last = self.start();
            last == expected
        });
        assert_eq!(last, expected, "{}", self.watcher.errors());
    }

    #[track_caller]
    fn reports(&self, text: &str) {
        let said = wait_until(PATIENCE, || self.watcher.errors().contains(text));
        assert!(said, "{text}: {}", self.watcher.errors());
    }
}

#[test]
fn added_changed_and_removed() {
    let Some(setting) = Setting::new() else {
        return;
    };
    assert_eq!(setting.start(), "");
    setting.write("a.json", &setting.declaration("one"));
    setting.becomes("one");
    setting.write("b.json", &setting.declaration("two"));
    setting.becomes("one two");
    // In one step, as editors and package managers do.
    setting.write("new", &setting.declaration("three"));
    let at = |name: &str| setting.directory.join(name);
    fs::rename(at("new"), at("a.json")).expect("rename");
    setting.becomes("three two");
    fs::remove_file(at("b.json")).expect("remove");
    setting.becomes("three");
    fs::remove_dir_all(&setting.directory).expect("remove");
    setting.becomes("");
    fs::create_dir(&setting.directory).expect("mkdir");
    setting.write("c.json", &setting.declaration("four"));
    setting.becomes("four");
}

/// A file that was good, and then was not.
fn broken() -> Option<Setting> {
    let setting = Setting::new()?;
    setting.write("a.json", &setting.declaration("one"));
    setting.becomes("one");
    setting.write("a.json", "{");
    setting.reports("a.json");
    Some(setting)
}

#[test]
fn broken_and_repaired() {
    let Some(setting) = broken() else { return };
    // The last good version stays in force.
    assert_eq!(setting.start(), "one");
    // A file that never was good counts as a failing hook.
    setting.write("b.json", "{\"version\":");
    setting.becomes("denied");
    setting.write("b.json", &setting.declaration("two"));
    setting.becomes("one two");
    setting.write("a.json", &setting.declaration("three"));
    setting.becomes("three two");
}

/// A new worker has not seen the last good version.
#[test]
fn broken_and_then_read_by_another_worker() {
    let Some(setting) = broken() else { return };
    setting.watcher.signal(Role::Worker, Signal::SIGKILL);
    setting.becomes("denied");
    setting.write("a.json", &setting.declaration("two"));
    setting.becomes("two");
}
