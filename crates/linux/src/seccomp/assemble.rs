//! Writes BPF instructions: blocks that end in a verdict, put one after the other.
//!
//! A conditional jump reaches 255 instructions; a longer one goes by an
//! unconditional jump, which reaches any.

use super::table::X32_BIT;
use super::{Action, Condition, Instruction, Test, Verdict};

// linux/bpf_common.h
const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
const EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const GREATER: u16 = 0x25; // BPF_JMP | BPF_JGT | BPF_K
const AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

// struct seccomp_data of linux/seccomp.h
const NUMBER_AT: u32 = 0;
const ARCH_AT: u32 = 4;
const ARGUMENTS_AT: u32 = 16;

// linux/audit.h
const AUDIT_X86_64: u32 = 0xc000_003e;
const AUDIT_I386: u32 = 0x4000_0003;

type Block = Vec<Instruction>;

/// Where a test's jump goes.
#[derive(Clone, Copy)]
enum To {
    Next,
    Pass,
    Fail,
}

/// One instruction of a test, its jumps not yet counted.
#[derive(Clone, Copy)]
struct Step(u16, u32, To, To);

/// The whole program: by architecture to its section; others kill.
pub(super) fn dispatch(x86_64: Option<Block>, x86: Option<Block>, x32: Option<Block>) -> Block {
    let killed = || vec![returned(Action::KillProcess)];
    let wide = match (x86_64, x32) {
        (None, None) => killed(),
        (x86_64, x32) => {
            let mut block = vec![plain(LOAD, NUMBER_AT)];
            let (low, high) = (x86_64.unwrap_or_else(killed), x32.unwrap_or_else(killed));
            block.extend(choose(AT_LEAST, X32_BIT, high, low));
            block
        }
    };
    let narrow = x86.map_or_else(killed, |section| {
        let mut block = vec![plain(LOAD, NUMBER_AT)];
        block.extend(section);
        block
    });
    let other = choose(EQUAL, AUDIT_I386, narrow, killed());
    let mut program = vec![plain(LOAD, ARCH_AT)];
    program.extend(choose(EQUAL, AUDIT_X86_64, wide, other));
    program
}

/// Finds the interval the loaded number is in.
pub(super) fn search(intervals: &[(u32, Verdict<'_>)]) -> Block {
    match intervals {
        [] => vec![returned(Action::KillProcess)],
        [(_, verdict)] => decide(verdict),
        _ => {
            let (low, high) = intervals.split_at(intervals.len() / 2);
            choose(AT_LEAST, high[0].0, search(high), search(low))
        }
    }
}

/// `yes` if the comparison holds, `no` otherwise; both end in a verdict.
fn choose(compare: u16, k: u32, yes: Block, no: Block) -> Block {
    let mut block = match u8::try_from(no.len()) {
        Ok(distance) => vec![Instruction { code: compare, if_true: distance, if_false: 0, k }],
        Err(_) => {
            let distance = u32::try_from(no.len()).expect("programs are short");
            vec![Instruction { code: compare, if_true: 0, if_false: 1, k }, plain(JUMP, distance)]
        }
    };
    block.extend(no);
    block.extend(yes);
    block
}

/// Tries the conditional rules, then the other.
fn decide((conditional, otherwise): &Verdict<'_>) -> Block {
    let mut block: Block =
        conditional.iter().flat_map(|(conditions, action)| rule(conditions, *action)).collect();
    block.push(returned(*otherwise));
    block
}

/// All conditions, then the action; whoever fails goes behind the block.
fn rule(conditions: &[Condition], action: Action) -> Block {
    let tests: Vec<Vec<Step>> = conditions.iter().map(steps).collect();
    let behind = tests.iter().map(Vec::len).sum::<usize>() + 1;
    let mut block = Block::new();
    for test in &tests {
        let pass = block.len() + test.len();
        for Step(code, k, yes, no) in test {
            let from = block.len() + 1;
            let distance = |to: To| match to {
                To::Next => 0,
                To::Pass => pass - from,
                To::Fail => behind - from,
            };
            let short = |to: To| u8::try_from(distance(to)).expect("six conditions have 36 instructions");
            block.push(Instruction { code: *code, if_true: short(*yes), if_false: short(*no), k: *k });
        }
    }
    block.push(returned(action));
    block
}

/// Compares the upper halves first, then, if need be, the lower.
fn steps(condition: &Condition) -> Vec<Step> {
    use To::{Fail, Next, Pass};
    let low_at = ARGUMENTS_AT + 8 * u32::from(condition.index);
    let low_load = Step(LOAD, low_at, Next, Next);
    let high_load = Step(LOAD, low_at + 4, Next, Next);
    let ordered = |value: u64, high: [To; 2], compare: u16, low: [To; 2]| {
        let (upper, lower) = halves(value);
        vec![
            high_load,
            Step(GREATER, upper, high[0], Next),
            Step(EQUAL, upper, Next, high[1]),
            low_load,
            Step(compare, lower, low[0], low[1]),
        ]
    };
    match condition.test {
        Test::Greater(value) => ordered(value, [Pass, Fail], GREATER, [Pass, Fail]),
        Test::GreaterOrEqual(value) => ordered(value, [Pass, Fail], AT_LEAST, [Pass, Fail]),
        Test::Less(value) => ordered(value, [Fail, Pass], AT_LEAST, [Fail, Pass]),
        Test::LessOrEqual(value) => ordered(value, [Fail, Pass], GREATER, [Fail, Pass]),
        Test::Equal(value) => {
            let (upper, lower) = halves(value);
            vec![high_load, Step(EQUAL, upper, Next, Fail), low_load, Step(EQUAL, lower, Next, Fail)]
        }
        Test::NotEqual(value) => {
            let (upper, lower) = halves(value);
            vec![high_load, Step(EQUAL, upper, Next, Pass), low_load, Step(EQUAL, lower, Fail, Next)]
        }
        Test::MaskedEqual { mask, value } => {
            let ((upper, lower), (upper_mask, lower_mask)) = (halves(value & mask), halves(mask));
            vec![
                high_load,
                Step(AND, upper_mask, Next, Next),
                Step(EQUAL, upper, Next, Fail),
                low_load,
                Step(AND, lower_mask, Next, Next),
                Step(EQUAL, lower, Next, Fail),
            ]
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves of 64 bits")]
fn halves(value: u64) -> (u32, u32) {
    ((value >> 32) as u32, value as u32)
}

/// linux/seccomp.h, `SECCOMP_RET_…`.
fn returned(action: Action) -> Instruction {
    let k = match action {
        Action::KillProcess => 0x8000_0000,
        Action::KillThread => 0,
        Action::Trap => 0x0003_0000,
        Action::Errno(errno) => 0x0005_0000 | u32::from(errno),
        Action::Trace(data) => 0x7ff0_0000 | u32::from(data),
        Action::Log => 0x7ffc_0000,
        Action::Allow => 0x7fff_0000,
    };
    plain(RETURN, k)
}

fn plain(code: u16, k: u32) -> Instruction {
    Instruction { code, if_true: 0, if_false: 0, k }
}
