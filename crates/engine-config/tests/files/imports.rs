//! What config.toml imports: when the drop-in counts as imported, and that every file is read once.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use engine_config::{Engine, Status};

use crate::host::Host;

/// A containerd with these imports in config.toml; `{etc}` stands for its directory.
fn importing(imports: &str) -> Host {
    let host = Host::new(Engine::Containerd);
    let etc = host.directory.path().join("etc");
    let imports = imports.replace("{etc}", etc.to_str().unwrap());
    let text = format!("version = 2\nimports = [{imports}]\n");
    fs::write(host.config(), text).unwrap();
    host
}

/// The files that are read, below the directory of config.toml.
fn files(host: &Host) -> Vec<PathBuf> {
    let status = Status::read(&host.store(), &host.target().unwrap()).unwrap();
    assert!(!status.outdated);
    let etc = host.directory.path().join("etc");
    let files = status.effective.files.iter();
    files
        .map(|file| file.strip_prefix(&etc).unwrap().to_owned())
        .collect()
}

fn paths(names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(PathBuf::from).collect()
}

#[test]
fn imports_are_added_once_and_a_pattern_that_has_the_file_is_enough() {
    let host = Host::with(
        Engine::Containerd,
        "# top\nversion = 2\nimports = [\"a.toml\"] # why\n[grpc]\n",
    );
    fs::write(host.directory.path().join("etc/a.toml"), "").unwrap();
    let path = host.target().unwrap().drop_in.unwrap();
    host.configure("inject", false).unwrap();
    assert_eq!(
        fs::read_to_string(host.config()).unwrap(),
        format!(
            "# top\nversion = 2\nimports = [\"a.toml\", {:?}] # why\n[grpc]\n",
            path
        )
    );

    let host = Host::new(Engine::Containerd);
    let pattern = host.directory.path().join("etc/conf.d/*.toml");
    let text = format!("version = 2\nimports = [{pattern:?}]\n");
    fs::write(host.config(), &text).unwrap();
    host.configure("inject", false).unwrap();
    assert_eq!(fs::read_to_string(host.config()).unwrap(), text);
}

/// containerd 1.6 lets `conf.d/*.toml` count from its working directory, so it found no drop-in and ran no hook.
#[test]
fn a_relative_pattern_does_not_count_as_an_import_of_the_drop_in() {
    let text = "version = 2\nimports = [\"conf.d/*.toml\"]\n";
    let host = Host::with(Engine::Containerd, text);
    let path = host.target().unwrap().drop_in.unwrap();
    for _ in 0..2 {
        assert!(host.configure("inject", true).unwrap().is_empty());
        assert_eq!(
            fs::read_to_string(host.config()).unwrap(),
            format!("version = 2\nimports = [\"conf.d/*.toml\", {path:?}]\n")
        );
        let status = Status::read(&host.store(), &host.target().unwrap()).unwrap();
        assert_eq!(status.effective.files, [host.config(), path.clone()]);
        assert!(!status.outdated);
    }
    host.unconfigure("inject").unwrap();
    assert_eq!(fs::read_to_string(host.config()).unwrap(), text);
}

#[test]
fn another_spelling_of_the_drop_in_is_the_same_file() {
    for (imports, is_enough) in [
        ("'../etc/conf.d/*.toml'", false),
        ("'{etc}/../etc//conf.d/./*.toml'", true),
        ("'{etc}/conf.d/**.toml'", true),
        ("'{etc}/c*/**/*.toml', 'conf.d/**.toml'", false),
    ] {
        let host = importing(imports);
        let before = host.tree();
        let text = fs::read_to_string(host.config()).unwrap();
        host.configure("inject", true).unwrap();
        let now = fs::read_to_string(host.config()).unwrap();
        assert_eq!(now == text, is_enough, "{now}");
        assert_eq!(
            files(&host),
            paths(&["config.toml", "conf.d/99-lxcri.toml"])
        );
        host.configure("other", false).unwrap();
        host.unconfigure("inject").unwrap();
        assert!(!host.drop_in().contains("inject"), "{imports}");
        host.unconfigure("other").unwrap();
        assert_eq!(host.tree(), before, "{imports}");
    }
}

#[test]
fn without_the_record_the_import_is_removed_however_it_is_spelled() {
    for import in ["{etc}/../etc/conf.d/99-lxcri.toml", "conf.d/99-lxcri.toml"] {
        let host = importing("");
        host.configure("inject", true).unwrap();
        fs::remove_dir_all(host.directory.path().join("state")).unwrap();
        let spelled = importing(&format!("'{import}'"));
        let etc = |host: &Host| host.directory.path().join("etc").display().to_string();
        let text = fs::read_to_string(spelled.config()).unwrap();
        fs::write(host.config(), text.replace(&etc(&spelled), &etc(&host))).unwrap();
        host.unconfigure("inject").unwrap();
        let text = fs::read_to_string(host.config()).unwrap();
        assert_eq!(text, "version = 2\n", "{import}");
    }
}

#[test]
fn a_file_that_imports_itself_is_read_once() {
    let host = importing("'../etc/config.toml', 'a.toml'");
    let etc = host.directory.path().join("etc");
    fs::write(
        etc.join("a.toml"),
        "imports = ['../etc/a.toml', './config.toml']",
    )
    .unwrap();
    assert_eq!(files(&host), paths(&["config.toml", "a.toml"]));
}

#[test]
fn paths_that_grow_for_ever_are_an_error() {
    let host = importing("'*/config.toml'");
    for name in ["a", "b"] {
        symlink(".", host.directory.path().join("etc").join(name)).unwrap();
    }
    let error = host.configure("inject", true).unwrap_err().to_string();
    let reason = "config.toml: imports: they lead to more than 500 files";
    assert!(error.ends_with(reason), "{error}");
}

/// `**` is `*` in Go, and case counts.
#[test]
fn patterns_match_what_they_match_in_go() {
    let host = importing("'**/[^b].toml'");
    let etc = host.directory.path().join("etc");
    fs::create_dir_all(etc.join("d/e")).unwrap();
    for name in ["d/a.toml", "d/b.toml", "d/c.TOML", "d/e/f.toml", "g.toml"] {
        fs::write(etc.join(name), "").unwrap();
    }
    assert_eq!(files(&host), paths(&["config.toml", "d/a.toml"]));
}
