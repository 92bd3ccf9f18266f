//! Our nftables table and its elements: one transaction for each step.

use cnm::apply::{KernelError, Refusal};
use cnm::nft::{self, Digest, skeleton};
use cnm::plan::Op;
use cnm::state::{Key, Object, State};
use linux::nfnl::{self, AnySet, Batch, CommitError, Element, ListError, Nfnl};

use super::refusal::{refusal_in, refused};
use super::{Shared, lock, nft as words};

/// What is done to elements.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Create,
    Delete,
}

/// A transaction that is being written: neighbouring elements of one set are one message.
#[derive(Default)]
struct Transaction {
    batch: Batch,
    pending: Option<(Verb, nft::Set, Vec<Element>)>,
}

impl Transaction {
    fn write(&mut self, op: &Op) {
        match (op, op.key()) {
            (Op::Create { .. }, Key::Table) => self.create_table(),
            (Op::Delete { .. }, Key::Table) => {
                self.flush();
                self.batch.delete_table(&words::table());
            }
            (
                Op::Create { object: Object::Element(data), .. },
                Key::Guard(set, key) | Key::Publish(set, key),
            ) => {
                self.element(Verb::Create, *set, words::element(key, data));
            }
            (
                Op::Delete { object: Object::Element(data), .. },
                Key::Guard(set, key) | Key::Publish(set, key),
            ) => {
                self.element(Verb::Delete, *set, words::element(key, data));
            }
            (
                Op::Change { from: Object::Element(from), to: Object::Element(to), .. },
                Key::Guard(set, key) | Key::Publish(set, key),
            ) => {
                self.element(Verb::Delete, *set, words::element(key, from));
                self.element(Verb::Create, *set, words::element(key, to));
            }
            // The plan puts nothing else here.
            _ => {}
        }
    }

    fn create_table(&mut self) {
        self.flush();
        let (table, skeleton) = (words::table(), skeleton());
        self.batch.create_table(&table);
        for set in &skeleton.sets {
            self.batch.add_set(&table, &words::set(*set));
        }
        for chain in &skeleton.chains {
            self.batch.add_chain(&table, &words::chain(chain));
        }
        for rule in skeleton.chains.iter().flat_map(words::rules) {
            self.batch.add_rule(&table, &rule);
        }
    }

    fn element(&mut self, verb: Verb, set: nft::Set, element: Element) {
        match &mut self.pending {
            Some((last, of, elements)) if *last == verb && *of == set => elements.push(element),
            _ => {
                self.flush();
                self.pending = Some((verb, set, vec![element]));
            }
        }
    }

    fn flush(&mut self) {
        let Some((verb, set, elements)) = self.pending.take() else { return };
        let (table, set) = (words::table(), words::set(set));
        match verb {
            Verb::Create => self.batch.create_elements(&table, &set, &elements),
            Verb::Delete => self.batch.delete_elements(&table, &set, &elements),
        };
    }
}

impl Shared {
    /// All operations or none.
    pub(super) fn firewall(&self, ops: &[Op]) -> Result<(), KernelError> {
        let mut transaction = Transaction::default();
        ops.iter().for_each(|op| transaction.write(op));
        transaction.flush();
        lock(&self.nfnl).commit(transaction.batch).map_err(|error| {
            let op =
                ops.iter().find(|op| is_about(&error, op)).or(ops.first()).expect("a step has operations");
            let Refusal { errno, text } = refusal_in(&error);
            KernelError::refused(op, errno, text)
        })?;
        // The rules are as they should be: what they no longer say ends by
        // itself if it cannot be ended now.
        if let Err(refusal) = self.forget_flows(ops) {
            tracing::warn!(%refusal, "flows of datagrams may go on as before the change");
        }
        Ok(())
    }

    /// The table, and the elements of the sets that `wanted` asks for.
    pub(super) fn observe_firewall(&self, wanted: impl Fn(nft::Set) -> bool) -> Result<State, Refusal> {
        observe(&mut lock(&self.nfnl), wanted).map_err(refused)
    }
}

fn observe(nfnl: &mut Nfnl, wanted: impl Fn(nft::Set) -> bool) -> Result<State, ListError> {
    let (table, mut state) = (words::table(), State::new());
    if !nfnl.tables()?.contains(&table) {
        return Ok(state);
    }
    let skeleton = skeleton();
    let digest = if words::is_whole(nfnl, &skeleton)? { skeleton.digest() } else { Digest::DAMAGED };
    state.insert(Key::Table, Object::Table(digest));
    for known in nfnl.sets(&table)? {
        let Some(set) = nft::Set::named(known.name()).filter(|set| wanted(*set)) else { continue };
        // Another kind of set under the name of ours: the table is damaged.
        if !matches!(&known, AnySet::Known(known) if *known == words::set(set)) {
            continue;
        }
        for entry in nfnl.elements(&table, &words::set(set))? {
            let Some((key, data)) = words::read_element(set, &entry.element) else { continue };
            let key = if set.is_guard() { Key::Guard(set, key) } else { Key::Publish(set, key) };
            state.insert(key, Object::Element(data));
        }
    }
    Ok(state)
}

/// Whether the refused object is that of the operation.
fn is_about(error: &CommitError, op: &Op) -> bool {
    let Some(object) = error.object() else { return false };
    match (object, op.key()) {
        (nfnl::Object::Element { set: name, text, .. }, Key::Guard(set, key) | Key::Publish(set, key)) => {
            let (Op::Create { object, .. } | Op::Delete { object, .. } | Op::Change { to: object, .. }) = op;
            let Object::Element(data) = object else { return false };
            let shown = [words::element(key, data), words::element(key, &[])];
            name == set.name() && shown.iter().any(|element| element.to_string() == *text)
        }
        (nfnl::Object::Element { .. }, _) => false,
        (_, key) => *key == Key::Table,
    }
}
