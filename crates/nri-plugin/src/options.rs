//! The settings that the command line and the configuration file of a pre-installed plugin share.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use hooks_d::{Access, Source, Sources};
use serde::Deserialize;

use crate::log::{Format, Target};
use crate::subject::AnnotationOrder;

/// What may be set; what is not set is left to a lower source or to the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, clap::Args)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Options {
    /// Directory of hook files, as this program sees it; may be given several times, later ones override earlier ones by file
    /// name [default: /usr/share/containers/oci/hooks.d and /etc/containers/oci/hooks.d]
    #[arg(long = "hooks-dir", value_name = "DIR")]
    #[serde(rename = "hooks-dirs")]
    pub hooks_dirs: Vec<PathBuf>,
    /// File with an OCI hooks object, whose hooks every container gets; may be given several times
    #[arg(long, value_name = "FILE")]
    pub hooks_json: Vec<PathBuf>,
    /// Where the root of the host is mounted when the plugin itself runs in a container; hook paths are checked below it,
    /// and the default directories are looked for there
    #[arg(long, value_name = "DIR")]
    pub host_root: Option<PathBuf>,
    /// What happens to a container while a hook is missing because its file is bad or it cannot be injected: `open` injects
    /// the hooks that are good, `closed` refuses to create it [default: open]
    #[arg(long, value_name = "POLICY")]
    pub on_error: Option<OnError>,
    /// Whose annotation wins when container and pod have the same: `container`, or `pod` as in the reference
    /// [default: container]
    #[arg(long, value_name = "WINNER")]
    pub annotation_order: Option<AnnotationOrder>,
    /// Serve OpenMetrics over HTTP: a port on the loopback interface, or ADDRESS:PORT
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<Listen>,
    /// Where log lines go: stderr, syslog, or an absolute path
    /// [default: stderr; syslog for a pre-installed plugin]
    #[arg(long, value_name = "TARGET")]
    pub log: Option<Target>,
    /// What log lines look like [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<Format>,
}

/// What happens to a container while the hook set is broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum OnError {
    /// It gets the hooks that are good
    #[default]
    Open,
    /// It is not created
    Closed,
}

/// The address of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Listen(pub SocketAddr);

impl FromStr for Listen {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Listen, Self::Err> {
        let loopback = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        text.parse()
            .or_else(|_| text.parse().map(loopback))
            .map(Listen)
            .map_err(|_| "neither a port nor ADDRESS:PORT")
    }
}

impl TryFrom<String> for Listen {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Listen, Self::Error> {
        text.parse()
    }
}

impl Options {
    /// Reads the configuration file of a pre-installed plugin, which is TOML. Every key is the name of an option; those that
    /// may be given several times are lists.
    ///
    /// # Errors
    /// One line with the place of what is wrong.
    pub fn from_toml(text: &str) -> Result<Options, String> {
        toml::from_str(text).map_err(|e| {
            let before = e.span().map_or(0, |span| span.start).min(text.len());
            let line = text.as_bytes()[..before]
                .iter()
                .filter(|b| **b == b'\n')
                .count()
                + 1;
            format!("line {line}: {}", e.message().replace('\n', " "))
        })
    }

    /// These options, and where nothing is set, those of `lower`.
    #[must_use]
    pub fn over(self, lower: Options) -> Options {
        let list = |own: Vec<PathBuf>, other| if own.is_empty() { other } else { own };
        Options {
            hooks_dirs: list(self.hooks_dirs, lower.hooks_dirs),
            hooks_json: list(self.hooks_json, lower.hooks_json),
            host_root: self.host_root.or(lower.host_root),
            on_error: self.on_error.or(lower.on_error),
            annotation_order: self.annotation_order.or(lower.annotation_order),
            metrics: self.metrics.or(lower.metrics),
            log: self.log.or(lower.log),
            log_format: self.log_format.or(lower.log_format),
        }
    }

    /// Where hooks come from.
    ///
    /// # Errors
    /// One line that names a path that is not absolute: the working directory of a plugin is nobody's choice.
    pub fn sources(&self) -> Result<Sources, String> {
        let paths = self.hooks_dirs.iter().chain(&self.hooks_json);
        for path in paths.chain(&self.host_root) {
            if !path.is_absolute() {
                return Err(format!("{}: not an absolute path", path.display()));
            }
        }
        let policy = match self.on_error.unwrap_or_default() {
            OnError::Open => hooks_d::OnError::Skip,
            OnError::Closed => hooks_d::OnError::Fail,
        };
        let directories = self.directories().into_iter().map(Source::Dir);
        let files = self.hooks_json.iter().cloned().map(Source::HooksJson);
        Ok(Sources {
            list: directories
                .chain(files)
                .map(|source| (source, policy))
                .collect(),
            access: Access::RootOnly,
            host_root: self.host_root.clone(),
        })
    }

    fn directories(&self) -> Vec<PathBuf> {
        if !self.hooks_dirs.is_empty() {
            return self.hooks_dirs.clone();
        }
        let root = self.host_root.as_deref().unwrap_or(Path::new("/"));
        let below = |path: &str| root.join(path.trim_start_matches('/'));
        hooks_d::DEFAULT_DIRS.into_iter().map(below).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = r#"
hooks-dirs = ["/a", "/b"]
hooks-json = ["/c.json"]
host-root = "/host"
on-error = "closed"
annotation-order = "pod"
metrics = "9100"
log = "/var/log/x"
log-format = "json"
"#;

    #[test]
    fn every_option_has_a_key() {
        let options = Options::from_toml(ALL).unwrap();
        let expected = Options {
            hooks_dirs: vec!["/a".into(), "/b".into()],
            hooks_json: vec!["/c.json".into()],
            host_root: Some("/host".into()),
            on_error: Some(OnError::Closed),
            annotation_order: Some(AnnotationOrder::Pod),
            metrics: Some("127.0.0.1:9100".parse().unwrap()),
            log: Some(Target::File("/var/log/x".into())),
            log_format: Some(Format::Json),
        };
        assert_eq!(options, expected);
        assert_eq!(Options::default().over(options.clone()), options);
        assert_eq!(options.clone().over(Options::default()), options);
    }

    #[test]
    fn an_empty_file_sets_nothing() {
        assert_eq!(Options::from_toml("").unwrap(), Options::default());
    }

    #[test]
    fn what_is_wrong_in_a_file_has_its_line() {
        for (text, expected) in [
            ("\nfoo = 1\n", "line 2: unknown field `foo`"),
            ("on-error = \"ajar\"", "line 1: unknown variant `ajar`"),
            ("metrics = \"x\"", "line 1: neither a port nor ADDRESS:PORT"),
            ("hooks-dirs = \"/a\"", "line 1: invalid type"),
        ] {
            let error = Options::from_toml(text).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn default_directories_are_the_hosts() {
        let options = Options {
            host_root: Some("/host".into()),
            ..Options::default()
        };
        let sources = options.sources().unwrap();
        let expected: Vec<_> = [
            "/host/usr/share/containers/oci/hooks.d",
            "/host/etc/containers/oci/hooks.d",
        ]
        .map(|path| (Source::Dir(path.into()), hooks_d::OnError::Skip))
        .into();
        assert_eq!(sources.list, expected);
    }

    #[test]
    fn relative_paths_are_refused() {
        let options = Options {
            hooks_json: vec!["h.json".into()],
            ..Options::default()
        };
        assert_eq!(
            options.sources().unwrap_err(),
            "h.json: not an absolute path"
        );
    }

    #[test]
    fn a_port_alone_is_on_the_loopback_interface() {
        assert_eq!("9".parse::<Listen>().unwrap().0.to_string(), "127.0.0.1:9");
        assert_eq!("[::]:9".parse::<Listen>().unwrap().0.to_string(), "[::]:9");
        assert!("host:9".parse::<Listen>().is_err());
    }
}
