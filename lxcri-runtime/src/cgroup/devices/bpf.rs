//! Device rules for cgroup v2: a BPF program that the kernel asks at each access (bpf(2), `BPF_CGROUP_DEVICE`).

use std::path::Path;

use nix::errno::Errno;

use super::super::error::Error;
use super::super::tree;
use super::sys::{self, Insn};
use super::{ALL, Kind, POINTER, Policy};

// Opcodes (kernel: Documentation/bpf/standardization/instruction-set.rst).
const LOAD_WORD: u8 = 0x61;
const MOV32_IMM: u8 = 0xb4;
const MOV32_REG: u8 = 0xbc;
const AND32_IMM: u8 = 0x54;
const RSH32_IMM: u8 = 0x74;
const JNE_IMM: u8 = 0x55;
const JEQ_IMM: u8 = 0x15;
const EXIT: u8 = 0x95;

// Where the program keeps what.
const RESULT: u8 = 0;
const CONTEXT: u8 = 1;
const SCRATCH: u8 = 1;
const KIND: u8 = 2;
/// The kinds of access that no rule has decided yet.
const OPEN: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

/// Sets the policy of the v2 cgroup at `path`, in place of what was set before.
pub(in super::super) fn apply(policy: &Policy, path: &Path) -> Result<(), Error> {
    let failed = |call: &str, errno: Errno| Error::Setting {
        pointer: POINTER.to_owned(),
        source: Box::new(Error::sys(format!("{call}({})", path.display()), errno)),
    };
    let dir = tree::open_dir(path)?;
    let before = match sys::attached(&dir) {
        Ok(programs) => programs,
        Err(e) => return Err(failed("bpf(BPF_PROG_QUERY, BPF_CGROUP_DEVICE)", e)),
    };
    if !(policy.allows_everything() && before.is_empty()) {
        let program = sys::load(&program(policy))
            .map_err(|e| failed("bpf(BPF_PROG_LOAD, BPF_CGROUP_DEVICE)", e))?;
        sys::attach(&dir, &program)
            .map_err(|e| failed("bpf(BPF_PROG_ATTACH, BPF_CGROUP_DEVICE)", e))?;
    }
    // While both are there both must allow: there is no moment without rules.
    for program in before {
        sys::detach(&dir, &program)
            .map_err(|e| failed("bpf(BPF_PROG_DETACH, BPF_CGROUP_DEVICE)", e))?;
    }
    Ok(())
}

/// The program: from the last rule to the first, each takes the kinds of access that it decides off the open ones. An
/// access that is denied ends it; when none is open, all are allowed.
fn program(policy: &Policy) -> Vec<Insn> {
    let insn = |code, destination: u8, source: u8, offset, immediate| Insn {
        code,
        registers: registers(destination, source),
        offset,
        immediate,
    };
    let answer = |allow: bool| {
        [
            insn(MOV32_IMM, RESULT, 0, 0, i32::from(allow)),
            insn(EXIT, 0, 0, 0, 0),
        ]
    };
    // struct bpf_cgroup_dev_ctx: access and kind in the halves of one word, then major, then minor.
    let mut program = vec![
        insn(LOAD_WORD, KIND, CONTEXT, 0, 0),
        insn(MOV32_REG, OPEN, KIND, 0, 0),
        insn(AND32_IMM, KIND, 0, 0, 0xffff),
        insn(RSH32_IMM, OPEN, 0, 0, 16),
        insn(LOAD_WORD, MAJOR, CONTEXT, 4, 0),
        insn(LOAD_WORD, MINOR, CONTEXT, 8, 0),
    ];
    for rule in policy.rules.iter().rev() {
        let mut conditions = vec![(
            KIND,
            match rule.kind {
                Kind::Block => 1, // BPF_DEVCG_DEV_BLOCK
                Kind::Char => 2,  // BPF_DEVCG_DEV_CHAR
            },
        )];
        conditions.extend(rule.major.map(|major| (MAJOR, major as i32)));
        conditions.extend(rule.minor.map(|minor| (MINOR, minor as i32)));
        let mut verdict = Vec::new();
        if rule.access != ALL {
            let undecided = i32::from(if rule.allow {
                ALL & !rule.access
            } else {
                rule.access
            });
            if rule.allow {
                // What is left open goes on to the next rule; with nothing left it is allowed.
                verdict.push(insn(AND32_IMM, OPEN, 0, 0, undecided));
                verdict.push(insn(JNE_IMM, OPEN, 0, 2, 0));
            } else {
                verdict.push(insn(MOV32_REG, SCRATCH, OPEN, 0, 0));
                verdict.push(insn(AND32_IMM, SCRATCH, 0, 0, undecided));
                verdict.push(insn(JEQ_IMM, SCRATCH, 0, 2, 0));
            }
        }
        verdict.extend(answer(rule.allow));
        let count = conditions.len();
        for (position, (register, value)) in conditions.into_iter().enumerate() {
            // Over the remaining conditions and the verdict, to the next rule.
            let jump = (count - position - 1 + verdict.len()) as i16;
            program.push(insn(JNE_IMM, register, 0, jump, value));
        }
        program.append(&mut verdict);
    }
    program.extend(answer(policy.default_allow));
    program
}

#[cfg(target_endian = "little")]
fn registers(destination: u8, source: u8) -> u8 {
    source << 4 | destination
}

#[cfg(target_endian = "big")]
fn registers(destination: u8, source: u8) -> u8 {
    destination << 4 | source
}

#[cfg(test)]
mod tests {
    use super::super::tests::{allowed, rules};
    use super::super::{MKNOD, READ, WRITE};
    use super::*;

    /// Runs a program as the kernel would, as far as these programs go.
    fn run(program: &[Insn], kind: Kind, major: u32, minor: u32, access: u8) -> bool {
        let context = [
            u32::from(access) << 16 | if kind == Kind::Block { 1 } else { 2 },
            major,
            minor,
        ];
        let mut registers = [0u32; 6];
        let mut at = 0;
        for _ in 0..10_000 {
            let insn = program[at];
            let destination = (insn.registers & 0xf) as usize;
            let source = (insn.registers >> 4) as usize;
            at += 1;
            match insn.code {
                LOAD_WORD => registers[destination] = context[insn.offset as usize / 4],
                MOV32_IMM => registers[destination] = insn.immediate as u32,
                MOV32_REG => registers[destination] = registers[source],
                AND32_IMM => registers[destination] &= insn.immediate as u32,
                RSH32_IMM => registers[destination] >>= insn.immediate,
                JNE_IMM if registers[destination] != insn.immediate as u32 => {
                    at += insn.offset as usize
                }
                JEQ_IMM if registers[destination] == insn.immediate as u32 => {
                    at += insn.offset as usize
                }
                JNE_IMM | JEQ_IMM => {}
                EXIT => return registers[0] != 0,
                other => panic!("opcode {other:#x}"),
            }
        }
        panic!("it does not end");
    }

    #[test]
    fn the_program_decides_as_the_rules_say() {
        for json in [
            "[]",
            r#"[{"allow":false,"access":"rwm"}]"#,
            r#"[{"allow":true}]"#,
            r#"[{"allow":true},{"allow":false,"type":"b","major":8,"access":"w"}]"#,
            r#"[{"allow":true,"type":"b","major":8,"access":"r"},{"allow":true,"type":"b","major":8,"minor":0,"access":"w"}]"#,
            r#"[{"allow":true,"type":"b","access":"rw"},{"allow":false,"type":"b","major":8,"access":"w"},
                {"allow":true,"type":"b","major":8,"minor":0,"access":"w"}]"#,
            r#"[{"allow":true,"type":"c","minor":1,"access":"rwm"},{"allow":false,"type":"c","major":1,"access":"m"}]"#,
        ] {
            let policy = Policy::new(&rules(json)).unwrap();
            let program = program(&policy);
            for kind in [Kind::Block, Kind::Char] {
                for major in [1, 5, 8, 9, 136] {
                    for minor in [0, 1, 3, 0xf_ffff] {
                        for access in 1..=(MKNOD | READ | WRITE) {
                            assert_eq!(
                                run(&program, kind, major, minor, access),
                                allowed(&policy, kind, major, minor, access),
                                "{json}: {kind:?} {major}:{minor} access {access}"
                            );
                        }
                    }
                }
            }
        }
    }
}
