//! Configuring and unconfiguring on real files.
#![forbid(unsafe_code)]

mod drop_ins;
mod host;
mod imports;
mod others;
mod round_trip;
mod symlinks;
mod writing;
