//! The runtime under test.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::cgroups::{self, Layout};
use crate::command::{Cmd, find_program};

/// Which runtime it is, where the tests must know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// This project's.
    Lxcri,
    /// runc.
    Runc,
    /// crun.
    Crun,
    /// Any other.
    Other,
}

/// A runtime: its program, and the mount namespace that its commands run in.
#[derive(Clone)]
pub struct Runtime {
    /// The program.
    pub program: PathBuf,
    /// Which one it is.
    pub kind: Kind,
    view: Option<Arc<OwnedFd>>,
    /// The cgroup layout that its commands see.
    pub layout: Layout,
}

impl Runtime {
    /// The runtime that LXCRI_TEST_RUNTIME names, or the lxcri of this build.
    ///
    /// # Errors
    /// Why there is none.
    pub fn under_test() -> Result<&'static Self, String> {
        // One view for the whole process: each is a mount namespace.
        static CHOSEN: OnceLock<Result<Runtime, String>> = OnceLock::new();
        CHOSEN
            .get_or_init(Self::choose)
            .as_ref()
            .map_err(Clone::clone)
    }

    fn choose() -> Result<Self, String> {
        let program = match std::env::var("LXCRI_TEST_RUNTIME") {
            Ok(name) if !name.is_empty() => {
                find_program(&name).ok_or(format!("no runtime {name}"))?
            }
            _ => built_lxcri()?,
        };
        let layout = match std::env::var("LXCRI_TEST_CGROUPS").as_deref() {
            Ok("v1") => Layout::V1,
            Ok("v2") => Layout::V2,
            Ok("" | "host") | Err(_) => Layout::of_host(),
            Ok(other) => return Err(format!("LXCRI_TEST_CGROUPS={other}: not host, v1 or v2")),
        };
        Self::in_layout(program, layout)
    }

    /// A runtime whose commands see this cgroup layout, as far as that can be arranged: a view can be made of the hybrid
    /// layout only.
    ///
    /// # Errors
    /// Why there is no such view.
    pub fn in_layout(program: PathBuf, mut layout: Layout) -> Result<Self, String> {
        let name = program
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        let kind = match name.as_str() {
            n if n.starts_with("lxcri") => Kind::Lxcri,
            n if n.starts_with("runc") => Kind::Runc,
            n if n.starts_with("crun") => Kind::Crun,
            _ => Kind::Other,
        };
        let host = Layout::of_host();
        if host != Layout::Hybrid {
            layout = host;
        } else if kind == Kind::Crun && layout == Layout::Hybrid {
            // It refuses that one.
            layout = Layout::V1;
        }
        let view = match layout {
            layout if layout == host => None,
            layout => Some(
                cgroups::view(layout)
                    .map_err(|e| format!("cannot hide part of the cgroups: {e}"))?,
            ),
        };
        Ok(Runtime {
            program,
            kind,
            view,
            layout,
        })
    }

    /// The same with another program.
    pub fn with_program(&self, program: PathBuf) -> Self {
        Runtime {
            program,
            ..self.clone()
        }
    }

    /// The mount namespace that its commands run in, if it is not the caller's.
    pub fn view(&self) -> Option<Arc<OwnedFd>> {
        self.view.clone()
    }

    /// Whether it is this project's.
    pub fn is_lxcri(&self) -> bool {
        self.kind == Kind::Lxcri
    }

    /// Whether its commands run in a mount namespace of their own, which sees no mount that a test makes.
    pub fn has_view(&self) -> bool {
        self.view.is_some()
    }

    /// The file name of the program.
    pub fn name(&self) -> String {
        self.program
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default()
    }

    /// A command of the runtime with its global option `--root`.
    pub fn command(&self, root: &Path) -> Cmd {
        Cmd::new(&self.program)
            .arg("--root")
            .arg(root)
            .view(self.view.clone())
    }

    /// The mount namespace that is the runtime namespace of its containers, as the link in /proc shows it.
    pub fn mount_namespace(&self) -> Option<String> {
        use std::os::fd::AsRawFd;
        let link = match &self.view {
            Some(fd) => format!("/proc/self/fd/{}", fd.as_raw_fd()),
            None => "/proc/self/ns/mnt".to_string(),
        };
        std::fs::read_link(link)
            .ok()
            .map(|target| target.to_string_lossy().into_owned())
    }
}

/// Where the programs of this build lie: target/<profile>/deps/<test> belongs to target/<profile>.
///
/// # Errors
/// Why it is not known.
pub fn build_directory() -> Result<PathBuf, String> {
    let test = std::env::current_exe().map_err(|e| format!("own path: {e}"))?;
    let profile = test.parent().and_then(Path::parent);
    Ok(profile.ok_or("own path has no parent")?.to_owned())
}

/// The runtime beside this test.
fn built_lxcri() -> Result<PathBuf, String> {
    let profile = build_directory()?;
    let own = profile.join("lxcri");
    let (program, launcher) = (own.is_file(), profile.join("lxcri-hook").is_file());
    if program && launcher {
        return Ok(own);
    }
    Err(format!(
        "{} and lxcri-hook are not built: run `cargo build --workspace`",
        own.display()
    ))
}
