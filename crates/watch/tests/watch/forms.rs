//! Command lines in the forms that people and engines write: the container is held, and its bundle is told by one path.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use lxcri_tests::command::Cmd;

use crate::fake::Fake;
use crate::real::Real;
use crate::watcher::Watcher;

/// A runtime, a watcher of it, and a bundle.
struct Forms {
    real: Real,
    watcher: Watcher,
    bundle: PathBuf,
    count: usize,
}

impl Forms {
    fn new(runtime: &str) -> Option<Forms> {
        let real = Real::new(runtime)?;
        let bundle = real.bundle("c", "sleep 0.1");
        symlink(&bundle, real.scratch.join("link")).expect("symlink");
        Some(Forms {
            watcher: Watcher::start(real.options(&["--prestart", "/bin/true"])),
            real,
            bundle,
            count: 0,
        })
    }

    /// Makes a container by these command lines, in these directories. ROOT and ID are replaced.
    #[track_caller]
    fn make(&mut self, lines: &[(&Path, &str)]) {
        self.count += 1;
        let id = self.real.scratch.id(&format!("_{}+-.x", self.count));
        self.make_as(&id, lines);
    }

    #[track_caller]
    fn make_as(&self, id: &str, lines: &[(&Path, &str)]) {
        let root = self.real.root.display().to_string();
        let own = |line: &str| line.replace("ID", id).replace("ROOT", &root);
        let mut ours = Vec::new();
        for (directory, line) in lines {
            let words: Vec<String> = line.split(' ').map(own).collect();
            let runtime = &self.real.runtime;
            let command = match line.contains("--root") {
                true => Cmd::new(&runtime.program).view(runtime.view()),
                false => self.real.command(),
            };
            let outcome = command.args(&words).cwd(*directory).run().success();
            ours.push(outcome.to_string());
        }
        let added = self.watcher.await_event("added", id);
        assert_eq!(added["gated"], true, "{ours:?}: {added}");
        let bundle = self.bundle.to_str().expect("UTF-8");
        assert_eq!(added["bundle"], bundle, "{ours:?}: {added}");
        self.watcher.await_event("removed", id);
        let delete = self.real.command().args(["delete", "--force", id]);
        let _ = delete.run();
    }

    fn end(self) {
        assert_eq!(self.watcher.end(), "");
    }
}

fn forms(runtime: &str) {
    let Some(mut forms) = Forms::new(runtime) else {
        return;
    };
    let bundle = forms.bundle.clone();
    let parent = forms.real.scratch.path().to_owned();
    let rootfs = bundle.join("rootfs");
    let slash = Path::new("/");
    forms.make(&[(&bundle, "run ID")]);
    forms.make(&[(&bundle, "run --bundle . ID")]);
    forms.make(&[(&bundle, "run -b ./ -- ID")]);
    forms.make(&[(&rootfs, "run --bundle=.. ID")]);
    forms.make(&[(&rootfs, "--root=ROOT run -b ../../bundle-c ID")]);
    forms.make(&[(&parent, "--root root run -b link ID")]);
    forms.make(&[(&rootfs, "create --bundle=../ ID"), (slash, "start ID")]);
    forms.make(&[
        (&bundle, "create -b . ID"),
        (&parent, "--root ./root start ID"),
    ]);
    forms.make(&[(&parent, "create -b bundle-c ID"), (&bundle, "start -- ID")]);
    if runtime == "youki" {
        forms.make(&[(&bundle, "run -dp ../pid ID")]);
    }
    if runtime != "lxcri" {
        forms.make(&[(&bundle, "run -d ID")]);
        forms.make(&[(&parent, "--root=ROOT run --detach --bundle bundle-c ID")]);
    }
    // As long as a file name may be; the marker of the test belongs to it.
    let long = format!("{}{}", forms.real.scratch.id(""), "x".repeat(255));
    forms.make_as(&long[..200], &[(&bundle, "run ID")]);
    forms.end();
}

#[test]
fn of_runc() {
    forms("runc");
}

#[test]
fn of_crun() {
    forms("crun");
}

#[test]
fn of_lxcri() {
    forms("lxcri");
}

#[test]
fn of_youki() {
    forms("youki");
}

/// The record's directory has the longest name that there is; nothing longer is a container.
#[test]
fn the_longest_id() {
    let Some(fake) = Fake::new() else { return };
    let watcher = Watcher::start(fake.options());
    let short = fake.scratch.id("");
    let container = fake.container(&"x".repeat(255 - short.len()));
    assert_eq!(container.id.len(), 255);
    container.start().expect("execve");
    let added = watcher.await_event("added", &container.id);
    assert_eq!(added["gated"], true, "{added}");
    let too_long = "x".repeat(1024);
    fake.call(&["start", &too_long]).expect("execve");
    let errors = watcher.end();
    assert!(errors.contains("ENAMETOOLONG"), "{errors}");
}

/// Paths are the caller's, whose root may be another directory than ours.
#[test]
fn a_caller_in_another_root() {
    let Some(fake) = Fake::new() else { return };
    let watcher = Watcher::start(fake.options());
    let container = fake.container("c");
    // Not executed is 126 or 127 of chroot's own; busybox has no applet of the runtime's name, which is 127, too.
    Cmd::new("chroot")
        .arg(fake.scratch.path())
        .args(["/runc", "--root", "./root", "start", &container.id])
        .run();
    let added = watcher.await_event("added", &container.id);
    assert_eq!(added["gated"], true, "{added}");
    watcher.end();
}
