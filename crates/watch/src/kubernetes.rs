//! Events about this node in Kubernetes: a container was created, with this configuration or without one.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::event::About;
use crate::say::say;
use crate::settings::Api;

/// Where a pod finds its token and the certificate of the API server's authority.
pub const CREDENTIALS: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Where events about nodes, which have no namespace, are kept.
const NAMESPACE: &str = "default";
/// Most events that wait for the API server.
const MOST: usize = 1024;
/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest configuration in bytes that is sent along; the API server refuses objects of more than 1.5 MiB.
const LARGEST: usize = 256 << 10;

/// The API server as a pod is told of it.
pub fn server_of_pod() -> Option<String> {
    let host = std::env::var("KUBERNETES_SERVICE_HOST").ok()?;
    let port = std::env::var("KUBERNETES_SERVICE_PORT").ok()?;
    Some(match host.contains(':') {
        true => format!("https://[{host}]:{port}"),
        false => format!("https://{host}:{port}"),
    })
}

/// A new container.
struct News {
    about: About,
    config: Vec<u8>,
    /// Why there is no configuration.
    failed: Option<String>,
    when: SystemTime,
}

/// Sends events by a thread of its own: an API server that does not answer delays no container.
pub struct Publisher(SyncSender<News>);

impl Publisher {
    /// For an API server, which is not asked anything yet.
    pub fn new(api: Api) -> Publisher {
        let (sender, receiver) = sync_channel(MOST);
        thread::spawn(move || send_all(&api, &receiver));
        Publisher(sender)
    }

    /// Tells of a new container with its configuration, or why there is none.
    pub fn publish(&self, about: About, config: Vec<u8>, failed: Option<String>) {
        let id = about.id.clone();
        let news = News {
            about,
            config,
            failed,
            when: SystemTime::now(),
        };
        if self.0.try_send(news).is_err() {
            say(format!(
                "{id}: no event in Kubernetes: too many are waiting"
            ));
        }
    }
}

fn send_all(api: &Api, all: &Receiver<News>) {
    for (number, news) in (1u64..).zip(all) {
        if let Err(reason) = send(api, number, &news) {
            say(format!(
                "{}: no event in Kubernetes: {reason}",
                news.about.id
            ));
        }
    }
}

/// Sends one event. The token is read each time, since it is replaced about once an hour.
fn send(api: &Api, number: u64, news: &News) -> Result<(), String> {
    let token = read(&api.credentials.join("token"))?;
    let body = serde_json::to_vec(&event(api, number, news)).map_err(|e| e.to_string())?;
    let url = format!("{}/api/v1/namespaces/{NAMESPACE}/events", api.server);
    let token = String::from_utf8_lossy(&token);
    let mut response = agent(api)?
        .post(&url)
        .header("authorization", format!("Bearer {}", token.trim()))
        .header(
            "user-agent",
            concat!("lxcri-watch/", env!("CARGO_PKG_VERSION")),
        )
        .content_type("application/json")
        .send(&body)
        .map_err(|e| format!("POST {url}: {e}"))?;
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let limited = response.body_mut().with_config().limit(4096);
    let text = limited.read_to_string().unwrap_or_default();
    let said: Value = serde_json::from_str(&text).unwrap_or_default();
    let message = said["message"].as_str().unwrap_or_default();
    Err(format!("POST {url}: {status}: {message}"))
}

/// A client that trusts the cluster's authority and nobody else, and goes through no proxy.
fn agent(api: &Api) -> Result<Agent, String> {
    let mut config = Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .proxy(None)
        .max_redirects(0)
        .http_status_as_error(false);
    if api.server.starts_with("https://") {
        let path = api.credentials.join("ca.crt");
        let pem = read(&path)?;
        let certificates: Vec<Certificate<'static>> = parse_pem(&pem)
            .filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            })
            .collect();
        if certificates.is_empty() {
            return Err(format!("{}: no certificate", path.display()));
        }
        let roots = RootCerts::Specific(Arc::new(certificates));
        config = config.tls_config(TlsConfig::builder().root_certs(roots).build());
    }
    Ok(config.build().into())
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// The event (core/v1). Its name must be unique.
fn event(api: &Api, number: u64, news: &News) -> Value {
    let time = humantime::format_rfc3339_seconds(news.when).to_string();
    let nanoseconds = news.when.duration_since(SystemTime::UNIX_EPOCH);
    let unique = nanoseconds.map_or(0, |since| since.as_nanos());
    let (kind, reason) = match news.failed {
        None => ("Normal", "NewContainerConfig"),
        Some(_) => ("Warning", "ContainerConfigNotFound"),
    };
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": format!("lxcri-watch.{unique:x}.{number:x}"),
            "namespace": NAMESPACE,
        },
        // The kubelet, too, refers to its node by the name in place of the uid.
        "involvedObject": {"apiVersion": "v1", "kind": "Node", "name": api.node, "uid": api.node},
        "type": kind,
        "reason": reason,
        "message": message(news).to_string(),
        "source": {"component": "lxcri-watch", "host": api.node},
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    })
}

/// What is said: JSON, without the environment of the container's process, which holds secrets that readers of events
/// may not see.
fn message(news: &News) -> Value {
    let About {
        id,
        pid,
        bundle,
        runtime,
        ..
    } = &news.about;
    let mut message = json!({"id": id, "pid": pid, "bundle": bundle, "runtime": runtime});
    if let Some(reason) = &news.failed {
        message["error"] = reason.as_str().into();
    }
    let readable = news.config.len() <= LARGEST;
    let config = readable.then(|| serde_json::from_slice::<Value>(&news.config).ok());
    if let Some(mut config) = config.flatten() {
        let process = config.get_mut("process").and_then(Value::as_object_mut);
        process.map(|process| process.remove("env"));
        message["config"] = config;
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(config: &str, failed: Option<&str>) -> News {
        News {
            about: About {
                id: "c1".into(),
                pid: 42,
                start: 7,
                bundle: "/b".into(),
                runtime: "runc".into(),
            },
            config: config.into(),
            failed: failed.map(str::to_owned),
            when: SystemTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn secrets_stay_here() {
        let config = r#"{"process":{"args":["x"],"env":["PASSWORD=1"]}}"#;
        let message = message(&news(config, None));
        assert_eq!(message["config"], json!({"process": {"args": ["x"]}}));
        assert_eq!(message["id"], "c1");
    }

    #[test]
    fn what_is_too_large_or_missing_is_left_out() {
        let large = format!("{{\"x\":\"{}\"}}", "x".repeat(LARGEST));
        assert_eq!(message(&news(&large, None)).get("config"), None);
        let failed = message(&news("", Some("gone")));
        assert_eq!(
            (failed.get("config"), &failed["error"]),
            (None, &json!("gone"))
        );
    }
}
