//! Which files count, in which order, and whom they must belong to.
#![forbid(unsafe_code)]

mod common;

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use common::{Tree, always, container, need_root, order};
use hooks_d::{Access, Content, OnError, Sources, load};

fn selected(tree: &Tree, dirs: &[&str]) -> Vec<String> {
    order(&tree.load(dirs).select(&container(&[], &["sh"])).hooks)
}

#[test]
fn a_later_directory_overrides_a_file_of_exactly_the_same_name() {
    let tree = Tree::new();
    tree.hook("usr/a.json", &["usr a"]);
    tree.hook("usr/b.json", &["usr b"]);
    tree.hook("etc/a.json", &["etc a"]);
    tree.hook("etc/B.json", &["etc B"]);
    assert_eq!(
        selected(&tree, &["usr", "etc"]),
        ["etc a", "etc B", "usr b"]
    );
    let files = tree.load(&["usr", "etc"]);
    assert_eq!(files.files()[0].overrides(), [tree.path("usr/a.json")]);
    assert!(files.files()[1].overrides().is_empty());
    assert_eq!(
        selected(&tree, &["etc", "usr"]),
        ["usr a", "etc B", "usr b"]
    );
}

#[test]
fn an_overridden_file_is_not_even_read() {
    let tree = Tree::new();
    tree.write("usr/a.json", "not JSON");
    tree.hook("etc/a.json", &["etc a"]);
    assert!(tree.load(&["usr", "etc"]).problems().next().is_none());
}

#[test]
fn a_missing_directory_is_ignored() {
    let tree = Tree::new();
    tree.hook("etc/a.json", &["a"]);
    assert_eq!(selected(&tree, &["usr", "etc"]), ["a"]);
    assert!(tree.load(&["usr", "etc"]).verdict().is_ok());
    assert!(tree.load(&["nothing"]).files().is_empty());
}

#[test]
fn a_file_in_place_of_a_directory_is_an_error() {
    let tree = Tree::new();
    tree.hook("etc", &["a"]);
    let files = tree.load(&["etc"]);
    assert_eq!(tree.problems(&files), ["etc: is not a directory"]);
    assert!(files.verdict().is_err());
}

#[test]
fn a_name_must_end_in_exactly_json() {
    let tree = Tree::new();
    for name in ["U.JSON", "a.json.bak", "b.jsonx", "json", "README"] {
        tree.write(&format!("d/{name}"), "not JSON");
    }
    tree.hook("d/.json", &["dot"]);
    tree.hook("d/.hidden.json", &["hidden"]);
    assert_eq!(selected(&tree, &["d"]), ["hidden", "dot"]);
    assert!(tree.load(&["d"]).problems().next().is_none());
}

#[test]
fn a_dangling_symlink_is_skipped_but_not_silently() {
    let tree = Tree::new();
    tree.hook("usr/a.json", &["usr a"]);
    tree.hook("etc/b.json", &["b"]);
    tree.link("etc/a.json", "nowhere");
    let files = tree.load(&["usr", "etc"]);
    assert_eq!(
        tree.problems(&files),
        ["etc/a.json: is a symlink to nothing, ignored"]
    );
    assert!(files.verdict().is_ok());
    assert_eq!(selected(&tree, &["usr", "etc"]), ["usr a", "b"]);
}

#[test]
fn a_directory_named_x_json_is_an_error() {
    let tree = Tree::new();
    tree.hook("d/x.json/y.json", &["y"]);
    let files = tree.load(&["d"]);
    assert_eq!(tree.problems(&files), ["d/x.json: is a directory"]);
    assert!(files.verdict().is_err());
}

#[test]
fn a_fifo_and_a_device_are_errors() {
    let tree = Tree::new();
    tree.hook("d/good.json", &["good"]);
    nix::unistd::mkfifo(&tree.path("d/f.json"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    tree.link("d/z.json", "/dev/zero");
    assert_eq!(
        tree.problems(&tree.load(&["d"])),
        [
            "d/f.json: is not a regular file",
            "d/z.json: is not a regular file"
        ]
    );
}

#[test]
fn order_is_the_lower_cased_name_by_code_point() {
    let tree = Tree::new();
    let names = [
        "b", "C", "a", "_", "Z", "10", "9", "é", "É2", "a-b", "a.b", "ab",
    ];
    for name in names {
        tree.hook(&format!("d/{name}.json"), &[name]);
    }
    assert_eq!(
        selected(&tree, &["d"]),
        [
            "10", "9", "_", "a-b", "a.b", "a", "ab", "b", "C", "Z", "é", "É2"
        ]
    );
}

#[test]
fn order_is_the_same_across_directories() {
    let tree = Tree::new();
    tree.hook("usr/2.json", &["2"]);
    tree.hook("etc/1.json", &["1"]);
    tree.hook("etc/3.json", &["3"]);
    assert_eq!(selected(&tree, &["usr", "etc"]), ["1", "2", "3"]);
}

#[test]
fn an_override_that_is_empty_or_a_link_to_the_null_device_disables_a_file() {
    let tree = Tree::new();
    for name in ["a", "b", "c"] {
        tree.hook(&format!("usr/{name}.json"), &[name]);
    }
    tree.write("etc/a.json", "");
    tree.link("etc/b.json", "/dev/null");
    let files = tree.load(&["usr", "etc"]);
    assert!(files.problems().next().is_none());
    assert_eq!(selected(&tree, &["usr", "etc"]), ["c"]);
    let off = files
        .files()
        .iter()
        .filter(|f| matches!(f.content(), Content::Disabled));
    assert_eq!(off.count(), 2);
}

#[test]
fn a_bad_override_does_not_bring_back_what_it_overrides() {
    let tree = Tree::new();
    tree.hook("usr/a.json", &["usr a"]);
    tree.write("etc/a.json", "{");
    assert!(selected(&tree, &["usr", "etc"]).is_empty());
    assert!(tree.load(&["usr", "etc"]).verdict().is_err());
}

#[test]
fn the_verdict_does_not_depend_on_the_order_of_files() {
    for bad in ["0.json", "z.json"] {
        let tree = Tree::new();
        tree.hook("d/a.json", &["a"]);
        tree.write(
            "d/m.json",
            always(&[]).to_string().replace("/bin/true", "/missing"),
        );
        tree.write(&format!("d/{bad}"), "{");
        let broken = tree.load(&["d"]).verdict().unwrap_err();
        assert_eq!(broken.0.len(), 2, "{broken}");
        assert!(!broken.to_string().contains('\n'), "{broken}");
        assert_eq!(selected(&tree, &["d"]), ["a"]);
    }
}

#[test]
fn a_bad_file_of_a_source_that_skips_is_a_problem_but_no_failure() {
    let tree = Tree::new();
    tree.write("skip/a.json", "{");
    tree.hook("skip/b.json", &["b"]);
    tree.write("fail/c.json", "{");
    let mut sources = tree.sources(&["skip", "fail"]);
    sources.list[0].1 = OnError::Skip;
    let broken = load(&sources).verdict().unwrap_err();
    assert_eq!(broken.0.len(), 1);
    assert!(broken.0[0].file.ends_with("fail/c.json"));
    sources.list.pop();
    let files = load(&sources);
    assert!(files.verdict().is_ok());
    assert_eq!(files.problems().count(), 1);
    assert_eq!(order(&files.select(&container(&[], &["sh"])).hooks), ["b"]);
}

#[test]
fn a_file_larger_than_the_limit_is_an_error() {
    let tree = Tree::new();
    let mut text = always(&[]).to_string();
    text.push_str(&" ".repeat(1 << 20));
    tree.write("d/a.json", text);
    assert_eq!(
        tree.problems(&tree.load(&["d"])),
        ["d/a.json: is larger than 1048576 bytes"]
    );
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// What others than root can write to is refused; all of it is fine for `Access::Anyone`.
fn refused(tree: &Tree, expected: &str) {
    let mut sources: Sources = tree.sources(&["d"]);
    let files = load(&sources);
    assert_eq!(tree.problems(&files), [expected]);
    assert!(files.verdict().is_err());
    assert!(files.select(&container(&[], &["sh"])).hooks.is_empty());
    sources.access = Access::Anyone;
    let files = load(&sources);
    assert!(files.verdict().is_ok());
    assert_eq!(files.select(&container(&[], &["sh"])).hooks.len(), 1);
}

#[test]
fn files_writable_by_others_than_root_are_refused() {
    if !need_root() {
        return;
    }
    for mode in [0o664, 0o646, 0o666] {
        let tree = Tree::new();
        let path = tree.hook("d/a.json", &["a"]);
        set_mode(&path, mode);
        refused(
            &tree,
            &format!("d/a.json: can be written to by others than root (mode {mode:04o})"),
        );
    }
}

#[test]
fn directories_writable_by_others_than_root_are_refused() {
    if !need_root() {
        return;
    }
    for mode in [0o775, 0o757, 0o1777] {
        let tree = Tree::new();
        tree.hook("d/a.json", &["a"]);
        set_mode(&tree.path("d"), mode);
        refused(
            &tree,
            &format!("d: can be written to by others than root (mode {mode:04o})"),
        );
    }
}

#[test]
fn files_and_directories_of_others_than_root_are_refused() {
    if !need_root() {
        return;
    }
    let tree = Tree::new();
    let path = tree.hook("d/a.json", &["a"]);
    chown(&path, Some(1234), None).unwrap();
    refused(&tree, "d/a.json: is owned by user 1234, not by root");
    chown(&path, Some(0), None).unwrap();
    chown(tree.path("d"), Some(1234), None).unwrap();
    refused(&tree, "d: is owned by user 1234, not by root");
}

#[test]
fn the_target_of_a_symlink_is_judged() {
    if !need_root() {
        return;
    }
    let tree = Tree::new();
    let target = tree.hook("elsewhere/a.json", &["a"]);
    std::fs::create_dir(tree.path("d")).unwrap();
    tree.link("d/a.json", &target);
    assert_eq!(selected(&tree, &["d"]), ["a"]);
    set_mode(&target, 0o666);
    refused(
        &tree,
        "d/a.json: can be written to by others than root (mode 0666)",
    );
}

#[test]
fn paths_are_checked_below_the_host_root() {
    let tree = Tree::new();
    let path = tree.write("host/opt/hook", "#!/bin/sh\n");
    set_mode(&path, 0o755);
    tree.link("host/usr", "/opt");
    for (hook, good) in [
        ("/opt/hook", true),
        ("/usr/hook", true),
        ("/../../opt/hook", true),
        ("/bin/true", false),
    ] {
        let text = always(&[]).to_string().replace("/bin/true", hook);
        tree.write("d/a.json", text);
        let mut sources = tree.sources(&["d"]);
        sources.host_root = Some(tree.path("host"));
        assert_eq!(load(&sources).verdict().is_ok(), good, "{hook}");
    }
}
