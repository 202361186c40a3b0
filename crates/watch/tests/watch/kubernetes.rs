//! Events in Kubernetes, against servers of the tests' own that check the requests: one of HTTP, one of HTTPS with an
//! authority of its own. No cluster is involved.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use lxcri_tests::command::wait_until;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::fake::Fake;
use crate::watcher::{PATIENCE, Watcher};

/// What a server has been asked.
struct Request {
    line: String,
    headers: Vec<String>,
    body: Value,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find_map(|header| header.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// Reads one request and answers it.
fn answer(stream: impl Read + Write, status: &str, seen: &Sender<Request>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let line = lines.remove(0);
    let lower = |header: &String| {
        let (name, value) = header.split_once(": ").unwrap_or((header, ""));
        format!("{}: {value}", name.to_lowercase())
    };
    let headers: Vec<String> = lines.iter().map(lower).collect();
    let length = headers
        .iter()
        .find_map(|h| h.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body)?;
    let reply = json!({"kind": "Status", "message": "as the test wants it"}).to_string();
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{reply}",
        reply.len()
    );
    stream.get_mut().write_all(text.as_bytes())?;
    stream.get_mut().flush()?;
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let _ = seen.send(Request {
        line,
        headers,
        body,
    });
    Ok(())
}

/// A server on a port of its own. It ends with the test's process.
fn serve(
    handle: impl Fn(TcpStream, &Sender<Request>) + Send + 'static,
) -> (u16, Receiver<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = listener.local_addr().expect("address").port();
    let (sender, requests) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = stream.set_read_timeout(Some(PATIENCE));
            handle(stream, &sender);
        }
    });
    (port, requests)
}

fn plain(status: &'static str) -> (String, Receiver<Request>) {
    let (port, requests) = serve(move |stream, seen| _ = answer(stream, status, seen));
    (format!("http://127.0.0.1:{port}"), requests)
}

/// The second value is the authority's certificate.
fn tls() -> (String, String, Receiver<Request>) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("key"));
    let authority = authority.expect("authority");
    let key = KeyPair::generate().expect("key");
    let server = CertificateParams::new(["127.0.0.1".to_owned()]).expect("names");
    let server = server.signed_by(&key, &authority).expect("certificate");
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![server.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .expect("server");
    let config = Arc::new(config);
    let (port, requests) = serve(move |stream, seen| {
        if let Ok(connection) = ServerConnection::new(Arc::clone(&config)) {
            let _ = answer(StreamOwned::new(connection, stream), "201 Created", seen);
        }
    });
    (
        format!("https://127.0.0.1:{port}"),
        authority.pem(),
        requests,
    )
}

fn watch(fake: &Fake, server: &str, authority: &str) -> Watcher {
    let credentials = fake.scratch.mkdir("credentials");
    fs::write(credentials.join("token"), "secret-token\n").expect("token");
    fs::write(credentials.join("ca.crt"), authority).expect("ca.crt");
    let credentials = credentials.display().to_string();
    Watcher::start(fake.with(&[
        "--kubernetes-events",
        "--node",
        "node-1",
        "--kubernetes-server",
        server,
        "--kubernetes-credentials",
        &credentials,
    ]))
}

fn next(requests: &Receiver<Request>) -> Request {
    requests.recv_timeout(PATIENCE).expect("a request")
}

/// Checks what all events have in common; the result is the message.
fn check(request: &Request, reason: &str, kind: &str) -> Value {
    assert_eq!(
        request.line,
        "POST /api/v1/namespaces/default/events HTTP/1.1"
    );
    assert_eq!(request.header("authorization"), Some("Bearer secret-token"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    let event = &request.body;
    assert_eq!(
        (&event["apiVersion"], &event["kind"]),
        (&json!("v1"), &json!("Event"))
    );
    assert_eq!(
        (&event["reason"], &event["type"]),
        (&json!(reason), &json!(kind))
    );
    let node = json!({"apiVersion": "v1", "kind": "Node", "name": "node-1", "uid": "node-1"});
    assert_eq!(event["involvedObject"], node);
    assert_eq!(event["metadata"]["namespace"], "default");
    let time = event["firstTimestamp"].as_str().expect("time");
    assert!(time.len() == 20 && time.ends_with('Z'), "{time}");
    serde_json::from_str(event["message"].as_str().expect("message")).expect("JSON")
}

fn lives(server: &str, authority: &str, requests: &Receiver<Request>) {
    let Some(fake) = Fake::new() else { return };
    let watcher = watch(&fake, server, authority);
    let container = fake.container("c");
    container.start().expect("execve");
    let first = next(requests);
    let message = check(&first, "NewContainerConfig", "Normal");
    assert_eq!(message["id"], container.id);
    assert_eq!(message["pid"], container.pid());
    assert_eq!(message["config"]["annotations"]["test.name"], "c");
    let bad = fake.container("bad");
    fs::remove_file(bad.bundle.join("config.json")).expect("remove");
    bad.start().expect("execve");
    let second = next(requests);
    let message = check(&second, "ContainerConfigNotFound", "Warning");
    assert_eq!(message["id"], bad.id);
    assert!(
        message["error"]
            .as_str()
            .is_some_and(|e| e.contains("config.json")),
        "{message}"
    );
    let name = |request: &Request| request.body["metadata"]["name"].clone();
    assert_ne!(name(&first), name(&second));
    let errors = watcher.end();
    assert!(!errors.contains("no event in Kubernetes"), "{errors}");
}

#[test]
fn by_http() {
    let (server, requests) = plain("201 Created");
    lives(&server, "", &requests);
}

#[test]
fn by_https_with_the_clusters_authority() {
    let (server, authority, requests) = tls();
    lives(&server, &authority, &requests);
}

/// Starts a container, and returns what the watcher says of it by the time that it says `reason`.
fn refused(server: &str, authority: &str, reason: &str) -> Option<String> {
    let said = |watcher: &Watcher| wait_until(PATIENCE, || watcher.errors().contains(reason));
    told(server, authority, said).map(|(errors, _)| errors)
}

/// Starts a container, waits, and returns what the watcher says of it.
fn told(
    server: &str,
    authority: &str,
    wait: impl FnOnce(&Watcher) -> bool,
) -> Option<(String, bool)> {
    let fake = Fake::new()?;
    let watcher = watch(&fake, server, authority);
    let container = fake.container("c");
    let took = container.start().expect("execve");
    assert!(
        took < Duration::from_secs(9),
        "the start waits for nobody: {took:?}"
    );
    watcher.await_event("added", &container.id);
    let waited = wait(&watcher);
    Some((watcher.end(), waited))
}

#[test]
fn an_unknown_authority_is_refused() {
    let (server, _, requests) = tls();
    let (_, other, _) = tls();
    let Some(errors) = refused(&server, &other, "no event in Kubernetes") else {
        return;
    };
    assert!(errors.contains("no event in Kubernetes"), "{errors}");
    assert!(requests.try_recv().is_err(), "the token was sent");
    let Some(errors) = refused(&server, "", "no certificate") else {
        return;
    };
    assert!(errors.contains("ca.crt: no certificate"), "{errors}");
}

#[test]
fn a_server_that_refuses_is_reported() {
    let (server, _requests) = plain("403 Forbidden");
    let Some(errors) = refused(&server, "", "403 Forbidden") else {
        return;
    };
    assert!(
        errors.contains("403 Forbidden: as the test wants it"),
        "{errors}"
    );
}

#[test]
fn a_server_that_does_not_answer_delays_nobody() {
    let (asked, asks) = channel();
    let (port, _requests) = serve(move |stream, _| {
        let _ = asked.send(());
        thread::sleep(PATIENCE);
        drop(stream);
    });
    let server = format!("http://127.0.0.1:{port}");
    // It ends while it waits for the answer.
    let Some((errors, was_asked)) = told(&server, "", |_| asks.recv_timeout(PATIENCE).is_ok())
    else {
        return;
    };
    assert!(was_asked && !errors.contains("panicked"), "{errors}");
}

#[test]
fn options_that_make_no_sense() {
    use lxcri_tests::command::Cmd;
    for (arguments, reason) in [
        (&["--kubernetes-events"][..], "--node"),
        (&["--node", "n"], "--kubernetes-events"),
        (&["--kubernetes-events", "--node", "n"], "not in a pod"),
        (
            &[
                "--kubernetes-events",
                "--node",
                "n",
                "--kubernetes-server",
                "ftp://x",
            ],
            "no http or https URL",
        ),
    ] {
        let outcome = Cmd::new(crate::watcher::program()).args(arguments).run();
        assert_eq!(outcome.code(), 2, "{outcome}");
        assert!(outcome.stderr.contains(reason), "{}", outcome.stderr);
    }
}
