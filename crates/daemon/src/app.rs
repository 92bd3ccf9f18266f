//! What every route needs.

use std::sync::Arc;

use engine::Engine;
use engine::image::Registry;
use tokio_util::sync::CancellationToken;

use crate::facts::Facts;
use crate::http::hijack::Hijacks;
use crate::settings::Settings;

/// The engine behind HTTP. Cloning it is cheap.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) engine: Arc<Engine>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) facts: Arc<Facts>,
    pub(crate) hijacks: Hijacks,
}

impl App {
    /// What ends every open stream when the engine stops.
    pub(crate) fn stop(&self) -> CancellationToken {
        self.hijacks.stop.clone()
    }
}
