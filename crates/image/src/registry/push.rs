//! From an image to a registry that has it.

use std::collections::BTreeMap;
use std::sync::Arc;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Body, Method};
use tokio::task::JoinSet;

use super::Registry;
use super::auth::Credentials;
use super::endpoint::Purpose;
use super::error::PushError;
use super::event::{Events, Stage, Transfer};
use super::manifest::{self, Descriptor, Document};
use super::platform::Platform;
use super::pull::{Tags, chain};
use super::send::{Content, Sending};
use super::session::Session;
use crate::content::Scratch;
use crate::store::Reads;
use crate::store::record::{self, Place};
use crate::{Digest, Image, ImageId, Images, LayerId, Reference};

/// What is to be pushed.
#[derive(Clone, Debug)]
pub struct PushRequest {
    /// The repository; its tag only if one is wanted.
    pub reference: Reference,
    pub tags: Tags,
    /// What the image must be for, if that matters.
    pub platform: Option<Platform>,
    pub credentials: Option<Credentials>,
}

impl Registry {
    /// Sends the image, or all images of a repository.
    pub async fn push(&self, request: PushRequest, events: Events) -> Result<(), PushError> {
        if request.reference.digest().is_some() {
            return Err(PushError::Digest);
        }
        let chosen = self.chosen(&request).await?;
        let path = request.reference.path();
        let endpoints = self.endpoints(request.reference.domain(), Purpose::Push).await?;
        for (endpoint, rest) in endpoints.iter().zip((0..endpoints.len()).rev()) {
            let scopes = vec![format!("repository:{path}:pull,push")];
            let session = Session::new(endpoint.clone(), path, scopes, request.credentials.clone());
            let push = Push { registry: self, session: Arc::new(session), events: &events };
            match push.all(&chosen).await {
                Err(PushError::Registry(error)) if rest > 0 && error.is_unreachable() => {
                    tracing::debug!(server = %endpoint.base, error = %chain(&error), "asking the next server");
                }
                other => return other,
            }
        }
        Ok(())
    }

    /// The images that are wanted, with their names in the repository.
    async fn chosen(&self, request: &PushRequest) -> Result<Vec<(Reference, Image)>, PushError> {
        let images = Arc::clone(&self.images);
        let all = tokio::task::spawn_blocking(move || images.list()).await.map_err(|_| PushError::Lost)??;
        let wanted = request.reference.clone();
        let named = all.into_iter().flat_map(|image| {
            let names = image.names.clone().into_iter();
            names.filter(|name| name.digest().is_none()).map(move |name| (name, image.clone()))
        });
        let mut chosen: Vec<_> = named.filter(|(name, _)| name.same_repository(&wanted)).collect();
        if chosen.is_empty() {
            return Err(PushError::NoImage { repository: wanted.familiar_name() });
        }
        if request.tags == Tags::One {
            let wanted = wanted.or_latest();
            chosen.retain(|(name, _)| *name == wanted);
            if chosen.is_empty() {
                return Err(PushError::NoTag { reference: wanted.familiar() });
            }
        }
        chosen.sort_by(|(one, _), (other, _)| one.cmp(other));
        if let Some(wanted) = &request.platform {
            chosen.iter().try_for_each(|(name, image)| check(name, image, wanted))?;
        }
        Ok(chosen)
    }
}

fn check(name: &Reference, image: &Image, wanted: &Platform) -> Result<(), PushError> {
    let document = &image.document;
    let actual = Platform::new(&document.os, &document.architecture, &document.variant);
    if wanted.suits(&actual).is_some() {
        return Ok(());
    }
    let (wanted, actual) = (Box::new(wanted.clone()), Box::new(actual));
    Err(PushError::WrongPlatform { reference: name.familiar(), wanted, actual })
}

/// One repository on one server.
struct Push<'a> {
    registry: &'a Registry,
    session: Arc<Session>,
    events: &'a Events,
}

impl Push<'_> {
    async fn all(&self, chosen: &[(Reference, Image)]) -> Result<(), PushError> {
        for (name, image) in chosen {
            self.one(name, image).await?;
        }
        Ok(())
    }

    async fn one(&self, name: &Reference, image: &Image) -> Result<(), PushError> {
        let layers = self.layers(name, image).await?;
        let images = Arc::clone(&self.registry.images);
        let document = images.document(image.id)?.into_bytes();
        let config = Descriptor::new("", document.len() as u64, image.id.0);
        let content = Content::Bytes(document.into());
        self.sending(name)?.config(image.id.0, content).await?;
        let (media_type, bytes) = self.manifest(image, config, layers.clone())?;
        let digest = self.put(name, &media_type, bytes.clone()).await?;
        let repository = format!("{}/{}", name.domain(), name.path());
        let places = image.layers.iter().zip(&layers).map(|(layer, blob)| {
            (layer.id, Place { blob: blob.digest, size: blob.size, repository: repository.clone() })
        });
        let (id, places, known) = (image.id, places.collect(), name.clone().with_digest(digest));
        let noted = tokio::task::spawn_blocking(move || images.pushed(id, places, known)).await;
        noted.map_err(|_| PushError::Lost)??;
        let tag = name.tag().unwrap_or_default().to_owned();
        self.events.tell(Transfer::Pushed { tag, digest, size: bytes.len() as u64 }).await;
        Ok(())
    }

    fn sending(&self, name: &Reference) -> Result<Sending, PushError> {
        Ok(Sending {
            images: Arc::clone(&self.registry.images),
            session: Arc::clone(&self.session),
            permits: Arc::clone(&self.registry.uploads),
            attempts: self.registry.settings.attempts,
            scratch: Arc::new(Scratch::new(&self.registry.images.unfinished)?),
            events: self.events.clone(),
            domain: name.domain().to_owned(),
        })
    }

    /// Sends all layers that are not there, several at a time; says as which blobs the registry has them.
    async fn layers(&self, name: &Reference, image: &Image) -> Result<Vec<Descriptor>, PushError> {
        let unique: BTreeMap<LayerId, _> = image.layers.iter().map(|layer| (layer.id, *layer)).collect();
        let mut tasks = JoinSet::new();
        for layer in unique.values() {
            self.events.layer(layer.id.0, Stage::Wanted).await;
        }
        let sending = self.sending(name)?;
        for layer in unique.into_values() {
            let sending = sending.clone();
            tasks.spawn(async move { Ok::<_, PushError>((layer.id, sending.layer(&layer).await?)) });
        }
        let mut sent: BTreeMap<LayerId, Descriptor> = BTreeMap::new();
        while let Some(ended) = tasks.join_next().await {
            let (layer, descriptor) = ended.map_err(|_| PushError::Lost)??;
            sent.insert(layer, descriptor);
        }
        Ok(image.layers.iter().map(|layer| sent[&layer.id].clone()).collect())
    }

    /// The manifest it came with, byte for byte, if the registry has the very blobs that it names; or a new one.
    fn manifest(
        &self,
        image: &Image,
        config: Descriptor,
        layers: Vec<Descriptor>,
    ) -> Result<(String, Vec<u8>), PushError> {
        let images = &self.registry.images;
        let record: Option<record::Image> = images.store.view()?.get(&image.id.to_string())?;
        if let Some(digest) = record.and_then(|record| record.manifest) {
            let bytes = std::fs::read(images.content.path(digest))?;
            if let Ok((media_type, Document::Image(known))) = manifest::parse("", &bytes) {
                let digests =
                    |layers: &[Descriptor]| layers.iter().map(|it| it.digest).collect::<Vec<Digest>>();
                if known.config.digest == image.id.0 && digests(&known.layers) == digests(&layers) {
                    return Ok((media_type, bytes));
                }
            }
        }
        Ok(manifest::write(config, layers))
    }

    async fn put(&self, name: &Reference, media_type: &str, bytes: Vec<u8>) -> Result<Digest, PushError> {
        let wanted = Digest::of(&bytes);
        let url = self.session.url(&format!("manifests/{}", name.tag().unwrap_or_default()));
        let body = bytes::Bytes::from(bytes);
        let answer = self.session.ask(Method::PUT, &url, |request| {
            request.header(CONTENT_TYPE, media_type).body(Body::from(body.clone()))
        });
        let answer = answer.await?;
        let said = answer.headers().get("docker-content-digest").and_then(|value| value.to_str().ok());
        match said {
            Some(said) if said != wanted.to_string() => {
                Err(PushError::WrongDigest { wanted, actual: said.to_owned() })
            }
            Some(_) | None => Ok(wanted),
        }
    }
}

impl Images {
    /// Notes what a registry has now.
    fn pushed(
        &self,
        id: ImageId,
        places: Vec<(LayerId, Place)>,
        name: Reference,
    ) -> Result<(), crate::StoreError> {
        self.store.change(|change| {
            for (layer, place) in places {
                change.remember(layer, place)?;
            }
            change.put(&name.to_string(), &record::Name::new(id))
        })
    }
}
