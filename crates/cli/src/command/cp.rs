//! `cp`: files of a container, both ways.

mod local;
mod target;

use std::io::{self, IsTerminal};
use std::path::Path;

use api::container::PathStat;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use clap::Args;
use futures_util::stream;
use hyper::StatusCode;
use tokio::sync::mpsc;

use super::save;
use crate::client::{Call, Client, ClientError};
use crate::failure::Failure;
use crate::{output, stdio, units};
use target::{Destination, Source, Target};

/// Pieces of an archive on their way.
const QUEUE: usize = 8;
/// Where the engine says what is at a path.
const STAT: &str = "x-docker-container-path-stat";
/// Go's `fs.ModeDir` and `fs.ModeSymlink`.
const DIRECTORY: u32 = 1 << 31;
const SYMLINK: u32 = 1 << 27;

/// What was typed after `cp`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Cp {
    /// Keep owners and groups
    #[arg(short, long)]
    archive: bool,
    /// Follow a link at the end of SOURCE
    #[arg(short = 'L', long)]
    follow_link: bool,
    /// Do not say what was copied
    #[arg(short, long)]
    quiet: bool,
    /// CONTAINER:PATH, a path here, or - for an archive on STDIN
    #[arg(value_name = "SOURCE")]
    from: String,
    /// CONTAINER:PATH, a path here, or - for an archive on STDOUT
    #[arg(value_name = "DESTINATION")]
    to: String,
}

impl Cp {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        match (in_container(&self.from), in_container(&self.to)) {
            (Some((container, path)), None) => self.take_out(client, container, path).await,
            (None, Some((container, path))) => self.bring_in(client, container, path).await,
            (Some(_), Some(_)) => {
                Err(Failure::Typed("copying between containers is not supported".to_owned()))
            }
            (None, None) => Err(Failure::Typed("must specify at least one container source".to_owned())),
        }
    }

    /// From a container.
    async fn take_out(&self, client: &Client, container: &str, path: &str) -> Result<(), Failure> {
        let mut path = path.to_owned();
        if self.follow_link
            && let Some(found) = stat(client, container, &path).await?
            && !found.link_target.is_empty()
        {
            path = found.link_target;
        }
        let call = Call::get(["containers", container, "archive"]).query("path", &path);
        if self.to == "-" {
            if io::stdout().is_terminal() {
                return Err(Failure::Said("cowardly refusing to write an archive to a terminal".to_owned()));
            }
            return save::print(client.send(call).await?).await;
        }
        let mut answer = client.send(call).await?;
        let found: PathStat = answer.header(STAT).and_then(read_stat).ok_or_else(no_stat)?;
        let source = Source::of(&path, found.mode & DIRECTORY != 0);
        let target = Target::choose(&source, &Destination::local(&self.to)?)?;
        let (pieces, incoming) = mpsc::channel::<io::Result<Bytes>>(QUEUE);
        let keeps_owners = self.archive;
        let unpacking = tokio::task::spawn_blocking(move || {
            local::unpack(incoming, Path::new(&found.name), &target, keeps_owners)
        });
        let mut size = 0;
        loop {
            let piece = match answer.piece().await {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                Err(error) => {
                    drop(pieces.send(Err(io::ErrorKind::UnexpectedEof.into())).await);
                    drop(unpacking.await);
                    return Err(error.into());
                }
            };
            size += piece.len();
            if pieces.send(Ok(piece)).await.is_err() {
                break;
            }
        }
        drop(pieces);
        unpacking.await.map_err(|_| Failure::Said("unpacking ended early".to_owned()))??;
        self.tell(size);
        Ok(())
    }

    /// Into a container.
    async fn bring_in(&self, client: &Client, container: &str, path: &str) -> Result<(), Failure> {
        let call = |directory: &str| {
            Call::put(["containers", container, "archive"])
                .query("path", directory)
                .query("noOverwriteDirNonDir", "true")
                .switch("copyUIDGID", self.archive)
        };
        if self.from == "-" {
            let pieces = stream::unfold(stdio::input(), |mut input| async {
                input.recv().await.map(|piece| (Ok(piece), input))
            });
            client.done(call(path).archive(Box::pin(pieces))).await?;
            return Ok(());
        }
        let local = local::source(&self.from, self.follow_link)?;
        let source = Source::of(&self.from, local.is_dir());
        let destination = self.remote(client, container, path).await?;
        let Target { directory, name } = Target::choose(&source, &destination)?;
        let (pieces, outgoing) = mpsc::channel::<io::Result<Bytes>>(QUEUE);
        let keeps_owners = self.archive;
        let packing =
            tokio::task::spawn_blocking(move || local::pack(&local, name.as_deref(), keeps_owners, pieces));
        let pieces = stream::unfold(outgoing, |mut outgoing| async {
            outgoing.recv().await.map(|piece| (piece, outgoing))
        });
        let sent = client.done(call(&directory).archive(Box::pin(pieces))).await;
        let size = packing.await.map_err(|_| Failure::Said("packing ended early".to_owned()))?;
        match (sent, size) {
            (Ok(_), size) => self.tell(size?),
            // What stopped the archive here is why the engine did not like it.
            (Err(ClientError::Refused { status, message }), _) => {
                return Err(ClientError::Refused { status, message }.into());
            }
            (Err(error), size) => {
                size?;
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// What is at the destination in a container, through a link at its end.
    async fn remote(&self, client: &Client, container: &str, path: &str) -> Result<Destination, Failure> {
        let mut path = path.to_owned();
        let mut found = stat(client, container, &path).await?;
        if let Some(link) = found.as_ref().filter(|found| found.mode & SYMLINK != 0) {
            path.clone_from(&link.link_target);
            found = stat(client, container, &path).await?;
        }
        Ok(Destination { is_directory: found.map(|found| found.mode & DIRECTORY != 0), path })
    }

    fn tell(&self, size: usize) {
        if !self.quiet {
            #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
            let size = units::decimal(size as f64, 3);
            output::warn(&format!("Successfully copied {size} to {}", self.to));
        }
    }
}

/// `CONTAINER:PATH`; what begins with a slash or a dot is a path here.
fn in_container(text: &str) -> Option<(&str, &str)> {
    if text.starts_with(['/', '.']) {
        return None;
    }
    text.split_once(':')
}

/// What is at a path in a container, if anything is.
async fn stat(client: &Client, container: &str, path: &str) -> Result<Option<PathStat>, Failure> {
    let call = Call::head(["containers", container, "archive"]).query("path", path);
    match client.send(call).await {
        Ok(answer) => answer.header(STAT).and_then(read_stat).map(Some).ok_or_else(no_stat),
        Err(ClientError::Refused { status: StatusCode::NOT_FOUND, .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn read_stat(text: &str) -> Option<PathStat> {
    serde_json::from_slice(&BASE64.decode(text).ok()?).ok()
}

fn no_stat() -> Failure {
    Failure::Said("the engine did not say what is at the path".to_owned())
}
