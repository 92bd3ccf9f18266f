//! Waiting for a container's end.

use std::future::Future;

use super::{Engine, WaitCondition, WaitExit};
use crate::{State, container::Moment, error::WaitError};

impl Engine {
    /// Begins to wait: what ends after this returns is not missed.
    pub fn wait(
        &self,
        term: &str,
        condition: WaitCondition,
    ) -> Result<impl Future<Output = WaitExit> + Send + use<>, WaitError> {
        let container = self.registry.find(term)?;
        let mut moments = container.watch();
        let exits = moments.borrow().exits;
        Ok(async move {
            // Keeps the sender alive, so that the wait can only end well.
            let _container = container;
            let met = moments.wait_for(|moment| is_met(moment, condition, exits)).await;
            let code = met.map(|moment| moment.last_exit).unwrap_or_default();
            WaitExit { code, error: None }
        })
    }
}

/// Whether what is waited for has happened, for one who began after so many exits.
fn is_met(moment: &Moment, condition: WaitCondition, exits: u64) -> bool {
    let state = &moment.record.state;
    match condition {
        WaitCondition::NotRunning => {
            moment.removed || (state.alive().is_none() && !matches!(state, State::Restarting(_)))
        }
        WaitCondition::NextExit => moment.removed || moment.exits > exits,
        WaitCondition::Removed => moment.removed,
    }
}
