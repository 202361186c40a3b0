//! The table of runtimes: where they lie, how their command lines read, where they keep what they know of a container.

mod options;
mod state;
mod table;

use std::path::{Path, PathBuf};

pub use state::{Recorded, StateError};
pub use table::ADAPTERS;

use crate::lxc;
use crate::request::{Request, Verb};
use crate::view::View;
use options::{Options, Style};

/// One runtime.
#[derive(Debug)]
pub struct Adapter {
    /// Its name, also the beginning of its file name.
    pub name: &'static str,
    /// Where it usually lies.
    pub programs: &'static [&'static str],
    /// Where root's containers are recorded; a last component `*` stands for every directory there.
    pub roots: &'static [&'static str],
    /// Options that take a value, without dashes.
    valued: &'static [&'static str],
    /// Whose rules the command line follows.
    style: Style,
    /// Short option and the long one that it stands for.
    short: &'static [(&'static str, &'static str)],
    layout: Layout,
}

/// What lies below a runtime's root directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// `ID/state.json` with the libcontainer state, `ID/exec.fifo` until the start.
    Libcontainer,
    /// `ID/status`, a copy of config.json, `ID/exec.fifo` until the start.
    Crun,
    /// `ID/state.json` with the OCI state.
    Oci,
    /// No record: LXC's monitor knows the container. The root holds `NAME/config`.
    Lxc,
}

impl Adapter {
    /// The adapter with this name.
    pub fn named(name: &str) -> Option<&'static Adapter> {
        ADAPTERS.iter().find(|adapter| adapter.name == name)
    }

    /// The adapter for a program, by the beginning of its file name: `runc-1.3` is a runc.
    pub fn for_program(path: &Path) -> Option<&'static Adapter> {
        let name = path.file_name()?.to_str()?;
        let fitting = ADAPTERS
            .iter()
            .filter(|adapter| name.starts_with(adapter.name));
        fitting.max_by_key(|adapter| adapter.name.len())
    }

    /// Reads a command line, `argv[0]` included. `None`: it starts no container.
    pub fn request(&self, argv: &[String]) -> Option<Request> {
        let options = Options::read(argv.get(1..)?, self);
        if options.flag("help") || options.flag("version") {
            return None;
        }
        let path = |name| options.value(name).map(PathBuf::from);
        if self.layout == Layout::Lxc {
            let named = options.value("name").map(str::to_owned);
            let mut rest = options.positional.iter().cloned();
            let id = named.or_else(|| rest.next())?;
            return valid_id(&id).then(|| Request {
                verb: Verb::Run,
                id,
                bundle: None,
                root: path("lxcpath"),
                config: path("rcfile"),
                program: rest.collect(),
                settings: options.values("define").map(str::to_owned).collect(),
            });
        }
        let verb = match options.positional.first()?.as_str() {
            "create" => Verb::Create,
            "start" => Verb::Start,
            "run" => Verb::Run,
            _ => return None,
        };
        let id = options.positional.get(1)?.clone();
        valid_id(&id).then(|| Request {
            verb,
            id,
            bundle: path("bundle"),
            root: path("root"),
            // lxcri's option of this name is its own configuration.
            config: path("config").filter(|_| self.layout == Layout::Crun),
            program: Vec::new(),
            settings: Vec::new(),
        })
    }

    /// The root directory that the runtime uses when none is named: of root, or of an ordinary user. `view` is what the
    /// runtime sees.
    pub fn default_root(&self, view: &View, user: u32) -> PathBuf {
        if user == 0 {
            let configured = self.is_lxc().then(|| lxc::path(view)).flatten();
            return configured.unwrap_or_else(|| PathBuf::from(self.roots[0]));
        }
        PathBuf::from(format!("/run/user/{user}")).join(self.name)
    }

    /// What the runtime has recorded of a container.
    pub fn recorded(&self, view: &View, root: &Path, id: &str) -> Result<Recorded, StateError> {
        state::read(self.layout, view, &root.join(id))
    }

    /// The configuration that the runtime itself has kept of a container, if it keeps one.
    pub fn kept_config(&self, root: &Path, id: &str) -> Option<PathBuf> {
        (self.layout == Layout::Crun).then(|| root.join(id).join("config.json"))
    }

    /// Whether its containers are LXC's, without bundle and record.
    pub fn is_lxc(&self) -> bool {
        self.layout == Layout::Lxc
    }
}

/// An id becomes a component of a path.
fn valid_id(id: &str) -> bool {
    !id.is_empty() && id != "." && id != ".." && !id.contains(['/', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(adapter: &str, line: &str) -> Option<Request> {
        let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Adapter::named(adapter).unwrap().request(&argv)
    }

    fn brief(adapter: &str, line: &str) -> String {
        let Some(request) = request(adapter, line) else {
            return "-".into();
        };
        let path = |path: Option<PathBuf>| path.map_or("-".into(), |p| p.display().to_string());
        let (bundle, root, config) = (request.bundle, request.root, request.config);
        format!(
            "{:?} {} {} {} {}",
            request.verb,
            request.id,
            path(bundle),
            path(root),
            path(config)
        )
    }

    #[test]
    fn command_lines_of_engines_and_people() {
        for (adapter, line, expected) in [
            (
                "runc",
                "runc --root /r --log /l --log-format json create --bundle /b --pid-file /p c1",
                "Create c1 /b /r -",
            ),
            (
                "runc",
                "runc --root=/r create -b /b c1",
                "Create c1 /b /r -",
            ),
            (
                "runc",
                "runc -root /r run -bundle=/b -d c1",
                "Run c1 /b /r -",
            ),
            (
                "runc",
                "runc -debug run -detach -no-pivot -b /b c1",
                "Run c1 /b - -",
            ),
            ("runc", "runc run -d c1 -b /b", "Run c1 /b - -"),
            ("runc", "runc run c1", "Run c1 - - -"),
            ("runc", "runc run -- -c1_+.x", "Run -c1_+.x - - -"),
            ("runc", "runc run c1_+-.x", "Run c1_+-.x - - -"),
            (
                "crun",
                "crun create --bun=/b --pid=/p c1",
                "Create c1 /b - -",
            ),
            // Ambiguous: crun refuses it.
            ("crun", "crun --lo x create c1", "-"),
            ("youki", "youki -r=/r create -b=/b c1", "Create c1 /b /r -"),
            (
                "lxc-start",
                "lxc-start --lxcp /v --na c1 -FoX",
                "Run c1 - /v -",
            ),
            (
                "runc",
                "runc --systemd-cgroup --rootless auto start c1",
                "Start c1 - - -",
            ),
            (
                "runc",
                "runc create --preserve-fds 2 --no-pivot -- c1",
                "Create c1 - - -",
            ),
            (
                "crun",
                "/usr/bin/crun --cgroup-manager=systemd --log-format=json --root=/r create --bundle=/b c1",
                "Create c1 /b /r -",
            ),
            (
                "crun",
                "crun --root /r run -b/b -f /x.json c1",
                "Run c1 /b /r /x.json",
            ),
            ("youki", "youki -r /r create -b /b c1", "Create c1 /b /r -"),
            ("youki", "youki -s --root /r start c1", "Start c1 - /r -"),
            (
                "youki",
                "youki -l /l create -p /p -c /c -b /b c1",
                "Create c1 /b - -",
            ),
            ("youki", "youki run -dp/p c1", "Run c1 - - -"),
            (
                "lxcri",
                "lxcri --config /etc/x create c1 --bundle /b",
                "Create c1 /b - -",
            ),
            ("lxcri", "lxcri run --keep -b /b c1", "Run c1 /b - -"),
            (
                "lxcri",
                "lxcri run --hooks-dir /d -b /b c1",
                "Run c1 /b - -",
            ),
            ("lxc-start", "lxc-start -n c1 -P /v -F", "Run c1 - /v -"),
            (
                "lxc-start",
                "lxc-start -Fn c1 --lxcpath=/v",
                "Run c1 - /v -",
            ),
            (
                "lxc-start",
                "lxc-start c1 -f /c -s lxc.uts.name=x",
                "Run c1 - - /c",
            ),
        ] {
            assert_eq!(brief(adapter, line), expected, "{line}");
        }
    }

    #[test]
    fn other_commands_start_nothing() {
        for (adapter, line) in [
            ("runc", "runc init"),
            ("runc", "runc"),
            ("runc", "runc state c1"),
            ("runc", "runc --version"),
            ("crun", "crun -v run c1"),
            ("youki", "youki -v run c1"),
            ("runc", "runc create --help"),
            ("runc", "runc create"),
            ("runc", "runc start ../c1"),
            ("runc", "runc delete --force c1"),
            ("lxc-start", "lxc-start --version"),
            ("lxc-start", "lxc-start -F"),
        ] {
            assert_eq!(request(adapter, line), None, "{line}");
        }
    }

    #[test]
    fn lxc_takes_the_program_from_the_command_line() {
        let request = request("lxc-start", "lxc-start -n c1 -- /bin/x -n y").unwrap();
        assert_eq!(request.program, ["/bin/x", "-n", "y"]);
        assert!(request.settings.is_empty());
    }

    #[test]
    fn lxc_takes_settings_from_the_command_line() {
        let line = "lxc-start c1 -s a=b -sc=d --define=e=f --define g=";
        let request = request("lxc-start", line).unwrap();
        assert_eq!(request.settings, ["a=b", "c=d", "e=f", "g="]);
        assert!(request.program.is_empty());
    }

    #[test]
    fn a_program_is_known_by_its_name() {
        let name = |path: &str| Adapter::for_program(Path::new(path)).map(|a| a.name);
        assert_eq!(name("/opt/runc-1.3.6"), Some("runc"));
        assert_eq!(name("/opt/lxc-start"), Some("lxc-start"));
        assert_eq!(name("/opt/crun"), Some("crun"));
        assert_eq!(name("/opt/gvisor"), None);
    }
}
