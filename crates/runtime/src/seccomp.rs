//! System call filters: Docker's profile form, resolved for one container and compiled.
//!
//! A [`Profile`] lists groups of system calls, some of them only with (or
//! without) a capability, an architecture or a kernel version. [`Profile::resolve`]
//! decides these and leaves the OCI section; [`compile`] makes the program the
//! kernel runs, once per resolved profile ([`Cache`]).

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use linux::seccomp::{self as filter, Program};
use oci_spec::runtime as oci;
use serde::Deserialize;
use thiserror::Error;

/// Docker's default profile (moby `profiles/seccomp/default.json`, 28.x), of
/// the architectures we run on.
const DEFAULT: &str = include_str!("seccomp/default.json");

/// Why a profile cannot be used.
#[derive(Debug, Error)]
pub enum ProfileError {
    #[error("decoding seccomp profile failed")]
    Syntax(#[from] serde_json::Error),
    #[error("'name' and 'names' were specified in the seccomp profile, use either 'name' or 'names'")]
    NameAndNames,
    #[error("the seccomp profile uses {what}, which is not supported")]
    Unsupported { what: String },
    #[error(transparent)]
    Compile(#[from] filter::CompileError),
}

/// A profile in Docker's form (moby `profiles/seccomp.Seccomp`).
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    default_action: oci::LinuxSeccompAction,
    default_errno_ret: Option<u32>,
    #[serde(default)]
    architectures: Vec<oci::Arch>,
    #[serde(default)]
    flags: Vec<oci::LinuxSeccompFilterFlag>,
    #[serde(default)]
    syscalls: Option<Vec<Group>>,
}

/// System calls that share an action and the conditions for it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    names: Vec<String>,
    action: oci::LinuxSeccompAction,
    errno_ret: Option<u32>,
    #[serde(default)]
    args: Option<Vec<oci::LinuxSeccompArg>>,
    #[serde(default)]
    includes: Filter,
    #[serde(default)]
    excludes: Filter,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Filter {
    caps: Vec<String>,
    /// Go's names: `amd64`, `x86`, `x32`, …
    arches: Vec<String>,
    min_kernel: Option<String>,
}

/// Docker's default profile.
pub fn default_profile() -> &'static Profile {
    static PROFILE: LazyLock<Profile> =
        LazyLock::new(|| Profile::parse(DEFAULT).expect("our own profile is in its form"));
    &PROFILE
}

impl Profile {
    /// Reads Docker's JSON form.
    pub fn parse(text: &str) -> Result<Self, ProfileError> {
        let profile: Self = serde_json::from_str(text)?;
        let groups = profile.syscalls.iter().flatten();
        if groups.clone().any(|group| group.name.is_some() && !group.names.is_empty()) {
            return Err(ProfileError::NameAndNames);
        }
        Ok(profile)
    }

    /// The OCI section for a container with `capabilities` (full names).
    ///
    /// Kernels older than any that can run us are not told apart, so every
    /// `minKernel` is met.
    pub fn resolve(&self, capabilities: &BTreeSet<&str>) -> Result<oci::LinuxSeccomp, ProfileError> {
        let groups = self.syscalls.iter().flatten().filter(|group| group.applies(capabilities));
        let syscalls: Vec<_> = groups.map(Group::oci).collect();
        let mut section = oci::LinuxSeccomp::default();
        section
            .set_default_action(self.default_action)
            .set_default_errno_ret(self.default_errno_ret)
            .set_architectures(Some(if self.architectures.is_empty() {
                vec![oci::Arch::ScmpArchX86_64, oci::Arch::ScmpArchX86, oci::Arch::ScmpArchX32]
            } else {
                self.architectures.clone()
            }))
            .set_flags((!self.flags.is_empty()).then(|| self.flags.clone()))
            .set_syscalls((!syscalls.is_empty()).then_some(syscalls));
        Ok(section)
    }
}

impl Group {
    /// moby `profiles/seccomp.setupSeccomp`: every listed capability, one of
    /// the listed architectures; and none of the excluded.
    fn applies(&self, capabilities: &BTreeSet<&str>) -> bool {
        let has = |name: &String| capabilities.contains(name.as_str());
        let ours = |arch: &String| arch == NATIVE;
        let included = self.includes.caps.iter().all(has)
            && (self.includes.arches.is_empty() || self.includes.arches.iter().any(ours));
        let excluded = self.excludes.caps.iter().any(has)
            || self.excludes.arches.iter().any(ours)
            || self.excludes.min_kernel.is_some();
        included && !excluded
    }

    fn oci(&self) -> oci::LinuxSyscall {
        let names = self.name.iter().chain(&self.names).cloned().collect();
        let mut rule = oci::LinuxSyscall::default();
        rule.set_names(names)
            .set_action(self.action)
            .set_errno_ret(self.errno_ret)
            .set_args(self.args.clone().filter(|args| !args.is_empty()));
        rule
    }
}

/// Go's name of the architecture we are built for.
const NATIVE: &str = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };

/// Makes the program the kernel runs of an OCI section.
pub fn compile(section: &oci::LinuxSeccomp) -> Result<Program, ProfileError> {
    let default = action(section.default_action(), section.default_errno_ret())?;
    let mut rules = Vec::new();
    for group in section.syscalls().iter().flatten() {
        let action = action(group.action(), group.errno_ret())?;
        let conditions: Vec<_> = group.args().iter().flatten().map(condition).collect::<Result<_, _>>()?;
        rules.extend(group.names().iter().map(|name| filter::Rule {
            syscall: name.clone(),
            action,
            conditions: conditions.clone(),
        }));
    }
    let architectures = section.architectures().iter().flatten().filter_map(architecture).collect();
    Ok(filter::compile(&filter::Profile { default, architectures, rules })?)
}

/// Architectures of other machines are left out: their calls cannot happen here.
fn architecture(arch: &oci::Arch) -> Option<filter::Arch> {
    let ours = [
        (oci::Arch::ScmpArchNative, filter::Arch::X86_64),
        (oci::Arch::ScmpArchX86_64, filter::Arch::X86_64),
        (oci::Arch::ScmpArchX86, filter::Arch::X86),
        (oci::Arch::ScmpArchX32, filter::Arch::X32),
    ];
    ours.into_iter().find(|(name, _)| name == arch).map(|(_, arch)| arch)
}

fn action(action: oci::LinuxSeccompAction, errno: Option<u32>) -> Result<filter::Action, ProfileError> {
    use oci::LinuxSeccompAction as Oci;
    let errno = u16::try_from(errno.unwrap_or(1))
        .map_err(|_| ProfileError::Unsupported { what: format!("errno {errno:?}") })?;
    Ok(match action {
        Oci::ScmpActAllow => filter::Action::Allow,
        Oci::ScmpActErrno => filter::Action::Errno(errno),
        Oci::ScmpActKill | Oci::ScmpActKillThread => filter::Action::KillThread,
        Oci::ScmpActKillProcess => filter::Action::KillProcess,
        Oci::ScmpActTrap => filter::Action::Trap,
        Oci::ScmpActTrace => filter::Action::Trace(errno),
        Oci::ScmpActLog => filter::Action::Log,
        Oci::ScmpActNotify => {
            return Err(ProfileError::Unsupported { what: "SCMP_ACT_NOTIFY".to_owned() });
        }
    })
}

fn condition(arg: &oci::LinuxSeccompArg) -> Result<filter::Condition, ProfileError> {
    use oci::LinuxSeccompOperator as Oci;
    let index = u8::try_from(arg.index())
        .ok()
        .filter(|index| *index < 6)
        .ok_or_else(|| ProfileError::Unsupported { what: format!("argument {}", arg.index()) })?;
    let value = arg.value();
    let test = match arg.op() {
        Oci::ScmpCmpNe => filter::Test::NotEqual(value),
        Oci::ScmpCmpLt => filter::Test::Less(value),
        Oci::ScmpCmpLe => filter::Test::LessOrEqual(value),
        Oci::ScmpCmpEq => filter::Test::Equal(value),
        Oci::ScmpCmpGe => filter::Test::GreaterOrEqual(value),
        Oci::ScmpCmpGt => filter::Test::Greater(value),
        Oci::ScmpCmpMaskedEq => {
            filter::Test::MaskedEqual { mask: value, value: arg.value_two().unwrap_or_default() }
        }
    };
    Ok(filter::Condition { index, test })
}

/// Compiled programs by their section: nearly every container has the same.
#[derive(Debug, Default)]
pub struct Cache {
    programs: Mutex<HashMap<String, Arc<Program>>>,
}

impl Cache {
    /// The program of a section, compiled unless it already was.
    pub fn get(&self, section: &oci::LinuxSeccomp) -> Result<Arc<Program>, ProfileError> {
        let key = serde_json::to_string(section)?;
        let programs = || self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(program) = programs().get(&key) {
            return Ok(Arc::clone(program));
        }
        let program = Arc::new(compile(section)?);
        programs().insert(key, Arc::clone(&program));
        Ok(program)
    }
}
