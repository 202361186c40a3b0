//! Sources that appear, vanish and are exchanged while the program runs, by symlinks as well.
#![forbid(unsafe_code)]

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;
use std::time::Duration;

use common::Tree;
use common::live::{replace, selected, sleeps, start, until, until_selected};
use hooks_d::{Live, OnError, Source};

#[test]
fn a_directory_missing_at_the_start_is_picked_up_when_it_appears() {
    let tree = Tree::new();
    let live = start(&tree, &["a/b/c/d"]);
    tree.hook("a/b/c/d/x.json", &["1"]);
    until_selected(&live, &["1"]);
    fs::remove_dir_all(tree.path("a")).unwrap();
    until_selected(&live, &[]);
    tree.hook("a/b/c/d/y.json", &["2"]);
    until_selected(&live, &["2"]);
    tree.hook("a/b/c/d/z.json", &["3"]);
    until_selected(&live, &["2", "3"]);
}

#[test]
fn a_directory_that_was_created_elsewhere_is_renamed_into_place() {
    let tree = Tree::new();
    tree.hook("new/x.json", &["1"]);
    let live = start(&tree, &["etc/d"]);
    fs::create_dir(tree.path("etc")).unwrap();
    fs::rename(tree.path("new"), tree.path("etc/d")).unwrap();
    until_selected(&live, &["1"]);
    tree.hook("etc/d/y.json", &["2"]);
    until_selected(&live, &["1", "2"]);
    // Renamed away, its files count no more; nor do changes in it.
    fs::rename(tree.path("etc/d"), tree.path("old")).unwrap();
    until_selected(&live, &[]);
    tree.hook("old/z.json", &["3"]);
    fs::create_dir(tree.path("etc/d")).unwrap();
    tree.hook("etc/d/z.json", &["4"]);
    until_selected(&live, &["4"]);
}

#[test]
fn a_directory_above_is_renamed() {
    let tree = Tree::new();
    tree.hook("a/b/d/x.json", &["1"]);
    let live = start(&tree, &["a/b/d"]);
    fs::rename(tree.path("a"), tree.path("z")).unwrap();
    until_selected(&live, &[]);
    fs::rename(tree.path("z"), tree.path("a")).unwrap();
    until_selected(&live, &["1"]);
    tree.hook("a/b/d/y.json", &["2"]);
    until_selected(&live, &["1", "2"]);
}

#[test]
fn symlinks_are_followed_to_what_they_lead_to() {
    let tree = Tree::new();
    // As Kubernetes mounts a ConfigMap.
    tree.hook("d/..v1/a.json", &["1"]);
    tree.hook("d/..v2/a.json", &["2"]);
    tree.link("d/..data", "..v1");
    tree.link("d/a.json", "..data/a.json");
    let target = tree.hook("elsewhere/b.json", &["x"]);
    tree.link("d/b.json", &target);
    let live = start(&tree, &["d"]);
    assert_eq!(selected(&live.current()), ["1", "x"]);
    symlink("..v2", tree.path("d/..tmp")).unwrap();
    fs::rename(tree.path("d/..tmp"), tree.path("d/..data")).unwrap();
    until_selected(&live, &["2", "x"]);
    tree.hook("elsewhere/b.json", &["y"]);
    until_selected(&live, &["2", "y"]);
    replace(&tree, "elsewhere/b.json", &["z"]);
    until_selected(&live, &["2", "z"]);
}

/// As NixOS or a package manager lays files out: links to links, elsewhere.
#[test]
fn links_on_the_way_and_targets_that_appear_are_seen() {
    let tree = Tree::new();
    tree.hook("v1/x.json", &["1"]);
    tree.hook("v2/x.json", &["2"]);
    tree.link("now", "v1");
    fs::create_dir(tree.path("d")).unwrap();
    tree.link("d/x.json", tree.path("now/x.json"));
    tree.link("d/y.json", tree.path("later/y.json"));
    tree.link("way", "d");
    let live = start(&tree, &["way"]);
    assert_eq!(selected(&live.current()), ["1"]);
    symlink("v2", tree.path("tmp")).unwrap();
    fs::rename(tree.path("tmp"), tree.path("now")).unwrap();
    until_selected(&live, &["2"]);
    tree.hook("later/y.json", &["y"]);
    until_selected(&live, &["2", "y"]);
    tree.hook("e/z.json", &["z"]);
    fs::remove_file(tree.path("way")).unwrap();
    tree.link("way", "e");
    until_selected(&live, &["z"]);
    tree.hook("e/zz.json", &["zz"]);
    until_selected(&live, &["z", "zz"]);
}

/// The kernel says nothing to who watches a directory that is removed while somebody works in it.
#[test]
fn a_directory_that_is_removed_while_it_is_open_is_gone() {
    let tree = Tree::new();
    tree.hook("a/d/x.json", &["1"]);
    let live = start(&tree, &["a/d"]);
    let open = ["a/d", "a"].map(|dir| fs::File::open(tree.path(dir)).unwrap());
    fs::remove_file(tree.path("a/d/x.json")).unwrap();
    until_selected(&live, &[]);
    // What follows is not to be part of the same burst of changes.
    let let_burst_pass = || thread::sleep(Duration::from_millis(200));
    let_burst_pass();
    fs::remove_dir(tree.path("a/d")).unwrap();
    let_burst_pass();
    tree.hook("a/d/x.json", &["2"]);
    until_selected(&live, &["2"]);
    // An empty directory is replaced by a full one.
    fs::create_dir(tree.path("empty")).unwrap();
    fs::rename(tree.path("a/d"), tree.path("full")).unwrap();
    fs::rename(tree.path("empty"), tree.path("a/d")).unwrap();
    until_selected(&live, &[]);
    let_burst_pass();
    let still_open = fs::File::open(tree.path("a/d")).unwrap();
    fs::rename(tree.path("full"), tree.path("a/d")).unwrap();
    until_selected(&live, &["2"]);
    drop((open, still_open));
}

/// A host whose root is mounted in a container: its absolute symlinks lead elsewhere there.
#[test]
fn sources_below_the_root_of_a_host_have_its_symlinks() {
    let tree = Tree::new();
    tree.hook("host/opt/v1/a.json", &["1"]);
    fs::create_dir_all(tree.path("host/real")).unwrap();
    fs::create_dir_all(tree.path("host/bin")).unwrap();
    fs::copy("/bin/true", tree.path("host/bin/true")).unwrap();
    tree.link("host/etc", "/real");
    tree.link("host/opt/now", "/opt/v1");
    tree.link("host/real/a.json", "/../opt/now/a.json");
    let mut sources = tree.sources(&["host/etc"]);
    let file = tree.write(
        "host/json/1.json",
        r#"{"poststop": [{"path": "/bin/true", "args": ["json"]}]}"#,
    );
    tree.link("host/hooks.json", "/json/1.json");
    let json = Source::HooksJson(tree.path("host/hooks.json"));
    sources.list.push((json, OnError::Fail));
    sources.host_root = Some(tree.path("host"));
    let live = Live::start(sources.clone(), |_| {}).unwrap();
    assert_eq!(selected(&live.current()), ["1", "json"]);
    tree.hook("host/opt/v2/a.json", &["2"]);
    tree.link("host/opt/tmp", "/opt/v2");
    fs::rename(tree.path("host/opt/tmp"), tree.path("host/opt/now")).unwrap();
    until_selected(&live, &["2", "json"]);
    tree.hook("host/real/b.json", &["b"]);
    until_selected(&live, &["2", "b", "json"]);
    fs::remove_file(&file).unwrap();
    until(&live, "the failure", |files| files.verdict().is_err());
    until_selected(&live, &["2", "b"]);
    // A mount that is not there must not look like a host without hooks.
    sources.list.pop();
    sources.host_root = Some(tree.path("nowhere"));
    let broken = hooks_d::load(&sources).verdict().unwrap_err().to_string();
    assert!(broken.contains("nowhere: open: no such file"), "{broken}");
}

/// Directories above a source are /etc or /tmp, where others work.
#[test]
fn the_thread_sleeps_through_what_happens_above_its_sources() {
    let tree = Tree::in_a_quiet_place();
    let tid = Arc::new(AtomicI32::new(0));
    let learned = Arc::clone(&tid);
    let live = Live::start(tree.sources(&["a/b/d"]), move |_| {
        learned.store(nix::unistd::gettid().as_raw(), Ordering::SeqCst);
    })
    .unwrap();
    // While they are missing, their names matter.
    tree.hook("a/b/d/x.json", &["1"]);
    until(&live, "the thread", |_| tid.load(Ordering::SeqCst) != 0);
    let tid = tid.load(Ordering::SeqCst);
    let asleep = (0..60).any(|_| {
        let before = sleeps(tid);
        for n in 0..10 {
            for dir in ["", "a/", "a/b/"] {
                tree.write(&format!("{dir}{n}"), "x");
                tree.write(&format!("{dir}{n}"), "y");
            }
            for dir in ["", "a/"] {
                fs::rename(
                    tree.path(&format!("{dir}{n}")),
                    tree.path(&format!("{dir}z")),
                )
                .unwrap();
                fs::remove_file(tree.path(&format!("{dir}z"))).unwrap();
            }
        }
        thread::sleep(Duration::from_millis(300));
        sleeps(tid) == before
    });
    assert!(asleep, "the thread wakes up for others");
}
