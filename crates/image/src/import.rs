//! Makes an image of the archive of a root file system.

use std::io::{self, Read};

use crate::compression::{Compression, decompressed};
use crate::config::{HistoryEntry, ImageConfig, ImageDocument, RootfsLayers, host_architecture};
use crate::content::{Scratch, Staged};
use crate::digest::Hashed;
use crate::load::{LoadError, OnProgress, Plan, Progress, Told};
use crate::tape::broken;
use crate::{ImageId, Images, LayerId, Reference};

/// What an imported image is told about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// Its name; without one it has only an id.
    pub name: Option<Reference>,
    /// The comment of its one step; Docker writes `Imported from -`.
    pub comment: String,
    pub config: ImageConfig,
}

impl Images {
    /// Makes an image with one layer of a tar archive, plain or compressed.
    pub fn import(
        &self,
        archive: impl Read,
        options: ImportOptions,
        progress: OnProgress<'_>,
    ) -> Result<ImageId, LoadError> {
        self.keeping(|| self.import_kept(archive, options, progress))
    }

    fn import_kept(
        &self,
        archive: impl Read,
        options: ImportOptions,
        progress: OnProgress<'_>,
    ) -> Result<ImageId, LoadError> {
        let scratch = Scratch::new(&self.unfinished)?;
        let tell = |bytes| progress(Progress::Reading { bytes });
        let blob = scratch.stage(Told { inner: archive, read: 0, told: 0, tell })?;
        let layer = uncompressed_digest(&blob)?;
        let now = jiff::Timestamp::now().to_string();
        let parsed = ImageDocument {
            created: Some(now.clone()),
            architecture: host_architecture().to_owned(),
            os: "linux".to_owned(),
            comment: options.comment.clone(),
            config: options.config,
            rootfs: RootfsLayers { kind: "layers".to_owned(), diff_ids: vec![layer] },
            history: vec![HistoryEntry {
                created: Some(now),
                comment: options.comment,
                ..HistoryEntry::default()
            }],
            ..ImageDocument::default()
        };
        let text = serde_json::to_vec(&parsed)
            .map_err(|source| LoadError::Document { path: "config.json".to_owned(), source })?;
        let document = scratch.stage(text.as_slice())?;
        let id = ImageId(document.digest);
        let names = options.name.map(Reference::or_latest).into_iter().collect();
        self.adopt(&[Plan { document, parsed, blobs: vec![blob], names, manifest: None }], progress)?;
        Ok(id)
    }
}

/// The digest of an archive without its compression.
fn uncompressed_digest(blob: &Staged) -> Result<LayerId, LoadError> {
    let mut file = std::fs::File::open(&blob.path)?;
    if Compression::of(&mut file)? == Compression::None {
        return Ok(LayerId(blob.digest));
    }
    let mut plain = Hashed::new(decompressed(file).map_err(broken)?);
    io::copy(&mut plain, &mut io::sink()).map_err(broken)?;
    Ok(LayerId(plain.finish().0))
}
