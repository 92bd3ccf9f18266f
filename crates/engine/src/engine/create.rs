//! Making a container.

use std::{os::unix::fs::DirBuilderExt, sync::Arc};

use super::{Created, Engine, VolumeSpec, blocking, shown};
use crate::{
    ContainerSpec, HealthCheck, MountKind, MountOrigin, MountSpec, NetworkMode, Root, VolumeWish,
    cnm::plan::Plan,
    container::Container,
    error::CreateError,
    names, network,
    record::{Record, VolumeUse},
    rootfs::{self, Base},
    spec, volume,
};

impl Engine {
    /// Makes a container. What the image says fills in what `spec` leaves open.
    ///
    /// # Errors
    /// If anything asked for cannot be had; nothing is made then.
    pub async fn create(self: &Arc<Self>, spec: ContainerSpec) -> Result<Created, CreateError> {
        let engine = Arc::clone(self);
        self.whole(async move { engine.create_now(spec).await }).await
    }

    /// What the start of such a container would change in the kernel's networks.
    ///
    /// # Errors
    /// If anything asked for cannot be had.
    pub async fn create_plan(&self, mut spec: ContainerSpec) -> Result<Plan, CreateError> {
        spec::check(&spec)?;
        let base = self.base(&spec.root).await?;
        if let Base::Image(image) = &base {
            merge(&mut spec, image.config());
        }
        let name = spec.name.clone().unwrap_or_else(|| names::name([0; 4], 0));
        let mut record = Record::new(&name, spec);
        let model = self.network.model();
        record.connections = network::connections(&record.spec.network, &model);
        if let NetworkMode::Container(_) = record.spec.network.mode {
            return Ok(Plan::default());
        }
        let requests = network::join(&mut record, &model, &self.dns_defaults())?;
        Ok(self.preview_network(requests).await?)
    }

    async fn create_now(&self, mut spec: ContainerSpec) -> Result<Created, CreateError> {
        spec::check(&spec)?;
        spec::check_available(&spec.limits)?;
        crate::process::check_security(&spec.security)?;
        check_sources(&spec)?;
        self.resolve_links(&mut spec)?;
        let base = self.base(&spec.root).await?;
        if let Base::Image(image) = &base {
            merge(&mut spec, image.config());
        }
        // That of the image may be among them now.
        spec::check_allow(&spec)?;
        if crate::process::arguments(&spec).is_empty() {
            return Err(spec::SpecError::NoCommand.into());
        }
        crate::process::settle(&mut spec, self.host.cgroup_v2);
        let mut warnings = warnings(&spec);
        warnings.extend(self.absent_warnings(&spec).await);
        self.settle_log(&mut spec)?;
        let mut record = Record::new("", spec);
        record.name = self.take_name(&record)?;
        record.image = base.image_id();
        match self.build(&mut record, base).await {
            Ok(()) => {
                let id = record.id;
                self.tell_container(&record, "create", &[]);
                self.registry.insert(Arc::new(Container::new(record)));
                Ok(Created { id, warnings })
            }
            Err(error) => {
                self.unbuild(&record).await;
                self.registry.release_name(&record.name);
                Err(error)
            }
        }
    }

    /// Fills in the engine's log driver, and its options where the container has the same driver.
    fn settle_log(&self, spec: &mut ContainerSpec) -> Result<(), spec::SpecError> {
        if spec.log.driver.is_empty() {
            spec.log.driver.clone_from(&self.config.log_driver);
        }
        if spec.log.driver == self.config.log_driver {
            for (option, value) in &self.config.log_options {
                spec.log.options.entry(option.clone()).or_insert_with(|| value.clone());
            }
        }
        Ok(crate::log_options::check(&spec.log.driver, &spec.log.options)?)
    }

    /// The root file system a container is based on.
    async fn base(&self, root: &Root) -> Result<Base, CreateError> {
        let (root, images) = (root.clone(), Arc::clone(&self.images));
        Ok(blocking(move || Base::find(&root, &images)).await?)
    }

    /// The name asked for, or a new one.
    fn take_name(&self, record: &Record) -> Result<String, CreateError> {
        if let Some(name) = &record.spec.name {
            let taken = |holder: crate::ContainerId| CreateError::NameTaken {
                name: name.clone(),
                holder: holder.to_string(),
            };
            return self.registry.take_name(name, record.id).map(|()| name.clone()).map_err(taken);
        }
        let free = |attempt: u32| {
            let bytes = *crate::ContainerId::random().bytes();
            let name = names::name([bytes[0], bytes[1], bytes[2], bytes[3]], attempt);
            self.registry.take_name(&name, record.id).ok().map(|()| name)
        };
        Ok((0..).find_map(free).expect("there are more names than containers"))
    }

    /// Makes all that a container consists of before it runs.
    async fn build(&self, record: &mut Record, base: Base) -> Result<(), CreateError> {
        let directory = self.directory(&record.id);
        let failed = |source| CreateError::Directory { path: shown(&directory), source };
        std::fs::DirBuilder::new().mode(0o710).create(&directory).map_err(failed)?;
        let (id, images) = (record.id, Arc::clone(&self.images));
        let size = record.spec.root_size;
        blocking(move || rootfs::create(&images, &id, &base, size)).await?;
        self.make_volumes(record).await?;
        self.fill_volumes(record).await?;
        let model = self.network.model();
        record.connections = network::connections(&record.spec.network, &model);
        let reserve = network::reserve(record, &model)?;
        self.change_network(reserve).await?;
        self.store.put(record).await?;
        Ok(())
    }

    /// Takes back what [`Self::build`] made.
    async fn unbuild(&self, record: &Record) {
        let requests = network::remove(record, &self.network.model());
        if let Err(error) = self.change_network(requests).await {
            tracing::warn!(container = %record.id, error = crate::chain(&error), "addresses stay reserved");
        }
        let (id, images) = (record.id, Arc::clone(&self.images));
        if let Err(error) = blocking(move || rootfs::remove(&images, &id)).await {
            tracing::warn!(container = %record.id, error = crate::chain(&error), "a root file system is left");
        }
        self.leave_volumes(record, true).await;
        if let Err(error) = volume::ignore_missing(std::fs::remove_dir_all(self.directory(&record.id))) {
            tracing::warn!(container = %record.id, %error, "a directory is left");
        }
    }

    /// Makes the volumes a container mounts, where there are none yet.
    async fn make_volumes(&self, record: &mut Record) -> Result<(), CreateError> {
        let spec = Arc::clone(&record.spec);
        for mount in &spec.mounts {
            let MountKind::Volume { name, create, .. } = &mount.kind else { continue };
            let VolumeWish { driver, options, labels } = create.clone();
            let wanted = VolumeSpec { name: name.clone().unwrap_or_default(), driver, options, labels };
            let volume = self.ensure_volume(wanted, Some(record.id)).await?;
            let used = VolumeUse { id: volume.id.clone(), anonymous: name.is_none() };
            record.volumes.insert(mount.target.clone(), used);
        }
        Ok(())
    }
}

/// Refuses to bind what is not there, unless it is to be made (`-v`), and to join no network stack.
fn check_sources(spec: &ContainerSpec) -> Result<(), spec::SpecError> {
    if let NetworkMode::Path(path) = &spec.network.mode
        && !path.exists()
    {
        return Err(spec::SpecError::NoNamespace { path: shown(path) });
    }
    let missing = spec.mounts.iter().find_map(|mount| match &mount.kind {
        MountKind::Bind { source, options } if !options.create_source && !source.exists() => Some(source),
        MountKind::Bind { .. } | MountKind::Volume { .. } | MountKind::Tmpfs { .. } => None,
    });
    match missing {
        Some(source) => Err(spec::SpecError::NoBindSource { path: shown(source) }),
        None => Ok(()),
    }
}

/// What was asked for and will not be had. Docker's words.
pub(super) fn warnings(spec: &ContainerSpec) -> Vec<String> {
    let discarded =
        |mode: &str| vec![format!("Published ports are discarded when using {mode} network mode")];
    let is_publishing = !spec.network.publish.is_empty();
    match &spec.network.mode {
        NetworkMode::Host if is_publishing => discarded("host"),
        NetworkMode::Path(_) if is_publishing || spec.network.publish_all => discarded("netns"),
        NetworkMode::Host
        | NetworkMode::Path(_)
        | NetworkMode::Bridge
        | NetworkMode::Network(_)
        | NetworkMode::None
        | NetworkMode::Container(_) => Vec::new(),
    }
}

/// Fills in from the image what a specification leaves open (moby `daemon/commit.go`, `merge`).
fn merge(spec: &mut ContainerSpec, image: &image::ImageConfig) {
    let command = &mut spec.command;
    if command.user.is_empty() {
        command.user.clone_from(&image.user);
    }
    if command.workdir.is_empty() {
        command.workdir.clone_from(&image.working_dir);
    }
    let name = |text: &str| text.split_once('=').map_or(text, |(name, _)| name).to_owned();
    let own: Vec<String> = command.env.iter().map(|text| name(text)).collect();
    command.env.extend(image.env.iter().filter(|text| !own.contains(&name(text))).cloned());
    let has_entrypoint = command.entrypoint.as_ref().is_some_and(|words| !words.is_empty());
    if !has_entrypoint {
        if command.args.as_ref().is_none_or(Vec::is_empty) {
            command.args.clone_from(&image.cmd);
        }
        if command.entrypoint.is_none() {
            command.entrypoint.clone_from(&image.entrypoint);
        }
    }
    // `--entrypoint ""` comes as one empty word and means none.
    if command.entrypoint.as_ref().is_some_and(|words| words.iter().all(String::is_empty)) {
        command.entrypoint = None;
    }
    for (label, value) in &image.labels {
        spec.labels.entry(label.clone()).or_insert_with(|| value.clone());
    }
    if spec.stop_signal.is_none() {
        spec.stop_signal = image.stop_signal.as_ref().and_then(|text| text.parse().ok());
    }
    merge_health(spec, image);
    merge_ports(spec, image);
    merge_volumes(spec, image.volumes.keys());
}

fn merge_health(spec: &mut ContainerSpec, image: &image::ImageConfig) {
    if spec.command.shell.is_empty() {
        spec.command.shell = image.shell.clone().unwrap_or_default();
    }
    match image.healthcheck.clone().map(HealthCheck::try_from).transpose() {
        Ok(check) => spec.health.inherit(check.unwrap_or_default()),
        Err(error) => tracing::warn!(%error, "the image's health check is not run"),
    }
}

fn merge_ports(spec: &mut ContainerSpec, image: &image::ImageConfig) {
    if matches!(spec.network.mode, NetworkMode::Container(_)) {
        return;
    }
    for ports in image.exposed_ports.keys().filter_map(|text| crate::record::parse(text)) {
        if !spec.network.exposed.contains(&ports) {
            spec.network.exposed.push(ports);
        }
    }
}

/// A volume of the image is one of the container's own unless something else is mounted there.
fn merge_volumes<'a>(spec: &mut ContainerSpec, volumes: impl Iterator<Item = &'a String>) {
    for target in volumes {
        let is_there = |mount: &MountSpec| mount.target.trim_end_matches('/') == target.trim_end_matches('/');
        if target.starts_with('/') && !spec.mounts.iter().any(is_there) {
            spec.mounts.push(MountSpec {
                target: target.clone(),
                kind: MountKind::anonymous(),
                read_only: false,
                origin: MountOrigin::Volume,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn image() -> image::ImageConfig {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        image::ImageConfig {
            env: words(&["PATH=/bin", "A=image"]),
            entrypoint: Some(words(&["/entry"])),
            cmd: Some(words(&["serve"])),
            labels: BTreeMap::from([("from".to_owned(), "image".to_owned())]),
            ..image::ImageConfig::default()
        }
    }

    #[track_caller]
    fn check(entrypoint: Option<&[&str]>, args: Option<&[&str]>, expected: &[&str]) {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let mut spec = ContainerSpec::default();
        spec.command.entrypoint = entrypoint.map(words);
        spec.command.args = args.map(words);
        merge(&mut spec, &image());
        assert_eq!(crate::process::arguments(&spec), expected);
    }

    #[test]
    fn commands_are_merged_as_docker_does() {
        check(None, None, &["/entry", "serve"]);
        check(None, Some(&["sh"]), &["/entry", "sh"]);
        check(Some(&["/mine"]), None, &["/mine"]);
        check(Some(&["/mine"]), Some(&["x"]), &["/mine", "x"]);
        check(Some(&[""]), Some(&["sh"]), &["sh"]);
    }

    #[test]
    fn the_containers_own_wins() {
        let mut spec = ContainerSpec::default();
        spec.command.env = vec!["A=own".to_owned()];
        spec.labels.insert("from".to_owned(), "own".to_owned());
        merge(&mut spec, &image());
        assert_eq!(spec.command.env, ["A=own", "PATH=/bin"]);
        assert_eq!(spec.labels["from"], "own");
    }

    #[test]
    fn the_image_says_how_it_is_tested_and_by_which_shell() {
        let check = |test: &str| {
            Some(image::Healthcheck { test: vec![test.to_owned(), "x".to_owned()], ..Default::default() })
        };
        let shell = Some(vec!["ash".to_owned(), "-c".to_owned()]);
        let image = image::ImageConfig { healthcheck: check("CMD-SHELL"), shell, ..image() };
        let mut spec = ContainerSpec::default();
        merge(&mut spec, &image);
        let expected = ["ash", "-c", "x"].map(str::to_owned).to_vec();
        assert_eq!(spec.tester(), Some(expected));
        let unknown = image::ImageConfig { healthcheck: check("x"), ..image };
        let mut spec = ContainerSpec::default();
        merge(&mut spec, &unknown);
        assert_eq!(spec.health, HealthCheck::default());
    }
}
