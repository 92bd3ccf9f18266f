//! Building images from Dockerfiles, as Docker's classic builder does.
//!
//! This is what decides; what acts is in `engine/build`. A build is a chain of
//! images: each step makes one of the last, or finds it made before.

pub(crate) mod arguments;
pub(crate) mod change;
pub(crate) mod copy;
pub(crate) mod next;
pub(crate) mod prune;
pub(crate) mod recipe;
pub(crate) mod stage;

use std::collections::BTreeMap;
use std::sync::Arc;

use image::{Credentials, ImageId, Reference, Registry, Transfer};

pub use change::{ChangeError, change_config};
pub use prune::PruneBuilds;
pub use recipe::Recipe;

use crate::ContainerSpec;

/// An image to be built.
#[derive(Clone, Debug, Default)]
pub struct BuildSpec {
    /// Where the Dockerfile is in the context.
    pub dockerfile: String,
    /// The last stage to build, by name or number; the file's last if empty.
    pub target: String,
    /// Build arguments; one without a value is there and says nothing.
    pub arguments: BTreeMap<String, Option<String>>,
    pub labels: BTreeMap<String, String>,
    pub names: Vec<Reference>,
    /// What was built before does not count.
    pub no_cache: bool,
    /// Images that a client names for the cache. Nothing is done with them: what was built here is found anyhow.
    pub cache_from: Vec<String>,
    /// The platform of bases that do not say one; this machine's if empty.
    pub platform: String,
    /// A base that is here already does not do: a newer one may be elsewhere.
    pub pulls: bool,
    /// Where bases come from that are not here; without it, they are missing.
    pub source: Option<Source>,
    /// The containers of steps stay, stopped.
    pub keep_containers: bool,
    /// What the containers of steps are like, besides image, command and environment.
    pub container: ContainerSpec,
}

/// The registries, and who asks them.
#[derive(Clone, Debug)]
pub struct Source {
    pub registry: Arc<Registry>,
    /// By the registry's name.
    pub credentials: BTreeMap<String, Credentials>,
}

/// What a build tells while it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildEvent {
    /// The builder's words, and what commands write to standard output.
    Text(String),
    /// What commands write to standard error.
    Error(String),
    /// The image that a stage has made.
    Image(ImageId),
    /// What becomes of a base that is pulled.
    Pull(Transfer),
    /// The end of a pull, in words.
    Status(String),
}
