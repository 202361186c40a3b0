//! The form that an engine starts by itself: a socket as descriptor 3, three variables, and nothing else.

use std::fs::File;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Command;

use serde_json::json;

use crate::engine::Peer;
use crate::plugin::{PROGRAM, Place, Plugin, paths};

/// Starts the program as containerd does: with `descriptor` as number 3, which comes through stdin because the standard library
/// hands over no other.
fn launch(place: &Place, descriptor: OwnedFd) -> Plugin {
    let environment = "NRI_PLUGIN_NAME=hooks NRI_PLUGIN_IDX=42 NRI_PLUGIN_SOCKET=3";
    let script = format!("exec env -i {environment} {PROGRAM:?} 3<&0 </dev/null");
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", &script])
        .current_dir("/")
        .stdin(descriptor);
    Plugin::spawn(&mut command, &place.join("stderr"))
}

fn pair(place: &Place) -> (Peer, Plugin) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    (Peer::new(ours), launch(place, theirs.into()))
}

fn configuration(place: &Place, more: &str) -> String {
    format!(
        "hooks-dirs = [{:?}]\nlog = {:?}\n{more}",
        place.join("hooks.d"),
        place.join("log")
    )
}

#[test]
fn everything_comes_from_environment_and_configure() {
    let place = Place::new();
    place.hook("a.json", "createRuntime", json!({"path": "/bin/true"}));
    let (mut peer, mut plugin) = pair(&place);
    let registration = peer.start(&configuration(&place, ""));
    assert_eq!(
        (&*registration.plugin_name, &*registration.plugin_idx),
        ("hooks", "42")
    );
    assert_eq!(paths(&mut peer), ["/bin/true"]);
    place.wait_logged("hooks injected", 1);
    // The engine has gone, and starts another one when it is back.
    drop(peer);
    assert_eq!(plugin.ended().code(), Some(0));
    assert_eq!(plugin.stderr(), "");
}

#[test]
fn a_bad_configuration_is_refused_with_the_place() {
    let place = Place::new();
    let (mut peer, _plugin) = pair(&place);
    let (stream, _) = peer.registration();
    peer.accept_registration(stream);
    let status = peer
        .configure(&configuration(&place, "on_error = \"open\"\n"))
        .unwrap_err();
    assert_eq!(status.code, 3);
    assert!(
        status
            .message
            .starts_with("configuration: line 3: unknown field `on_error`"),
        "{status}"
    );
    let status = peer.configure("hooks-dirs = [\"relative\"]").unwrap_err();
    assert!(
        status.message.contains("relative: not an absolute path"),
        "{status}"
    );
}

/// The plugin that the engine before has started may not have ended yet.
#[test]
fn an_address_that_is_taken_costs_no_hooks() {
    let place = Place::new();
    place.hook("a.json", "createRuntime", json!({"path": "/bin/true"}));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (mut peer, _plugin) = pair(&place);
    peer.start(&configuration(
        &place,
        &format!("metrics = \"{address}\"\n"),
    ));
    assert_eq!(paths(&mut peer), ["/bin/true"]);
    place.wait_logged("metrics are not served", 1);
    drop(taken);
    place.wait_logged("serving metrics", 1);
    // Another address after a restart of the engine, which an external plugin outlives.
    peer.configure(&configuration(&place, "metrics = \"0\"\n"))
        .unwrap();
    place.wait_logged("cannot change while the program runs", 1);
    assert_eq!(paths(&mut peer), ["/bin/true"]);
}

#[test]
fn the_configuration_sets_the_policy() {
    let place = Place::new();
    place.hook_file("a.json", "{");
    let (mut peer, _plugin) = pair(&place);
    peer.start(&configuration(&place, "on-error = \"closed\"\n"));
    let status = peer.create(&crate::plugin::container("c")).unwrap_err();
    assert!(status.message.contains("a.json"), "{status}");
}

#[test]
fn a_descriptor_that_is_no_socket_is_an_error() {
    let place = Place::new();
    let file = File::open("/dev/null").unwrap();
    let mut plugin = launch(&place, file.into());
    assert_eq!(plugin.ended().code(), Some(1));
}
