//! Containers, exec, volumes, events: the life cycles that tie networks, images and processes together.
//!
//! [`Engine`] is all that can be done; [`ContainerSpec`] is what can be asked
//! for; [`State`] is the life of a container; [`error`] says why not.

mod build;
mod config;
mod container;
mod engine;
pub mod error;
mod event;
mod exec;
mod files;
mod health;
mod id;
mod inside;
mod inspect;
mod log_options;
mod logs;
mod names;
mod network;
mod pieces;
mod process;
mod record;
mod registry;
mod rootfs;
mod signal;
pub mod spec;
mod state;
mod stdio;
mod store;
mod top;
mod volume;

pub use image;
pub use linux;
pub use net::{
    self, cnm,
    look::{Finding, Probe},
};

pub use build::{BuildEvent, BuildSpec, ChangeError, PruneBuilds, Recipe, Source, change_config};
pub use config::Config;
pub use engine::{
    Commit, ContainerSizes, CopyIn, Created, Done, Engine, ExplainError, NetworkCheck, NetworkExposure,
    NetworkInspect, NetworkMember, RemoveOptions, StopOptions, Update, VolumeCopy, VolumeInspect, VolumeSpec,
    VolumeTask, WaitCondition, WaitExit, Why, WhyFailure, WhyQuestion, WhyStep,
};
pub use error::{Kind, chain};
pub use event::{Event, Events, Subscription};
pub use exec::{ExecInspect, ExecSpec, ExecState};
pub use health::{Health, HealthProbe, HealthStatus};
pub use id::{ContainerId, ExecId, ParseIdError};
pub use inside::PathStat;
pub use inspect::{
    Connection, Counts, GraphDriver, Inspect, LiveConnection, ManagedFiles, MountPoint, NetworkState, Top,
};
pub use log_options::{LogDriver, LogError, check as check_log, size as parse_size};
pub use logs::{LogEntry, LogOptions};
pub use pieces::Pieces;
pub use signal::{ParseSignalError, Signal};
pub use spec::{
    BindOptions, Command, ContainerSpec, DeviceSpec, DnsSpec, EndpointSpec, HealthCheck, HealthCheckError,
    HealthTest, IdMap, Limits, LogSpec, MountKind, MountOrigin, MountSpec, NamespaceMode, Namespaces,
    NetworkMode, NetworkSettings, Propagation, RestartPolicy, Root, Security, SpecError, Ulimit, VolumeWish,
};
pub use state::{Exited, Running, StartFailure, State};
pub use stdio::{AttachOptions, Attached, Input, Output, Stream};
pub use top::{InterfaceStats, Stats};
pub use volume::{LOCAL, Snapshot, VolumeRecord};
