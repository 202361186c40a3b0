//! Runtimes with names of ours that somebody else has configured: refused, and left alone.

use std::fs;

use engine_config::Engine;

use crate::host::Host;

/// Configuring is refused with this line and writes nothing.
fn is_refused(engine: Engine, text: &str, line: &str) {
    let host = Host::with(engine, text);
    let before = host.tree();
    let error = host.configure("inject", true).unwrap_err().to_string();
    let directory = host.directory.path().join("etc/");
    let error = error.replace(&*directory.to_string_lossy(), "");
    assert_eq!(error, format!("{line}; choose another --name"));
    assert_eq!(host.tree(), before);
    assert!(host.left_over().is_empty());
    host.configure("other", true).unwrap();
    host.unconfigure("other").unwrap();
    assert_eq!(host.tree(), before, "{engine}");
}

#[test]
fn a_runtime_of_docker_with_another_program_is_refused() {
    is_refused(
        Engine::Docker,
        r#"{"runtimes":{"inject":{"path":"/opt/mine","runtimeArgs":["--a"]}},"debug":true}"#,
        "daemon.json: /runtimes/inject: lxcri-ctl has not configured this runtime (/opt/mine)",
    );
}

/// With a path beside its type, dockerd does not start.
#[test]
fn a_runtime_of_docker_with_a_type_is_refused() {
    for entry in [
        r#"{"runtimeType":"io.containerd.runc.v2","options":{"BinaryName":"/bin/true"}}"#,
        r#"{"runtimeType":"io.containerd.runc.v2","path":"/bin/true"}"#,
    ] {
        is_refused(
            Engine::Docker,
            &format!(r#"{{"runtimes":{{"inject":{entry}}}}}"#),
            "daemon.json: /runtimes/inject: lxcri-ctl has not configured this runtime (io.containerd.runc.v2)",
        );
    }
}

#[test]
fn a_runtime_of_the_other_engines_with_another_program_is_refused() {
    is_refused(
        Engine::Containerd,
        "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.inject.options]\n\
         BinaryName = \"/opt/mine\"\n",
        "config.toml: containerd.runtimes.inject: lxcri-ctl has not configured this runtime (/opt/mine)",
    );
    is_refused(
        Engine::Crio,
        "[crio.runtime.runtimes.inject]\nruntime_path = \"/opt/mine\"\n",
        "crio.conf: crio.runtime.runtimes.inject: lxcri-ctl has not configured this runtime (/opt/mine)",
    );
    is_refused(
        Engine::Podman,
        "[engine.runtimes]\ninject = [\"/opt/mine\"]\n",
        "containers.conf: engine.runtimes.inject: lxcri-ctl has not configured this runtime (/opt/mine)",
    );
}

#[test]
fn a_runtime_of_the_other_engines_that_leads_to_our_program_is_taken_over() {
    for (engine, text) in [
        (
            Engine::Crio,
            "[crio.runtime.runtimes.inject]\nruntime_path = \"/bin/true\"\n",
        ),
        (
            Engine::Podman,
            "[engine.runtimes]\ninject = [\"/usr/bin/../bin/true\"]\n",
        ),
    ] {
        let host = Host::with(engine, text);
        host.configure("inject", true).unwrap();
        host.unconfigure("inject").unwrap();
        assert_eq!(fs::read_to_string(host.config()).unwrap(), text);
    }
}
