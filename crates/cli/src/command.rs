//! The commands, one file for each.

mod attach;
mod build;
mod commit;
mod cp;
mod create;
mod df;
mod diff;
mod events;
mod exec;
mod explain;
mod history;
mod image;
mod images;
mod inspect;
mod kill;
pub(crate) mod load;
mod login;
mod logs;
mod network;
mod network_create;
mod network_update;
mod pause;
mod plan;
mod port;
mod prune;
mod ps;
pub(crate) mod pull;
mod reach;
mod rename;
mod rm;
mod rmi;
mod run;
mod save;
mod start;
mod stats;
mod stop;
mod system;
mod system_prune;
mod tag;
mod top;
mod update;
mod volume;
mod volume_copy;
mod wait;

use clap::Subcommand;

use crate::client::Client;
use crate::failure::Failure;

/// What can be done with a container, both as `tombolo VERB` and as `tombolo container VERB`.
#[derive(Subcommand, Clone, Debug)]
pub(crate) enum Verb {
    /// Create and run a new container from an image
    #[command(override_usage = "tombolo run [OPTIONS] IMAGE [COMMAND] [ARG...]")]
    #[command(after_help = "Example: tombolo run -d --name web -p 8080:80 busybox httpd -f -h /www")]
    Run(Box<run::Run>),
    /// Create a new container
    #[command(override_usage = "tombolo create [OPTIONS] IMAGE [COMMAND] [ARG...]")]
    #[command(after_help = "Example: tombolo create --name web -p 8080:80 busybox httpd -f")]
    Create(Box<create::Create>),
    /// Start stopped containers
    #[command(after_help = "Example: tombolo start -ai shell")]
    Start(start::Start),
    /// Stop running containers
    #[command(after_help = "Example: tombolo stop -t 2 web")]
    Stop(stop::Stop),
    /// Restart containers
    #[command(after_help = "Example: tombolo restart web")]
    Restart(stop::Stop),
    /// Kill running containers, or send them another signal
    #[command(after_help = "Example: tombolo kill -s HUP web")]
    Kill(kill::Kill),
    /// Wait until containers stop, then print their exit codes
    #[command(after_help = "Example: tombolo wait job")]
    Wait(wait::Wait),
    /// Remove containers
    #[command(visible_alias = "remove", after_help = "Example: tombolo rm -f web")]
    Rm(rm::Rm),
    /// Rename a container
    #[command(after_help = "Example: tombolo rename web web-old")]
    Rename(rename::Rename),
    /// Fetch the logs of a container
    #[command(after_help = "Example: tombolo logs -f --tail 20 web")]
    Logs(logs::Logs),
    /// Attach to a running container
    #[command(after_help = "Example: tombolo attach web    (ctrl-p ctrl-q leaves a terminal)")]
    Attach(attach::Attach),
    /// Run a command in a running container
    #[command(override_usage = "tombolo exec [OPTIONS] CONTAINER COMMAND [ARG...]")]
    #[command(after_help = "Example: tombolo exec -it web sh")]
    Exec(exec::Exec),
    /// Show the processes of a container
    #[command(after_help = "Example: tombolo top web")]
    Top(top::Top),
    /// Show what containers use up
    #[command(after_help = "Example: tombolo stats --no-stream web")]
    Stats(stats::Stats),
    /// Freeze all processes of containers
    #[command(after_help = "Example: tombolo pause web")]
    Pause(pause::Pause),
    /// Let processes of containers go on
    #[command(after_help = "Example: tombolo unpause web")]
    Unpause(pause::Pause),
    /// Change limits and the restart policy of containers
    #[command(after_help = "Example: tombolo update --memory 512m --cpus 1.5 web")]
    Update(Box<update::Update>),
    /// List the published ports of a container
    #[command(after_help = "Example: tombolo port web 80/tcp")]
    Port(port::Port),
    /// Show what a container has changed in its files
    #[command(after_help = "Example: tombolo diff web")]
    Diff(diff::Diff),
    /// Copy files and directories between a container and here
    #[command(
        after_help = "Example: tombolo cp web:/var/log/. logs    (see docs/images.md for what /. and / mean)"
    )]
    Cp(cp::Cp),
    /// Make an image of what a container has changed
    #[command(after_help = "Example: tombolo commit -c 'CMD [\"serve\"]' web web:patched")]
    Commit(commit::Commit),
    /// Write a container's whole root file system as an archive
    #[command(after_help = "Example: tombolo export -o web.tar web")]
    Export(save::Export),
}

impl Verb {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::Run(command) => command.run(client).await,
            Self::Create(command) => command.run(client).await,
            Self::Start(command) => command.run(client).await,
            Self::Stop(command) => command.run("stop", client).await,
            Self::Restart(command) => command.run("restart", client).await,
            Self::Kill(command) => command.run(client).await,
            Self::Wait(command) => command.run(client).await,
            Self::Rm(command) => command.run(client).await,
            Self::Rename(command) => command.run(client).await,
            Self::Logs(command) => command.run(client).await,
            Self::Attach(command) => command.run(client).await,
            Self::Exec(command) => command.run(client).await,
            Self::Top(command) => command.run(client).await,
            Self::Stats(command) => command.run(client).await,
            Self::Pause(command) => command.run("pause", client).await,
            Self::Unpause(command) => command.run("unpause", client).await,
            Self::Update(command) => command.run(client).await,
            Self::Port(command) => command.run(client).await,
            Self::Diff(command) => command.run(client).await,
            Self::Cp(command) => command.run(client).await,
            Self::Commit(command) => command.run(client).await,
            Self::Export(command) => command.run(client).await,
        }
    }
}

/// `tombolo container …`.
#[derive(Subcommand, Clone, Debug)]
pub(crate) enum ContainerVerb {
    #[command(flatten)]
    Any(Verb),
    /// List containers
    #[command(visible_aliases = ["ps", "list"], after_help = "Example: tombolo container ls -a --filter status=exited")]
    Ls(ps::Ps),
    /// Show everything about containers
    #[command(after_help = "Example: tombolo container inspect -f '{{.State.Status}}' web")]
    Inspect(inspect::InspectKind),
    /// Remove all stopped containers
    #[command(after_help = "Example: tombolo container prune --force")]
    Prune(prune::Prune),
}

impl ContainerVerb {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::Any(verb) => verb.run(client).await,
            Self::Ls(command) => command.run(client).await,
            Self::Inspect(command) => command.run(&["container"], client).await,
            Self::Prune(command) => command.containers(client).await,
        }
    }
}

/// `tombolo network …`.
#[derive(Subcommand, Clone, Debug)]
pub(crate) enum NetworkVerb {
    /// Create a network
    #[command(after_help = "Example: tombolo network create --subnet 172.28.0.0/16 --ipv6 front")]
    Create(Box<network_create::NetworkCreate>),
    /// List networks
    #[command(visible_alias = "list", after_help = "Example: tombolo network ls --filter driver=bridge")]
    Ls(network::NetworkLs),
    /// Show everything about networks
    #[command(after_help = "Example: tombolo network inspect -f '{{json .IPAM.Config}}' front")]
    Inspect(inspect::InspectKind),
    /// Change a network while containers are on it
    #[command(after_help = "Example: tombolo network update --mtu 1400 --ipv6 front")]
    Update(network_update::NetworkUpdate),
    /// Connect a container to a network
    #[command(after_help = "Example: tombolo network connect --alias db front postgres")]
    Connect(network::Connect),
    /// Disconnect a container from a network
    #[command(after_help = "Example: tombolo network disconnect front postgres")]
    Disconnect(network::Disconnect),
    /// Remove networks
    #[command(visible_alias = "remove", after_help = "Example: tombolo network rm front")]
    Rm(network::NetworkRm),
    /// Remove all networks that are not used
    #[command(after_help = "Example: tombolo network prune --force")]
    Prune(prune::Prune),
    /// Compare the kernel with what it should hold
    #[command(
        after_help = "Example: tombolo network check --repair front    (exit code 1: something differs)"
    )]
    Check(explain::Check),
    /// Print our nftables table, and what each part is for
    #[command(after_help = "Example: tombolo network rules front")]
    Rules(explain::Rules),
    /// Show who reaches which container
    #[command(
        after_help = "Example: tombolo network exposure --format json    (exit code 1: there are warnings)"
    )]
    Exposure(reach::Exposure),
    /// Tell why a container does not reach another
    #[command(
        after_help = "Example: tombolo network why --probe shell web:80    (exit code 1: something fails)"
    )]
    Why(reach::Why),
}

impl NetworkVerb {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::Create(command) => command.run(client).await,
            Self::Ls(command) => command.run(client).await,
            Self::Inspect(command) => command.run(&["network"], client).await,
            Self::Update(command) => command.run(client).await,
            Self::Connect(command) => command.run(client).await,
            Self::Disconnect(command) => command.run(client).await,
            Self::Rm(command) => command.run(client).await,
            Self::Prune(command) => command.networks(client).await,
            Self::Check(command) => command.run(client).await,
            Self::Rules(command) => command.run(client).await,
            Self::Exposure(command) => command.run(client).await,
            Self::Why(command) => command.run(client).await,
        }
    }
}

/// `tombolo volume …`.
#[derive(Subcommand, Clone, Debug)]
pub(crate) enum VolumeVerb {
    /// Create a volume
    #[command(after_help = "Example: tombolo volume create data")]
    Create(volume::VolumeCreate),
    /// List volumes
    #[command(visible_alias = "list", after_help = "Example: tombolo volume ls -q")]
    Ls(volume::VolumeLs),
    /// Show everything about volumes
    #[command(after_help = "Example: tombolo volume inspect -f '{{.Mountpoint}}' data")]
    Inspect(inspect::InspectKind),
    /// Remove volumes
    #[command(visible_alias = "remove", after_help = "Example: tombolo volume rm data")]
    Rm(volume::VolumeRm),
    /// Remove volumes that are not used
    #[command(after_help = "Example: tombolo volume prune --all --force")]
    Prune(prune::PruneAll),
    /// Give a volume another name
    #[command(after_help = "Example: tombolo volume rename data data-old")]
    Rename(volume_copy::VolumeRename),
    /// Make a volume with the content of another
    #[command(after_help = "Example: tombolo volume clone data data-test")]
    Clone(volume_copy::VolumeClone),
    /// Keep a state of a volume that can be restored
    #[command(after_help = "Example: tombolo volume snapshot --pause data before-upgrade")]
    Snapshot(volume_copy::VolumeSnapshotKeep),
    /// List the kept states of a volume
    #[command(after_help = "Example: tombolo volume snapshots data")]
    Snapshots(volume_copy::VolumeSnapshots),
    /// Put a volume back to a state that was kept
    #[command(after_help = "Example: tombolo volume restore data before-upgrade")]
    Restore(volume_copy::VolumeRestore),
}

impl VolumeVerb {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::Create(command) => command.run(client).await,
            Self::Ls(command) => command.run(client).await,
            Self::Inspect(command) => command.run(&["volume"], client).await,
            Self::Rm(command) => command.run(client).await,
            Self::Prune(command) => command.volumes(client).await,
            Self::Rename(command) => command.run(client).await,
            Self::Clone(command) => command.run(client).await,
            Self::Snapshot(command) => command.run(client).await,
            Self::Snapshots(command) => command.run(client).await,
            Self::Restore(command) => command.run(client).await,
        }
    }
}

/// `tombolo builder …`.
#[derive(Subcommand, Clone, Debug)]
pub(crate) enum BuilderVerb {
    /// Build an image from a Dockerfile
    #[command(override_usage = "tombolo builder build [OPTIONS] PATH | -")]
    #[command(after_help = "Example: tombolo builder build -t app:1 .")]
    Build(Box<build::Build>),
    /// Remove what builds have made before
    #[command(after_help = "Example: tombolo builder prune --all --force")]
    Prune(prune::PruneBuilds),
}

impl BuilderVerb {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::Build(command) => command.run(client).await,
            Self::Prune(command) => command.run(client).await,
        }
    }
}

/// `tombolo system …`.
#[derive(Subcommand, Clone, Debug)]
pub(crate) enum SystemVerb {
    /// Show what takes up space
    #[command(after_help = "Example: tombolo system df -v")]
    Df(df::Df),
    /// Remove what is not used, or keep images within a budget
    #[command(after_help = "Example: tombolo system prune --keep 20GB --dry-run")]
    Prune(system_prune::SystemPrune),
    /// Show facts about the engine
    #[command(after_help = "Example: tombolo system info -f '{{.ServerVersion}}'")]
    Info(system::Facts),
    /// Show what happens, as it happens
    #[command(after_help = "Example: tombolo system events --since 10m")]
    Events(events::Events),
}

/// Commands that are asked of an engine.
#[derive(Subcommand, Clone, Debug)]
pub(crate) enum Asked {
    #[command(flatten)]
    Verb(Verb),
    /// List containers
    #[command(after_help = "Example: tombolo ps -a --format '{{.Names}}: {{.Status}}'")]
    Ps(ps::Ps),
    /// Show everything about containers, images, networks and volumes
    #[command(
        after_help = "Example: tombolo inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' web"
    )]
    Inspect(inspect::Inspect),
    /// List images
    #[command(after_help = "Example: tombolo images --format '{{.Repository}}:{{.Tag}} {{.Size}}'")]
    Images(images::Images),
    /// Build an image from a Dockerfile
    #[command(override_usage = "tombolo build [OPTIONS] PATH | -")]
    #[command(after_help = "Example: tombolo build -t app:1 --build-arg VERSION=2 .")]
    Build(Box<build::Build>),
    /// Load images from an archive of docker save or OCI
    #[command(after_help = "Example: tombolo load -i busybox.tar")]
    Load(load::Load),
    /// Get an image from a registry
    #[command(after_help = "Example: tombolo pull registry.example/app:1")]
    Pull(pull::Pull),
    /// Send an image to a registry
    #[command(
        after_help = "Example: tombolo tag app registry.example/app:1; tombolo push registry.example/app:1"
    )]
    Push(pull::Push),
    /// Tell a registry, and from now on show it, who you are
    #[command(after_help = "Example: tombolo login -u me --password-stdin registry.example < password")]
    Login(login::Login),
    /// Forget what a registry is shown
    #[command(after_help = "Example: tombolo logout registry.example")]
    Logout(login::Logout),
    /// Write images as one archive, for docker load and all that read OCI layouts
    #[command(after_help = "Example: tombolo save -o images.tar busybox web:patched")]
    Save(save::Save),
    /// Make an image of the archive of a root file system
    #[command(after_help = "Example: tar -C rootfs -c . | tombolo import - base:1")]
    Import(load::Import),
    /// Give an image a further name
    #[command(after_help = "Example: tombolo tag busybox base:1")]
    Tag(tag::Tag),
    /// Remove images
    #[command(after_help = "Example: tombolo rmi base:1")]
    Rmi(rmi::Rmi),
    /// Show how an image came to be
    #[command(after_help = "Example: tombolo history busybox")]
    History(history::History),
    /// Show what happens, as it happens
    #[command(after_help = "Example: tombolo events --filter type=network")]
    Events(events::Events),
    /// Show facts about the engine
    #[command(after_help = "Example: tombolo info -f '{{.ServerVersion}}'")]
    Info(system::Facts),
    /// Show the versions of both sides
    #[command(after_help = "Example: tombolo version --format '{{.Server.Version}}'")]
    Version(system::Facts),
    /// Containers
    #[command(subcommand)]
    Container(ContainerVerb),
    /// Images
    #[command(subcommand)]
    Image(image::ImageVerb),
    /// Networks
    #[command(subcommand)]
    Network(NetworkVerb),
    /// Volumes
    #[command(subcommand)]
    Volume(VolumeVerb),
    /// What builds have made before
    #[command(subcommand)]
    Builder(BuilderVerb),
    /// The engine
    #[command(subcommand)]
    System(SystemVerb),
}

impl Asked {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::Verb(verb) => verb.run(client).await,
            Self::Ps(command) => command.run(client).await,
            Self::Inspect(command) => command.run(client).await,
            Self::Images(command) => command.run(client).await,
            Self::Build(command) => command.run(client).await,
            Self::Load(command) => command.run(client).await,
            Self::Pull(command) => command.run(client).await,
            Self::Push(command) => command.run(client).await,
            Self::Login(command) => command.run(client).await,
            Self::Logout(command) => command.run(),
            Self::Save(command) => command.run(client).await,
            Self::Import(command) => command.run(client).await,
            Self::Tag(command) => command.run(client).await,
            Self::Rmi(command) => command.run(client).await,
            Self::History(command) => command.run(client).await,
            Self::Events(command) | Self::System(SystemVerb::Events(command)) => command.run(client).await,
            Self::Info(command) | Self::System(SystemVerb::Info(command)) => command.info(client).await,
            Self::Version(command) => command.version(client).await,
            Self::Container(verb) => verb.run(client).await,
            Self::Image(verb) => verb.run(client).await,
            Self::Network(verb) => verb.run(client).await,
            Self::Volume(verb) => verb.run(client).await,
            Self::Builder(verb) => verb.run(client).await,
            Self::System(SystemVerb::Df(command)) => command.run(client).await,
            Self::System(SystemVerb::Prune(command)) => command.run(client).await,
        }
    }
}
