//! `save` and `export`: archives that the engine makes.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::client::{Answer, Call, Client};
use crate::failure::Failure;
use crate::output;

/// What was typed after `save`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Save {
    /// Write to a file instead of STDOUT
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Save only this platform
    #[arg(long, default_value = "", hide_default_value = true)]
    platform: String,
    /// Names or ids of images; a repository means all its tags
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

/// What was typed after `export`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Export {
    /// Write to a file instead of STDOUT
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Name or id of a container
    container: String,
}

impl Save {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let mut call = Call::get(["images", "get"]).query("platform", &self.platform);
        for image in &self.images {
            call = call.query("names", image);
        }
        receive(client, call, self.output.as_deref()).await
    }
}

impl Export {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let call = Call::get(["containers", &self.container, "export"]);
        receive(client, call, self.output.as_deref()).await
    }
}

/// Writes an archive to a file, which appears when it is complete, or to standard output.
async fn receive(client: &Client, call: Call, path: Option<&Path>) -> Result<(), Failure> {
    let Some(path) = path else {
        if io::stdout().is_terminal() {
            let text = "cowardly refusing to save to a terminal. Use the -o flag or redirect";
            return Err(Failure::Said(text.to_owned()));
        }
        return print(client.send(call).await?).await;
    };
    let answer = client.send(call).await?;
    let failed = || Failure::file(format!("cannot write {}", path.display()));
    // A device or a pipe is written to; a file is replaced.
    if path.metadata().is_ok_and(|status| !status.is_file()) {
        let mut file = std::fs::OpenOptions::new().write(true).open(path).map_err(failed())?;
        return write(answer, &mut file).await.map(drop);
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let mut file = std::fs::File::create_new(&part).map_err(failed())?;
    let done = write(answer, &mut file).await;
    let done = done.and_then(|_| std::fs::rename(&part, path).map_err(failed()));
    if done.is_err() {
        drop(std::fs::remove_file(&part));
    }
    done
}

/// Writes an answer to standard output.
pub(super) async fn print(mut answer: Answer) -> Result<(), Failure> {
    while let Some(piece) = answer.piece().await? {
        output::print_bytes(&piece)?;
    }
    Ok(())
}

async fn write(mut answer: Answer, file: &mut impl Write) -> Result<u64, Failure> {
    let mut written = 0;
    while let Some(piece) = answer.piece().await? {
        file.write_all(&piece).map_err(Failure::Output)?;
        written += piece.len() as u64;
    }
    Ok(written)
}
