//! From a reference to a mounted root file system: content, layers, snapshots, archives.
//!
//! [`Images`] is everything below one data root. [`Images::load`] and
//! [`Images::import`] bring images in, [`Images::find`] gets them by any name a
//! person may use, and [`Snapshots`] gives each container its root file system.
//! [`Registry`] brings them from registries and sends them there.
//! All functions of [`Images`] block; a server calls them from threads that may.

pub mod backing;
mod builtin;
mod cache;
mod commit;
mod compression;
mod config;
mod content;
mod context;
mod copy;
mod diff;
mod digest;
mod images;
mod import;
mod layers;
mod load;
mod overlay;
mod pack;
mod reference;
mod registry;
mod remove;
mod save;
mod snapshots;
mod store;
mod tag;
mod tape;
#[cfg(test)]
mod testing;
mod unpack;
mod usage;
mod users;
mod walk;

pub use builtin::{
    DEFAULT_IMAGE, FileContent, FileEntry, default_image, default_image_of_directory, default_image_with,
    directory_entries, image_from_files,
};
pub use cache::CachedStep;
pub use commit::{CommitError, Step};
pub use config::{
    Healthcheck, HistoryEntry, ImageConfig, ImageDocument, Nothing, RootfsLayers, host_architecture,
};
pub use context::{Context, ContextError, is_archive};
pub use copy::{CopyAttributes, TreeCopy, checksum, find_files};
pub use diff::{ChangeKind, FileChange};
pub use digest::{Digest, ImageId, LayerId, ParseDigestError};
pub use images::{HistoryLine, Image, Images, Layer, LookupError, OpenError};
pub use import::ImportOptions;
pub use layers::LayerError;
pub use linux::overlayfs::Overlay;
pub use load::{LoadError, Loaded, OnProgress, Progress};
pub use pack::{PackError, pack_directory, pack_file};
pub use reference::{ParseReferenceError, Reference};
pub use registry::{
    ApiError, Credentials, Descriptor, Events, Found, Insecure, LoginError, ManifestError,
    ParsePlatformError, Platform, PullError, PullRequest, PushError, PushRequest, Registry, RegistryError,
    RegistrySettings, Stage, Tags, Transfer, read_anything,
};
pub use remove::{Force, RemoveError, Removed, Use};
pub use save::{SaveError, Selection};
pub use snapshots::{DirectoryUse, Rootfs, SnapshotError, Snapshots, tree_size};
pub use store::StoreError;
pub use tag::TagError;
pub use tape::TapeError;
pub use unpack::{EntryError, Limits, Rules, UnpackError, extract};
pub use usage::Usage;
pub use users::{User, UserError, resolve_groups, resolve_user};
pub use walk::Mounts;
