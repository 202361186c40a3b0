//! The order of calls: registration, configuration, synchronisation, requests, the end.

use std::collections::BTreeMap;
use std::time::Duration;

use nix::sys::signal::Signal;
use nri_plugin::wire::messages::PodSandbox;
use prost::Message;
use serde_json::json;

use crate::engine::{Engine, PLUGIN, framed};
use crate::plugin::{Place, container, paths};

const SERVICE: &str = "nri.pkg.api.v1alpha1.Plugin";
const UNIMPLEMENTED: i32 = 12;

/// A connection that says nothing blocks all other plugins for five seconds.
#[test]
fn the_plugin_speaks_first_and_says_who_it_is() {
    let place = Place::new();
    let engine = Engine::listen(&place.socket());
    let _plugin = place.plugin(&["--idx", "07", "--name", "my.hooks"]);
    let registration = engine.accept().start("");
    assert_eq!(
        (&*registration.plugin_name, &*registration.plugin_idx),
        ("my.hooks", "07")
    );
}

#[test]
fn configure_is_served_before_the_reply_to_the_registration() {
    let place = Place::new();
    place.hook("a.json", "createRuntime", json!({"path": "/bin/true"}));
    let engine = Engine::listen(&place.socket());
    let _plugin = place.plugin(&[]);
    let mut peer = engine.accept();
    let (stream, _) = peer.registration();
    assert_eq!(peer.configure("").unwrap().events, 8);
    assert!(!peer.synchronize(false).more);
    peer.accept_registration(stream);
    assert_eq!(paths(&mut peer), ["/bin/true"]);
}

/// Mask 0 would subscribe to everything, and a bit that the engine does not know drops the plugin.
#[test]
fn create_container_is_the_only_event() {
    let place = Place::new();
    let engine = Engine::listen(&place.socket());
    let _plugin = place.plugin(&[]);
    let mut peer = engine.accept();
    let (stream, _) = peer.registration();
    peer.accept_registration(stream);
    assert_eq!(peer.configure("").unwrap().events, 0x8);
}

#[test]
fn parts_of_synchronize_are_echoed() {
    let place = Place::new();
    let engine = Engine::listen(&place.socket());
    let _plugin = place.plugin(&[]);
    let mut peer = engine.accept();
    let (stream, _) = peer.registration();
    peer.accept_registration(stream);
    peer.configure("").unwrap();
    for more in [true, true, false] {
        assert_eq!(peer.synchronize(more).more, more);
    }
    place.wait_logged("msg=\"synchronized\"", 1);
    // The bytes too: no updates, and nothing at all but `more`.
    assert_eq!(
        peer.call(SERVICE, "Synchronize", vec![0x18, 1]).unwrap(),
        [0x10, 1]
    );
}

/// containerd 1.7 does not synchronise pre-installed plugins.
#[test]
fn a_plugin_that_is_not_synchronised_works() {
    let place = Place::new();
    place.hook("a.json", "createRuntime", json!({"path": "/bin/true"}));
    let engine = Engine::listen(&place.socket());
    let _plugin = place.plugin(&[]);
    let mut peer = engine.accept();
    let (stream, _) = peer.registration();
    peer.accept_registration(stream);
    peer.configure_within("", 0).unwrap();
    place.wait_logged("msg=\"registered\"", 1);
    assert_eq!(paths(&mut peer), ["/bin/true"]);
}

#[test]
fn what_is_unknown_is_unimplemented() {
    let place = Place::new();
    place.hook("a.json", "createRuntime", json!({"path": "/bin/true"}));
    let engine = Engine::listen(&place.socket());
    let _plugin = place.plugin(&[]);
    let mut peer = engine.start();
    let methods = [
        "StateChange",
        "UpdateContainer",
        "StopContainer",
        "UpdatePodSandbox",
        "RunPodSandbox",
        "ValidateContainerAdjustment",
        "",
        "createcontainer",
    ];
    for method in methods {
        let status = peer.call(SERVICE, method, vec![1, 2, 3]).unwrap_err();
        assert_eq!(status.code, UNIMPLEMENTED, "{method}: {status}");
    }
    let status = peer
        .call("nri.pkg.api.v1beta1.Plugin", "CreateContainer", vec![])
        .unwrap_err();
    assert_eq!(status.code, UNIMPLEMENTED, "{status}");
    assert_eq!(paths(&mut peer), ["/bin/true"]);
}

#[test]
fn a_request_that_cannot_be_decoded_is_an_error() {
    let place = Place::new();
    let engine = Engine::listen(&place.socket());
    let _plugin = place.plugin(&[]);
    let mut peer = engine.start();
    let status = peer
        .call(SERVICE, "CreateContainer", vec![0xff])
        .unwrap_err();
    assert!(
        status.code == 3 && status.message.starts_with("decode CreateContainer: "),
        "{status}"
    );
    // Without pod and container it is no more than a container of which nothing is known.
    assert!(
        peer.call(SERVICE, "CreateContainer", vec![])
            .unwrap()
            .is_empty()
    );
}

#[test]
fn shutdown_is_answered_and_the_next_engine_is_waited_for() {
    let place = Place::new();
    place.hook("a.json", "createRuntime", json!({"path": "/bin/true"}));
    let engine = Engine::listen(&place.socket());
    let _plugin = place.plugin(&[]);
    let mut peer = engine.start();
    assert!(peer.call(SERVICE, "Shutdown", vec![]).unwrap().is_empty());
    drop(peer);
    assert_eq!(paths(&mut engine.start()), ["/bin/true"]);
}

#[test]
fn the_plugin_comes_back_when_the_engine_restarts() {
    let place = Place::new();
    place.hook("a.json", "createRuntime", json!({"path": "/bin/true"}));
    // It may be there before the engine.
    let plugin = place.plugin(&[]);
    place.wait_logged("connect to", 1);
    for _ in 0..3 {
        let engine = Engine::listen(&place.socket());
        assert_eq!(paths(&mut engine.start()), ["/bin/true"]);
        drop(engine);
        std::thread::sleep(Duration::from_millis(300));
    }
    plugin.stop();
    // At most once for each absence, however many attempts there were.
    assert!(place.logged("No such file").len() <= 4, "{}", place.log());
}

#[test]
fn a_refused_registration_is_reported_and_tried_again() {
    let place = Place::new();
    let engine = Engine::listen(&place.socket());
    let plugin = place.plugin(&[]);
    for _ in 0..2 {
        let mut peer = engine.accept();
        let (stream, _) = peer.registration();
        peer.refuse_registration(stream, "not today");
        peer.closed();
    }
    engine.start();
    plugin.stop();
    place.wait_logged("engine refuses the plugin: not today", 1);
}

/// The engine goes on without hooks when the connection is closed before the answer.
#[test]
fn what_was_asked_before_a_signal_is_answered() {
    let place = Place::new();
    place.hook("a.json", "createRuntime", json!({"path": "/bin/true"}));
    let engine = Engine::listen(&place.socket());
    let mut plugin = place.plugin(&[]);
    let mut peer = engine.start();
    plugin.signal(Signal::SIGSTOP);
    let payload = container("c").encode_to_vec();
    let message = peer.request(SERVICE, "CreateContainer", payload);
    peer.write(&framed(PLUGIN, &message, 64));
    plugin.terminate();
    plugin.signal(Signal::SIGCONT);
    assert!(peer.answer().is_ok_and(|answer| !answer.is_empty()));
    assert_eq!(plugin.ended().code(), Some(0));
    peer.closed();
}

/// Whatever the engine was about when it went.
#[test]
fn an_engine_may_go_at_every_moment() {
    let place = Place::new();
    place.hook("a.json", "createRuntime", json!({"path": "/bin/true"}));
    let engine = Engine::listen(&place.socket());
    let plugin = place.plugin(&[]);
    drop(engine.accept());
    drop(engine.accept().registration());
    for cut in [1, 8, 17, 18, 40] {
        let mut peer = engine.accept();
        let (stream, _) = peer.registration();
        peer.accept_registration(stream);
        let message = peer.request(SERVICE, "Configure", vec![]);
        peer.write(&framed(PLUGIN, &message, 4096)[..cut]);
    }
    let mut peer = engine.start();
    let message = peer.request(SERVICE, "CreateContainer", container("c").encode_to_vec());
    peer.write(&framed(PLUGIN, &message, 4096));
    drop(peer);
    assert_eq!(paths(&mut engine.start()), ["/bin/true"]);
    plugin.stop();
}

/// A thousand pods on a node that are told of in parts, with fields that the plugin does not know.
#[test]
fn a_synchronisation_in_parts_of_any_length_is_taken() {
    let place = Place::new();
    place.hook("a.json", "createRuntime", json!({"path": "/bin/true"}));
    let engine = Engine::listen(&place.socket());
    let _plugin = place.plugin(&[]);
    let mut peer = engine.accept();
    let (stream, _) = peer.registration();
    peer.accept_registration(stream);
    peer.configure("").unwrap();
    let pod = |n: usize| PodSandbox {
        name: format!("pod-{n}"),
        annotations: BTreeMap::from([("text".to_owned(), "x".repeat(3000))]),
        ..PodSandbox::default()
    };
    let pods: Vec<Vec<u8>> = (0..1000).map(|n| pod(n).encode_to_vec()).collect();
    for (part, pods) in pods.chunks(400).enumerate() {
        let more = part < 2;
        let mut payload: Vec<u8> = Vec::new();
        for pod in pods {
            payload.push(0x0a);
            prost::encode_length_delimiter(pod.len(), &mut payload).unwrap();
            payload.extend(pod);
        }
        payload.extend([0x18, u8::from(more)]);
        let answer = peer.call(SERVICE, "Synchronize", payload).unwrap();
        assert_eq!(answer, if more { vec![0x10, 1] } else { vec![] });
    }
    assert_eq!(paths(&mut peer), ["/bin/true"]);
}

#[test]
fn a_signal_ends_it_cleanly() {
    // Connected, and while nobody listens.
    for listening in [true, false] {
        let place = Place::new();
        let engine = listening.then(|| Engine::listen(&place.socket()));
        let mut plugin = place.plugin(&[]);
        let peer = engine.as_ref().map(Engine::start);
        if !listening {
            place.wait_logged("connect to", 1);
        }
        plugin.terminate();
        assert_eq!(plugin.ended().code(), Some(0), "{}", plugin.stderr());
        place.wait_logged("msg=\"stopped\"", 1);
        if let Some(peer) = peer {
            peer.closed();
        }
    }
}
