//! Feeds bytes to the readers of hook files, as both kinds of file.
//!
//! `cargo +nightly fuzz run file --fuzz-dir crates/hooks-d/fuzz -- -max_total_time=60`
#![no_main]

use hooks_d::{Container, Content, HookFile, Severity, Source};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for source in [
        Source::Dir("/h".into()),
        Source::HooksJson("/h/x.json".into()),
    ] {
        let file = HookFile::parse("/h/x.json".into(), source, bytes, None);
        let is_bad = matches!(file.content(), Content::Bad);
        let has_errors = file
            .problems()
            .iter()
            .any(|p| p.severity == Severity::Error);
        assert_eq!(is_bad, has_errors);
        for problem in file.problems() {
            assert!(!problem.to_string().chars().any(char::is_control));
        }
        for definition in file.definitions() {
            assert!(definition.hook.env.is_some());
            assert!(definition.hook.problems("").is_empty());
            let _ = definition.when.matches(&Container::default());
        }
    }
    let _ = Container::from_config(bytes);
});
