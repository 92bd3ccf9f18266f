//! `image`: what can be done with images.

use clap::Subcommand;

use super::{build, history, images, inspect, load, prune, pull, rmi, save, tag};
use crate::client::Client;
use crate::failure::Failure;

/// `tombolo image …`.
#[derive(Subcommand, Clone, Debug)]
pub(crate) enum ImageVerb {
    /// Build an image from a Dockerfile
    #[command(override_usage = "tombolo image build [OPTIONS] PATH | -")]
    #[command(after_help = "Example: tombolo image build -t app:1 .")]
    Build(Box<build::Build>),
    /// List images
    #[command(visible_alias = "list", after_help = "Example: tombolo image ls --filter dangling=true")]
    Ls(images::Images),
    /// Load images from an archive of docker save or OCI
    #[command(after_help = "Example: tombolo image load -i busybox.tar")]
    Load(load::Load),
    /// Get an image from a registry
    #[command(after_help = "Example: tombolo image pull --platform linux/arm64 registry.example/app:1")]
    Pull(pull::Pull),
    /// Send an image to a registry
    #[command(after_help = "Example: tombolo image push registry.example/app:1")]
    Push(pull::Push),
    /// Write images as one archive, for docker load and all that read OCI layouts
    #[command(after_help = "Example: tombolo image save -o images.tar busybox web:patched")]
    Save(save::Save),
    /// Make an image of the archive of a root file system
    #[command(after_help = "Example: tar -C rootfs -c . | tombolo image import - base:1")]
    Import(load::Import),
    /// Give an image a further name
    #[command(after_help = "Example: tombolo image tag busybox base:1")]
    Tag(tag::Tag),
    /// Remove images
    #[command(visible_alias = "remove", after_help = "Example: tombolo image rm base:1")]
    Rm(rmi::Rmi),
    /// Show everything about images
    #[command(after_help = "Example: tombolo image inspect -f '{{.Config.Cmd}}' busybox")]
    Inspect(inspect::InspectKind),
    /// Show how an image came to be
    #[command(after_help = "Example: tombolo image history busybox")]
    History(history::History),
    /// Remove images that are not used
    #[command(after_help = "Example: tombolo image prune --all --force")]
    Prune(prune::PruneAll),
}

impl ImageVerb {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::Build(command) => command.run(client).await,
            Self::Ls(command) => command.run(client).await,
            Self::Load(command) => command.run(client).await,
            Self::Pull(command) => command.run(client).await,
            Self::Push(command) => command.run(client).await,
            Self::Save(command) => command.run(client).await,
            Self::Import(command) => command.run(client).await,
            Self::Tag(command) => command.run(client).await,
            Self::Rm(command) => command.run(client).await,
            Self::Inspect(command) => command.run(&["image"], client).await,
            Self::History(command) => command.run(client).await,
            Self::Prune(command) => command.images(client).await,
        }
    }
}
