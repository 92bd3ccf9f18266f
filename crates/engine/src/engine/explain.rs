//! What explains the networks: what differs from what should be, and who drops packets.

use std::sync::Arc;

use net::{
    host::Surroundings,
    look::{CheckError, Finding, Foreign, LookError, Packet, findings},
};
use thiserror::Error;

use super::Engine;
use crate::{
    Kind,
    cnm::{
        Model, NetworkId,
        apply::KernelError,
        explain::{Difference, Exposure, exposures},
        plan::Plan,
    },
    error::FindNetworkError,
    network,
};

/// The kernel compared with the model.
#[derive(Clone, Debug)]
pub struct NetworkCheck {
    pub model: Arc<Model>,
    pub differences: Vec<Difference>,
    /// What others drop.
    pub findings: Vec<Finding>,
    /// Tables of iptables-legacy, which cannot be read: program and table.
    pub legacy: Vec<(String, String)>,
    /// What a repair did.
    pub repaired: Option<Plan>,
    /// What of it could not be done.
    pub errors: Vec<KernelError>,
}

/// A way to a container, and who gets there; what others drop is taken into account.
#[derive(Clone, Debug)]
pub struct NetworkExposure {
    pub exposure: Exposure,
    pub network: String,
    /// Who keeps the wire out.
    pub dropped: Option<String>,
}

/// Why networks could not be explained.
#[derive(Debug, Error)]
pub enum ExplainError {
    #[error(transparent)]
    Find(#[from] FindNetworkError),
    #[error(transparent)]
    Check(#[from] CheckError),
    #[error(transparent)]
    Look(#[from] LookError),
}

impl ExplainError {
    /// What kind of error it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Find(error) => error.kind(),
            Self::Check(_) | Self::Look(_) => Kind::System,
        }
    }
}

impl Engine {
    /// Compares the kernel with the model, for these networks or for all there is; `repair`
    /// takes all of it there.
    ///
    /// # Errors
    /// If a network is not there, or the kernel cannot be read.
    pub async fn network_check(&self, terms: &[&str], repair: bool) -> Result<NetworkCheck, ExplainError> {
        let before = self.network.model();
        let found = terms.iter().map(|term| network::find(&before, term).map(|network| network.id));
        let networks: Vec<NetworkId> = found.collect::<Result<_, _>>()?;
        let (foreign, around) = (self.network.foreign().await?, self.network.surroundings().await?);
        let check = self.network.check(repair).await?;
        let model = check.model;
        let concerns = |difference: &Difference| {
            networks.is_empty() || networks.iter().any(|id| difference.concerns(&model, id))
        };
        let differences = check.differences.into_iter().filter(concerns).collect();
        let findings = findings(&foreign, &around, &model, &networks);
        let repaired = repair.then_some(check.plan);
        Ok(NetworkCheck {
            differences,
            findings,
            legacy: foreign.legacy,
            repaired,
            errors: check.errors,
            model,
        })
    }

    /// Who reaches which container, by its own address and by the ports it publishes.
    ///
    /// # Errors
    /// If the kernel cannot be read.
    pub async fn network_exposure(&self) -> Result<Vec<NetworkExposure>, ExplainError> {
        let (foreign, around) = (self.network.foreign().await?, self.network.surroundings().await?);
        let model = self.network.model();
        let all = exposures(&model, &around.addresses).into_iter().map(|mut exposure| {
            let link =
                model.network(&exposure.network).and_then(|network| Some(network.bridge()?.link.clone()));
            let drops = exposure.from.wire.then(|| wire_drops(&foreign, &around, &exposure, link)).flatten();
            exposure.from.wire &= drops.is_none();
            NetworkExposure { network: network_name(&model, &exposure), exposure, dropped: drops }
        });
        Ok(all.collect())
    }

    /// The network a user means, in the model of now.
    ///
    /// # Errors
    /// If there is none, or more than one.
    pub fn network_named(&self, term: &str) -> Result<(Arc<Model>, NetworkId), ExplainError> {
        let model = self.network.model();
        let id = network::find(&model, term)?.id;
        Ok((model, id))
    }
}

fn network_name(model: &Model, exposure: &Exposure) -> String {
    model.network(&exposure.network).map(|network| network.name.clone()).unwrap_or_default()
}

/// Who drops what comes by every wire for this container.
fn wire_drops(
    foreign: &Foreign,
    around: &Surroundings,
    exposure: &Exposure,
    link: Option<String>,
) -> Option<String> {
    let published = exposure.published.as_ref();
    let of_wire = |wire: &String| {
        let packet = Packet {
            v6: exposure.address.is_ipv6(),
            iif: Some(wire.clone()),
            oif: link.clone(),
            source: None,
            destination: Some(exposure.address),
            proto: published.map(|published| published.proto.number()),
            port: published.map(|published| *published.container.start()),
            translated: published.is_some_and(|published| published.address != exposure.address),
        };
        let drops = foreign.drops(&["forward"], &packet);
        drops.into_iter().find(|drop| drop.rule.certain).map(|drop| drop.sentence())
    };
    let sentences: Option<Vec<_>> = around.wires.iter().map(of_wire).collect();
    sentences?.into_iter().next()
}
