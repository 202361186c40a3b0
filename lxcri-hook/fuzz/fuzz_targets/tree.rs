//! Feeds bytes to every parser of the tree, because root runs them on files that others may have written.
//!
//! `cargo +nightly fuzz run tree --fuzz-dir lxcri-hook/fuzz -- -max_total_time=60`
#![no_main]

use core::ffi::CStr;
use hook_tree::{Cmdline, Environ, FailureLine, Settings, Strings, Values, hook_number, json};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(strings) = Strings::parse(bytes) {
        let joined: Vec<u8> = strings.flat_map(|string| string.to_bytes_with_nul().to_vec()).collect();
        assert_eq!(joined, bytes);
    }
    if let Ok(cmdline) = Cmdline::parse_hook(bytes) {
        assert!(cmdline.path().to_bytes().starts_with(b"/"));
        let strings = cmdline.argv().map(CStr::to_bytes_with_nul).map(<[u8]>::len).sum::<usize>();
        assert_eq!(strings + cmdline.path_bytes().len() + 1, bytes.len());
    }
    if let Ok(environ) = Environ::parse_hook(bytes) {
        assert!(environ.entries().all(|entry| entry.to_bytes().contains(&b'=')));
        assert_ne!(environ.timeout(), Some(0));
    }
    assert_eq!(Settings::parse(bytes).is_ok(), Values::parse(bytes).is_ok());
    if let Ok(settings) = Settings::parse(bytes) {
        assert!(settings.umask.is_none_or(|mask| mask <= 0o777));
        assert!(settings.rlimits().count() <= 64);
        let _ = settings.groups.map(|groups| groups.iter().count());
    }
    let _ = (Strings::single(bytes), Strings::check_path(bytes), hook_number(bytes));
    let mut text = Vec::new();
    json::string(bytes, &mut |piece| text.extend_from_slice(piece));
    assert!(std::str::from_utf8(&text).is_ok());
    let line = FailureLine {
        phase: hook_tree::Phase::Poststop,
        index: 1,
        path: bytes,
        end: hook_tree::End::NotRun(bytes),
        duration_ns: 0,
        stderr: bytes,
    };
    let mut text = Vec::new();
    line.encode(&mut |piece| text.extend_from_slice(piece));
    assert!(!String::from_utf8(text).expect("UTF-8").chars().any(char::is_control));
});
