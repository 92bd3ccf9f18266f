//! What explains the networks: what differs from what should be, and who drops packets.

use std::sync::Arc;

use net::look::{CheckError, Finding, LookError, findings};
use thiserror::Error;

use super::Engine;
use crate::{
    Kind,
    cnm::{Model, NetworkId, apply::KernelError, explain::Difference, plan::Plan},
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
