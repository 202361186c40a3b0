//! Directories of hooks for the tests.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub mod live;

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use hooks_d::{Access, Container, HookFiles, Selected, Source, Sources, load};
use serde_json::{Value, json};

/// Whether this is root, whose files alone are taken by default.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// The same for a test of that: without root it is skipped, unless it must run.
pub fn need_root() -> bool {
    assert!(
        is_root() || std::env::var_os("LXCRI_TEST_MUST_RUN").is_none_or(|v| v != "1"),
        "this test needs root"
    );
    if !is_root() {
        eprintln!("skipped: needs root");
    }
    is_root()
}

/// A directory below which sources are made.
pub struct Tree {
    root: tempfile::TempDir,
}

impl Tree {
    pub fn new() -> Tree {
        Tree {
            root: tempfile::tempdir().unwrap(),
        }
    }

    /// In a directory above which nobody else works, other than in /tmp.
    pub fn in_a_quiet_place() -> Tree {
        Tree {
            root: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A good file for every container.
    pub fn hook(&self, name: &str, args: &[&str]) -> PathBuf {
        self.write(name, always(args).to_string())
    }

    pub fn link(&self, name: &str, target: impl AsRef<Path>) {
        symlink(target, self.path(name)).unwrap();
    }

    pub fn sources(&self, dirs: &[&str]) -> Sources {
        Sources {
            // Files of another user's tests are that user's.
            access: if is_root() {
                Access::RootOnly
            } else {
                Access::Anyone
            },
            ..Sources::from_dirs(dirs.iter().map(|dir| self.path(dir)))
        }
    }

    pub fn load(&self, dirs: &[&str]) -> HookFiles {
        load(&self.sources(dirs))
    }

    /// A hooks.json with this content.
    pub fn hooks_json(&self, content: impl AsRef<[u8]>) -> HookFiles {
        let path = self.write("hooks.json", content);
        let mut sources = self.sources(&[]);
        sources
            .list
            .push((Source::HooksJson(path), Default::default()));
        load(&sources)
    }

    /// The problems as lines without the directory.
    pub fn problems(&self, files: &HookFiles) -> Vec<String> {
        let root = format!("{}/", self.root.path().display());
        files
            .problems()
            .map(|problem| problem.to_string().replace(&root, ""))
            .collect()
    }
}

/// A hook of every container, which args tell apart from others.
pub fn always(args: &[&str]) -> Value {
    json!({
        "version": "1.0.0",
        "hook": {"path": "/bin/true", "args": args},
        "when": {"always": true},
        "stages": ["poststart"],
    })
}

/// What is wrong with one file of this content, without the file's name.
pub fn problems_of(content: impl AsRef<[u8]>) -> Vec<String> {
    let tree = Tree::new();
    tree.write("d/x.json", content);
    let problems = tree.problems(&tree.load(&["d"])).into_iter();
    problems
        .map(|problem| {
            let problem = problem.strip_prefix("d/x.json:").unwrap();
            problem.trim_start().to_owned()
        })
        .collect()
}

/// Whether one file of this content is good.
pub fn is_good(content: impl AsRef<[u8]>) -> bool {
    let tree = Tree::new();
    tree.write("d/x.json", content);
    tree.load(&["d"]).verdict().is_ok()
}

/// The hooks that one good file of this content gives a container.
pub fn select(content: impl AsRef<[u8]>, container: &Container) -> Vec<Selected> {
    let tree = Tree::new();
    tree.write("d/x.json", content);
    let files = tree.load(&["d"]);
    files.verdict().unwrap();
    files.select(container).hooks
}

/// A container with these annotations and this command.
pub fn container(annotations: &[(&str, &str)], args: &[&str]) -> Container {
    let annotations: BTreeMap<_, _> = annotations
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    Container {
        annotations,
        args: Some(args.iter().map(|arg| (*arg).to_owned()).collect()),
        has_bind_mounts: false,
    }
}

/// The arguments of the hooks, joined by blanks.
pub fn order(hooks: &[Selected]) -> Vec<String> {
    hooks.iter().map(|s| s.hook.argv().join(" ")).collect()
}
