//! From a name to an image.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use reqwest::StatusCode;
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::Registry;
use super::arrival::{Arrival, Arrived, Expected};
use super::auth::Credentials;
use super::endpoint::{Endpoint, Purpose};
use super::error::{ApiError, PullError, RegistryError};
use super::event::{Events, Stage, Transfer};
use super::fetch::Fetch;
use super::manifest::{self, ACCEPTED, Descriptor, Document, Manifest, ManifestError};
use super::platform::Platform;
use super::session::Session;
use crate::content::Scratch;
use crate::load::DOCUMENT_LIMIT;
use crate::{Digest, ImageDocument, ImageId, LayerId, LookupError, Reference};

/// The most bytes of a manifest, as the distribution project has it.
const MANIFEST_LIMIT: u64 = 4 << 20;
/// How deep lists of images may be nested.
const DEPTH_LIMIT: usize = 4;
/// Layers that wait to be unpacked.
const QUEUE: usize = 4;
/// The most tags of a repository that are pulled.
const TAGS_LIMIT: usize = 10_000;

/// What is to be pulled.
#[derive(Clone, Debug)]
pub struct PullRequest {
    /// With a tag or a digest, unless all tags are wanted.
    pub reference: Reference,
    pub tags: Tags,
    /// This machine's, unless it is given.
    pub platform: Option<Platform>,
    pub credentials: Option<Credentials>,
}

/// Which tags of the repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tags {
    One,
    All,
}

impl Registry {
    /// Pulls what is wanted; says whether anything was not there before. Dropping the future ends the pull
    /// and leaves nothing.
    pub async fn pull(&self, request: PullRequest, events: Events) -> Result<bool, PullError> {
        let mut sessions = self.sessions(&request).await?.into_iter().peekable();
        while let Some(session) = sessions.next() {
            let pull =
                Pull { registry: self, session: Arc::clone(&session), request: &request, events: &events };
            match pull.run().await {
                Err(error) if sessions.peek().is_some() && elsewhere(&session, &error) => {}
                other => return other,
            }
        }
        Err(PullError::Lost)
    }

    /// The repository on every server that may have it.
    pub(super) async fn sessions(&self, request: &PullRequest) -> Result<Vec<Arc<Session>>, RegistryError> {
        let repository = request.reference.path();
        let endpoints = self.endpoints(request.reference.domain(), Purpose::Pull).await?;
        let session = |endpoint: Endpoint| {
            let scopes = vec![format!("repository:{repository}:pull")];
            // A mirror is another server: it does not get what is meant for the registry.
            let credentials = request.credentials.clone().filter(|_| !endpoint.is_mirror);
            Arc::new(Session::new(endpoint, repository, scopes, credentials))
        };
        Ok(endpoints.into_iter().map(session).collect())
    }
}

/// Whether the next server may do what this one did not.
pub(super) fn elsewhere(session: &Session, error: &PullError) -> bool {
    tracing::info!(server = %session.endpoint.base, error = %chain(error), "a server cannot serve");
    session.endpoint.is_mirror || matches!(error, PullError::Registry(error) if error.is_unreachable())
}

pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// One repository on one server.
pub(super) struct Pull<'a> {
    pub(super) registry: &'a Registry,
    pub(super) session: Arc<Session>,
    pub(super) request: &'a PullRequest,
    pub(super) events: &'a Events,
}

/// A document of a registry, byte for byte, and what it says.
pub(super) struct Got {
    pub(super) media_type: String,
    pub(super) bytes: Vec<u8>,
    pub(super) document: Document,
}

impl Pull<'_> {
    async fn run(&self) -> Result<bool, PullError> {
        let reference = &self.request.reference;
        if self.request.tags == Tags::One {
            return self.one(reference.clone().canonical()).await;
        }
        if reference.tag().is_some() || reference.digest().is_some() {
            return Err(PullError::TagWithAll);
        }
        let mut is_new = false;
        for tag in self.tags().await? {
            let named = format!("{reference}:{tag}").parse().map_err(LookupError::from)?;
            is_new |= self.one(named).await?;
        }
        Ok(is_new)
    }

    async fn tags(&self) -> Result<Vec<String>, PullError> {
        #[derive(Deserialize)]
        struct List {
            tags: Option<Vec<String>>,
        }
        let mut all: BTreeSet<String> = BTreeSet::new();
        loop {
            let mut url = self.session.url("tags/list");
            url.query_pairs_mut().append_pair("n", "1000");
            if let Some(last) = all.last() {
                url.query_pairs_mut().append_pair("last", last);
            }
            let list = self.session.document(&url, &[], MANIFEST_LIMIT).await;
            let (_, bytes) = list.map_err(|error| self.translate(error, &self.request.reference))?;
            let list: List = serde_json::from_slice(&bytes)
                .map_err(|source| RegistryError::Answer { url: Box::new(url), source })?;
            let before = all.len();
            all.extend(list.tags.unwrap_or_default());
            // A server that does not know pages sends the same again.
            if all.len() == before || all.len() > TAGS_LIMIT {
                return Ok(all.into_iter().collect());
            }
        }
    }

    /// Pulls the image of a tag or a digest.
    async fn one(&self, reference: Reference) -> Result<bool, PullError> {
        let Got { bytes: top, document, .. } = self.manifest(&reference).await?;
        let digest = Digest::of(&top);
        let what = reference.digest().map(|digest| digest.to_string());
        let what = what.or(reference.tag().map(str::to_owned)).unwrap_or_default();
        self.events.tell(Transfer::Pulling { what, path: self.session.repository.clone() }).await;
        let (bytes, manifest) = self.image(top, document, &reference).await?;
        let told = reference.familiar();
        let mut names = vec![reference.clone().with_digest(digest)];
        if reference.digest().is_none() {
            names.insert(0, reference);
        }
        let id = ImageId(manifest.config.digest);
        let is_new = if self.is_here(id).await? {
            self.name(id, names).await?
        } else {
            self.bring(bytes, manifest, names).await?;
            true
        };
        self.events.tell(Transfer::Pulled { digest }).await;
        self.warn(id, &told).await?;
        Ok(is_new)
    }

    /// An image that is not in a list may be for another platform than the wanted one.
    async fn warn(&self, id: ImageId, reference: &str) -> Result<(), PullError> {
        let Some(wanted) = &self.request.platform else { return Ok(()) };
        let document = self.registry.images.get(id)?.document;
        let actual = Platform::new(&document.os, &document.architecture, &document.variant);
        if wanted.suits(&actual).is_none() {
            let text = format!(
                "image with reference {reference} was found but does not match the specified platform: wanted \
                 {wanted}, actual: {actual}"
            );
            self.events.tell(Transfer::Warning(text)).await;
        }
        Ok(())
    }

    /// The document under a tag or a digest.
    pub(super) async fn manifest(&self, reference: &Reference) -> Result<Got, PullError> {
        let digest = reference.digest();
        let what = digest.map_or_else(|| reference.tag().unwrap_or_default().to_owned(), |it| it.to_string());
        let url = self.session.url(&format!("manifests/{what}"));
        let got = self.session.document(&url, &ACCEPTED, MANIFEST_LIMIT).await;
        let (media_type, bytes) = got.map_err(|error| self.translate(error, reference))?;
        let actual = Digest::of(&bytes);
        if let Some(wanted) = digest.filter(|wanted| *wanted != actual) {
            let reference = reference.familiar();
            return Err(PullError::WrongDigest { what: "the manifest", reference, wanted, actual });
        }
        let (media_type, document) = manifest::parse(&media_type, &bytes)?;
        Ok(Got { media_type, bytes, document })
    }

    /// The manifest of the image for the platform, through lists of images.
    async fn image(
        &self,
        top: Vec<u8>,
        document: Document,
        reference: &Reference,
    ) -> Result<(Vec<u8>, Manifest), PullError> {
        let wanted = self.request.platform.clone().unwrap_or_else(Platform::host);
        let (mut bytes, mut document) = (top, document);
        for _ in 0..=DEPTH_LIMIT {
            let index = match document {
                Document::Image(manifest) => return Ok((bytes, *manifest)),
                Document::Index(index) => index,
            };
            let chosen = manifest::choose(&index, &wanted);
            let chosen =
                chosen.map_err(|found| PullError::NoPlatform { wanted: Box::new(wanted.clone()), found })?;
            let inner = self.manifest(&reference.clone().with_digest(chosen.digest)).await?;
            (bytes, document) = (inner.bytes, inner.document);
        }
        Err(ManifestError::Nested.into())
    }

    async fn is_here(&self, id: ImageId) -> Result<bool, PullError> {
        let images = Arc::clone(&self.registry.images);
        let found = tokio::task::spawn_blocking(move || images.get(id)).await;
        match found.map_err(|_| PullError::Lost)? {
            Ok(_) => Ok(true),
            Err(LookupError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Names an image that is here; says whether its tag was another's.
    async fn name(&self, id: ImageId, names: Vec<Reference>) -> Result<bool, PullError> {
        let images = Arc::clone(&self.registry.images);
        let named = tokio::task::spawn_blocking(move || images.name(id, &names)).await;
        Ok(named.map_err(|_| PullError::Lost)??)
    }

    /// Brings an image that is not here.
    async fn bring(
        &self,
        bytes: Vec<u8>,
        manifest: Manifest,
        names: Vec<Reference>,
    ) -> Result<(), PullError> {
        let (document, parsed) = self.configuration(&manifest).await?;
        let reference = &self.request.reference;
        let expected = Expected {
            document,
            parsed,
            manifest: bytes,
            blobs: manifest.layers,
            names,
            repository: format!("{}/{}", reference.domain(), reference.path()),
        };
        let order: Vec<Digest> = expected.blobs.iter().map(|blob| blob.digest).collect();
        let images = Arc::clone(&self.registry.images);
        let scratch = Arc::new(Scratch::new(&images.unfinished)?);
        let (say_missing, missing) = oneshot::channel();
        let (arrived, arriving) = mpsc::channel(QUEUE);
        let arrival = Arrival { images, scratch: Arc::clone(&scratch), events: self.events.clone() };
        let arrival = tokio::task::spawn_blocking(move || arrival.run(expected, say_missing, arriving));
        let fetched = match missing.await {
            Ok(missing) => self.fetch(order, missing, &scratch, arrived).await,
            Err(_) => Err(PullError::Lost),
        };
        let stored = arrival.await.map_err(|_| PullError::Lost)?;
        // Of the two halves the one that did not just lose the other knows why.
        match (fetched, stored) {
            (Err(PullError::Lost), stored) => stored.and(Err(PullError::Lost)),
            (Err(error), _) => Err(error),
            (Ok(()), stored) => stored,
        }
    }

    /// The configuration, byte for byte, if it is one for this kernel.
    pub(super) async fn configuration(
        &self,
        manifest: &Manifest,
    ) -> Result<(Vec<u8>, ImageDocument), PullError> {
        let Descriptor { digest, size, .. } = manifest.config;
        let url = self.session.url(&format!("blobs/{digest}"));
        let failed = |source| PullError::Layer { digest, source: Box::new(source) };
        if size > DOCUMENT_LIMIT {
            return Err(failed(RegistryError::TooLarge { url: Box::new(url), limit: DOCUMENT_LIMIT }));
        }
        let (_, bytes) = self.session.document(&url, &[], size).await.map_err(failed)?;
        let actual = Digest::of(&bytes);
        if actual != digest {
            let reference = self.request.reference.familiar();
            return Err(PullError::WrongDigest {
                what: "the configuration",
                reference,
                wanted: digest,
                actual,
            });
        }
        let understood: Result<ImageDocument, _> = serde_json::from_slice(&bytes);
        let parsed = understood.map_err(|source| PullError::Document { digest, source })?;
        if !parsed.os.is_empty() && parsed.os != "linux" {
            return Err(PullError::WrongSystem { os: parsed.os });
        }
        let (layers, diff_ids) = (manifest.layers.len(), parsed.rootfs.diff_ids.len());
        if layers != diff_ids {
            return Err(PullError::LayerCount { layers, diff_ids });
        }
        Ok((bytes, parsed))
    }

    /// Fetches the missing layers, several at a time, and hands them on.
    async fn fetch(
        &self,
        order: Vec<Digest>,
        missing: BTreeMap<LayerId, Descriptor>,
        scratch: &Arc<Scratch>,
        arrived: mpsc::Sender<Arrived>,
    ) -> Result<(), PullError> {
        let mut wanted: BTreeMap<Digest, (LayerId, Descriptor)> = BTreeMap::new();
        for (layer, blob) in missing {
            // One blob is one layer.
            if let Some((_, other)) = wanted.insert(blob.digest, (layer, blob)) {
                return Err(PullError::WrongLayer { digest: other.digest });
            }
        }
        let mut told = BTreeSet::new();
        let mut tasks = JoinSet::new();
        for blob in order.iter().filter(|blob| told.insert(**blob)) {
            let is_wanted = wanted.contains_key(blob);
            self.events.layer(*blob, if is_wanted { Stage::Wanted } else { Stage::Exists }).await;
        }
        for digest in order {
            let Some((layer, blob)) = wanted.remove(&digest) else { continue };
            let one = One {
                session: Arc::clone(&self.session),
                permits: Arc::clone(&self.registry.downloads),
                attempts: self.registry.settings.attempts,
                scratch: Arc::clone(scratch),
                events: self.events.clone(),
            };
            let arrived = arrived.clone();
            tasks.spawn(async move {
                let staged = one.fetch(&blob).await?;
                arrived.send((layer, staged)).await.map_err(|_| PullError::Lost)
            });
        }
        drop(arrived);
        while let Some(ended) = tasks.join_next().await {
            ended.map_err(|_| PullError::Lost)??;
        }
        Ok(())
    }

    /// What the registry's refusal means for what was asked, as Docker tells it.
    fn translate(&self, error: RegistryError, reference: &Reference) -> PullError {
        let repository = || reference.familiar_name();
        let is_missing =
            matches!(error, RegistryError::Refused { status, .. } if status == StatusCode::NOT_FOUND);
        let missing = || {
            let [code, message] = ["MANIFEST_UNKNOWN", "manifest unknown"].map(str::to_owned);
            is_missing.then_some(ApiError { code, message })
        };
        let Some(said) = error.said().cloned().or_else(missing) else { return error.into() };
        match said.code.as_str() {
            "DENIED" => PullError::Denied { repository: repository(), source: said },
            "MANIFEST_UNKNOWN" => PullError::NoManifest { reference: reference.familiar(), source: said },
            "NAME_UNKNOWN" => PullError::NoRepository { repository: repository(), source: said },
            _ => error.into(),
        }
    }
}

/// One layer on its way.
struct One {
    session: Arc<Session>,
    permits: Arc<tokio::sync::Semaphore>,
    attempts: u32,
    scratch: Arc<Scratch>,
    events: Events,
}

impl One {
    async fn fetch(&self, blob: &Descriptor) -> Result<crate::content::Staged, PullError> {
        let permit = match self.permits.try_acquire() {
            Ok(permit) => permit,
            Err(_) => {
                self.events.layer(blob.digest, Stage::Waiting).await;
                self.permits.acquire().await.map_err(|_| PullError::Lost)?
            }
        };
        let fetch = Fetch { session: &self.session, blob, attempts: self.attempts, events: &self.events };
        let staged = fetch.to_file(self.scratch.free_path()).await?;
        drop(permit);
        self.events.layer(blob.digest, Stage::Checking).await;
        self.events.layer(blob.digest, Stage::Travelled).await;
        Ok(staged)
    }
}
