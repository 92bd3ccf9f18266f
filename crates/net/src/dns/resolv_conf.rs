//! The host's resolv.conf, read again when it changes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::Mutex;
use tokio::time::{Duration, Instant};

/// How often the file is looked at, at most.
const LOOK: Duration = Duration::from_secs(1);

/// The text of a file that somebody else writes.
#[derive(Debug)]
pub(super) struct ResolvConf {
    path: PathBuf,
    last: Mutex<Last>,
}

/// The last look.
#[derive(Debug, Default)]
struct Last {
    text: Arc<str>,
    state: Option<State>,
    looked: Option<Instant>,
}

/// What changes when the file does.
type State = (SystemTime, u64);

impl ResolvConf {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, last: Mutex::default() }
    }

    /// What the file says; what it said before if it is missing for a moment.
    pub(super) async fn text(&self) -> Arc<str> {
        let mut last = self.last.lock().await;
        if last.looked.is_some_and(|looked| looked.elapsed() < LOOK) {
            return Arc::clone(&last.text);
        }
        last.looked = Some(Instant::now());
        let state = match tokio::fs::metadata(&self.path).await {
            Ok(metadata) => metadata.modified().ok().map(|modified| (modified, metadata.len())),
            Err(_) => return Arc::clone(&last.text),
        };
        if state.is_none() || state != last.state {
            match tokio::fs::read_to_string(&self.path).await {
                Ok(text) => (last.text, last.state) = (text.into(), state),
                Err(error) => {
                    tracing::warn!(path = %self.path.display(), %error, "cannot read the host's servers")
                }
            }
        }
        Arc::clone(&last.text)
    }
}
