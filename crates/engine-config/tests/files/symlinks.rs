//! A configuration file that is a symlink: what belongs to it is beside the symlink, where the engine looks.

use std::fs;
use std::os::unix::fs::symlink;

use engine_config::{Engine, Status};

use crate::host::Host;

/// A host whose configuration file leads to another directory.
fn linked(engine: Engine, text: &str) -> Host {
    let host = Host::new(engine);
    let real = host.directory.path().join("data/real.conf");
    fs::create_dir(real.parent().unwrap()).unwrap();
    fs::write(&real, text).unwrap();
    symlink(real, host.config()).unwrap();
    host
}

/// Another file of the engine, beside the symlink.
fn add(host: &Host, name: &str, text: &str) {
    let path = host.directory.path().join("etc").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Without a false warning, with this line in the drop-in, and with all as it was afterwards.
fn is_configured(host: &Host, line: &str) {
    let before = host.tree();
    let warnings = host.configure("inject", true).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    let text = host.drop_in();
    assert!(text.lines().any(|l| l == line), "{text}");
    let status = Status::read(&host.store(), &host.target().unwrap()).unwrap();
    assert_eq!(status.effective.default.unwrap().value, "inject");
    assert!(!status.outdated);
    host.unconfigure("inject").unwrap();
    assert_eq!(host.tree(), before);
}

#[test]
fn crio_s_runtime_has_what_a_drop_in_beside_the_symlink_says() {
    let host = linked(Engine::Crio, "[crio.runtime]\ndefault_runtime = \"crun\"\n");
    let text =
        "[crio.runtime.runtimes.crun]\nallowed_annotations = [\"a\"]\nmonitor_path = \"/m\"\n";
    add(&host, "crio.conf.d/10-crun.conf", text);
    is_configured(&host, "allowed_annotations = [\"a\"]");
    is_configured(&host, "monitor_path = \"/m\"");
}

#[test]
fn podman_sees_the_drop_in_beside_the_symlink() {
    let host = linked(Engine::Podman, "[engine]\nruntime = \"crun\"\n");
    is_configured(&host, "inject = [\"/bin/true\"]");
}

#[test]
fn containerd_s_imports_count_from_the_symlink() {
    let text = "version = 2\nimports = [\"config.toml\", \"a.toml\", \"b.d/*.toml\"]\n";
    let host = linked(Engine::Containerd, text);
    let section = "[plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"pause\"\n";
    add(&host, "a.toml", "oom_score = 1\n");
    add(&host, "b.d/b.toml", section);
    is_configured(&host, "sandbox_image = \"pause\"");
    let status = Status::read(&host.store(), &host.target().unwrap()).unwrap();
    let real = host.directory.path().join("data/real.conf");
    let etc = host.directory.path().join("etc");
    let files = [real, etc.join("a.toml"), etc.join("b.d/b.toml")];
    assert_eq!(status.effective.files, files);
}
