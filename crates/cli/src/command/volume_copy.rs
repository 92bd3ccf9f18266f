//! `volume`: rename, clone, snapshot, snapshots, restore.

use std::io::{self, IsTerminal};

use api::volume::{VolumeCloneRequest, VolumeCopyStatus, VolumeSnapshot};
use clap::Args;
use indicatif::ProgressBar;

use crate::client::{Call, Client, ClientError};
use crate::failure::Failure;
use crate::syntax::pairs;
use crate::table::{self, Format, Listing, Row};
use crate::{output, units};

/// What was typed after `volume rename`.
#[derive(Args, Clone, Debug)]
pub(crate) struct VolumeRename {
    /// Name of the volume
    #[arg(value_name = "VOLUME")]
    name: String,
    /// Its new name
    #[arg(value_name = "NAME")]
    new: String,
}

impl VolumeRename {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let call = Call::post(["volumes", &self.name, "rename"]).query("name", &self.new);
        client.done(call).await?;
        Ok(())
    }
}

/// What was typed after `volume clone`.
#[derive(Args, Clone, Debug)]
pub(crate) struct VolumeClone {
    /// Set metadata on the new volume
    #[arg(long, value_name = "NAME=VALUE")]
    label: Vec<String>,
    /// Name of the volume
    #[arg(value_name = "VOLUME")]
    name: String,
    /// Name of the new volume
    #[arg(value_name = "NAME")]
    new: String,
}

impl VolumeClone {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let request = VolumeCloneRequest { name: self.new.clone(), labels: Some(pairs::map(&self.label)) };
        follow(client, Call::post(["volumes", &self.name, "clone"]).json(&request), "Cloning").await?;
        output::line(&self.new)
    }
}

/// What was typed after `volume snapshot`.
#[derive(Args, Clone, Debug)]
pub(crate) struct VolumeSnapshotKeep {
    /// Freeze the containers that use the volume meanwhile
    #[arg(long)]
    pause: bool,
    /// Remove the snapshot of this name instead
    #[arg(long)]
    rm: bool,
    /// Name of the volume
    #[arg(value_name = "VOLUME")]
    name: String,
    /// Name of the snapshot
    #[arg(value_name = "SNAPSHOT")]
    snapshot: String,
}

impl VolumeSnapshotKeep {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        if self.rm {
            client.done(Call::delete(["volumes", &self.name, "snapshots", &self.snapshot])).await?;
        } else {
            let call = Call::post(["volumes", &self.name, "snapshots"]).query("name", &self.snapshot);
            follow(client, call.switch("pause", self.pause), "Copying").await?;
        }
        output::line(&self.snapshot)
    }
}

/// What was typed after `volume restore`.
#[derive(Args, Clone, Debug)]
pub(crate) struct VolumeRestore {
    /// Name of the volume
    #[arg(value_name = "VOLUME")]
    name: String,
    /// Name of the snapshot
    #[arg(value_name = "SNAPSHOT")]
    snapshot: String,
}

impl VolumeRestore {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let call = Call::post(["volumes", &self.name, "snapshots", &self.snapshot, "restore"]);
        follow(client, call, "Restoring").await?;
        output::line(&self.name)
    }
}

/// What was typed after `volume snapshots`.
#[derive(Args, Clone, Debug)]
pub(crate) struct VolumeSnapshots {
    #[command(flatten)]
    format: Format,
    /// Name of the volume
    #[arg(value_name = "VOLUME")]
    name: String,
}

impl VolumeSnapshots {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let call = Call::get(["volumes", &self.name, "snapshots"]);
        let all: Vec<VolumeSnapshot> = client.json(call).await?;
        let row = |snapshot: &VolumeSnapshot| {
            Row::default()
                .with("Name", snapshot.name.as_str())
                .with("CreatedAt", snapshot.created_at.as_str())
        };
        const FIELDS: [(&str, &str); 2] = [("Name", "SNAPSHOT"), ("CreatedAt", "CREATED AT")];
        let listing = Listing { fields: &FIELDS, columns: &["Name", "CreatedAt"], id: "Name" };
        table::print(listing, &self.format, all.iter().map(row).collect())
    }
}

/// Shows how far a copy is, on a terminal, until it is done.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
async fn follow(client: &Client, call: Call, what: &str) -> Result<(), Failure> {
    let bar = if io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    let mut lines = client.send(call).await?.lines::<VolumeCopyStatus>();
    while let Some(VolumeCopyStatus { files, bytes, shared, volume: _, error }) = lines.next().await? {
        if !error.is_empty() {
            bar.abandon();
            return Err(ClientError::Late { message: error }.into());
        }
        let size = |bytes: u64| units::decimal(bytes as f64, 3);
        bar.set_message(format!("{what}: {files} files, {} ({} shared)", size(bytes), size(shared)));
        bar.tick();
    }
    bar.finish_and_clear();
    Ok(())
}
