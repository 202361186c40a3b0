//! What the file and the variables decide.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use hooks_d::{Access, DEFAULT_DIRS, OnError, Source};
use inject::settings::{Settings, SettingsError};

/// Settings of a file with this text and of variables, by the ends of their names.
fn load(text: Option<&str>, variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("inject.toml");
    let mut all: HashMap<String, OsString> = variables
        .iter()
        .map(|(name, value)| (format!("LXCRI_INJECT_{name}"), value.into()))
        .collect();
    if let Some(text) = text {
        std::fs::write(&path, text).unwrap();
        all.insert("LXCRI_INJECT_CONFIG".into(), path.clone().into());
    }
    Settings::load(|name| all.get(name).cloned()).map_err(|e| SettingsError {
        place: e.place.replace(&*path.to_string_lossy(), "FILE"),
        ..e
    })
}

fn names(settings: &Settings) -> Vec<&str> {
    settings
        .runtimes
        .iter()
        .map(|name| name.to_str().unwrap())
        .collect()
}

fn dirs(list: &[&str]) -> Vec<(Source, OnError)> {
    list.iter()
        .map(|dir| (Source::Dir(dir.into()), OnError::Fail))
        .collect()
}

#[test]
fn defaults() {
    let settings = load(Some(""), &[]).unwrap();
    assert_eq!(names(&settings), ["runc", "crun"]);
    assert_eq!(settings.sources.list, dirs(&DEFAULT_DIRS));
    assert_eq!(settings.sources.access, Access::RootOnly);
    assert!(!settings.fsync);
}

/// The example shows the defaults; with the other keys it is read as well.
#[test]
fn the_example() {
    let text = include_str!("../inject.toml");
    assert_eq!(load(Some(text), &[]).unwrap(), load(Some(""), &[]).unwrap());
    let all = text.replace("\n# hooks-json", "\nhooks-json");
    let json = Source::HooksJson("/etc/container-hooks/hooks.json".into());
    assert!(
        load(Some(&all), &[])
            .unwrap()
            .sources
            .list
            .contains(&(json, OnError::Fail))
    );
}

#[test]
fn all_keys() {
    let text = "runtimes = [\"/opt/runc\", \"crun\"]\nhooks-dirs = [\"/a\", \"/b\"]\nhooks-json = \"/h.json\"\n\
                on-error = \"skip\"\naccess = \"anyone\"\nfsync = true\n";
    let settings = load(Some(text), &[]).unwrap();
    assert_eq!(names(&settings), ["/opt/runc", "crun"]);
    let list = [
        Source::Dir("/a".into()),
        Source::Dir("/b".into()),
        Source::HooksJson("/h.json".into()),
    ];
    assert_eq!(
        settings.sources.list,
        list.map(|source| (source, OnError::Skip))
    );
    assert_eq!(settings.sources.access, Access::Anyone);
    assert!(settings.fsync);
}

#[test]
fn variables_go_before_the_file_and_empty_ones_do_not_count() {
    let text = "runtimes = [\"a\"]\nhooks-dirs = [\"/a\"]\nhooks-json = \"/a.json\"";
    let variables = [
        ("RUNTIME", "/b"),
        ("HOOKS_DIRS", "/b:/c"),
        ("HOOKS_JSON", "/b.json"),
    ];
    let settings = load(Some(text), &variables).unwrap();
    assert_eq!(names(&settings), ["/b"]);
    let mut list = dirs(&["/b", "/c"]);
    list.push((Source::HooksJson("/b.json".into()), OnError::Fail));
    assert_eq!(settings.sources.list, list);
    let empty = variables.map(|(name, _)| (name, ""));
    assert_eq!(
        load(Some(text), &empty).unwrap(),
        load(Some(text), &[]).unwrap()
    );
}

#[test]
fn only_four_variables_are_looked_up() {
    let asked = std::cell::RefCell::new(Vec::new());
    let _ = Settings::load(|name| {
        asked.borrow_mut().push(name.to_owned());
        None
    });
    let mut asked = asked.into_inner();
    asked.sort();
    let own =
        ["CONFIG", "HOOKS_DIRS", "HOOKS_JSON", "RUNTIME"].map(|n| format!("LXCRI_INJECT_{n}"));
    assert_eq!(asked, own);
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (text, variables, error) in [
        ("a = 1", &[][..], "FILE: line 1: unknown field `a`"),
        ("runtimes = []", &[], "FILE: runtimes: names no runtime"),
        (
            "runtimes = [\"./runc\"]",
            &[],
            "FILE: runtimes: \"./runc\" is neither an absolute path nor a bare name",
        ),
        ("runtimes = [\"\"]", &[], "FILE: runtimes: \"\" is neither"),
        (
            "hooks-dirs = [\"/a\", \"b\"]",
            &[],
            "FILE: hooks-dirs: \"b\" is not an absolute path",
        ),
        (
            "hooks-json = \"b\"",
            &[],
            "FILE: hooks-json: \"b\" is not an absolute path",
        ),
        (
            "",
            &[("RUNTIME", "a/b")],
            "LXCRI_INJECT_RUNTIME: \"a/b\" is neither",
        ),
        (
            "",
            &[("HOOKS_DIRS", "/a:")],
            "LXCRI_INJECT_HOOKS_DIRS: \"\" is not an absolute path",
        ),
        (
            "",
            &[("HOOKS_JSON", "a")],
            "LXCRI_INJECT_HOOKS_JSON: \"a\" is not an absolute path",
        ),
    ] {
        let result = load(Some(text), variables).unwrap_err().to_string();
        assert!(result.starts_with(error), "{result}");
    }
    let error = load(None, &[("CONFIG", "/nonexistent/inject.toml")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/nonexistent/inject.toml: does not exist"
    );
}

#[test]
fn broken_settings_still_name_the_runtime_to_pass_calls_on_to() {
    for (text, variables, runtimes) in [
        ("runtimes = [\"crun\"]\nx = 1", &[][..], &["crun"][..]),
        (
            "runtimes = [\"crun\"]\nhooks-dirs = [\"a\"]",
            &[],
            &["crun"],
        ),
        (
            "runtimes = [\"crun\"]\nx = 1",
            &[("RUNTIME", "/r")],
            &["/r"],
        ),
        ("runtimes =", &[], &["runc", "crun"]),
        ("runtimes = [\"a/b\"]\nx = 1", &[], &["runc", "crun"]),
        // The containers of this host were made by the runtime of the file.
        ("runtimes = [\"crun\"]", &[("RUNTIME", "a/b")], &["crun"]),
        ("", &[("RUNTIME", "a/b")], &["runc", "crun"]),
        (
            "runtimes = [\"c/d\"]",
            &[("RUNTIME", "a/b")],
            &["runc", "crun"],
        ),
    ] {
        let error = load(Some(text), variables).unwrap_err();
        assert_eq!(error.runtimes, runtimes, "{text}");
    }
}

#[test]
fn sources_are_told_apart() {
    let of = |variables: &[(&str, &str)]| load(Some(""), variables).unwrap().source();
    let all = [
        of(&[]),
        of(&[("HOOKS_DIRS", "/a:/b")]),
        of(&[("HOOKS_DIRS", "/b:/a")]),
        of(&[("HOOKS_DIRS", "/a"), ("HOOKS_JSON", "/b")]),
        of(&[("HOOKS_DIRS", "/a\ndir \"/b\"")]),
    ];
    for (i, one) in all.iter().enumerate() {
        assert!(all[i + 1..].iter().all(|other| other != one), "{one}");
    }
}

#[test]
fn bytes_that_are_no_text_are_kept() {
    let dir = OsString::from_vec(b"/\xff".to_vec());
    let file = tempfile::NamedTempFile::new().unwrap();
    let settings = Settings::load(|name| match name {
        "LXCRI_INJECT_CONFIG" => Some(file.path().into()),
        "LXCRI_INJECT_HOOKS_DIRS" => Some(dir.clone()),
        _ => None,
    });
    assert_eq!(settings.unwrap().sources.list[0].0.path(), Path::new(&dir));
}
