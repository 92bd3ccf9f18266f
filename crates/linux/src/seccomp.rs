//! System call filters: a profile becomes a BPF program, a program is installed.
//!
//! A program looks at the architecture of the call first (a 64-bit process can
//! make 32-bit calls), then finds the call's number by binary search over
//! intervals, then, for few calls, compares arguments. See seccomp(2).

use std::collections::BTreeMap;
use std::io;

use thiserror::Error;

mod assemble;
mod table;

/// What may be filtered: calls made with these numbers and conventions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Arch {
    X86_64,
    /// 32-bit calls.
    X86,
    /// 64-bit calls with 32-bit pointers.
    X32,
}

/// What happens with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    Allow,
    /// Fails with this error number.
    Errno(u16),
    KillThread,
    KillProcess,
    /// SIGSYS.
    Trap,
    /// Asks a tracer; fails with ENOSYS without one.
    Trace(u16),
    /// Allowed, and logged.
    Log,
}

/// What one argument must be like, compared as 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    NotEqual(u64),
    Less(u64),
    LessOrEqual(u64),
    Equal(u64),
    GreaterOrEqual(u64),
    Greater(u64),
    MaskedEqual { mask: u64, value: u64 },
}

/// A test of the argument with this index (0 to 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    pub index: u8,
    pub test: Test,
}

/// An action for a system call whose arguments meet all conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// A name no architecture knows is skipped: profiles are written for many kernels.
    pub syscall: String,
    pub action: Action,
    pub conditions: Vec<Condition>,
}

/// What to do with every possible call.
///
/// Of the rules of one call the first that matches decides; one without
/// conditions decides only when none with conditions matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    pub default: Action,
    /// Calls of other architectures kill the process.
    pub architectures: Vec<Arch>,
    pub rules: Vec<Rule>,
}

/// Why there is no program for a profile.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CompileError {
    #[error("the seccomp profile needs {instructions} instructions, more than the 4096 the kernel takes")]
    TooLong { instructions: usize },
    #[error("the seccomp profile is for none of the machine's architectures")]
    NoArchitecture,
}

/// What the kernel runs at every system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    instructions: Vec<Instruction>,
}

/// `struct sock_filter` of linux/filter.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Instruction {
    code: u16,
    if_true: u8,
    if_false: u8,
    k: u32,
}

/// Bytes of an instruction.
const SIZE: usize = 8;

/// Makes the program of a profile. Takes about 100 µs for Docker's default.
pub fn compile(profile: &Profile) -> Result<Program, CompileError> {
    if profile.architectures.is_empty() {
        return Err(CompileError::NoArchitecture);
    }
    let section = |arch: Arch| {
        profile.architectures.contains(&arch).then(|| assemble::search(&intervals(profile, arch)))
    };
    let instructions = assemble::dispatch(section(Arch::X86_64), section(Arch::X86), section(Arch::X32));
    if instructions.len() > 4096 {
        return Err(CompileError::TooLong { instructions: instructions.len() });
    }
    Ok(Program { instructions })
}

/// The rules of one call, conditional ones first.
type Verdict<'a> = (Vec<(&'a [Condition], Action)>, Action);

/// Which verdict holds from which number on; the first interval starts at 0.
fn intervals(profile: &Profile, arch: Arch) -> Vec<(u32, Verdict<'_>)> {
    let mut by_number: BTreeMap<u32, Vec<&Rule>> = BTreeMap::new();
    for rule in &profile.rules {
        if let Some(number) = table::number(&rule.syscall, arch) {
            by_number.entry(number).or_default().push(rule);
        }
    }
    let plain = |action: Action| -> Verdict<'_> { (Vec::new(), action) };
    let mut all: Vec<(u32, Verdict<'_>)> = vec![(0, plain(profile.default))];
    for (number, rules) in &by_number {
        let verdict = verdict(rules, profile.default);
        match all.last_mut() {
            Some(last) if last.0 == *number => last.1 = verdict,
            _ => all.push((*number, verdict)),
        }
        all.push((number + 1, plain(profile.default)));
    }
    if let Some(beyond) = newer(profile.default) {
        let last = by_number.last_key_value().map_or(0, |(number, _)| number + 1);
        all.retain(|(start, _)| *start != last);
        all.push((last, plain(beyond)));
        all.push((u32::MAX, plain(profile.default)));
    }
    all.dedup_by(|later, earlier| later.1 == earlier.1);
    all
}

/// Calls newer than a profile must fail as if the kernel were old, so that
/// libraries fall back: "not permitted" would break programs (runc does so,
/// too, in `libcontainer/seccomp/patchbpf`).
fn newer(default: Action) -> Option<Action> {
    match default {
        Action::Errno(_) => Some(Action::Errno(38)), // ENOSYS
        Action::Allow
        | Action::KillThread
        | Action::KillProcess
        | Action::Trap
        | Action::Trace(_)
        | Action::Log => None,
    }
}

fn verdict<'a>(rules: &[&'a Rule], default: Action) -> Verdict<'a> {
    let mut conditional = Vec::new();
    for rule in rules.iter().filter(|rule| !rule.conditions.is_empty()) {
        // Two tests of one argument mean either, as in runc: libseccomp could not do "both".
        let twice = |one: &Condition| rule.conditions.iter().filter(|two| two.index == one.index).count() > 1;
        if rule.conditions.iter().any(twice) {
            conditional.extend(rule.conditions.chunks(1).map(|one| (one, rule.action)));
        } else {
            conditional.push((rule.conditions.as_slice(), rule.action));
        }
    }
    let unconditional = rules.iter().find(|rule| rule.conditions.is_empty());
    (conditional, unconditional.map_or(default, |rule| rule.action))
}

impl Program {
    /// The kernel's form: `struct sock_filter`s in the machine's byte order.
    pub fn to_bytes(&self) -> Vec<u8> {
        let bytes = |one: &Instruction| {
            let mut bytes = [0; SIZE];
            bytes[..2].copy_from_slice(&one.code.to_ne_bytes());
            bytes[2] = one.if_true;
            bytes[3] = one.if_false;
            bytes[4..].copy_from_slice(&one.k.to_ne_bytes());
            bytes
        };
        self.instructions.iter().flat_map(bytes).collect()
    }

    /// The inverse of [`Self::to_bytes`]; `None` if these are not whole instructions.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (chunks, []) = bytes.as_chunks::<SIZE>() else { return None };
        let instruction = |[a, b, if_true, if_false, k @ ..]: &[u8; SIZE]| Instruction {
            code: u16::from_ne_bytes([*a, *b]),
            if_true: *if_true,
            if_false: *if_false,
            k: u32::from_ne_bytes(*k),
        };
        let instructions: Vec<_> = chunks.iter().map(instruction).collect();
        (!instructions.is_empty() && instructions.len() <= 4096).then_some(Self { instructions })
    }

    /// How many instructions the kernel checks and keeps.
    pub fn len(&self) -> usize {
        self.instructions.len()
    }

    /// A program is never empty.
    pub fn is_empty(&self) -> bool {
        self.instructions.is_empty()
    }

    /// Filters this thread and all it will ever start or execute, for good.
    ///
    /// Needs `CAP_SYS_ADMIN` or no-new-privileges.
    pub fn install(&self) -> io::Result<()> {
        let mut filter: Vec<libc::sock_filter> = self.instructions.iter().map(Instruction::kernel).collect();
        let program = libc::sock_fprog {
            len: u16::try_from(filter.len()).map_err(io::Error::other)?,
            filter: filter.as_mut_ptr(),
        };
        // SAFETY: `program` points to `len` instructions that live until the call
        // returns; the kernel copies them.
        #[expect(unsafe_code)]
        let status =
            unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
        if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

impl Instruction {
    fn kernel(&self) -> libc::sock_filter {
        libc::sock_filter { code: self.code, jt: self.if_true, jf: self.if_false, k: self.k }
    }
}

#[cfg(test)]
mod tests;
