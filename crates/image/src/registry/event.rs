//! What is told while images travel.

use tokio::sync::mpsc;

use crate::Digest;

/// What happens while an image is pulled or pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// The registry has the image: its tag or digest, its repository's path.
    Pulling { what: String, path: String },
    /// Something became of a layer: of its blob when it is pulled, of the layer when it is pushed.
    Layer { layer: Digest, stage: Stage },
    /// An image is complete; this is its manifest's digest.
    Pulled { digest: Digest },
    /// The registry has a manifest under this tag now.
    Pushed { tag: String, digest: Digest, size: u64 },
    /// Something else that a person should know.
    Warning(String),
}

/// What becomes of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It will travel.
    Wanted,
    /// Others are first.
    Waiting,
    /// It is there already.
    Exists,
    /// Bytes that have travelled, of how many.
    Travelling { bytes: u64, total: u64 },
    /// It did not come whole and is asked for again.
    Retrying { seconds: u64 },
    /// All of it came.
    Checking,
    /// It is what it should be.
    Travelled,
    /// Bytes that were unpacked, of how many.
    Unpacking { bytes: u64, total: u64 },
    /// It is usable.
    Done,
    /// The registry took it from another of its repositories, of this path.
    Mounted { from: String },
}

/// Who is told. That nobody listens any more is no error: whoever does not want the transfer drops it.
#[derive(Clone, Debug)]
pub struct Events(mpsc::Sender<Transfer>);

impl Events {
    /// Tells whoever receives.
    #[must_use]
    pub fn new(listener: mpsc::Sender<Transfer>) -> Self {
        Self(listener)
    }

    pub(super) async fn tell(&self, event: Transfer) {
        drop(self.0.send(event).await);
    }

    pub(super) async fn layer(&self, layer: Digest, stage: Stage) {
        self.tell(Transfer::Layer { layer, stage }).await;
    }

    /// The same on a thread that may block.
    pub(super) fn layer_blocking(&self, layer: Digest, stage: Stage) {
        drop(self.0.blocking_send(Transfer::Layer { layer, stage }));
    }

    /// How far something is; left out when the listener is behind.
    pub(super) fn far(&self, layer: Digest, stage: Stage) {
        drop(self.0.try_send(Transfer::Layer { layer, stage }));
    }
}
