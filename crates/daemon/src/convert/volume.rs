//! Volumes as the engine's, and as they are shown.

use api::volume::{UsageData, Volume, VolumeCopyStatus, VolumeCreateRequest, VolumeSnapshot};
use engine::linux::root::Progress;
use engine::{VolumeInspect, VolumeSpec};
use serde_json::{Map, Value};

use super::{mount, time};

/// Docker's mark of a volume that nobody named.
const ANONYMOUS: &str = "com.docker.volume.anonymous";

/// What `POST /volumes/create` asks for.
pub(crate) fn spec(request: VolumeCreateRequest) -> VolumeSpec {
    let VolumeCreateRequest { name, driver, driver_opts, labels } = request;
    VolumeSpec { name, driver, options: driver_opts.unwrap_or_default(), labels: labels.unwrap_or_default() }
}

/// A volume as `inspect` shows it.
pub(crate) fn show(volume: &VolumeInspect) -> Volume {
    let VolumeInspect { record, mountpoint, limit, users: _, scope, status } = volume;
    let mut labels = record.labels.clone();
    if record.anonymous {
        labels.insert(ANONYMOUS.to_owned(), String::new());
    }
    let limited = limit.map(|limit| {
        let number = |number: u64| Value::String(number.to_string());
        Map::from_iter([("Size".to_owned(), number(limit.limit)), ("Used".to_owned(), number(limit.used))])
    });
    Volume {
        created_at: time::text(Some(record.created)),
        driver: record.driver.clone(),
        labels: mount::some(labels),
        mountpoint: mountpoint.display().to_string(),
        name: record.name.clone(),
        options: mount::some(record.options.clone()),
        scope: (*scope).to_owned(),
        status: status.clone().or(limited),
        usage_data: None,
    }
}

/// A volume as `GET /system/df` shows it.
pub(crate) fn show_used(volume: &VolumeInspect, bytes: Option<u64>) -> Volume {
    let small = |number: Option<u64>| number.and_then(|number| i64::try_from(number).ok()).unwrap_or(-1);
    let users = u64::try_from(volume.users).ok();
    let usage = UsageData { size: small(bytes), ref_count: small(users) };
    Volume { usage_data: Some(usage), ..show(volume) }
}

/// How far a copy is.
pub(crate) fn progress(progress: &Progress) -> VolumeCopyStatus {
    VolumeCopyStatus {
        files: progress.files(),
        bytes: progress.bytes(),
        shared: progress.shared(),
        ..VolumeCopyStatus::default()
    }
}

/// The states that are kept of a volume.
pub(crate) fn snapshots(volume: &VolumeInspect) -> Vec<VolumeSnapshot> {
    let snapshots = volume.record.snapshots.iter();
    let show = |(name, snapshot): (&String, &engine::Snapshot)| VolumeSnapshot {
        name: name.clone(),
        created_at: time::text(Some(snapshot.created)),
    };
    snapshots.map(show).collect()
}
