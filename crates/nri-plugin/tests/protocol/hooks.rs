//! What a container gets: phases, environment, conditions, pins, and what happens when a hook cannot be given.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nri_plugin::wire::messages::{
    Container, CreateContainerRequest, Hook, Mount, OptionalInt, PodSandbox,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::engine::Engine;
use crate::plugin::{Place, always, container, hooks_of, paths};

fn when(stage: &str, path: &str, when: Value) -> Value {
    json!({"version": "1.0.0", "hook": {"path": path}, "when": when, "stages": [stage]})
}

/// A hook file whose executable must have this content.
fn pinned(path: &Path, content: &str) -> Value {
    let digest = Sha256::digest(content);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut file = always("createRuntime", json!({"path": path}));
    file["lxcri"] = json!({"sha256": digest});
    file
}

#[test]
fn every_phase_in_the_order_of_file_names() {
    let place = Place::new();
    let stages = [
        "createRuntime",
        "createContainer",
        "startContainer",
        "poststart",
        "poststop",
    ];
    for stage in stages {
        place.hook(
            &format!("B{stage}.json"),
            stage,
            json!({"path": "/bin/true"}),
        );
        place.hook(
            &format!("a{stage}.json"),
            stage,
            json!({"path": "/bin/false"}),
        );
    }
    // The reference has written it as createRuntime since 2024.
    place.hook("c.json", "prestart", json!({"path": "/bin/cat"}));
    let engine = Engine::listen(&place.socket());
    let _plugin = place.plugin(&[]);
    let hooks = hooks_of(&mut engine.start(), &container("c"));
    let paths =
        |list: &[Hook]| -> Vec<String> { list.iter().map(|hook| hook.path.clone()).collect() };
    assert_eq!(
        paths(&hooks.create_runtime),
        ["/bin/false", "/bin/true", "/bin/cat"]
    );
    for list in [
        &hooks.create_container,
        &hooks.start_container,
        &hooks.poststart,
        &hooks.poststop,
    ] {
        assert_eq!(paths(list), ["/bin/false", "/bin/true"]);
    }
    assert_eq!(hooks.prestart, []);
}

/// runc gives a hook without an environment its own (CVE-2025-23266), and an empty list is none after the journey.
#[test]
fn every_hook_has_an_environment() {
    let place = Place::new();
    place.hook("a.json", "createRuntime", json!({"path": "/bin/true"}));
    place.hook(
        "b.json",
        "createRuntime",
        json!({"path": "/bin/true", "env": []}),
    );
    place.hook(
        "c.json",
        "createRuntime",
        json!({"path": "/bin/true", "args": ["zero", "one"], "env": ["A=1", "B="], "timeout": 7}),
    );
    let engine = Engine::listen(&place.socket());
    let _plugin = place.plugin(&[]);
    let hooks = hooks_of(&mut engine.start(), &container("c")).create_runtime;
    let default = Hook {
        path: "/bin/true".into(),
        args: vec!["/bin/true".into()],
        env: vec!["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into()],
        timeout: None,
    };
    assert_eq!(hooks[0], default);
    assert_eq!(hooks[1], default);
    let complete = Hook {
        path: "/bin/true".into(),
        args: vec!["zero".into(), "one".into()],
        env: vec!["A=1".into(), "B=".into()],
        timeout: Some(OptionalInt { value: 7 }),
    };
    assert_eq!(hooks[2], complete);
}

#[test]
fn conditions_see_the_container_before_its_pod() {
    let place = Place::new();
    place.hook_file(
        "a.json",
        when(
            "createRuntime",
            "/bin/true",
            json!({"annotations": {"^team$": "^container$"}}),
        ),
    );
    place.hook_file(
        "b.json",
        when(
            "createRuntime",
            "/bin/false",
            json!({"annotations": {"^team$": "^pod$"}}),
        ),
    );
    place.hook_file(
        "c.json",
        when(
            "createRuntime",
            "/bin/cat",
            json!({"commands": ["^/bin/app$"], "annotations": {"^only-pod$": "."}}),
        ),
    );
    let team = |owner: &str| BTreeMap::from([("team".to_owned(), owner.to_owned())]);
    let mut of_pod = team("pod");
    of_pod.insert("only-pod".to_owned(), "x".to_owned());
    let mut request = container("c");
    request.container.as_mut().unwrap().annotations = team("container");
    request.pod = Some(PodSandbox {
        annotations: of_pod,
        ..PodSandbox::default()
    });
    for (arguments, expected) in [
        (vec![], "/bin/true"),
        (vec!["--annotation-order", "pod"], "/bin/false"),
    ] {
        let engine = Engine::listen(&place.socket());
        let _plugin = place.plugin(&arguments);
        let hooks = hooks_of(&mut engine.start(), &request).create_runtime;
        let paths: Vec<_> = hooks.iter().map(|hook| hook.path.as_str()).collect();
        assert_eq!(paths, [expected, "/bin/cat"]);
    }
}

/// The hook-injector takes every container to have bind mounts.
#[test]
fn bind_mounts_are_the_users() {
    let place = Place::new();
    place.hook_file(
        "a.json",
        when("createRuntime", "/bin/true", json!({"hasBindMounts": true})),
    );
    let engine = Engine::listen(&place.socket());
    let _plugin = place.plugin(&[]);
    let mut peer = engine.start();
    let with = |destinations: &[&str]| {
        let mount = |destination: &&str| Mount {
            destination: (*destination).to_owned(),
            kind: "bind".to_owned(),
            ..Mount::default()
        };
        let mounts = destinations.iter().map(mount).collect();
        let container = Some(Container {
            mounts,
            ..Container::default()
        });
        CreateContainerRequest {
            pod: None,
            container,
        }
    };
    let engines = [
        "/etc/hosts",
        "/etc/hostname",
        "/etc/resolv.conf",
        "/dev/shm",
        "/dev/termination-log",
    ];
    assert_eq!(hooks_of(&mut peer, &with(&engines)).create_runtime.len(), 0);
    assert_eq!(
        hooks_of(&mut peer, &with(&["/etc/hosts", "/data"]))
            .create_runtime
            .len(),
        1
    );
}

#[test]
fn a_container_without_hooks_gets_no_adjustment() {
    let place = Place::new();
    place.hook_file(
        "a.json",
        when(
            "createRuntime",
            "/bin/true",
            json!({"commands": ["/bin/other"]}),
        ),
    );
    let engine = Engine::listen(&place.socket());
    let plugin = place.plugin(&[]);
    let mut peer = engine.start();
    assert_eq!(peer.create(&container("c")).unwrap().adjust, None);
    plugin.stop();
    place.wait_logged("hooks injected", 0);
}

#[test]
fn a_hooks_json_is_for_every_container() {
    let place = Place::new();
    place.hook("a.json", "createRuntime", json!({"path": "/bin/true"}));
    let file = place.join("hooks.json");
    fs::write(
        &file,
        json!({"createRuntime": [{"path": "/bin/cat"}]}).to_string(),
    )
    .unwrap();
    let engine = Engine::listen(&place.socket());
    let _plugin = place.plugin(&["--hooks-json", &file.to_string_lossy()]);
    assert_eq!(paths(&mut engine.start()), ["/bin/true", "/bin/cat"]);
}

/// One line for each container says what was injected, for people and for programs.
#[test]
fn one_log_line_for_each_container_with_hooks() {
    let place = Place::new();
    place.hook("a.json", "createRuntime", json!({"path": "/bin/true"}));
    place.hook("b.json", "poststop", json!({"path": "/bin/false"}));
    let engine = Engine::listen(&place.socket());
    let _plugin = place.plugin(&["--log-format", "json"]);
    let mut peer = engine.start();
    let mut request = container("id-1");
    request.container.as_mut().unwrap().name = "app".to_owned();
    request.pod = Some(PodSandbox {
        name: "web".to_owned(),
        namespace: "shop".to_owned(),
        ..PodSandbox::default()
    });
    hooks_of(&mut peer, &request);
    let lines = place.wait_logged("hooks injected", 1);
    let line: Value = serde_json::from_str(&lines[0]).unwrap();
    let fields =
        ["level", "container", "name", "pod", "namespace"].map(|key| line[key].as_str().unwrap());
    assert_eq!(fields, ["info", "id-1", "app", "web", "shop"]);
    let file = |name: &str| place.join(&format!("hooks.d/{name}"));
    let expected = json!([
        {"phase": "createRuntime", "path": "/bin/true", "file": file("a.json")},
        {"phase": "poststop", "path": "/bin/false", "file": file("b.json")},
    ]);
    assert_eq!(line["hooks"], expected);
}

/// A hook whose executable was exchanged must not run, and must not vanish silently.
#[test]
fn a_pinned_executable_is_compared_at_each_injection() {
    for (policy, refused) in [("open", false), ("closed", true)] {
        let place = Place::new();
        let program = place.executable("hook", "#!/bin/sh\n");
        place.hook_file("a.json", pinned(&program, "#!/bin/sh\n"));
        place.hook("b.json", "createRuntime", json!({"path": "/bin/true"}));
        let engine = Engine::listen(&place.socket());
        let _plugin = place.plugin(&["--on-error", policy]);
        let mut peer = engine.start();
        assert_eq!(paths(&mut peer), [&*program.to_string_lossy(), "/bin/true"]);
        place.executable("hook", "#!/bin/sh\nevil\n");
        let answer = peer.create(&container("c"));
        if refused {
            let status = answer.unwrap_err();
            assert!(
                status.message.contains("its content has changed"),
                "{status}"
            );
        } else {
            let hooks = answer
                .unwrap()
                .adjust
                .unwrap()
                .hooks
                .unwrap()
                .create_runtime;
            assert_eq!(hooks.len(), 1);
            assert_eq!(hooks[0].path, "/bin/true");
            place.wait_logged("hooks left out", 1);
        }
        place.wait_logged("its content has changed", 1);
    }
}

/// The engine goes on without hooks when an answer is late, so a comparison that takes too long is given up.
#[test]
fn a_pinned_executable_that_takes_too_long_holds_up_no_answer() {
    let place = Place::new();
    let program = place.executable("hook", "");
    fs::File::options()
        .write(true)
        .open(&program)
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    place.hook_file("a.json", pinned(&program, "something else"));
    place.hook("b.json", "createRuntime", json!({"path": "/bin/true"}));
    let engine = Engine::listen(&place.socket());
    let _plugin = place.plugin(&[]);
    let mut peer = engine.accept();
    let (stream, _) = peer.registration();
    peer.accept_registration(stream);
    let timeout = Duration::from_secs(4);
    peer.configure_within("", 4000).unwrap();
    // The second container comes while the comparison for the first one still runs.
    for _ in 0..2 {
        let began = Instant::now();
        assert_eq!(paths(&mut peer), ["/bin/true"]);
        assert!(began.elapsed() < timeout, "{:?}", began.elapsed());
    }
    place.wait_logged("its content was not compared in time", 2);
}

/// Only podman runs precreate hooks. Whoever relies on one hears of it.
#[test]
fn a_precreate_hook_is_reported() {
    for (policy, refused) in [("open", false), ("closed", true)] {
        let place = Place::new();
        place.hook("a.json", "precreate", json!({"path": "/bin/true"}));
        let engine = Engine::listen(&place.socket());
        let _plugin = place.plugin(&["--on-error", policy]);
        let answer = engine.start().create(&container("c"));
        assert_eq!(answer.is_err(), refused);
        place.wait_logged("precreate hook /bin/true: NRI has no such phase", 1);
    }
}

/// In a DaemonSet the hooks lie on the host and not in the plugin's own image.
#[test]
fn hook_paths_are_looked_for_below_the_hosts_root() {
    let place = Place::new();
    let program = place.executable("host/opt/hook", "#!/bin/sh\n");
    // An absolute link, which leads elsewhere in the plugin's own mount namespace.
    std::os::unix::fs::symlink("/opt/hook", place.join("host/opt/link")).unwrap();
    place.hook("a.json", "createRuntime", json!({"path": "/opt/hook"}));
    place.hook("b.json", "createRuntime", json!({"path": "/opt/link"}));
    place.hook("c.json", "createRuntime", json!({"path": program}));
    let engine = Engine::listen(&place.socket());
    let _plugin = place.plugin(&["--host-root", &place.join("host").to_string_lossy()]);
    assert_eq!(paths(&mut engine.start()), ["/opt/hook", "/opt/link"]);
    let lines = place.wait_logged("hook file is bad", 1);
    assert!(lines[0].contains("c.json"), "{lines:?}");
}

/// A pin is about the host's file, too.
#[test]
fn pins_are_looked_for_below_the_hosts_root() {
    let place = Place::new();
    place.executable("host/opt/hook", "on the host");
    place.hook_file("a.json", pinned(Path::new("/opt/hook"), "on the host"));
    let engine = Engine::listen(&place.socket());
    let _plugin = place.plugin(&["--host-root", &place.join("host").to_string_lossy()]);
    let mut peer = engine.start();
    assert_eq!(paths(&mut peer), ["/opt/hook"]);
    place.executable("host/opt/hook", "exchanged");
    assert_eq!(paths(&mut peer), Vec::<String>::new());
}
