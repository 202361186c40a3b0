//! Frames: own ones that fit the engine's buffer, the engine's cut anywhere, and those that no engine may send.

use serde_json::json;

use crate::engine::{Engine, PLUGIN, RUNTIME, framed};
use crate::plugin::{Place, always, container, hooks_of, paths};
use prost::Message;

const SERVICE: &str = "nri.pkg.api.v1alpha1.Plugin";

/// containerd closes the connection when a frame exceeds 4,096 bytes, and the container starts without hooks.
#[test]
fn a_long_adjustment_comes_in_short_frames() {
    let place = Place::new();
    let long = "x".repeat(20_000);
    place.hook(
        "a.json",
        "createRuntime",
        json!({"path": "/bin/true", "args": ["true", long]}),
    );
    let engine = Engine::listen(&place.socket());
    let _plugin = place.plugin(&[]);
    let mut peer = engine.start();
    let hooks = hooks_of(&mut peer, &container("c"));
    assert_eq!(hooks.create_runtime[0].args[1], long);
    assert!(peer.frames.iter().sum::<usize>() > 20_000);
    assert!(
        peer.frames.iter().all(|length| *length <= 4096),
        "{:?}",
        peer.frames
    );
}

/// The engine queues 256 frames of a connection, and closes it at the next one.
#[test]
fn an_adjustment_that_the_engine_cannot_take_is_an_error() {
    let place = Place::new();
    let long = "x".repeat(400_000);
    for name in ["a.json", "b.json", "c.json"] {
        place.hook(
            name,
            "createRuntime",
            json!({"path": "/bin/true", "args": ["true", long]}),
        );
    }
    let engine = Engine::listen(&place.socket());
    let plugin = place.plugin(&[]);
    let mut peer = engine.start();
    let status = peer.create(&container("c")).unwrap_err();
    assert!(
        status.message.contains("the engine takes no more than"),
        "{status}"
    );
    place.wait_logged("creation refused", 1);
    place.hook_file("b.json", "{");
    place.wait_logged("hook file is bad", 1);
    assert!(
        peer.create(&container("d")).is_err(),
        "the last good version of b.json stays"
    );
    plugin.stop();
    place.wait_logged("hooks injected", 0);
}

#[test]
fn any_split_is_accepted() {
    let place = Place::new();
    place.hook("a.json", "createRuntime", json!({"path": "/bin/true"}));
    let engine = Engine::listen(&place.socket());
    let _plugin = place.plugin(&[]);
    let mut peer = engine.start();
    // Frames of one byte, written as one piece.
    let message = peer.request(SERVICE, "CreateContainer", container("c").encode_to_vec());
    let bytes = framed(PLUGIN, &message, 1);
    peer.write(&bytes);
    assert!(peer.answer().is_ok_and(|answer| !answer.is_empty()));
    // One frame, written byte by byte.
    let message = peer.request(SERVICE, "CreateContainer", container("c").encode_to_vec());
    for byte in framed(PLUGIN, &message, usize::MAX) {
        peer.write(&[byte]);
    }
    assert!(peer.answer().is_ok_and(|answer| !answer.is_empty()));
    // A frame above 4,096 bytes, which the plugin may not send but must take.
    let mut request = container("c");
    request
        .container
        .as_mut()
        .unwrap()
        .args
        .push("y".repeat(100_000));
    let message = peer.request(SERVICE, "CreateContainer", request.encode_to_vec());
    let bytes = framed(PLUGIN, &message, usize::MAX);
    peer.write(&bytes);
    assert!(peer.answer().is_ok_and(|answer| !answer.is_empty()));
}

#[test]
fn unknown_connections_are_ignored() {
    let place = Place::new();
    place.hook("a.json", "createRuntime", json!({"path": "/bin/true"}));
    let engine = Engine::listen(&place.socket());
    let _plugin = place.plugin(&[]);
    let mut peer = engine.start();
    for id in [0, 3, 77, u32::MAX] {
        peer.write(&framed(id, &[0xff; 5000], 4096));
    }
    // An answer to nothing, and a message of an unknown type.
    peer.write(&framed(RUNTIME, &crate::engine::message(99, 2, b""), 4096));
    peer.write(&framed(
        PLUGIN,
        &crate::engine::message(99, 3, b"stream"),
        4096,
    ));
    assert_eq!(paths(&mut peer), ["/bin/true"]);
}

#[test]
fn oversized_frames_and_messages_end_the_connection_not_the_plugin() {
    let place = Place::new();
    place.hook("a.json", "createRuntime", json!({"path": "/bin/true"}));
    let engine = Engine::listen(&place.socket());
    let _plugin = place.plugin(&[]);
    let mut frame = PLUGIN.to_be_bytes().to_vec();
    frame.extend((16u32 << 20 | 1).to_be_bytes());
    let mut header = (4u32 << 20 | 1).to_be_bytes().to_vec();
    header.extend([0, 0, 0, 1, 1, 0]);
    let undecodable = crate::engine::message(1, 1, &[0xff; 20]);
    for bytes in [
        frame,
        framed(PLUGIN, &header, 4096),
        framed(PLUGIN, &undecodable, 4096),
    ] {
        let mut peer = engine.start();
        peer.write(&bytes);
        peer.closed();
    }
    let mut peer = engine.start();
    assert_eq!(paths(&mut peer), ["/bin/true"]);
    for reason in [
        "frame of 16777217 bytes",
        "ttrpc message of 4194305 bytes",
        "ttrpc request on stream 1",
    ] {
        place.wait_logged(reason, 1);
    }
}

/// The longest Synchronize that ttrpc allows, as an engine with thousands of containers sends it.
#[test]
fn a_message_of_four_mebibytes_is_taken_and_its_memory_given_back() {
    let place = Place::new();
    place.hook_file(
        "a.json",
        always("createRuntime", json!({"path": "/bin/true"})),
    );
    let engine = Engine::listen(&place.socket());
    let plugin = place.plugin(&[]);
    let mut peer = engine.start();
    // Field 9 is none that the plugin knows.
    let mut payload = vec![0x4a, 0x80, 0x80, 0xf0, 0x01];
    payload.resize(payload.len() + (0xf0 << 14), b'z');
    peer.call(SERVICE, "Synchronize", payload).unwrap();
    assert_eq!(paths(&mut peer), ["/bin/true"]);
    let status = std::fs::read_to_string(format!("/proc/{}/status", plugin.pid())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kilobytes: u32 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kilobytes < 64 << 10, "{line}");
}
