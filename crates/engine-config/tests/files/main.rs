//! Configuring and unconfiguring on real files.

mod drop_ins;
mod host;
mod round_trip;
mod writing;
