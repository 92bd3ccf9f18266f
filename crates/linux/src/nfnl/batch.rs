//! Batches: many changes, one transaction.

use super::attr::Writer;
use super::element::{Element, ElementError};
use super::error::{Action, CommitError, Object};
use super::rule::{COMMENT_MAX, Rule};
use super::set::Set;
use super::table::{Chain, Family, Table};
use super::uapi::{SUBSYS_NFTABLES, elem, msg, rule, set};
use super::uapi::{chain as chain_attr, table as table_attr};
use crate::netlink::message::{APPEND, CREATE, EXCLUSIVE, HEADER, REPLACE, REQUEST};

/// The bytes of elements in one message, below the 65,535 an attribute can have.
const ELEMENTS: usize = 60_000;

/// `struct nfgenmsg`: family, version, resource id.
const NFGENMSG: usize = 4;

/// Changes that the kernel makes all together or not at all.
///
/// The methods only write. What is wrong with an object is remembered and
/// reported by [`super::Nfnl::commit`], which then sends nothing.
#[derive(Debug, Default)]
pub struct Batch {
    out: Writer,
    steps: Vec<Step>,
    generation: Option<u32>,
    sets: u32,
    broken: Option<CommitError>,
}

/// One message of a batch.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) action: Action,
    subject: Subject,
    /// Where its message starts.
    start: usize,
}

/// What a message is about.
#[derive(Debug)]
enum Subject {
    Object(Object),
    /// Elements of a set; which one is in the way is found by its place in the message.
    Elements {
        table: Table,
        set: Box<Set>,
        /// The first byte and the text of every element.
        places: Vec<(usize, Element)>,
    },
}

impl Batch {
    /// A batch without changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// How many messages it has.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Lets the commit fail if the rules of the namespace changed since this generation.
    pub fn only_at(&mut self, generation: u32) -> &mut Self {
        self.generation = Some(generation);
        self
    }

    /// Makes a table, or leaves it as it is.
    pub fn add_table(&mut self, table: &Table) -> &mut Self {
        self.table(Action::Add, msg::NEWTABLE, table)
    }

    /// Makes a table that must not be there.
    pub fn create_table(&mut self, table: &Table) -> &mut Self {
        self.table(Action::Create, msg::NEWTABLE, table)
    }

    /// Deletes a table with everything in it; it must be there.
    pub fn delete_table(&mut self, table: &Table) -> &mut Self {
        self.table(Action::Delete, msg::DELTABLE, table)
    }

    /// Deletes a table with everything in it if it is there.
    ///
    /// The kernel has a message for this since Linux 6.3; making the table and
    /// deleting it does the same with any.
    pub fn destroy_table(&mut self, table: &Table) -> &mut Self {
        self.table(Action::Destroy, msg::NEWTABLE, table).table(Action::Destroy, msg::DELTABLE, table)
    }

    fn table(&mut self, action: Action, kind: u16, table: &Table) -> &mut Self {
        let object = Object::Table(table.clone());
        self.step(action, object, (kind, table.family), |out| match kind {
            msg::NEWTABLE => table.encode(out),
            _ => out.string(table_attr::NAME, &table.name),
        })
    }

    /// Makes a chain, or leaves it as it is, but for its policy.
    pub fn add_chain(&mut self, table: &Table, chain: &Chain) -> &mut Self {
        let object = Object::Chain { table: table.clone(), name: chain.name.clone() };
        self.step(Action::Add, object, (msg::NEWCHAIN, table.family), |out| chain.encode(table, out))
    }

    /// Deletes a chain; it must be there, be empty, and nothing may jump to it.
    pub fn delete_chain(&mut self, table: &Table, name: &str) -> &mut Self {
        let object = Object::Chain { table: table.clone(), name: name.to_owned() };
        self.step(Action::Delete, object, (msg::DELCHAIN, table.family), |out| {
            out.string(chain_attr::TABLE, &table.name);
            out.string(chain_attr::NAME, name);
        })
    }

    /// Deletes all rules of a chain.
    pub fn flush_chain(&mut self, table: &Table, chain: &str) -> &mut Self {
        let object = Object::Chain { table: table.clone(), name: chain.to_owned() };
        self.step(Action::Flush, object, (msg::DELRULE, table.family), |out| {
            out.string(rule::TABLE, &table.name);
            out.string(rule::CHAIN, chain);
        })
    }

    /// Adds a rule at the end of its chain.
    pub fn add_rule(&mut self, table: &Table, rule: &Rule) -> &mut Self {
        self.rule(Action::Add, table, rule, None)
    }

    /// Adds a rule at the start of its chain.
    pub fn insert_rule(&mut self, table: &Table, rule: &Rule) -> &mut Self {
        self.rule(Action::Insert, table, rule, None)
    }

    /// Adds a rule behind the one with this handle.
    pub fn add_rule_after(&mut self, table: &Table, rule: &Rule, handle: u64) -> &mut Self {
        self.rule(Action::Add, table, rule, Some(handle))
    }

    /// Puts a rule in the place of the one with this handle.
    pub fn replace_rule(&mut self, table: &Table, rule: &Rule, handle: u64) -> &mut Self {
        self.rule(Action::Replace, table, rule, Some(handle))
    }

    fn rule(&mut self, action: Action, table: &Table, new: &Rule, handle: Option<u64>) -> &mut Self {
        let object = self.rule_object(table, &new.chain, new.comment.clone());
        if new.comment.as_ref().is_some_and(|comment| comment.len() > COMMENT_MAX) {
            return self.broken(CommitError::TooLong { action, object: object.into() });
        }
        self.step(action, object, (msg::NEWRULE, table.family), |out| {
            new.encode(table, out);
            match (action, handle) {
                (Action::Replace, Some(handle)) => out.be64(rule::HANDLE, handle),
                (_, Some(handle)) => out.be64(rule::POSITION, handle),
                (_, None) => {}
            }
        })
    }

    /// Deletes the rule with this handle.
    pub fn delete_rule(&mut self, table: &Table, chain: &str, handle: u64) -> &mut Self {
        let object = self.rule_object(table, chain, None);
        self.step(Action::Delete, object, (msg::DELRULE, table.family), |out| {
            out.string(rule::TABLE, &table.name);
            out.string(rule::CHAIN, chain);
            out.be64(rule::HANDLE, handle);
        })
    }

    fn rule_object(&self, table: &Table, chain: &str, comment: Option<String>) -> Object {
        let number = |step: &Step| {
            let Subject::Object(Object::Rule { table: of, chain: name, number, .. }) = &step.subject else {
                return None;
            };
            (of == table && name == chain).then_some(*number)
        };
        // Rules of a chain are usually written together: the last step knows the number.
        let number = self.steps.iter().rev().find_map(number).unwrap_or(0) + 1;
        Object::Rule { table: table.clone(), chain: chain.to_owned(), number, comment }
    }

    /// Makes a set or map, or leaves it as it is if it is the same.
    pub fn add_set(&mut self, table: &Table, new: &Set) -> &mut Self {
        let object = Object::Set { table: table.clone(), noun: new.noun(), name: new.name.clone() };
        self.sets += 1;
        let id = self.sets;
        self.step(Action::Add, object, (msg::NEWSET, table.family), |out| new.encode(table, id, out))
    }

    /// Deletes a set or map with its elements; it must be there and no rule may use it.
    pub fn delete_set(&mut self, table: &Table, name: &str) -> &mut Self {
        let object = Object::Set { table: table.clone(), noun: "set", name: name.to_owned() };
        self.step(Action::Delete, object, (msg::DELSET, table.family), |out| {
            out.string(set::TABLE, &table.name);
            out.string(set::NAME, name);
        })
    }

    /// Deletes all elements of a set or map.
    pub fn flush_set(&mut self, table: &Table, name: &str) -> &mut Self {
        let object = Object::Set { table: table.clone(), noun: "set", name: name.to_owned() };
        self.step(Action::Flush, object, (msg::DELSETELEM, table.family), |out| {
            out.string(elem::LIST_TABLE, &table.name);
            out.string(elem::LIST_SET, name);
        })
    }

    /// Adds elements, or leaves those that are there with the same data.
    pub fn add_elements(&mut self, table: &Table, set: &Set, elements: &[Element]) -> &mut Self {
        self.elements(Action::Add, table, set, elements)
    }

    /// Adds elements that must not be there.
    pub fn create_elements(&mut self, table: &Table, set: &Set, elements: &[Element]) -> &mut Self {
        self.elements(Action::Create, table, set, elements)
    }

    /// Deletes elements by their keys; they must be there.
    pub fn delete_elements(&mut self, table: &Table, set: &Set, elements: &[Element]) -> &mut Self {
        self.elements(Action::Delete, table, set, elements)
    }

    fn elements(&mut self, action: Action, table: &Table, set: &Set, elements: &[Element]) -> &mut Self {
        let mut rest = elements;
        while !rest.is_empty() && self.broken.is_none() {
            rest = self.some_elements(action, table, set, rest);
        }
        self
    }

    /// Writes one message with as many elements as it can hold; returns the others.
    fn some_elements<'a>(
        &mut self,
        action: Action,
        table: &Table,
        set: &Set,
        elements: &'a [Element],
    ) -> &'a [Element] {
        let start = self.out.len();
        let mut places = Vec::new();
        let mut failed = None;
        let out = &mut self.out;
        message(out, element_message(action), table.family, |out| {
            out.string(elem::LIST_TABLE, &table.name);
            out.string(elem::LIST_SET, &set.name);
            out.nest(elem::LIST_ELEMENTS, |out| {
                let first = out.len();
                for element in elements {
                    if out.len() - first > ELEMENTS {
                        break;
                    }
                    places.push((out.len() - start, element.clone()));
                    failed = encode_element(action, element, set, out).err();
                    if failed.is_some() {
                        break;
                    }
                }
            });
        });
        let count = places.len();
        let subject = Subject::Elements { table: table.clone(), set: Box::new(set.clone()), places };
        let step = Step { action, subject, start };
        let overflowed = self.out.overflowed();
        if let Some(source) = failed {
            let object = step.object(None);
            self.broken(CommitError::Element { action, object: object.into(), source });
        } else if overflowed {
            let object = step.object(None);
            self.broken(CommitError::TooLong { action, object: object.into() });
        }
        self.steps.push(step);
        &elements[count..]
    }

    fn step(
        &mut self,
        action: Action,
        object: Object,
        (kind, family): (u16, Family),
        content: impl FnOnce(&mut Writer),
    ) -> &mut Self {
        let start = self.out.len();
        message(&mut self.out, (kind, flags(action, kind)), family, content);
        if self.out.overflowed() {
            return self.broken(CommitError::TooLong { action, object: object.into() });
        }
        self.steps.push(Step { action, subject: Subject::Object(object), start });
        self
    }

    fn broken(&mut self, error: CommitError) -> &mut Self {
        self.broken.get_or_insert(error);
        self
    }

    /// The first thing that is wrong with the batch.
    pub(super) fn take_broken(&mut self) -> Option<CommitError> {
        self.broken.take()
    }

    pub(super) fn generation(&self) -> Option<u32> {
        self.generation
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Appends the messages with their sequence numbers, and `flags` added to the last.
    pub(super) fn append_to(&self, bytes: &mut Vec<u8>, first: u32, flags: u16) {
        let start = bytes.len();
        bytes.extend_from_slice(self.out.bytes());
        let messages = &mut bytes[start..];
        for (step, sequence) in self.steps.iter().zip(first..) {
            messages[step.start + 8..step.start + 12].copy_from_slice(&sequence.to_ne_bytes());
        }
        if let Some(last) = self.steps.last() {
            let at = last.start + 6;
            let with = u16::from_ne_bytes([messages[at], messages[at + 1]]) | flags;
            messages[at..at + 2].copy_from_slice(&with.to_ne_bytes());
        }
    }
}

impl Step {
    /// The object the step is about; of several elements the one at this
    /// offset of the message, or else the last one written.
    pub(super) fn object(&self, offset: Option<u32>) -> Object {
        let (table, set, places) = match &self.subject {
            Subject::Object(object) => return object.clone(),
            Subject::Elements { table, set, places } => (table, set, places),
        };
        let element = match offset {
            Some(offset) => places.iter().rfind(|(start, _)| *start <= offset as usize),
            None => places.last(),
        };
        match element {
            Some((_, element)) => Object::Element {
                table: table.clone(),
                noun: set.noun(),
                set: set.name.clone(),
                text: element.to_string(),
            },
            None => Object::Set { table: table.clone(), noun: set.noun(), name: set.name.clone() },
        }
    }
}

fn encode_element(
    action: Action,
    element: &Element,
    set: &Set,
    out: &mut Writer,
) -> Result<(), ElementError> {
    match action {
        Action::Delete => element.encode_key(set, out),
        Action::Add | Action::Create | Action::Insert | Action::Replace | Action::Destroy | Action::Flush => {
            element.encode(set, out)
        }
    }
}

fn element_message(action: Action) -> (u16, u16) {
    let kind = match action {
        Action::Delete => msg::DELSETELEM,
        Action::Add | Action::Create | Action::Insert | Action::Replace | Action::Destroy | Action::Flush => {
            msg::NEWSETELEM
        }
    };
    (kind, flags(action, kind))
}

fn flags(action: Action, kind: u16) -> u16 {
    match action {
        Action::Add if kind == msg::NEWRULE => CREATE | APPEND,
        Action::Destroy if kind == msg::NEWTABLE => CREATE,
        Action::Add | Action::Insert => CREATE,
        Action::Create => CREATE | EXCLUSIVE,
        Action::Replace => REPLACE,
        Action::Delete | Action::Destroy | Action::Flush => 0,
    }
}

/// Writes a message of nf_tables; its sequence number comes later.
fn message(out: &mut Writer, (kind, flags): (u16, u16), family: Family, content: impl FnOnce(&mut Writer)) {
    let start = out.len();
    out.raw(&[0; HEADER + NFGENMSG]);
    content(out);
    let len = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    out.patch(start, &len.to_ne_bytes());
    out.patch(start + 4, &(SUBSYS_NFTABLES << 8 | kind).to_ne_bytes());
    out.patch(start + 6, &(flags | REQUEST).to_ne_bytes());
    out.patch(start + HEADER, &[family.number()]);
}
