//! Images.

use std::collections::BTreeMap;

use api::container::ContainerConfig;
use api::image::{
    Descriptor, GraphDriver, ImageDeleteItem, ImageHistoryItem, ImageInspect, ImageMetadata, ImageSummary,
    Platform, RootFs,
};
use api::progress::{Progress as ApiProgress, ProgressDetail};
use api::version::Version;
use engine::image::{HistoryLine, Image, ImageConfig, ImageDocument, Loaded, Progress, Removed};

use super::mount::some;
use super::{health, time};

/// One line of a list.
pub(crate) fn summary(image: &Image, containers: i64, version: Version) -> ImageSummary {
    let size = i64::try_from(image.size()).unwrap_or(i64::MAX);
    ImageSummary {
        containers,
        created: image.created(),
        id: image.id.to_string(),
        labels: some(image.config().labels.clone()),
        parent_id: image.document.parent.clone().unwrap_or_default(),
        descriptor: None,
        repo_digests: image.digests(),
        repo_tags: image.tags(),
        shared_size: -1,
        size,
        virtual_size: if version < Version::v1(44) { size } else { 0 },
    }
}

/// All about an image.
pub(crate) fn inspect(image: &Image, version: Version) -> ImageInspect {
    let size = i64::try_from(image.size()).unwrap_or(i64::MAX);
    let is_old = version < Version::v1(52);
    let ImageDocument {
        created,
        author,
        architecture,
        variant,
        os,
        comment,
        docker_version,
        parent,
        config: _,
        rootfs,
        history: _,
    } = image.document.clone();
    let layers = rootfs.diff_ids.iter().map(ToString::to_string).collect();
    ImageInspect {
        id: image.id.to_string(),
        repo_tags: image.tags(),
        repo_digests: image.digests(),
        parent: Some(parent.unwrap_or_default()).filter(|_| is_old),
        comment,
        created: created.unwrap_or_default(),
        docker_version: Some(docker_version).filter(|_| is_old),
        author,
        config: Some(config(image.config().clone())),
        architecture,
        variant,
        os,
        os_version: String::new(),
        size,
        virtual_size: if version < Version::v1(44) { size } else { 0 },
        graph_driver: Some(GraphDriver { data: Some(BTreeMap::new()), name: "overlay2".to_owned() }),
        root_fs: RootFs { r#type: "layers".to_owned(), layers: Some(layers) },
        metadata: ImageMetadata { last_tag_time: image.tagged.clone() },
        descriptor: None,
    }
}

fn config(config: ImageConfig) -> ContainerConfig {
    let ImageConfig {
        user,
        exposed_ports,
        env,
        entrypoint,
        cmd,
        volumes,
        working_dir,
        labels,
        stop_signal,
        stop_timeout,
        healthcheck,
        shell,
        on_build,
        args_escaped,
    } = config;
    let set = |names: BTreeMap<String, engine::image::Nothing>| -> Option<api::StringSet> {
        let set: api::StringSet = names.into_keys().map(|name| (name, api::Empty {})).collect();
        Some(set).filter(|set| !set.is_empty())
    };
    ContainerConfig {
        user,
        exposed_ports: set(exposed_ports),
        env: Some(env),
        cmd,
        healthcheck: healthcheck.map(health::image_config),
        args_escaped,
        volumes: set(volumes),
        working_dir,
        entrypoint,
        on_build,
        labels: some(labels),
        stop_signal: stop_signal.unwrap_or_default(),
        stop_timeout,
        shell,
        ..ContainerConfig::default()
    }
}

/// One step of an image's history.
pub(crate) fn history(line: HistoryLine) -> ImageHistoryItem {
    let HistoryLine { image, created, created_by, comment, size, tags } = line;
    let created = created.and_then(|text| time::parse(&text).ok().flatten());
    ImageHistoryItem {
        comment,
        created: created.map_or(0, |time| time.as_second()),
        created_by,
        id: image.map_or_else(|| "<missing>".to_owned(), |id| id.to_string()),
        size: i64::try_from(size).unwrap_or(i64::MAX),
        tags: Some(tags).filter(|tags| !tags.is_empty()),
    }
}

/// What points at content in a registry.
pub(crate) fn descriptor(descriptor: engine::image::Descriptor) -> Descriptor {
    let engine::image::Descriptor { media_type, size, digest, urls, annotations, platform: its } = descriptor;
    Descriptor {
        media_type,
        digest: digest.to_string(),
        size: i64::try_from(size).unwrap_or(i64::MAX),
        urls,
        annotations,
        platform: its.map(platform),
        ..Descriptor::default()
    }
}

/// What an image is for.
pub(crate) fn platform(platform: engine::image::Platform) -> Platform {
    let engine::image::Platform { architecture, os, os_version, variant } = platform;
    Platform { architecture, os, os_version, os_features: None, variant }
}

/// What was removed.
pub(crate) fn removed(removed: Removed) -> ImageDeleteItem {
    match removed {
        Removed::Untagged(untagged) => ImageDeleteItem { untagged, ..ImageDeleteItem::default() },
        Removed::Deleted(digest) => {
            ImageDeleteItem { deleted: digest.to_string(), ..ImageDeleteItem::default() }
        }
    }
}

/// A line of progress; nothing for what Docker does not say.
pub(crate) fn progress(progress: Progress) -> Option<ApiProgress> {
    let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    match progress {
        Progress::Unpacking { layer, bytes, total } => Some(ApiProgress {
            status: "Loading layer".to_owned(),
            progress_detail: Some(ProgressDetail { current: signed(bytes), total: signed(total) }),
            id: layer.short(),
            ..ApiProgress::default()
        }),
        Progress::Unpacked { layer } => Some(ApiProgress {
            status: "Load complete".to_owned(),
            progress_detail: Some(ProgressDetail::default()),
            id: layer.short(),
            ..ApiProgress::default()
        }),
        Progress::Exists { layer } => Some(ApiProgress {
            status: "Layer already exists".to_owned(),
            progress_detail: Some(ProgressDetail::default()),
            id: layer.short(),
            ..ApiProgress::default()
        }),
        // Reading, and what is new: Docker has no word for it.
        Progress::Reading { .. } | _ => None,
    }
}

/// What Docker says of a loaded image: a line for each name, or one for its id.
pub(crate) fn loaded(loaded: &Loaded) -> Vec<ApiProgress> {
    if loaded.names.is_empty() {
        return vec![ApiProgress::text(format!("Loaded image ID: {}\n", loaded.image))];
    }
    loaded
        .names
        .iter()
        .map(|name| ApiProgress::text(format!("Loaded image: {}\n", name.familiar())))
        .collect()
}
