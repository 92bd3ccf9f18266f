//! What surrounds a container's process: files, mounts, namespaces, user.

use std::{path::PathBuf, sync::Arc};

use runtime::{
    spec::{Mount, Namespace, UserIds},
    user::User,
};

use super::{Engine, blocking};
use crate::{
    ContainerId, LogDriver, ManagedFiles, NamespaceMode, NetworkMode, State,
    container::Container,
    error::{FindError, ProcessError, StartError},
    files,
    process::Place,
    record::Record,
};

impl Engine {
    /// All that the runtime has to know beyond the specification. Writes the managed files.
    pub(super) async fn place(
        &self,
        record: &Record,
        rootfs: PathBuf,
        network: Namespace,
    ) -> Result<Place, StartError> {
        let spec = &record.spec;
        let mut mounts = self.managed_mounts(record)?;
        mounts.extend(self.asked_mounts(record).await?);
        let modes = &spec.namespaces;
        let shm = match &modes.ipc {
            NamespaceMode::Host => Some(PathBuf::from("/dev/shm")),
            NamespaceMode::Container(other) => Some(self.of_process("IPC", other, "root/dev/shm")?),
            NamespaceMode::Default
            | NamespaceMode::Private
            | NamespaceMode::Shareable
            | NamespaceMode::None => None,
        };
        let wants_init = spec.init.unwrap_or(self.config.init_by_default);
        let user = self.user(record, rootfs.clone(), spec.command.user.clone()).await?;
        Ok(Place {
            rootfs,
            network,
            pid: self.joined("PID", "pid", &modes.pid)?,
            ipc: self.joined("IPC", "ipc", &modes.ipc)?,
            uts: self.joined("UTS", "uts", &modes.uts)?,
            shm,
            hostname: self.hostname(record),
            user,
            mounts,
            init: wants_init.then(|| self.init()).transpose()?,
            cgroup_path: self.cgroup_path(record),
        })
    }

    /// The program bound into containers that want an init, in whose place Docker's clients expect Docker's text.
    fn init(&self) -> Result<PathBuf, ProcessError> {
        let text =
            "exec: \"docker-init\": executable file not found in $PATH: install tini, or set init-path";
        self.config.init.clone().ok_or_else(|| ProcessError::Invalid { message: text.to_owned() })
    }

    /// Who runs in a container, by the container's own files.
    pub(super) async fn user(
        &self,
        record: &Record,
        rootfs: PathBuf,
        user: String,
    ) -> Result<User, ProcessError> {
        let groups = record.spec.security.group_add.clone();
        let resolve = move || {
            let found = image::resolve_user(&rootfs, &user)?;
            let mut additional_gids = found.additional_gids;
            additional_gids.extend(image::resolve_groups(&rootfs, &groups)?);
            let ids = UserIds { uid: found.uid, gid: found.gid, additional_gids };
            Ok(User { ids, home: found.home })
        };
        let invalid = |error: image::UserError| ProcessError::Invalid { message: crate::chain(&error) };
        blocking(resolve).await.map_err(invalid)
    }

    /// The files of the container that the sandbox belongs to.
    pub(super) fn files_of(&self, record: &Record) -> ManagedFiles {
        let owner = match &record.spec.network.mode {
            NetworkMode::Container(_) => self.sandbox_owner(record),
            NetworkMode::Bridge
            | NetworkMode::Network(_)
            | NetworkMode::Host
            | NetworkMode::None
            | NetworkMode::Path(_) => None,
        };
        let directory = self.directory(&owner.unwrap_or(record.id));
        // What the driver `local` keeps is for nobody else to read.
        let is_shown = LogDriver::parse(&record.spec.log.driver) == Ok(LogDriver::JsonFile);
        ManagedFiles { log: self.log_path(record).filter(|_| is_shown), ..files::paths(&directory) }
    }

    fn sandbox_owner(&self, record: &Record) -> Option<ContainerId> {
        let model = self.network.model();
        model.sandbox(&record.sandbox?)?.owner.parse().ok()
    }

    /// Writes the managed files, as the model is now.
    pub(super) fn write_files(&self, record: &Record) -> Result<(), StartError> {
        let failed = |source| StartError::Files { what: "network files", source };
        match &record.sandbox {
            Some(sandbox) => {
                files::write(&self.files_of(record), || self.network.model(), sandbox).map_err(failed)
            }
            None => Ok(()),
        }
    }

    fn managed_mounts(&self, record: &Record) -> Result<Vec<Mount>, StartError> {
        if !matches!(record.spec.network.mode, NetworkMode::Container(_)) {
            self.write_files(record)?;
        }
        Ok(files::mounts(&self.files_of(record), &record.spec))
    }

    /// How the runtime enters a namespace of one kind.
    fn joined(&self, kind: &'static str, file: &str, mode: &NamespaceMode) -> Result<Namespace, StartError> {
        match mode {
            NamespaceMode::Host => Ok(Namespace::Host),
            NamespaceMode::Container(other) => {
                self.of_process(kind, other, &format!("ns/{file}")).map(Namespace::Path)
            }
            NamespaceMode::Default
            | NamespaceMode::Private
            | NamespaceMode::Shareable
            | NamespaceMode::None => Ok(Namespace::Private),
        }
    }

    /// A file below /proc of another container's first process.
    fn of_process(&self, kind: &'static str, other: &str, file: &str) -> Result<PathBuf, StartError> {
        let record = self.registry.find(other)?.record();
        match record.state.alive() {
            Some(running) => Ok(PathBuf::from(format!("/proc/{}/{file}", running.pid))),
            None => Err(StartError::NamespaceNotRunning { kind, name: other.to_owned() }),
        }
    }

    /// Its own, that of the container whose stack it shares, the host's on the host's stack, or the short id.
    pub(super) fn hostname(&self, record: &Record) -> String {
        if let Some(hostname) = &record.spec.hostname {
            return hostname.clone();
        }
        match &record.spec.network.mode {
            NetworkMode::Container(_) => {
                let owner = self.sandbox_owner(record).and_then(|id| self.registry.get(&id));
                owner.map_or_else(|| record.id.short(), |owner| self.hostname(&owner.record()))
            }
            NetworkMode::Host => host_name().unwrap_or_else(|| record.id.short()),
            NetworkMode::Bridge | NetworkMode::Network(_) | NetworkMode::None | NetworkMode::Path(_) => {
                record.id.short()
            }
        }
    }

    fn cgroup_path(&self, record: &Record) -> String {
        let asked = &record.spec.limits.cgroup_parent;
        let parent = if asked.is_empty() { &self.config.cgroup_parent } else { asked };
        format!("/{}/{}", parent.trim_matches('/'), record.id)
    }

    /// The container of an id or name, if it runs.
    pub(super) fn find_alive(&self, term: &str) -> Result<(Arc<Container>, Option<u32>), FindError> {
        let container = self.registry.find(term)?;
        let record = container.record();
        let pid = match &record.state {
            State::Running(running) | State::Paused(running) => Some(running.pid),
            State::Created { .. }
            | State::Restarting(_)
            | State::Exited(_)
            | State::Removing(_)
            | State::Dead(_) => None,
        };
        Ok((container, pid))
    }
}

/// What the host calls itself.
pub(super) fn host_name() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(text.trim().to_owned())
}
