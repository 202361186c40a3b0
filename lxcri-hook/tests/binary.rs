//! The program file: static, without interpreter and dynamic section, never writable and executable at once.
#![deny(unsafe_code)]

mod support;

use std::fs;

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const PT_GNU_STACK: u32 = 0x6474_e551;
const EXECUTE: u32 = 1;
const WRITE: u32 = 2;
/// Greatest size in bytes of the stripped program.
const SIZE_LIMIT: usize = 16 << 10;

/// The program headers of a 64-bit ELF file: (type, flags).
fn program_headers(file: &[u8]) -> Vec<(u32, u32)> {
    let half = |at: usize| u16::from_le_bytes(file[at..at + 2].try_into().unwrap());
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    let long = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().unwrap());
    assert_eq!(&file[..6], b"\x7fELF\x02\x01", "64-bit, little endian");
    let (start, size, count) = (long(32) as usize, half(54) as usize, half(56) as usize);
    assert!(count > 0);
    (0..count)
        .map(|n| start + n * size)
        .map(|at| (word(at), word(at + 4)))
        .collect()
}

fn check(file: &[u8]) {
    let headers = program_headers(file);
    let of = |kind| {
        headers
            .iter()
            .filter(move |header| header.0 == kind)
            .collect::<Vec<_>>()
    };
    assert!(of(PT_INTERP).is_empty(), "has an interpreter");
    assert!(of(PT_DYNAMIC).is_empty(), "has a dynamic section");
    assert!(!of(PT_LOAD).is_empty());
    for (kind, flags) in &headers {
        assert_ne!(
            flags & (EXECUTE | WRITE),
            EXECUTE | WRITE,
            "segment {kind:#x} is writable and executable"
        );
    }
    let stack = of(PT_GNU_STACK);
    assert_eq!(stack.len(), 1, "says nothing about the stack");
    assert_eq!(stack[0].1 & EXECUTE, 0, "has an executable stack");
}

#[test]
fn the_program_as_tested() {
    check(&fs::read(support::LAUNCHER).unwrap());
}

/// The release build beside the tested one, if there is one: CI builds it first and sets LXCRI_TEST_MUST_RUN.
#[test]
fn the_release_program() {
    let target = std::path::Path::new(support::LAUNCHER)
        .ancestors()
        .nth(2)
        .unwrap();
    let path = target.join("release/lxcri-hook");
    let Ok(file) = fs::read(&path) else {
        return support::skip(&format!("{} is missing", path.display()));
    };
    check(&file);
    assert!(
        file.len() <= SIZE_LIMIT,
        "{} bytes are more than {SIZE_LIMIT}",
        file.len()
    );
}
