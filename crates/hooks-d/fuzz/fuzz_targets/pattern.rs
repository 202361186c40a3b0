//! Feeds texts to the translation of patterns: what it accepts compiles, and matching ends.
//!
//! `cargo +nightly fuzz run pattern --fuzz-dir crates/hooks-d/fuzz -- -max_total_time=60`
#![no_main]

use hooks_d::Pattern;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str)| {
    let (pattern, text) = input;
    match Pattern::new(pattern) {
        Ok(compiled) => {
            let _ = compiled.is_match(text);
        }
        Err(reason) => {
            assert!(!reason.contains("cannot be compiled"), "{reason}");
            assert!(!reason.is_empty());
        }
    }
});
