//! Any words as command line of a runtime.
//!
//! `cargo +nightly fuzz run argv --fuzz-dir crates/inject/fuzz -- -max_total_time=60`
#![no_main]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use inject::argv::{Action, Call};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let words: Vec<&OsStr> = bytes.split(|byte| *byte == 0).map(OsStr::from_bytes).collect();
    let call = Call::parse(&words);
    if let Action::Create { bundle, .. } = call.action {
        assert!(words.iter().any(|word| *word == "create" || *word == "run"));
        assert!(!bundle.as_os_str().is_empty());
    }
});
