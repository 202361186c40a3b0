//! Any bytes as config.json: hooks go in, nothing else changes, and a second time nothing at all.
//!
//! `cargo +nightly fuzz run config --fuzz-dir crates/inject/fuzz -- -max_total_time=60`
#![no_main]

use hook_model::{Hook, Phase};
use inject::config::inject;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let hook = Hook {
        env: Some(vec!["A=1".into()]),
        ..Hook::new("/fuzz")
    };
    let hooks = [(Phase::Prestart, &hook), (Phase::Poststop, &hook)];
    let Ok(once) = inject(bytes, &hooks, "source") else {
        return;
    };
    let twice = inject(&once, &hooks, "source").expect("what was written can be read");
    assert_eq!(twice, once);
    // Insertions only, unless a null or a record was replaced: what was there comes in the same order.
    if !bytes.windows(4).any(|piece| piece == b"null") && !bytes.windows(9).any(|piece| piece == b"org.lxcri") {
        let mut rest = once.iter();
        assert!(bytes.iter().all(|byte| rest.any(|other| other == byte)));
    }
    // Without hooks the lists have their old entries again.
    let without = inject(&once, &[], "source").expect("what was written can be read");
    assert!(without.len() <= once.len());
});
