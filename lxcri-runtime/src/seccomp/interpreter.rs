//! Runs a compiled filter as the kernel would: the few instructions of classic BPF that seccomp allows.

/// A system call as the kernel shows it to a filter (`struct seccomp_data`).
#[derive(Clone, Copy, Default)]
pub(super) struct Call {
    pub(super) number: i32,
    pub(super) arch: u32,
    pub(super) args: [u64; 6],
}

impl Call {
    fn word(&self, offset: u32) -> u32 {
        match offset {
            0 => self.number as u32,
            4 => self.arch,
            8 | 12 => 0,
            _ => {
                let i = (offset - 16) as usize;
                let low_first = cfg!(target_endian = "little");
                let low = i.is_multiple_of(8) == low_first;
                let arg = self.args[i / 8];
                (if low { arg } else { arg >> 32 }) as u32
            }
        }
    }
}

/// The verdict (`SECCOMP_RET_*`) of `program` on `call`. Panics on a program the kernel would not load.
pub(super) fn run(program: &[u8], call: &Call) -> u32 {
    assert_eq!(program.len() % 8, 0);
    let (mut accumulator, mut scratch, mut at) = (0u32, [0u32; 16], 0usize);
    loop {
        let i: &[u8; 8] = program[at * 8..at * 8 + 8].try_into().unwrap();
        let code = u16::from_ne_bytes([i[0], i[1]]);
        let (yes, no) = (usize::from(i[2]), usize::from(i[3]));
        let k = u32::from_ne_bytes([i[4], i[5], i[6], i[7]]);
        at += 1;
        let mut jump = |condition: bool| at += if condition { yes } else { no };
        match code {
            0x20 => accumulator = call.word(k),
            0x60 => accumulator = scratch[k as usize],
            0x02 => scratch[k as usize] = accumulator,
            0x54 => accumulator &= k,
            0x05 => at += k as usize,
            0x15 => jump(accumulator == k),
            0x25 => jump(accumulator > k),
            0x35 => jump(accumulator >= k),
            0x45 => jump(accumulator & k != 0),
            0x06 => return k,
            code => panic!("instruction {code:#x}"),
        }
    }
}
