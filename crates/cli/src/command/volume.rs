//! `volume`: create, ls, rm.

use api::volume::{Volume, VolumeCreateRequest, VolumeListResponse};
use clap::Args;

use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::output;
use crate::syntax::{filter, pairs};
use crate::table::{self, Format, Listing, Row};

/// What was typed after `volume create`.
#[derive(Args, Clone, Debug)]
pub(crate) struct VolumeCreate {
    /// Driver of the volume
    #[arg(short, long, value_name = "DRIVER", default_value = "local")]
    driver: String,
    /// Options of the driver
    #[arg(short, long, value_name = "NAME=VALUE")]
    opt: Vec<String>,
    /// Set metadata on the volume
    #[arg(long, value_name = "NAME=VALUE")]
    label: Vec<String>,
    /// Name of the volume; a random one if none is given
    #[arg(value_name = "VOLUME")]
    name: Option<String>,
}

impl VolumeCreate {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let request = VolumeCreateRequest {
            name: self.name.unwrap_or_default(),
            driver: self.driver,
            driver_opts: Some(pairs::map(&self.opt)),
            labels: Some(pairs::map(&self.label)),
        };
        let volume: Volume = client.json(Call::post(["volumes", "create"]).json(&request)).await?;
        output::line(&volume.name)
    }
}

/// What was typed after `volume ls`.
#[derive(Args, Clone, Debug)]
pub(crate) struct VolumeLs {
    /// Only volumes that match, such as dangling=true
    #[arg(short, long, value_name = "NAME=VALUE")]
    filter: Vec<String>,
    #[command(flatten)]
    format: Format,
}

const FIELDS: [(&str, &str); 5] = [
    ("Driver", "DRIVER"),
    ("Name", "VOLUME NAME"),
    ("Scope", "SCOPE"),
    ("Mountpoint", "MOUNTPOINT"),
    ("Labels", "LABELS"),
];

impl VolumeLs {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let call = Call::get(["volumes"]).filters(&filter::parse(&self.filter)?);
        let VolumeListResponse { volumes, warnings } = client.json(call).await?;
        warnings.iter().flatten().for_each(|warning| output::warn(warning));
        let mut volumes = volumes.unwrap_or_default();
        volumes.sort_by(|one, other| one.name.cmp(&other.name));
        let row = |volume: &Volume| {
            Row::default()
                .with("Driver", volume.driver.as_str())
                .with("Name", volume.name.as_str())
                .with("Scope", volume.scope.as_str())
                .with("Mountpoint", volume.mountpoint.as_str())
                .with_labels(volume.labels.as_ref())
        };
        let listing = Listing { fields: &FIELDS, columns: &["Driver", "Name"], id: "Name" };
        table::print(listing, &self.format, volumes.iter().map(row).collect())
    }
}

/// What was typed after `volume rm`.
#[derive(Args, Clone, Debug)]
pub(crate) struct VolumeRm {
    /// A volume that is not there is no error
    #[arg(short, long)]
    force: bool,
    /// Names of volumes
    #[arg(required = true, value_name = "VOLUME")]
    volumes: Vec<String>,
}

impl VolumeRm {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        output::each(&self.volumes, async |name| {
            client.done(Call::delete(["volumes", name]).switch("force", self.force)).await?;
            Ok(name.to_owned())
        })
        .await
    }
}
