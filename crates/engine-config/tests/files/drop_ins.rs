//! What the drop-ins hold, engine by engine and version by version.

use std::fs;

use engine_config::{Engine, Error};

use crate::host::Host;

const HEADER: &str =
    "# Written by lxcri-ctl, which also removes this file; what is changed here gets lost.\n";

/// The drop-in after configuring a default runtime, without its first line.
fn drop_in(host: &Host) -> String {
    host.configure("inject", true).unwrap();
    let text = host.drop_in();
    text.strip_prefix(HEADER).unwrap().to_owned()
}

fn refused(host: &Host) -> String {
    let error: Error = host.configure("inject", true).unwrap_err();
    let directory = host.directory.path().join("etc/");
    error.to_string().replace(&*directory.to_string_lossy(), "")
}

#[test]
fn podman_gets_a_program_and_a_default() {
    let host = Host::with(Engine::Podman, "[engine]\nruntime = \"crun\"\n");
    assert_eq!(
        drop_in(&host),
        "[engine]\nruntime = \"inject\"\n\n[engine.runtimes]\ninject = [\"/bin/true\"]\n"
    );
}

#[test]
fn crio_s_runtime_has_what_the_default_runtime_has() {
    let text = "[crio.runtime]\ndefault_runtime = \"crun\"\n[crio.runtime.runtimes.crun]\n\
                runtime_root = \"/run/crun\" # here\nallowed_annotations = [\"a\",\n  \"b\"]\n\
                platform_runtime_paths = { \"linux/amd64\" = \"/usr/bin/crun\" }\n";
    assert_eq!(
        drop_in(&Host::with(Engine::Crio, text)),
        "[crio.runtime]\ndefault_runtime = \"inject\"\n\n[crio.runtime.runtimes.inject]\n\
         runtime_root = \"/run/crun\"\nallowed_annotations = [\"a\", \"b\"]\n\
         runtime_path = \"/bin/true\"\nruntime_type = \"oci\"\n"
    );
}

#[test]
fn crio_s_runtime_is_no_virtual_machine() {
    let text = "[crio.runtime]\ndefault_runtime = \"kata\"\n[crio.runtime.runtimes.kata]\n\
                runtime_path = \"/kata\"\nruntime_type = \"vm\"\nprivileged_without_host_devices = true\n";
    assert_eq!(
        drop_in(&Host::with(Engine::Crio, text)),
        "[crio.runtime]\ndefault_runtime = \"inject\"\n\n[crio.runtime.runtimes.inject]\n\
         runtime_path = \"/bin/true\"\nruntime_type = \"oci\"\n"
    );
}

#[test]
fn containerd_1_gets_the_whole_section_because_it_merges_plugins_by_key() {
    let text = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"pause\" # ours\n\
                [plugins.\"io.containerd.grpc.v1.cri\".containerd]\nsnapshotter = \"native\"\n\
                [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\nruntime_type = \"io.containerd.runc.v2\"\n\
                [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\nSystemdCgroup = true\n\
                [plugins.\"io.containerd.internal.v1.opt\"]\npath = \"/opt\"\n";
    assert_eq!(
        drop_in(&Host::with(Engine::Containerd, text)),
        "version = 2\n\n[plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"pause\"\n\n\
         [plugins.\"io.containerd.grpc.v1.cri\".containerd]\nsnapshotter = \"native\"\n\
         default_runtime_name = \"inject\"\n\n\
         [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes]\n\n\
         [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\nruntime_type = \"io.containerd.runc.v2\"\n\n\
         [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\nSystemdCgroup = true\n\n\
         [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.inject]\nruntime_type = \"io.containerd.runc.v2\"\n\n\
         [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.inject.options]\nSystemdCgroup = true\nBinaryName = \"/bin/true\"\n"
    );
}

#[test]
fn containerd_1_keeps_its_own_runc_beside_ours() {
    assert_eq!(
        drop_in(&Host::with(Engine::Containerd, "version = 2\n")),
        "version = 2\n\n[plugins.\"io.containerd.grpc.v1.cri\".containerd]\ndefault_runtime_name = \"inject\"\n\n\
         [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\nruntime_type = \"io.containerd.runc.v2\"\n\n\
         [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.inject]\nruntime_type = \"io.containerd.runc.v2\"\n\n\
         [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.inject.options]\nBinaryName = \"/bin/true\"\n"
    );
}

#[test]
fn version_1_has_other_names() {
    let text = "[plugins.cri.containerd.default_runtime]\nruntime_type = \"io.containerd.runtime.v1.linux\"\n\
                runtime_engine = \"/usr/sbin/runc\"\n\
                [plugins.cri.containerd.runtimes.old]\nruntime_type = \"io.containerd.runtime.v1.linux\"\n";
    assert_eq!(
        drop_in(&Host::with(Engine::Containerd, text)),
        "[plugins.cri.containerd]\ndefault_runtime_name = \"inject\"\n\n\
         [plugins.cri.containerd.runtimes]\n\n\
         [plugins.cri.containerd.runtimes.old]\nruntime_type = \"io.containerd.runtime.v1.linux\"\n\n\
         [plugins.cri.containerd.runtimes.inject]\nruntime_type = \"io.containerd.runtime.v1.linux\"\n\
         runtime_engine = \"/bin/true\"\n"
    );
    let text = "[plugins.cri.containerd.runtimes.runc]\nruntime_type = \"io.containerd.runtime.v1.linux\"\n\
                [plugins.cri.containerd.runtimes.runc.options]\nRuntime = \"/usr/sbin/runc\"\n";
    let text = drop_in(&Host::with(Engine::Containerd, text));
    assert!(
        text.ends_with(
            "[plugins.cri.containerd.runtimes.inject.options]\nRuntime = \"/bin/true\"\n"
        ),
        "{text}"
    );
}

#[test]
fn containerd_2_gets_our_runtimes_only_because_it_merges_at_every_depth() {
    let text = "version = 3\n[plugins.'io.containerd.cri.v1.images']\nsnapshotter = 'native'\n\
                [plugins.'io.containerd.cri.v1.runtime']\nenable_selinux = true\n\
                [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]\nsandboxer = 'podsandbox'\n\
                [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]\nSystemdCgroup = true\n";
    assert_eq!(
        drop_in(&Host::with(Engine::Containerd, text)),
        "version = 3\n\n[plugins.\"io.containerd.cri.v1.runtime\".containerd]\ndefault_runtime_name = \"inject\"\n\n\
         [plugins.\"io.containerd.cri.v1.runtime\".containerd.runtimes.inject]\nsandboxer = 'podsandbox'\n\
         runtime_type = \"io.containerd.runc.v2\"\n\n\
         [plugins.\"io.containerd.cri.v1.runtime\".containerd.runtimes.inject.options]\nSystemdCgroup = true\nBinaryName = \"/bin/true\"\n"
    );
}

#[test]
fn a_later_file_that_goes_before_ours_is_told() {
    let host = Host::with(
        Engine::Containerd,
        "version = 2\nimports = [\"conf.d/*.toml\"]\n",
    );
    let directory = host.directory.path().join("etc/conf.d");
    fs::create_dir(&directory).unwrap();
    let later = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd]\ndefault_runtime_name = \"x\"\n";
    fs::write(directory.join("99-z.toml"), later).unwrap();
    let warnings = host.configure("inject", true).unwrap();
    assert!(warnings[0].contains("would not see inject"), "{warnings:?}");
    assert!(warnings[1].contains("default stays x, as "), "{warnings:?}");
}

#[test]
fn wrong_files_are_refused_with_their_place() {
    for (engine, text, error) in [
        (
            Engine::Containerd,
            "version = 2\nversion = 2\n",
            "config.toml: 2:1: duplicate key",
        ),
        (
            Engine::Containerd,
            "version = \"2\"\n",
            "config.toml: version: a string, not an integer",
        ),
        (
            Engine::Containerd,
            "imports = \"x\"\n",
            "config.toml: imports: a string, not an array of strings",
        ),
        (
            Engine::Containerd,
            "version = 2\nimports = [\"gone.toml\"]\n",
            "config.toml: imports: gone.toml does not exist",
        ),
        (
            Engine::Containerd,
            "version = 2\nplugins = 1\n",
            "config.toml: plugins: an integer, not a table",
        ),
        (
            Engine::Containerd,
            "[plugins.cri.containerd.runtimes]\nx = 1\n",
            "config.toml: plugins.cri.containerd.runtimes.x: an integer, not a table",
        ),
        (
            Engine::Crio,
            "[crio]\nruntime = []\n",
            "crio.conf: crio.runtime: an array, not a table",
        ),
        (
            Engine::Crio,
            "[crio.runtime.runtimes]\na = 1\n",
            "crio.conf: crio.runtime.runtimes.a: an integer, not a table",
        ),
        (
            Engine::Podman,
            "[engine]\nruntime = 1\n",
            "containers.conf: engine.runtime: an integer, not a string",
        ),
        (
            Engine::Podman,
            "[engine.runtimes]\na = \"/x\"\n",
            "containers.conf: engine.runtimes.a: a string, not an array of strings",
        ),
        (
            Engine::Podman,
            "[engine\n",
            "containers.conf: 1:8: unclosed table, expected `]`",
        ),
    ] {
        let host = Host::with(engine, text);
        assert_eq!(refused(&host), error);
        assert_eq!(host.tree().len(), 1, "nothing is written");
        assert_eq!(fs::read_to_string(host.config()).unwrap(), text);
    }
}
