//! The kernel as seen from here, and how it is taken from state to state.
//!
//! An undo is a reconciliation to where we came from, not the inverse of the
//! steps taken: that holds also when a step was done by half, and it never
//! deletes what was somebody else's.

use thiserror::Error;

use crate::{
    plan::{Op, Plan, Step, plan},
    state::{Key, State},
};

/// What holds kernel objects: Linux, or a fake of it.
pub trait Kernel {
    /// What is there and ours.
    fn observe(&mut self, extent: Extent<'_>) -> Result<State, KernelError>;

    /// Does one step. If it fails, its operations before the one that failed
    /// may have been done, except in a transaction.
    fn run(&mut self, step: &Step) -> Result<(), KernelError>;
}

/// How much is observed. The state says what is expected, so that one knows
/// where to look (namespaces by path, reserved ports).
#[derive(Clone, Copy, Debug)]
pub enum Extent<'a> {
    /// All that carries our mark, expected or not.
    All(&'a State),
    /// Only objects with a key of this state: others are changing at the same time.
    Only(&'a State),
}

/// Why the kernel did not do what it was asked.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum KernelError {
    #[error("cannot {op}")]
    Run {
        /// The first words of the operation: `create bridge p0`.
        op: String,
        key: Box<Key>,
        #[source]
        refusal: Refusal,
    },
    #[error("cannot read {what} of the kernel")]
    Observe {
        what: &'static str,
        #[source]
        refusal: Refusal,
    },
}

/// The kernel's answer.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{text}")]
pub struct Refusal {
    /// As in errno(3), positive.
    pub errno: i32,
    /// The kernel's words (extended acknowledgement), or those of the number.
    pub text: String,
}

impl KernelError {
    /// The refusal of an operation.
    pub fn refused(op: &Op, errno: i32, text: impl Into<String>) -> Self {
        let refusal = Refusal { errno, text: text.into() };
        Self::Run { op: op.summary(), key: Box::new(op.key().clone()), refusal }
    }

    /// The kernel's answer.
    pub fn refusal(&self) -> &Refusal {
        match self {
            Self::Run { refusal, .. } | Self::Observe { refusal, .. } => refusal,
        }
    }

    /// The object that was refused.
    pub fn key(&self) -> Option<&Key> {
        match self {
            Self::Run { key, .. } => Some(key),
            Self::Observe { .. } => None,
        }
    }
}

/// Why a change was not made.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the change was undone{}", .left_behind.first().map_or("", |_| " in part"))]
pub struct Failed {
    #[source]
    pub cause: KernelError,
    /// What could not be put back.
    pub left_behind: Vec<KernelError>,
}

/// Takes the kernel from one state to another, or puts it back.
///
/// Only objects with keys of the two states are looked at and changed, so that
/// states of disjoint parts of the model can be applied at the same time.
pub fn apply(kernel: &mut impl Kernel, from: &State, to: &State) -> Result<(), Failed> {
    let reaping = apply_but_reaping(kernel, from, to)?;
    run(kernel, &reaping, (from, to))
}

/// The same, but for what nobody waits for ([`Plan::split_reaping`]): that is answered,
/// to be run when the change is kept. What fails of it is for a reconciliation.
pub fn apply_but_reaping(kernel: &mut impl Kernel, from: &State, to: &State) -> Result<Plan, Failed> {
    let (changes, reaping) = plan(from, to).split_reaping();
    run(kernel, &changes, (from, to))?;
    Ok(reaping)
}

/// Runs a part of what leads from one state to the other; if it fails, all of that is put back.
fn run(kernel: &mut impl Kernel, part: &Plan, (from, to): (&State, &State)) -> Result<(), Failed> {
    let done = part.steps.iter().try_for_each(|step| kernel.run(step));
    done.map_err(|cause| Failed { cause, left_behind: put_back(kernel, from, to) })
}

/// Takes the objects of both states back to the first; says what it could not.
pub fn put_back(kernel: &mut impl Kernel, from: &State, to: &State) -> Vec<KernelError> {
    let touched = to.iter().chain(from).map(|(key, object)| (key.clone(), object.clone())).collect();
    go(kernel, Extent::Only(&touched), from).err().unwrap_or_default()
}

/// Takes the kernel to `desired`, whatever it looks like now, as far as it lets us.
///
/// Answers how many operations that took.
pub fn reconcile(kernel: &mut impl Kernel, desired: &State) -> Result<usize, Vec<KernelError>> {
    go(kernel, Extent::All(desired), desired)
}

fn go(kernel: &mut impl Kernel, extent: Extent<'_>, desired: &State) -> Result<usize, Vec<KernelError>> {
    let observed = kernel.observe(extent).map_err(|error| vec![error])?;
    let plan = plan(&observed, desired);
    let errors: Vec<_> = plan.steps.iter().filter_map(|step| kernel.run(step).err()).collect();
    if errors.is_empty() { Ok(plan.ops().count()) } else { Err(errors) }
}
