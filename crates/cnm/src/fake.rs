//! A kernel for tests that refuses what Linux refuses.
//!
//! The contract suite of `net` runs the same checks on this one and on Linux,
//! so that it cannot become too kind.

mod rules;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use crate::{
    Proto,
    apply::{Extent, Kernel, KernelError},
    plan::{Op, Step},
    state::{Key, Object, State},
};

/// Objects of ours, objects of strangers, and a failure to come.
#[derive(Clone, Debug, Default)]
pub struct FakeKernel {
    ours: State,
    /// Links of the host that carry no mark of ours.
    links: BTreeSet<String>,
    /// Ports that somebody else has bound.
    ports: BTreeSet<(Proto, IpAddr, u16)>,
    /// How many steps were run.
    steps: usize,
    fault: Option<(usize, Failure)>,
}

/// How a step fails that Linux would have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    BeforeEffect,
    /// After some of its operations: this many, or all but one; none of a transaction.
    Within(usize),
    AfterEffect,
}

/// EIO, errno(3): what a failure to come answers.
const EIO: i32 = 5;

impl FakeKernel {
    /// A kernel without objects.
    pub fn new() -> Self {
        Self::default()
    }

    /// A kernel that holds these objects of ours.
    pub fn holding(ours: State) -> Self {
        Self { ours, ..Self::default() }
    }

    /// All objects of ours.
    pub const fn objects(&self) -> &State {
        &self.ours
    }

    /// Links and ports of others.
    pub const fn strangers(&self) -> (&BTreeSet<String>, &BTreeSet<(Proto, IpAddr, u16)>) {
        (&self.links, &self.ports)
    }

    /// Gives the host a link of somebody else.
    pub fn add_stranger_link(&mut self, name: impl Into<String>) {
        self.links.insert(name.into());
    }

    /// Lets somebody else bind a port.
    pub fn bind_stranger_port(&mut self, proto: Proto, address: IpAddr, port: u16) {
        self.ports.insert((proto, address, port));
    }

    /// Makes the `n`-th step from now fail, counted from 1.
    pub const fn fail_at(&mut self, n: usize, failure: Failure) {
        self.fault = Some((self.steps + n, failure));
    }

    /// Takes an object away, with what vanishes with it, as somebody else would.
    pub fn lose(&mut self, key: &Key) {
        if let Some(object) = self.ours.remove(key) {
            rules::vanish_with(&mut self.ours, key, &object);
        }
    }

    /// How many steps were run.
    pub const fn steps(&self) -> usize {
        self.steps
    }

    fn run_ops(&mut self, ops: &[Op]) -> Result<(), KernelError> {
        ops.iter().try_for_each(|op| self.run_op(op))
    }

    fn run_op(&mut self, op: &Op) -> Result<(), KernelError> {
        let refused = |(errno, text): (i32, &str)| KernelError::refused(op, errno, text);
        match op {
            Op::Create { key, object } => {
                self.may_create(key, object).map_err(refused)?;
                self.ours.insert(key.clone(), object.clone());
            }
            Op::Change { key, to, .. } => {
                self.may_change(key, to).map_err(refused)?;
                self.ours.insert(key.clone(), to.clone());
            }
            Op::Delete { key, .. } => {
                let object = self.ours.remove(key).ok_or_else(|| refused(rules::missing(key)))?;
                rules::vanish_with(&mut self.ours, key, &object);
            }
        }
        Ok(())
    }

    /// Does a step that is to fail as far as it is to be done.
    fn run_failing(&mut self, step: &Step, failure: Failure) -> KernelError {
        let ops = step.ops();
        let done = match (failure, step) {
            (Failure::BeforeEffect, _) | (Failure::Within(_), Step::Firewall(_)) => 0,
            (Failure::Within(done), _) => done.min(ops.len() - 1),
            (Failure::AfterEffect, _) => ops.len(),
        };
        match self.run_ops(&ops[..done]) {
            Ok(()) => KernelError::refused(&ops[done.min(ops.len() - 1)], EIO, "as the test asked"),
            Err(error) => error,
        }
    }
}

impl Kernel for FakeKernel {
    fn observe(&mut self, extent: Extent<'_>) -> Result<State, KernelError> {
        Ok(match extent {
            Extent::All(_) => self.ours.clone(),
            Extent::Only(keys) => {
                let there = keys.keys().filter_map(|key| self.ours.get_key_value(key));
                there.map(|(key, object)| (key.clone(), object.clone())).collect::<BTreeMap<Key, Object>>()
            }
        })
    }

    fn run(&mut self, step: &Step) -> Result<(), KernelError> {
        self.steps += 1;
        if let Some((_, failure)) = self.fault.take_if(|(at, _)| *at == self.steps) {
            return Err(self.run_failing(step, failure));
        }
        match step {
            Step::Firewall(ops) => {
                let before = self.ours.clone();
                self.run_ops(ops).inspect_err(|_| self.ours = before)
            }
            Step::Addressing(_, ops) => self.run_ops(ops),
            Step::Single(op) => self.run_op(op),
        }
    }
}
