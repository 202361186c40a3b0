//! Notices containers that nobody configured, and holds their start while hooks run.
//!
//! [`supported`] says whether it is possible here. A [`Watcher`] has a channel of [`ContainerEvent`]s; with
//! [`Options::hold`] each start waits for its [`Hold`]. docs/watch.md explains the rest.
//!
//! ```no_run
//! use watch::{ContainerEvent, Options, Watcher};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! watch::supported()?;
//! let watcher = Watcher::start(&Options { hold: true, ..Options::default() })?;
//! for event in watcher.events() {
//!     if let ContainerEvent::Added(container) = event {
//!         println!("{} is about to start", container.id);
//!         // Dropping the container, and its hold with it, lets it.
//!     }
//! }
//! # Ok(())
//! # }
//! ```
#![deny(unsafe_code)]

pub mod adapter;
mod argv;
mod bundle;
mod channel;
pub mod cli;
mod client;
mod event;
mod file_id;
mod group;
mod journal;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod lxc;
mod message;
mod order;
mod process;
mod program;
pub mod request;
mod responder;
mod say;
pub mod settings;
pub mod supervisor;
mod supported;
#[allow(unsafe_code)]
mod sys;
mod view;
mod worker;

pub use client::{Container, ContainerEvent, Hold, Options, WatchError, Watcher};
pub use supported::{Unsupported, supported};
