//! Looking at what is there: what differs from what should be, and who else drops packets.

use std::sync::Arc;

use cnm::{
    Model,
    apply::KernelError,
    explain::{Difference, differences},
    plan::{Plan, plan},
    state::State,
};
use thiserror::Error;
use tokio::sync::oneshot;

use crate::{host::Surroundings, service::NetworkService, writer::Command};

mod finding;
mod foreign;
mod inside;
mod judge;

pub use finding::{Finding, findings};
pub use foreign::{Drop, Foreign, ForeignChain, LookError};
pub use inside::{Listener, Probe};
pub use judge::{Packet, Rule};

/// A question to the kernel, asked when nothing else is under way.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) repair: bool,
    pub(crate) reply: oneshot::Sender<Result<Seen, KernelError>>,
}

/// What was there, what should be, and what a repair could not do.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) observed: State,
    pub(crate) wanted: State,
    pub(crate) errors: Vec<KernelError>,
}

/// The kernel compared with the model.
#[derive(Clone, Debug)]
pub struct Check {
    /// What it was compared with.
    pub model: Arc<Model>,
    pub differences: Vec<Difference>,
    /// What takes the kernel to where it should be. A repair has done it.
    pub plan: Plan,
    /// What of it could not be done.
    pub errors: Vec<KernelError>,
}

/// Why the kernel could not be compared with the model.
#[derive(Debug, Error)]
pub enum CheckError {
    #[error(transparent)]
    Kernel(#[from] KernelError),
    #[error("the network service has stopped")]
    Stopped,
}

impl From<oneshot::error::RecvError> for CheckError {
    fn from(_: oneshot::error::RecvError) -> Self {
        Self::Stopped
    }
}

impl NetworkService {
    /// Compares all that the kernel holds and is ours with what it should hold; `repair`
    /// takes it there. Changes that come meanwhile wait.
    ///
    /// # Errors
    /// If the kernel cannot be read.
    pub async fn check(&self, repair: bool) -> Result<Check, CheckError> {
        let (reply, answer) = oneshot::channel();
        let look = Command::Look(Look { repair, reply });
        self.commands().send(look).await.map_err(|_| CheckError::Stopped)?;
        let Seen { observed, wanted, errors } = answer.await??;
        let plan = plan(&observed, &wanted);
        let differences = differences(&observed, &wanted);
        Ok(Check { model: self.model(), differences, plan, errors })
    }

    /// The links and addresses of the host that are not ours.
    ///
    /// # Errors
    /// If the kernel cannot be read.
    pub async fn surroundings(&self) -> Result<Surroundings, LookError> {
        let host = self.host().clone();
        let read = tokio::task::spawn_blocking(move || host.surroundings());
        Ok(read.await.map_err(|_| LookError::Stopped)??)
    }

    /// The chains of others that judge packets as ours.
    ///
    /// # Errors
    /// If the kernel cannot be read.
    pub async fn foreign(&self) -> Result<Foreign, LookError> {
        let host = self.host().clone();
        let look = move || foreign::look(&host);
        tokio::task::spawn_blocking(look).await.map_err(|_| LookError::Stopped)?
    }
}
