//! The host's resolv.conf, followed while others change it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use linux::inotify::{self, FileWatch};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep};

use super::blocking;
use crate::watch::Readiness;

/// How long whoever changes the file gets to finish.
const SETTLE: Duration = Duration::from_millis(20);
/// How long a file may be empty before that is what it says.
const EMPTY: Duration = Duration::from_millis(200);
/// How often a file is looked at that cannot be followed.
const LOOK: Duration = Duration::from_secs(1);

/// The text of a file that somebody else writes.
#[derive(Debug)]
pub(super) struct ResolvConf {
    file: Arc<File>,
    /// Ends with this value.
    _follower: JoinSet<()>,
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    text: watch::Sender<Arc<str>>,
}

impl ResolvConf {
    /// Starts to follow it.
    pub(super) fn new(path: PathBuf) -> Self {
        let file = Arc::new(File { path, text: watch::Sender::default() });
        let mut follower = JoinSet::new();
        follower.spawn(Arc::clone(&file).follow());
        Self { file, _follower: follower }
    }

    /// What it says; what it said before while it is missing.
    pub(super) fn text(&self) -> watch::Receiver<Arc<str>> {
        self.file.text.subscribe()
    }

    /// Reads it now: what was written before is known afterwards.
    pub(super) async fn look(&self) {
        self.file.look().await;
    }
}

impl File {
    async fn follow(self: Arc<Self>) {
        loop {
            match Following::start(self.path.clone()).await {
                Ok(following) => {
                    if let Err(error) = self.follow_by(following).await {
                        tracing::warn!(path = %self.path.display(), %error, "lost the host's servers");
                    }
                }
                Err(error) => {
                    tracing::warn!(path = %self.path.display(), %error, "cannot follow the host's servers")
                }
            }
            self.look().await;
            sleep(LOOK).await;
        }
    }

    async fn follow_by(&self, mut following: Following) -> io::Result<()> {
        loop {
            self.look().await;
            following.changed().await?;
            sleep(SETTLE).await;
            following = following.again().await?;
        }
    }

    async fn look(&self) {
        let text = match tokio::fs::read_to_string(&self.path).await {
            // Maybe somebody is about to write.
            Ok(text) if text.is_empty() && !self.text.borrow().is_empty() => {
                sleep(EMPTY).await;
                tokio::fs::read_to_string(&self.path).await
            }
            text => text,
        };
        match text {
            Ok(text) => {
                self.text.send_if_modified(|last| {
                    let is_new = **last != *text;
                    *last = text.into();
                    is_new
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "cannot read the host's servers")
            }
        }
    }
}

/// What tells that the file may say something else.
#[derive(Debug)]
struct Following {
    file: FileWatch,
    file_ready: Readiness,
    /// What is mounted: a file over the file makes no event.
    mounts: Readiness,
}

impl Following {
    async fn start(path: PathBuf) -> io::Result<Self> {
        blocking(move || {
            let file = FileWatch::new(Path::new(&path))?;
            let (file_ready, mounts) = (Readiness::of(&file)?, Readiness::of(&inotify::mounts()?)?);
            Ok(Self { file, file_ready, mounts })
        })
        .await
    }

    async fn changed(&mut self) -> io::Result<()> {
        tokio::select! {
            changed = self.file_ready.read(|| self.file.read()) => changed,
            changed = self.mounts.woken() => changed,
        }
    }

    /// Follows what the path means now, before that is read.
    async fn again(mut self) -> io::Result<Self> {
        blocking(move || {
            self.file.follow()?;
            Ok(self)
        })
        .await
    }
}
