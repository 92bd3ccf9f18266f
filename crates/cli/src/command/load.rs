//! `load` and `import`: archives become images.

use std::io;
use std::io::IsTerminal;

use api::progress::Progress;
use bytes::Bytes;
use clap::Args;
use futures_util::stream::{self, Stream, StreamExt};
use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::io::ReaderStream;

use crate::client::{Call, Client, ClientError};
use crate::failure::Failure;
use crate::{output, stdio};

/// Bytes that are read at once.
const PIECE: usize = 256 << 10;

/// What was typed after `load`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Load {
    /// Read from a file instead of STDIN
    #[arg(short, long, value_name = "FILE")]
    input: Option<String>,
    /// Do not show progress
    #[arg(short, long)]
    quiet: bool,
    /// Load only this platform
    #[arg(long, default_value = "", hide_default_value = true)]
    platform: String,
}

/// What was typed after `import`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Import {
    /// Apply an instruction, such as 'CMD ["sh"]'
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// Set a message
    #[arg(short, long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    message: String,
    /// Platform of the image
    #[arg(long, default_value = "", hide_default_value = true)]
    platform: String,
    /// An archive of a root file system, or - for STDIN
    file: String,
    /// A name for the image
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: Option<String>,
}

impl Load {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let (archive, bar) = open(self.input.as_deref(), self.quiet).await?;
        let call = Call::post(["images", "load"]).query("platform", &self.platform);
        let call = call.switch("quiet", self.quiet).archive(archive);
        follow(client, call, &bar).await
    }
}

impl Import {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let file = Some(self.file.as_str()).filter(|file| *file != "-");
        let (archive, bar) = open(file, false).await?;
        let name = self.name.unwrap_or_default();
        let (repository, tag) = split(&name);
        let mut call = Call::post(["images", "create"])
            .query("fromSrc", "-")
            .query("repo", repository)
            .query("tag", tag)
            .query("message", &self.message)
            .query("platform", &self.platform);
        for change in &self.change {
            call = call.query("changes", change);
        }
        follow(client, call.archive(archive), &bar).await
    }
}

/// Splits a name from its tag; a port is no tag.
pub(crate) fn split(name: &str) -> (&str, &str) {
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (name, ""),
    }
}

type Archive = std::pin::Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// An archive, with a bar that shows how much of it was sent.
async fn open(path: Option<&str>, is_quiet: bool) -> Result<(Archive, ProgressBar), Failure> {
    let shows = !is_quiet && io::stderr().is_terminal();
    let Some(path) = path else {
        if io::stdin().is_terminal() {
            return Err(Failure::Said(
                "requested load from stdin, but stdin is empty: name an archive with --input FILE, or pipe one in".to_owned(),
            ));
        }
        let input = stdio::input();
        let pieces =
            stream::unfold(input, |mut input| async { input.recv().await.map(|piece| (Ok(piece), input)) });
        return Ok((Box::pin(pieces), ProgressBar::hidden()));
    };
    let failed = || Failure::file(format!("open {path}"));
    let file = tokio::fs::File::open(path).await.map_err(failed())?;
    let length = file.metadata().await.map_err(failed())?.len();
    let bar = if shows { ProgressBar::new(length) } else { ProgressBar::hidden() };
    let style = ProgressStyle::with_template("{msg:<12} [{bar:50}] {bytes}/{total_bytes}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
    bar.set_message("Loading");
    let sent = bar.clone();
    let pieces = ReaderStream::with_capacity(file, PIECE).inspect(move |piece| {
        if let Ok(piece) = piece {
            sent.inc(piece.len() as u64);
        }
    });
    Ok((Box::pin(pieces), bar))
}

/// Sends the archive and tells what becomes of it.
async fn follow(client: &Client, call: Call, bar: &ProgressBar) -> Result<(), Failure> {
    let mut lines = client.send(call).await?.lines::<Progress>();
    while let Some(progress) = lines.next().await? {
        if !progress.error.is_empty() {
            bar.abandon();
            return Err(ClientError::Late { message: progress.error }.into());
        }
        if let Some(detail) = progress.progress_detail.filter(|detail| detail.total > 0) {
            bar.set_message(progress.status);
            bar.set_length(detail.total.unsigned_abs());
            bar.set_position(detail.current.unsigned_abs());
            continue;
        }
        let text = if progress.stream.is_empty() && progress.id.is_empty() {
            progress.status + "\n"
        } else {
            progress.stream
        };
        if !text.trim().is_empty() {
            bar.suspend(|| output::print(&text))?;
        }
    }
    bar.finish_and_clear();
    Ok(())
}
