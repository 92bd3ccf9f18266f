//! What a registry has under a name, without pulling it.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::Registry;
use super::error::PullError;
use super::event::Events;
use super::manifest::{self, Descriptor, Document};
use super::platform::Platform;
use super::pull::{Got, Pull, PullRequest, elsewhere};
use crate::Digest;

/// What a registry has under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The manifest, or the list of them.
    pub descriptor: Descriptor,
    pub platforms: Vec<Platform>,
}

impl Registry {
    /// Asks what the registry has.
    pub async fn look(&self, request: PullRequest) -> Result<Found, PullError> {
        let (nobody, _) = mpsc::channel(1);
        let events = Events::new(nobody);
        let mut sessions = self.sessions(&request).await?.into_iter().peekable();
        while let Some(session) = sessions.next() {
            let pull =
                Pull { registry: self, session: Arc::clone(&session), request: &request, events: &events };
            match pull.look().await {
                Err(error) if sessions.peek().is_some() && elsewhere(&session, &error) => {}
                other => return other,
            }
        }
        Err(PullError::Lost)
    }
}

impl Pull<'_> {
    async fn look(&self) -> Result<Found, PullError> {
        let Got { media_type, bytes, document } =
            self.manifest(&self.request.reference.clone().canonical()).await?;
        let platforms = match document {
            Document::Index(index) => manifest::platforms(&index),
            Document::Image(image) => {
                let (_, parsed) = self.configuration(&image).await?;
                let platform = Platform {
                    architecture: parsed.architecture,
                    os: parsed.os,
                    os_version: String::new(),
                    variant: parsed.variant,
                };
                vec![platform]
            }
        };
        let descriptor = Descriptor::new(&media_type, bytes.len() as u64, Digest::of(&bytes));
        Ok(Found { descriptor, platforms })
    }
}
