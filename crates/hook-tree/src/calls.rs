//! A list of system calls: the runtime puts it together, the launcher carries it out where the runtime cannot go.
//!
//! The runtime knows what is to be set and formats what is to be said when that fails, so the launcher needs neither a
//! parser nor a function nor a text for each setting. docs/hook-tree.md describes the layout.

use crate::TreeError;
use core::cell::Cell;

/// The address at which the launcher maps a list. Addresses in a list are absolute; nothing has to be relocated.
pub const ADDRESS: u64 = 0x1000_0000;
/// The first word. In a packet its first byte is the kind, [`MAKE_MOUNT`](crate::sync::MAKE_MOUNT).
pub const MAGIC: u64 = u64::from_le_bytes(*b"Pcalls\0\x01");
/// Greatest size in bytes of a list in a file: arguments and environment of a process, 2 MiB each, and their vectors.
pub const LIMIT: usize = 64 << 20;
/// Words before the first entry: [`MAGIC`] and the number of entries.
pub const HEADER: usize = 2;
/// Words of an entry.
pub const ENTRY: usize = 12;

/// In the place of a number: run the startContainer hooks.
pub const RUN_HOOKS: u64 = u64::MAX;
/// In the place of a number: fails unless the word at the first argument, masked with the second, is the third.
pub const COMPARE: u64 = u64::MAX - 1;
/// In the place of a first argument: the result that was kept.
pub const KEPT: u64 = 1 << 63;
/// What [`COMPARE`] and a malformed list result in: no error number, so that none is shown.
pub const NO_ERRNO: i64 = -4096;

/// One system call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub number: u64,
    /// Its arguments: numbers, addresses in the list, or first [`KEPT`].
    pub arguments: [u64; 5],
    /// Bit n is set when error n is none.
    pub tolerated: u64,
    /// Not 0 when the result is kept.
    pub keep: u64,
    /// The result after which the list goes on elsewhere.
    pub expected: i64,
    /// Where it goes on then: the number of an entry behind this one, or 0 for the next.
    pub next: u64,
    /// Address of what is said when it fails, ended by NUL. The error's text follows.
    pub text: u64,
    /// The launcher's exit code when it fails.
    pub code: u64,
}

impl Entry {
    /// The entry as it stands in a list.
    pub fn words(&self) -> [u64; ENTRY] {
        let [a, b, c, d, e] = self.arguments;
        [
            self.number,
            a,
            b,
            c,
            d,
            e,
            self.tolerated,
            self.keep,
            self.expected as u64,
            self.next,
            self.text,
            self.code,
        ]
    }
}

/// Who carries out the entries of a list.
pub trait Machine {
    /// Makes a system call and returns what the kernel returns.
    fn call(&mut self, number: u64, arguments: [u64; 5]) -> i64;
    /// Runs the startContainer hooks.
    fn run_hooks(&mut self);
}

/// How a list has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The result of the last entry; negative when it failed.
    pub result: i64,
    /// Address of what is to be said of the failure; 0 when the list is malformed.
    pub text: u64,
    /// The launcher's exit code.
    pub code: u64,
    /// The result that was kept; negative for none.
    pub kept: i64,
}

/// Carries a list out, up to its end or the first failure. The words may change meanwhile: calls write there.
///
/// It ends, whatever the list holds, because it only ever goes on behind an entry. That the calls are what they should
/// be is the runtime's promise.
#[inline(never)]
pub fn carry_out(words: &[Cell<u64>], machine: &mut impl Machine) -> End {
    let mut end = End {
        result: 0,
        text: 0,
        code: TreeError::BadCalls as u64,
        kept: -1,
    };
    let mut index = 0;
    // The last byte of all is NUL, so that every text in the list ends there at the latest.
    let count = match words {
        [magic, count, .., last] if magic.get() == MAGIC && last.get() >> 56 == 0 => count.get(),
        _ => {
            end.result = NO_ERRNO;
            0
        }
    };
    while index < count {
        let rest = (index as usize)
            .checked_mul(ENTRY)
            .and_then(|at| words.get(HEADER + at..));
        let Some(
            [
                number,
                a,
                b,
                c,
                d,
                e,
                tolerated,
                keep,
                expected,
                next,
                text,
                code,
                ..,
            ],
        ) = rest
        else {
            end.result = NO_ERRNO;
            break;
        };
        index += 1;
        let mut first = a.get();
        end.result = match number.get() {
            RUN_HOOKS => {
                machine.run_hooks();
                0
            }
            COMPARE => {
                let place = first.wrapping_sub(ADDRESS) / 8;
                match words.get(place as usize) {
                    Some(word) if word.get() & b.get() == c.get() => 0,
                    _ => NO_ERRNO,
                }
            }
            number => {
                if first == KEPT {
                    first = end.kept as u64;
                }
                machine.call(number, [first, b.get(), c.get(), d.get(), e.get()])
            }
        };
        if keep.get() != 0 {
            end.kept = end.result;
        }
        if end.result == expected.get() as i64 {
            index = index.max(next.get());
        } else if end.result < 0 {
            let errno = end.result.wrapping_neg() as u32;
            if tolerated.get().checked_shr(errno).unwrap_or(0) & 1 == 0 {
                end.text = text.get();
                end.code = code.get();
                break;
            }
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[derive(Default)]
    struct Log {
        calls: Vec<(u64, [u64; 5])>,
        results: Vec<i64>,
        hooks: usize,
    }

    impl Machine for Log {
        fn call(&mut self, number: u64, arguments: [u64; 5]) -> i64 {
            self.calls.push((number, arguments));
            self.results.pop().unwrap_or(0)
        }
        fn run_hooks(&mut self) {
            self.hooks += 1;
        }
    }

    fn list(entries: &[Entry], data: &[u64]) -> Vec<Cell<u64>> {
        let mut words = [MAGIC, entries.len() as u64].to_vec();
        words.extend(entries.iter().flat_map(Entry::words));
        words.extend(data);
        words.push(0);
        words.into_iter().map(Cell::new).collect()
    }

    fn call(number: u64) -> Entry {
        Entry {
            number,
            text: 7,
            code: 17,
            ..Entry::default()
        }
    }

    fn run(entries: &[Entry], results: &[i64]) -> (Vec<u64>, End) {
        let results = results.iter().rev().copied().collect();
        let mut log = Log {
            results,
            ..Log::default()
        };
        let end = carry_out(&list(entries, &[]), &mut log);
        (log.calls.iter().map(|call| call.0).collect(), end)
    }

    #[test]
    fn entries_are_carried_out_in_order_up_to_a_failure() {
        let (calls, end) = run(&[call(1), call(2), call(3)], &[5, 0, 9]);
        assert_eq!((calls.as_slice(), end.result), (&[1, 2, 3][..], 9));
        let (calls, end) = run(&[call(1), call(2), call(3)], &[0, -13]);
        assert_eq!(calls, [1, 2]);
        assert_eq!((end.result, end.text, end.code), (-13, 7, 17));
    }

    #[test]
    fn tolerated_errors_are_none() {
        let entry = Entry {
            tolerated: 1 << 13,
            ..call(1)
        };
        assert_eq!(run(&[entry, call(2)], &[-13]).0, [1, 2]);
        assert_eq!(run(&[entry, call(2)], &[-2]).1.result, -2);
        assert_eq!(run(&[entry, call(2)], &[-(64 + 13)]).1.result, -(64 + 13));
    }

    #[test]
    fn a_result_leads_elsewhere_but_never_back() {
        let jump = |expected, next| Entry {
            expected,
            next,
            ..call(1)
        };
        assert_eq!(run(&[jump(0, 2), call(2), call(3)], &[0]).0, [1, 3]);
        assert_eq!(run(&[jump(0, 2), call(2), call(3)], &[1]).0, [1, 2, 3]);
        assert_eq!(run(&[jump(-13, 2), call(2), call(3)], &[-13]).0, [1, 3]);
        assert_eq!(run(&[jump(0, 1), jump(0, 0)], &[]).0, [1, 1]);
        assert_eq!(run(&[jump(0, u64::MAX), call(2)], &[]).0, [1]);
    }

    #[test]
    fn a_result_can_be_kept() {
        let keep = Entry { keep: 1, ..call(1) };
        let entry = Entry {
            arguments: [KEPT, KEPT, 3, 4, 5],
            ..call(2)
        };
        let mut log = Log {
            results: [0, 42].to_vec(),
            ..Log::default()
        };
        let end = carry_out(&list(&[keep, entry], &[]), &mut log);
        assert_eq!(log.calls[1], (2, [42, KEPT, 3, 4, 5]));
        assert_eq!((end.result, end.kept), (0, 42));
    }

    #[test]
    fn words_are_compared() {
        let data = ADDRESS + 8 * (HEADER + 2 * ENTRY) as u64;
        let compare = |address, mask, value| {
            let entry = Entry {
                arguments: [address, mask, value, 0, 0],
                ..call(COMPARE)
            };
            let mut log = Log::default();
            let end = carry_out(&list(&[entry, call(RUN_HOOKS)], &[0x1234]), &mut log);
            (end.result, log.hooks)
        };
        assert_eq!(compare(data, 0xff, 0x34), (0, 1));
        assert_eq!(compare(data, u64::MAX, 0x34), (NO_ERRNO, 0));
        for address in [0, ADDRESS - 8, data + 16, u64::MAX] {
            assert_eq!(compare(address, 0, 0), (NO_ERRNO, 0));
        }
    }

    #[test]
    fn malformed_lists_make_no_call() {
        let whole = list(&[call(1)], &[]);
        let fails = |words: &[Cell<u64>]| {
            let mut log = Log::default();
            let end = carry_out(words, &mut log);
            assert_eq!((end.result, end.text), (NO_ERRNO, 0));
            assert_eq!(end.code, TreeError::BadCalls as u64);
            assert!(log.calls.is_empty());
        };
        for length in 0..HEADER + ENTRY {
            fails(&whole[..length]);
        }
        let changed = |at: usize, value| {
            let words = whole.clone();
            words[at].set(value);
            words
        };
        fails(&changed(0, MAGIC + 1));
        fails(&changed(HEADER + ENTRY, 1 << 63));
        let mut log = Log::default();
        assert_eq!(carry_out(&changed(1, u64::MAX), &mut log).result, NO_ERRNO);
        assert_eq!(log.calls.len(), 1);
    }
}
