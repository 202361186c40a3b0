//! Feeds bytes to every parser of the tree, because root runs them on files that others may have written.
//!
//! `cargo +nightly fuzz run tree --fuzz-dir lxcri-hook/fuzz -- -max_total_time=60`
#![no_main]

use core::cell::Cell;
use core::ffi::CStr;
use hook_tree::calls::{Machine, carry_out};
use hook_tree::{Cmdline, Environ, FailureLine, Strings, calls, hook_number, json};
use libfuzzer_sys::fuzz_target;

/// Answers system calls from the bytes.
struct Answers<'a>(std::slice::Iter<'a, u8>, usize);

impl Machine for Answers<'_> {
    fn call(&mut self, _: u64, _: [u64; 5]) -> i64 {
        self.1 += 1;
        self.0.next().map_or(0, |byte| i64::from(*byte as i8))
    }

    fn run_hooks(&mut self) {
        self.1 += 1;
    }
}

/// Carries the bytes out as a list, as they are and behind a right beginning.
fn list(bytes: &[u8]) {
    let words = |bytes: &[u8]| -> Vec<Cell<u64>> {
        let words = bytes.chunks_exact(8).map(|word| u64::from_ne_bytes(word.try_into().expect("8 bytes")));
        words.map(Cell::new).collect()
    };
    let mut right = calls::MAGIC.to_ne_bytes().to_vec();
    right.extend_from_slice(bytes);
    for words in [words(bytes), words(&right)] {
        let mut answers = Answers(bytes.iter(), 0);
        carry_out(&words, &mut answers);
        assert!(answers.1 * calls::ENTRY <= words.len());
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(strings) = Strings::parse(bytes) {
        let joined: Vec<u8> = strings.flat_map(|string| string.to_bytes_with_nul().to_vec()).collect();
        assert_eq!(joined, bytes);
    }
    if let Ok(cmdline) = Cmdline::parse_hook(bytes) {
        assert!(cmdline.path().to_bytes().starts_with(b"/"));
        let strings = cmdline.argv().map(CStr::to_bytes_with_nul).map(<[u8]>::len).sum::<usize>();
        assert_eq!(strings + cmdline.path().to_bytes_with_nul().len(), bytes.len());
    }
    if let Ok(environ) = Environ::parse_hook(bytes) {
        assert!(environ.entries().all(|entry| entry.to_bytes().contains(&b'=')));
        assert_ne!(environ.timeout(), Some(0));
    }
    list(bytes);
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
