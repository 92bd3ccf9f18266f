//! One blob to a registry: found there, taken from another repository there, or sent.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use flate2::Compression;
use futures_util::StreamExt;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use reqwest::{Body, Method, Response, StatusCode, Url};
use tokio::sync::Semaphore;
use tokio_util::io::ReaderStream;

use super::error::{PushError, RegistryError};
use super::event::{Events, Stage};
use super::manifest::{Descriptor, GZIP_LAYER, ZSTD_LAYER};
use super::retry::Attempts;
use super::session::{Session, refused};
use crate::compression;
use crate::content::{Scratch, StageError};
use crate::store::Reads;
use crate::store::record::{self, Place};
use crate::{Digest, Images, Layer};

/// How many blobs are looked for, and repositories asked, before a layer is sent.
const CANDIDATES: usize = 4;
/// Bytes that are sent at once.
const PIECE: usize = 256 << 10;
/// How often somebody is told how far it is.
const TOLD: Duration = Duration::from_millis(100);

/// What is sent.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Bytes(Bytes),
    File { path: PathBuf, size: u64 },
}

/// How blobs are sent to one repository.
#[derive(Clone, Debug)]
pub(super) struct Sending {
    pub(super) images: Arc<Images>,
    pub(super) session: Arc<Session>,
    pub(super) permits: Arc<Semaphore>,
    pub(super) attempts: u32,
    pub(super) scratch: Arc<Scratch>,
    pub(super) events: Events,
    /// The registry.
    pub(super) domain: String,
}

impl Sending {
    /// Sees to it that the registry has a layer; says as which blob.
    pub(super) async fn layer(&self, layer: &Layer) -> Result<Descriptor, PushError> {
        let permit = match self.permits.try_acquire() {
            Ok(permit) => permit,
            Err(_) => {
                self.events.layer(layer.id.0, Stage::Waiting).await;
                self.permits.acquire().await.map_err(|_| PushError::Lost)?
            }
        };
        let (media_type, is_ready) = self.kind(layer)?;
        let places = self.places(layer)?;
        let own = is_ready.then_some((layer.blob, layer.blob_size));
        let descriptor = |(digest, size)| Descriptor::new(media_type, size, digest);
        if let Some(found) = self.there(own, &places).await? {
            self.events.layer(layer.id.0, Stage::Exists).await;
            return Ok(descriptor(found));
        }
        let mut begun = None;
        for place in places.iter().filter(|place| place.repository != self.own()).take(CANDIDATES) {
            match self.mount(place).await? {
                Begun::Mounted => {
                    let from = place.repository.split_once('/').map_or("", |(_, path)| path).to_owned();
                    self.events.layer(layer.id.0, Stage::Mounted { from }).await;
                    return Ok(descriptor((place.blob, place.size)));
                }
                Begun::Upload(url) => begun = Some(url),
            }
        }
        let (digest, content) = match own {
            Some((digest, size)) => (digest, Content::File { path: self.images.content.path(digest), size }),
            None => self.compress(layer.blob).await?,
        };
        let size = content.size();
        self.upload(digest, content, Some(layer.id.0), begun).await?;
        drop(permit);
        self.events.layer(layer.id.0, Stage::Done).await;
        Ok(descriptor((digest, size)))
    }

    /// Sees to it that the registry has a configuration.
    pub(super) async fn config(&self, digest: Digest, content: Content) -> Result<(), PushError> {
        if self.has(digest).await? {
            return Ok(());
        }
        self.upload(digest, content, None, None).await
    }

    fn own(&self) -> String {
        format!("{}/{}", self.domain, self.session.repository)
    }

    /// What the blob of a layer is in a manifest, and whether it is compressed as it is here.
    fn kind(&self, layer: &Layer) -> Result<(&'static str, bool), PushError> {
        let mut blob = File::open(self.images.content.path(layer.blob))?;
        Ok(match compression::Compression::of(&mut blob)? {
            compression::Compression::Zstd => (ZSTD_LAYER, true),
            compression::Compression::Gzip => (GZIP_LAYER, true),
            compression::Compression::None => (GZIP_LAYER, false),
        })
    }

    /// Where this registry has the layer, as far as is known: this repository first.
    fn places(&self, layer: &Layer) -> Result<Vec<Place>, PushError> {
        let known: Option<record::Known> = self.images.store.view()?.get(&layer.id.to_string())?;
        let mut places = known.map(|known| known.places).unwrap_or_default();
        let prefix = format!("{}/", self.domain);
        places.retain(|place| place.repository.starts_with(&prefix));
        let own = self.own();
        places.sort_by_key(|place| place.repository != own);
        Ok(places)
    }

    /// A blob with the layer that the repository has already.
    async fn there(
        &self,
        own: Option<(Digest, u64)>,
        places: &[Place],
    ) -> Result<Option<(Digest, u64)>, PushError> {
        let mut asked = Vec::new();
        for (digest, size) in own.into_iter().chain(places.iter().map(|place| (place.blob, place.size))) {
            if asked.contains(&digest) || asked.len() == CANDIDATES {
                continue;
            }
            if self.has(digest).await? {
                return Ok(Some((digest, size)));
            }
            asked.push(digest);
        }
        Ok(None)
    }

    async fn has(&self, digest: Digest) -> Result<bool, PushError> {
        let url = self.session.url(&format!("blobs/{digest}"));
        match self.session.ask(Method::HEAD, &url, |request| request).await {
            Ok(_) => Ok(true),
            Err(RegistryError::Refused { status: StatusCode::NOT_FOUND, .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks the registry to take a blob from another of its repositories.
    async fn mount(&self, place: &Place) -> Result<Begun, PushError> {
        let from = place.repository.split_once('/').map_or("", |(_, path)| path);
        let mut url = self.session.url("blobs/uploads/");
        url.query_pairs_mut().append_pair("mount", &place.blob.to_string()).append_pair("from", from);
        let answer =
            self.session.ask(Method::POST, &url, |request| request.header(CONTENT_LENGTH, 0)).await?;
        if answer.status() == StatusCode::CREATED {
            return Ok(Begun::Mounted);
        }
        Ok(Begun::Upload(place_of(&answer)?))
    }

    /// Compresses a layer's archive, as registries keep them.
    async fn compress(&self, blob: Digest) -> Result<(Digest, Content), PushError> {
        let (path, scratch) = (self.images.content.path(blob), Arc::clone(&self.scratch));
        let work = move || {
            let plain = File::open(path).map_err(StageError::Read)?;
            scratch.stage(flate2::read::GzEncoder::new(plain, Compression::default()))
        };
        let staged = tokio::task::spawn_blocking(work).await.map_err(|_| PushError::Lost)?;
        let staged = staged.map_err(|error| match error {
            StageError::Read(error) | StageError::Write(error) => PushError::Io(error),
        })?;
        Ok((staged.digest, Content::File { path: staged.path, size: staged.size }))
    }

    /// Sends a blob, as often as needed; `begun` is an upload that the registry has begun.
    async fn upload(
        &self,
        digest: Digest,
        content: Content,
        layer: Option<Digest>,
        mut begun: Option<Url>,
    ) -> Result<(), PushError> {
        let mut attempts = Attempts::new(self.attempts);
        loop {
            let error = match self.once(digest, &content, layer, begun.take()).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let pause = if error.is_passing() { attempts.pause(None) } else { None };
            let Some(pause) = pause else { return Err(error.into()) };
            if let Some(layer) = layer {
                self.events.layer(layer, Stage::Retrying { seconds: pause.as_secs() }).await;
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn once(
        &self,
        digest: Digest,
        content: &Content,
        layer: Option<Digest>,
        begun: Option<Url>,
    ) -> Result<(), RegistryError> {
        let place = match begun {
            Some(place) => place,
            None => {
                let url = self.session.url("blobs/uploads/");
                let empty = |request: reqwest::RequestBuilder| request.header(CONTENT_LENGTH, 0);
                place_of(&self.session.ask(Method::POST, &url, empty).await?)?
            }
        };
        let size = content.size();
        // The body is opened anew for each try of the same request.
        self.body(content, layer).map_err(RegistryError::Read)?;
        let patched = self.session.send(Method::PATCH, &place, |request| {
            let request =
                request.header(CONTENT_TYPE, "application/octet-stream").header(CONTENT_LENGTH, size);
            match self.body(content, layer) {
                Ok(body) => request.body(body),
                Err(_) => request.body(Body::from(Bytes::new())),
            }
        });
        let mut last = place_of(&success(patched.await?).await?)?;
        last.query_pairs_mut().append_pair("digest", &digest.to_string());
        let put = self.session.send(Method::PUT, &last, |request| request.header(CONTENT_LENGTH, 0));
        success(put.await?).await.map(drop)
    }

    fn body(&self, content: &Content, layer: Option<Digest>) -> std::io::Result<Body> {
        let (path, total) = match content {
            Content::Bytes(bytes) => return Ok(Body::from(bytes.clone())),
            Content::File { path, size } => (path, *size),
        };
        let file = tokio::fs::File::from_std(File::open(path)?);
        let (events, mut bytes, mut told) = (self.events.clone(), 0, Instant::now());
        let pieces = ReaderStream::with_capacity(file, PIECE).inspect(move |piece| {
            bytes += piece.as_ref().map_or(0, Bytes::len) as u64;
            if let Some(layer) = layer.filter(|_| told.elapsed() >= TOLD || bytes == total) {
                told = Instant::now();
                events.far(layer, Stage::Travelling { bytes, total });
            }
        });
        Ok(Body::wrap_stream(pieces))
    }
}

/// How a registry answers who wants to add a blob.
enum Begun {
    Mounted,
    Upload(Url),
}

impl Content {
    fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { size, .. } => *size,
        }
    }
}

async fn success(response: Response) -> Result<Response, RegistryError> {
    if response.status().is_success() { Ok(response) } else { Err(refused(response).await) }
}

/// Where the next request about an upload goes; relative to this one's place.
fn place_of(answer: &Response) -> Result<Url, RegistryError> {
    let place = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let place = place.and_then(|place| answer.url().join(place).ok());
    place.ok_or_else(|| RegistryError::NoPlace { url: Box::new(answer.url().clone()) })
}
