//! Properties of parsers and encoders: nothing panics, what is encoded parses, and parses to the same.
#![forbid(unsafe_code)]

use core::cell::Cell;
use core::ffi::CStr;
use hook_tree::*;
use proptest::prelude::*;

fn encoded(encode: impl FnOnce(Sink) -> Result<(), TreeError>) -> Result<Vec<u8>, TreeError> {
    let mut bytes = Vec::new();
    encode(&mut |piece| bytes.extend_from_slice(piece))?;
    Ok(bytes)
}

/// Bytes that are likely to mean something to one of the parsers.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\0".to_vec()),
        Just(b"/bin/sh\0".to_vec()),
        Just(b"OCI_HOOK_TIMEOUT=".to_vec()),
        "(OCI_HOOK_TIMEOUT|PATH|x)=[0-9a-f:,/]{0,6}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn string() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(1u8..=255, 0..12)
}

/// Words of a list of system calls that are likely to mean something.
fn list() -> impl Strategy<Value = Vec<u64>> {
    use calls::{ADDRESS, COMPARE, KEPT, RUN_HOOKS};
    let word = prop_oneof![
        3 => 0..20u64,
        1 => prop::sample::select(vec![KEPT, COMPARE, RUN_HOOKS, u64::MAX, 1 << 63, -2i64 as u64, -13i64 as u64]),
        1 => (0..100u64).prop_map(|at| ADDRESS + at),
        1 => any::<u64>(),
    ];
    let header = prop_oneof![4 => Just(calls::MAGIC), 1 => any::<u64>()];
    (header, prop::collection::vec(word, 0..60)).prop_map(|(magic, mut words)| {
        words.insert(0, magic);
        words
    })
}

/// Answers system calls with whatever is at hand.
struct Anything(Vec<i64>, u64);

impl calls::Machine for Anything {
    fn call(&mut self, _: u64, _: [u64; 5]) -> i64 {
        self.1 += 1;
        self.0.pop().unwrap_or(0)
    }
    fn run_hooks(&mut self) {
        self.1 += 1;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn parsers_take_anything(bytes in bytes()) {
        if let Ok(cmdline) = Cmdline::parse_hook(&bytes) {
            prop_assert!(cmdline.path().to_bytes().starts_with(b"/"));
            prop_assert!(cmdline.argv().count() >= 1);
        }
        if let Ok(environ) = Environ::parse_hook(&bytes) {
            prop_assert!(environ.entries().all(|entry| entry.to_bytes().contains(&b'=')));
            prop_assert!(environ.timeout() != Some(0));
        }
        prop_assert_eq!(Strings::check_path(&bytes).is_ok(), Strings::single(&bytes).is_ok_and(|path| path.to_bytes().starts_with(b"/")));
        let _ = hook_number(&bytes);
    }

    #[test]
    fn parsers_agree_about_the_strings(bytes in bytes()) {
        if let Ok(strings) = Strings::parse(&bytes) {
            let mut rest = strings;
            let lean: Vec<&[u8]> = std::iter::from_fn(|| rest.next_bytes()).collect();
            let full: Vec<&[u8]> = strings.map(CStr::to_bytes).collect();
            prop_assert_eq!(&lean, &full);
            let joined: Vec<u8> = full.iter().flat_map(|string| string.iter().copied().chain([0])).collect();
            prop_assert_eq!(joined, bytes);
        }
    }

    #[test]
    fn cmdline_comes_back(path in string(), argv in prop::collection::vec(string(), 0..6)) {
        match encoded(|sink| encode_cmdline(&path, &argv, sink)) {
            Ok(bytes) => {
                let cmdline = Cmdline::parse_program(&bytes).unwrap();
                prop_assert_eq!(cmdline.path().to_bytes(), &path);
                prop_assert!(cmdline.argv().map(CStr::to_bytes).eq(argv.iter().map(Vec::as_slice)));
            }
            Err(error) => prop_assert_eq!(error, if path.is_empty() { TreeError::NoPath } else { TreeError::EmptyArgv }),
        }
    }

    #[test]
    fn environ_comes_back(entries in prop::collection::vec("[A-C]{0,2}(=[^\u{0}]{0,4})?", 0..6), timeout in prop::option::of(1..=i64::MAX as u64)) {
        match encoded(|sink| encode_environ(&entries, timeout, sink)) {
            Ok(bytes) => {
                let environ = Environ::parse_hook(&bytes).unwrap();
                prop_assert_eq!(environ.timeout(), timeout);
                let rest = environ.entries().map(CStr::to_bytes).take(entries.len());
                prop_assert!(rest.eq(entries.iter().map(String::as_bytes)));
            }
            Err(error) => {
                prop_assert_eq!(error, TreeError::NoEquals);
                prop_assert!(entries.iter().any(|entry| !entry.contains('=')));
            }
        }
    }

    #[test]
    fn a_list_of_anything_ends(words in list(), results in prop::collection::vec(-200i64..200, 0..8)) {
        let cells: Vec<Cell<u64>> = words.iter().copied().map(Cell::new).collect();
        let mut machine = Anything(results, 0);
        let end = calls::carry_out(&cells, &mut machine);
        prop_assert!(machine.1 as usize <= words.len() / calls::ENTRY);
        prop_assert!(end.result < 0 || words[0] == calls::MAGIC);
        prop_assert!(end.text == 0 || end.result < 0);
    }

    #[test]
    fn json_is_what_serde_reads(bytes in prop::collection::vec(any::<u8>(), 0..40), text in "\\PC*") {
        for bytes in [bytes, text.into_bytes()] {
            let mut json = Vec::new();
            json::string(&bytes, &mut |piece| json.extend_from_slice(piece));
            let read: String = serde_json::from_slice(&json).unwrap();
            prop_assert_eq!(read, String::from_utf8_lossy(&bytes));
            prop_assert!(json.iter().all(|byte| *byte >= 0x20 && *byte != 0x7f));
        }
    }

    #[test]
    fn failure_lines_are_one_harmless_line(path in prop::collection::vec(any::<u8>(), 0..20), stderr in prop::collection::vec(any::<u8>(), 0..2000), status in 1u8..) {
        let line = FailureLine {
            phase: Phase::CreateRuntime, index: 2, path: &path, end: End::Exited(status), duration_ns: 12_345_678, stderr: &stderr,
        };
        let mut bytes = Vec::new();
        line.encode(&mut |piece| bytes.extend_from_slice(piece));
        let text = String::from_utf8(bytes).unwrap();
        prop_assert!(!text.chars().any(char::is_control), "{text:?}");
        let middle = format!(": exit status {status} after 12 ms");
        prop_assert!(text.starts_with("createRuntime hook #2 (") && text.contains(&middle), "{text:?}");
        prop_assert!(text.len() < 5 * (20 + STDERR_IN_FAILURE) + 100);
    }
}
