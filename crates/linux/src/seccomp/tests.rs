//! Programs are judged by an interpreter of the kernel's BPF, and by the kernel.

use proptest::prelude::*;

use super::*;

/// Runs a program as the kernel would (linux/net/core/filter.c, the part seccomp uses).
fn run(program: &Program, number: u32, arch: u32, arguments: [u64; 6]) -> u32 {
    let mut data = Vec::new();
    data.extend(number.to_le_bytes());
    data.extend(arch.to_le_bytes());
    data.extend(0u64.to_le_bytes());
    arguments.iter().for_each(|argument| data.extend(argument.to_le_bytes()));
    let (mut at, mut accumulator) = (0, 0u32);
    loop {
        let Instruction { code, if_true, if_false, k } = program.instructions[at];
        at += 1;
        let jump = |holds: bool| usize::from(if holds { if_true } else { if_false });
        match code {
            0x20 => {
                let from = k as usize;
                accumulator = u32::from_le_bytes(data[from..from + 4].try_into().expect("four bytes"));
            }
            0x54 => accumulator &= k,
            0x05 => at += k as usize,
            0x15 => at += jump(accumulator == k),
            0x25 => at += jump(accumulator > k),
            0x35 => at += jump(accumulator >= k),
            0x06 => return k,
            other => panic!("an instruction nobody writes: {other:#x}"),
        }
    }
}

const X86_64: u32 = 0xc000_003e;
const I386: u32 = 0x4000_0003;
const ALLOW: u32 = 0x7fff_0000;
const EPERM: u32 = 0x0005_0001;
const ENOSYS: u32 = 0x0005_0026;
const KILL: u32 = 0x8000_0000;

fn rule(syscall: &str, action: Action, conditions: &[(u8, Test)]) -> Rule {
    let conditions =
        conditions.iter().map(|(index, test)| Condition { index: *index, test: *test }).collect();
    Rule { syscall: syscall.to_owned(), action, conditions }
}

fn sample() -> Program {
    let profile = Profile {
        default: Action::Errno(1),
        architectures: vec![Arch::X86_64, Arch::X86],
        rules: vec![
            rule("read", Action::Allow, &[]),
            rule("socket", Action::Allow, &[(0, Test::NotEqual(40))]),
            rule("clone", Action::Allow, &[(0, Test::MaskedEqual { mask: 0x7e02_0000, value: 0 })]),
            rule("clone3", Action::Errno(38), &[]),
            rule("personality", Action::Allow, &[(0, Test::Equal(0))]),
            rule("personality", Action::Allow, &[(0, Test::Equal(0xffff_ffff))]),
            rule("no_such_call", Action::Allow, &[]),
        ],
    };
    compile(&profile).expect("a small profile")
}

#[track_caller]
fn check(number: u32, arch: u32, first: u64, expected: u32) {
    assert_eq!(run(&sample(), number, arch, [first, 0, 0, 0, 0, 0]), expected, "call {number} of {arch:#x}");
}

#[test]
fn each_architecture_has_its_own_numbers() {
    check(0, X86_64, 0, ALLOW); // read
    check(3, I386, 0, ALLOW); // read
    check(3, X86_64, 0, EPERM); // close
    check(0, I386, 0, EPERM); // restart_syscall
    check(0, 0xc000_00b7, 0, KILL); // another machine's
    check(0x4000_0000, X86_64, 0, KILL); // x32 is not in the profile
}

#[test]
fn arguments_are_compared_in_full() {
    check(41, X86_64, 2, ALLOW);
    check(41, X86_64, 40, EPERM);
    check(41, X86_64, 40 | 1 << 32, ALLOW);
    check(56, X86_64, 0x0100_0011, ALLOW); // a thread or a child
    check(56, X86_64, 0x1000_0000, EPERM); // a user name space
    check(135, X86_64, 0, ALLOW);
    check(135, X86_64, 0xffff_ffff, ALLOW);
    check(135, X86_64, 8, EPERM);
}

#[test]
fn what_is_newer_than_the_profile_does_not_exist() {
    check(435, X86_64, 0, ENOSYS); // clone3, by its own rule
    check(434, X86_64, 0, EPERM);
    check(436, X86_64, 0, ENOSYS);
    check(u32::MAX, X86_64, 0, KILL); // above bit 30
}

#[test]
fn bytes_come_back() {
    let program = sample();
    assert_eq!(Program::from_bytes(&program.to_bytes()), Some(program));
    assert_eq!(Program::from_bytes(&[1, 2, 3]), None);
    assert_eq!(Program::from_bytes(&[]), None);
}

#[test]
fn the_kernel_takes_it_and_obeys() {
    let profile = Profile {
        default: Action::Allow,
        architectures: vec![Arch::X86_64],
        rules: vec![rule("getcpu", Action::Errno(77), &[])],
    };
    let program = compile(&profile).expect("a small profile");
    std::thread::spawn(move || {
        rustix::thread::set_no_new_privs(true).expect("always permitted");
        program.install().expect("the kernel takes it");
        // SAFETY: getcpu(2) takes null pointers.
        #[expect(unsafe_code)]
        let status = unsafe { libc::syscall(libc::SYS_getcpu, 0, 0, 0) };
        assert_eq!((status, io::Error::last_os_error().raw_os_error()), (-1, Some(77)));
    })
    .join()
    .expect("the thread's assertions hold");
}

fn holds(test: Test, argument: u64) -> bool {
    match test {
        Test::NotEqual(value) => argument != value,
        Test::Less(value) => argument < value,
        Test::LessOrEqual(value) => argument <= value,
        Test::Equal(value) => argument == value,
        Test::GreaterOrEqual(value) => argument >= value,
        Test::Greater(value) => argument > value,
        Test::MaskedEqual { mask, value } => argument & mask == value & mask,
    }
}

/// Numbers near one another and at the halves' borders, where mistakes show.
fn number() -> impl Strategy<Value = u64> {
    let edge = prop::sample::select(vec![0, 1, u64::from(u32::MAX), 1 << 32, (1 << 32) + 1, u64::MAX]);
    prop_oneof![edge, any::<u64>(), 0..5u64]
}

fn test() -> impl Strategy<Value = Test> {
    prop_oneof![
        number().prop_map(Test::NotEqual),
        number().prop_map(Test::Less),
        number().prop_map(Test::LessOrEqual),
        number().prop_map(Test::Equal),
        number().prop_map(Test::GreaterOrEqual),
        number().prop_map(Test::Greater),
        (number(), number()).prop_map(|(mask, value)| Test::MaskedEqual { mask, value }),
    ]
}

proptest! {
    #[test]
    fn a_rule_means_all_its_conditions(
        tests in prop::collection::vec(test(), 1..=6),
        arguments in prop::array::uniform6(number()),
    ) {
        let conditions: Vec<_> = (0..).zip(&tests).map(|(index, test)| (index, *test)).collect();
        let profile = Profile {
            default: Action::Errno(1),
            architectures: vec![Arch::X86_64],
            rules: vec![rule("read", Action::Allow, &conditions)],
        };
        let program = compile(&profile).expect("a small profile");
        let all = tests.iter().zip(arguments).all(|(test, argument)| holds(*test, argument));
        prop_assert_eq!(run(&program, 0, X86_64, arguments), if all { ALLOW } else { EPERM });
    }
}
