//! Pinned hooks run only with the content that was pinned.
#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::io::Read;

use hook_model::{Hook, Phase};
use hooks_d::{Selected, Sha256, pin};

/// Of "abc", from FIPS 180-4's examples.
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn selected(path: &std::path::Path, pin: Option<&str>) -> Selected {
    Selected {
        phase: Phase::Poststop,
        hook: Hook::new(path),
        file: "/h/a.json".into(),
        sha256: pin.map(|pin| pin.parse::<Sha256>().unwrap()),
    }
}

#[test]
fn a_hook_with_the_pinned_content_is_what_the_descriptor_holds() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hook");
    fs::write(&path, "abc").unwrap();
    let fd = pin::verify(&selected(&path, Some(ABC))).unwrap().unwrap();
    // Whoever replaces the file afterwards does not replace what was hashed.
    fs::remove_file(&path).unwrap();
    fs::write(&path, "evil").unwrap();
    let mut file = File::from(fd);
    let mut content = String::new();
    std::io::Seek::rewind(&mut file).unwrap();
    file.read_to_string(&mut content).unwrap();
    assert_eq!(content, "abc");
}

#[test]
fn a_script_is_checked_but_cannot_be_executed_by_descriptor() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hook");
    fs::write(&path, "#!").unwrap();
    // Of "#!".
    let digest = "3612ddaf46e149a4f583faf0face846585148f59e0ce2645594df83b5dc807e8";
    assert!(pin::verify(&selected(&path, Some(digest))).is_ok_and(|fd| fd.is_none()));
}

#[test]
fn a_hook_without_a_pin_is_not_looked_at() {
    let hook = selected("/missing".as_ref(), None);
    assert!(pin::verify(&hook).unwrap().is_none());
}

#[test]
fn a_changed_hook_is_refused_with_both_digests() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hook");
    fs::write(&path, "").unwrap();
    let error = pin::verify(&selected(&path, Some(ABC)))
        .unwrap_err()
        .to_string();
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(
        error,
        format!(
            "pinned hook {path:?} of \"/h/a.json\": its content has changed: sha256 is {empty}, not {ABC}"
        )
    );
}

#[test]
fn what_cannot_be_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |path: &std::path::Path| {
        pin::verify(&selected(path, Some(ABC)))
            .unwrap_err()
            .to_string()
    };
    assert!(
        refused(&dir.path().join("missing"))
            .ends_with(": open: no such file or directory (ENOENT)")
    );
    assert!(refused(dir.path()).ends_with("is not a regular file"));
    assert!(refused("/dev/zero".as_ref()).ends_with("is not a regular file"));
}

#[test]
fn below_a_root_links_are_those_of_the_host() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("bin")).unwrap();
    fs::write(dir.path().join("bin/hook"), "abc").unwrap();
    std::os::unix::fs::symlink("/bin/hook", dir.path().join("link")).unwrap();
    let hook = selected("/link".as_ref(), Some(ABC));
    assert!(pin::verify_below(&hook, dir.path()).unwrap().is_some());
    assert!(pin::verify(&hook).is_err());
    let outside = selected("/../../bin/sh".as_ref(), Some(ABC));
    assert!(pin::verify_below(&outside, dir.path()).is_err());
}
