//! Serves the metrics over HTTP: one thread, one connection at a time, asleep between them.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::log::Log;
use crate::metrics::Metrics;

/// How long a client may take for its request, and for reading the answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// When to try again to listen: the plugin of the engine before may still have the address.
const RETRY: Duration = Duration::from_secs(1);
/// Bytes of the longest request.
const REQUEST_MAX: usize = 8 << 10;
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Listens at `address` and answers from a thread of its own until the program ends. The address, whose port the system chooses if
/// it is 0, is logged; so is, once, that it cannot be had, which is tried again every second.
///
/// # Errors
/// When there can be no thread.
pub fn start(address: SocketAddr, metrics: Arc<Metrics>, log: Arc<Log>) -> io::Result<()> {
    let thread = thread::Builder::new().name("metrics".to_owned());
    thread.spawn(move || serve(&listen(address, &log), &metrics))?;
    Ok(())
}

/// Logs why the metrics are not served.
pub fn report(log: &Log, address: SocketAddr, error: &io::Error) {
    let (address, reason) = (json!(address.to_string()), json!(error.to_string()));
    let fields = [("address", address), ("reason", reason)];
    log.error("metrics are not served", &fields);
}

fn listen(address: SocketAddr, log: &Log) -> TcpListener {
    let mut is_reported = false;
    loop {
        match TcpListener::bind(address) {
            Ok(listener) => {
                let address = listener.local_addr().unwrap_or(address);
                log.info(
                    "serving metrics",
                    &[("address", json!(address.to_string()))],
                );
                return listener;
            }
            Err(e) if !is_reported => {
                report(log, address, &e);
                is_reported = true;
            }
            Err(_) => {}
        }
        thread::sleep(RETRY);
    }
}

fn serve(listener: &TcpListener, metrics: &Metrics) {
    loop {
        match listener.accept() {
            // A client that goes away is its own affair.
            Ok((stream, _)) => drop(answer(stream, metrics)),
            // Such as no free descriptor: nothing to do but try again, and not in a tight loop.
            Err(_) => thread::sleep(PATIENCE),
        }
    }
}

fn answer(mut stream: TcpStream, metrics: &Metrics) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let head = request_head(&mut stream)?;
    let (status, kind, body) = match request_line(&head) {
        Some(("GET", "/metrics")) => ("200 OK", CONTENT_TYPE, metrics.text()),
        Some(("GET", _)) => ("404 Not Found", "text/plain", "see /metrics\n".to_owned()),
        Some(_) => (
            "405 Method Not Allowed",
            "text/plain",
            "GET only\n".to_owned(),
        ),
        None => (
            "400 Bad Request",
            "text/plain",
            "no HTTP request\n".to_owned(),
        ),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all((head + &body).as_bytes())
}

/// Reads to the empty line after the headers, to the limit, or to the end.
fn request_head(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let began = Instant::now();
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < REQUEST_MAX {
        if began.elapsed() > PATIENCE {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => head.extend_from_slice(&piece[..count]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(head)
}

/// Method and path, without a query.
fn request_line(head: &[u8]) -> Option<(&str, &str)> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    words
        .next()
        .filter(|version| version.starts_with("HTTP/1."))?;
    Some((method, target.split('?').next().unwrap_or(target)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn answers_to_requests() {
        let metrics = Arc::new(Metrics::default());
        metrics.loads.inc();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || serve(&listener, &metrics));
        let text = ask(address, "GET /metrics?x HTTP/1.1\r\nHost: x\r\n\r\n");
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with(
                "HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text; version=1.0.0"
            ),
            "{head}"
        );
        assert!(
            head.contains(&format!("Content-Length: {}\r\n", body.len())),
            "{head}"
        );
        assert!(
            body.contains("lxcri_nri_loads_total 1\n") && body.ends_with("# EOF\n"),
            "{body}"
        );
        for (request, status) in [
            ("GET / HTTP/1.0\r\n\r\n", "404"),
            ("POST /metrics HTTP/1.1\r\n\r\n", "405"),
            ("nonsense\r\n\r\n", "400"),
        ] {
            let text = ask(address, request);
            assert!(
                text.starts_with(&format!("HTTP/1.1 {status} ")),
                "{request}: {text}"
            );
        }
    }
}
