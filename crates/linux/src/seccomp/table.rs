//! The numbers of the system calls.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::Arch;

/// The kernel's own tables, joined by name. Regenerated from its headers.
const TABLE: &str = include_str!("syscalls.txt");

/// Calls with 32-bit pointers carry this bit (`__X32_SYSCALL_BIT`).
pub(super) const X32_BIT: u32 = 0x4000_0000;

/// The number of a call; `None` if this architecture does not have it.
pub(super) fn number(name: &str, arch: Arch) -> Option<u32> {
    static NUMBERS: LazyLock<HashMap<&str, [Option<u32>; 3]>> = LazyLock::new(parse);
    let [x86_64, x86, x32] = *NUMBERS.get(name)?;
    match arch {
        Arch::X86_64 => x86_64,
        Arch::X86 => x86,
        Arch::X32 => x32.map(|number| number | X32_BIT),
    }
}

fn parse() -> HashMap<&'static str, [Option<u32>; 3]> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let mut words = line.split(' ');
            let name = words.next()?;
            let mut number = || words.next().and_then(|word| word.parse().ok());
            Some((name, [number(), number(), number()]))
        })
        .collect()
}
