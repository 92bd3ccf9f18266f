//! Names of networks that the one who asks is not on: `name.network`, as the host sees
//! them, and sandboxes that may.

use std::{net::IpAddr, sync::Arc};

use super::{Answer, Question, below, collect, exact, name_on};
use crate::{Family, Model, Network};

/// Below this name the host finds every network: one domain to be asked for here.
const DOMAIN: &str = "tombolo.internal";

/// What the host sees of one model: the names of every network that users defined, and no others.
#[derive(Clone, Debug)]
pub struct HostView {
    model: Arc<Model>,
}

/// Who has a name on a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    Somebody,
    Nobody,
    /// No part of the name is a network.
    NoNetwork,
}

impl HostView {
    /// What the host sees of a model.
    pub const fn new(model: Arc<Model>) -> Self {
        Self { model }
    }

    /// What to say to a process of the host; [`Answer::AskUpstream`] of what is not ours to say.
    /// `found` is room for addresses.
    pub fn answer<'a>(&self, question: &Question<'_>, found: &'a mut Vec<IpAddr>) -> Answer<'a> {
        found.clear();
        let (name, family) = match *question {
            Question::Names(address) => return self.name(address),
            Question::Addresses(family, name) => (name, Some(family)),
            Question::Other(name) => (name, None),
        };
        let inside = name.strip_suffix(DOMAIN).and_then(|rest| rest.strip_suffix('.'));
        let is_domain = inside.is_some() || name == DOMAIN;
        match find(&self.model, inside.unwrap_or(name), family, found) {
            Holder::Somebody if found.is_empty() => Answer::Empty,
            Holder::Somebody => Answer::Addresses(found),
            Holder::Nobody => Answer::NoSuchName,
            Holder::NoNetwork if name == DOMAIN => Answer::Empty,
            Holder::NoNetwork if is_domain => Answer::NoSuchName,
            Holder::NoNetwork => Answer::AskUpstream,
        }
    }

    fn name(&self, address: IpAddr) -> Answer<'static> {
        let network = self.model.network_by_pool(&address.into()).filter(|network| !network.is_predefined());
        match network.map(|network| name_on(&self.model, &network.id, address)) {
            Some(Some(name)) => Answer::Name(name),
            Some(None) => Answer::NoSuchName,
            None => Answer::AskUpstream,
        }
    }
}

/// Finds addresses of a family under `name.network`, for every place where the name can be divided.
pub(super) fn find(model: &Model, name: &str, family: Option<Family>, found: &mut Vec<IpAddr>) -> Holder {
    let divided = name.match_indices('.').map(|(dot, _)| (&name[..dot], &name[dot + 1..]));
    let on = |(word, of)| Some((word, network(model, of)?));
    let places: Vec<(&str, &Network)> = divided.filter_map(on).collect();
    for find in [exact, below] {
        for (word, network) in &places {
            if let Some(holders) = find(model, &network.id, word) {
                collect(model, holders, family, found);
                return Holder::Somebody;
            }
        }
    }
    if places.is_empty() { Holder::NoNetwork } else { Holder::Nobody }
}

/// A network that users defined, by its name in lower case.
fn network<'a>(model: &'a Model, name: &str) -> Option<&'a Network> {
    let network = model.network_by_name(name)?;
    (!network.is_predefined()).then_some(network)
}
