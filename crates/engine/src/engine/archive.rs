//! Files of a container as archives, both ways.
//!
//! A container that runs is looked into as its first process sees itself: its root, with
//! everything mounted there, is opened once and cannot be exchanged. For one that does not
//! run, the root file system and the mounts it would start with are mounted on a thread
//! whose mount table ends with it; nobody starts or removes it meanwhile.

use std::{
    io::{self, Read},
    path::Path,
    sync::Arc,
};

use image::{Images, Mounts, PackError, Rules, extract, pack_directory, pack_file};
use linux::{
    mount::{self, Attributes, BindOptions, Reach, Tree},
    root::{Dir, Root},
};
use runtime::spec::Mount;
use tokio::sync::oneshot;

use super::{Engine, blocking};
use crate::{
    ContainerId, ContainerSpec,
    container::Container,
    error::ArchiveError,
    files,
    inside::{self, Located, PathStat},
    pieces::{self, Output, Pieces},
    record::Record,
    rootfs,
};

/// How an archive goes into a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopyIn {
    /// No directory becomes something else, and nothing else a directory.
    pub keep_kinds: bool,
    /// Everything will belong to the container's user, if it has one.
    pub own: bool,
}

/// Which files are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum View {
    /// Those that the container sees.
    WithMounts,
    /// Those of its root file system.
    Bare,
}

impl Engine {
    /// What is at a path in a container; a link at its end is not followed.
    ///
    /// # Errors
    /// If there is no such container or nothing at the path.
    pub async fn path_stat(self: &Arc<Self>, term: &str, path: &str) -> Result<PathStat, ArchiveError> {
        let container = self.registry.find(term)?;
        let (engine, path, term) = (Arc::clone(self), path.to_owned(), term.to_owned());
        let look = move |root: Root, _: &Path| Ok(inside::locate(&root, &path, &term)?.stat);
        self.whole(async move { engine.with_root(&container, View::WithMounts, look).await }).await
    }

    /// The archive of what is at a path in a container.
    ///
    /// # Errors
    /// If there is no such container or nothing at the path.
    pub async fn copy_out(
        self: &Arc<Self>,
        term: &str,
        path: &str,
    ) -> Result<(PathStat, Pieces), ArchiveError> {
        let container = self.registry.find(term)?;
        let (path, term) = (path.to_owned(), term.to_owned());
        self.send(container, View::WithMounts, move |root| {
            let Located { stat, dir, file } = inside::locate(&root, &path, &term)?;
            let name = stat.name.clone();
            let pack = move |output: &mut Output| match file {
                Some(file) => pack_file(dir, &file, Path::new(&name), output),
                None => pack_directory(dir, Some(Path::new(&name)), Mounts::AreEntered, output),
            };
            Ok((stat, pack))
        })
        .await
    }

    /// The archive of a container's whole root file system, without what is mounted there.
    ///
    /// # Errors
    /// If there is no such container.
    pub async fn export(self: &Arc<Self>, term: &str) -> Result<Pieces, ArchiveError> {
        let container = self.registry.find(term)?;
        self.tell_container(&container.record(), "export", &[]);
        let whole = |root: Root| {
            let top = root.dir(Path::new(""));
            let top = top.map_err(|source| ArchiveError::Path { path: "/".to_owned(), source })?;
            Ok(((), move |output: &mut Output| pack_directory(top, None, Mounts::AreLeftOut, output)))
        };
        Ok(self.send(container, View::Bare, whole).await?.1)
    }

    /// Unpacks an archive in a directory of a container.
    ///
    /// # Errors
    /// If there is no such container or directory, it cannot be written, or the archive is no good:
    /// then what came before is there.
    pub async fn copy_in(
        self: &Arc<Self>,
        term: &str,
        path: &str,
        how: CopyIn,
        archive: impl Read + Send + 'static,
    ) -> Result<(), ArchiveError> {
        let container = self.registry.find(term)?;
        let (engine, path, term) = (Arc::clone(self), path.to_owned(), term.to_owned());
        let spec = Arc::clone(&container.record().spec);
        let unpack = move |root: Root, top: &Path| {
            let (at, dir) = inside::directory(&root, &path, &term)?;
            check_writable(&dir, &spec, &at)?;
            let owner = if how.own { owner(&spec, top)? } else { None };
            Ok(extract(archive, root, &at, Rules { keep_kinds: how.keep_kinds, owner })?)
        };
        let record = container.record();
        self.whole(async move { engine.with_root(&container, View::WithMounts, unpack).await }).await?;
        self.tell_container(&record, "extract-to-dir", &[]);
        Ok(())
    }

    /// Makes an archive in a task of its own; `open` tells what it will be of before it is made.
    async fn send<T, P>(
        self: &Arc<Self>,
        container: Arc<Container>,
        view: View,
        open: impl FnOnce(Root) -> Result<(T, P), ArchiveError> + Send + 'static,
    ) -> Result<(T, Pieces), ArchiveError>
    where
        T: Send + 'static,
        P: FnOnce(&mut Output) -> Result<(), PackError>,
    {
        let (told, telling) = oneshot::channel();
        let (output, pieces) = pieces::channel();
        let engine = Arc::clone(self);
        let making = self.tasks.spawn(async move {
            let watched = Arc::clone(&container);
            let make = move |root: Root, _: &Path| {
                let (what, pack) = open(root)?;
                if told.send(what).is_ok() {
                    let removed = || io::Error::other("the container was removed");
                    output.fill(|output| match pack(output) {
                        Ok(()) if watched.watch().borrow().removed => Err(removed()),
                        Ok(()) => Ok(()),
                        Err(PackError::Write(error)) => Err(error),
                        Err(error) => Err(io::Error::other(error)),
                    });
                }
                Ok(())
            };
            engine.with_root(&container, view, make).await
        });
        match telling.await {
            Ok(what) => Ok((what, pieces)),
            // It ended before it could tell.
            Err(_) => match making.await {
                Ok(Err(error)) => Err(error),
                Ok(Ok(())) => Err(ArchiveError::Gone),
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            },
        }
    }

    /// Runs `f` on a container's files; it is also told where their root is.
    async fn with_root<T: Send + 'static>(
        &self,
        container: &Container,
        view: View,
        f: impl FnOnce(Root, &Path) -> Result<T, ArchiveError> + Send + 'static,
    ) -> Result<T, ArchiveError> {
        let images = Arc::clone(&self.images);
        if let Some(root) = running_root(&images, &container.record(), view)? {
            let top = rootfs::find(&images, &container.id).map(|rootfs| rootfs.merged).unwrap_or_default();
            return blocking(move || f(root, &top)).await;
        }
        let _turn = container.turn().await?;
        let record = container.record();
        if record.state.alive().is_some() {
            // It was started meanwhile.
            let root = running_root(&images, &record, view)?.ok_or(ArchiveError::Gone)?;
            let top = rootfs::find(&images, &container.id).map(|rootfs| rootfs.merged).unwrap_or_default();
            return blocking(move || f(root, &top)).await;
        }
        let mounts = match view {
            View::WithMounts => self.mounts_of(&record).await?,
            View::Bare => Vec::new(),
        };
        let still = Still { images, id: record.id, mounts, read_only: record.spec.security.read_only_root };
        let outcome = blocking(move || still.enter(f)).await;
        self.give_back(&record).await;
        outcome
    }

    /// What a container that does not run would have mounted.
    async fn mounts_of(&self, record: &Record) -> Result<Vec<Mount>, ArchiveError> {
        let mut mounts = files::mounts(&self.files_of(record), &record.spec);
        match self.asked_mounts(record).await {
            Ok(asked) => mounts.extend(asked),
            Err(error) => {
                self.give_back(record).await;
                return Err(ArchiveError::Mounts(Box::new(error)));
            }
        }
        mounts.sort_by_key(|mount| Path::new(&mount.target).components().count());
        Ok(mounts)
    }

    /// Undoes what was made ready to be mounted.
    async fn give_back(&self, record: &Record) {
        self.clear_stage(&record.id).await;
        self.release_volumes(record).await;
    }
}

/// The root of a container's first process; none if it does not run, or has just ended.
fn running_root(images: &Images, record: &Record, view: View) -> Result<Option<Root>, ArchiveError> {
    let (Some(running), Some(rootfs)) = (record.state.alive(), rootfs::find(images, &record.id)) else {
        return Ok(None);
    };
    let failed = |source| ArchiveError::Path { path: "/".to_owned(), source };
    let merged = Dir::open(&rootfs.merged).map_err(failed)?;
    if view == View::Bare {
        return Root::open(&rootfs.merged).map(Some).map_err(failed);
    }
    let Ok(root) = Root::of_process(running.pid) else { return Ok(None) };
    // The process may have ended and its number be another's.
    let is_it =
        root.top().own_status().map_err(failed)?.identity == merged.own_status().map_err(failed)?.identity;
    Ok(Some(root).filter(|_| is_it))
}

/// A container that does not run.
struct Still {
    images: Arc<Images>,
    id: ContainerId,
    mounts: Vec<Mount>,
    read_only: bool,
}

impl Still {
    /// Runs `f` where everything is mounted that would be.
    fn enter<T: Send>(
        self,
        f: impl FnOnce(Root, &Path) -> Result<T, ArchiveError> + Send,
    ) -> Result<T, ArchiveError> {
        let Self { images, id, mounts, read_only } = self;
        mount::in_private(move || {
            let top = rootfs::mount(&images, &id)?;
            if !mount::is_mount_point(&top).unwrap_or(false) {
                // A directory of the user's.
                let all = BindOptions {
                    reach: Reach::AllBelow,
                    attributes: Attributes::default(),
                    propagation: None,
                };
                mount::bind(&top, &top, all)?;
            }
            let failed = |source| ArchiveError::Path { path: "/".to_owned(), source };
            let root = Root::open(&top).map_err(failed)?;
            for mount in &mounts {
                let failed = |source| ArchiveError::Path { path: mount.target.clone(), source };
                make_target(&root, mount).map_err(failed)?;
                attach(&root, mount)?;
            }
            if read_only {
                mount::forbid(&top, Attributes::READ_ONLY)?;
            }
            f(root, &top)
        })?
    }
}

/// Makes what something is mounted on, as a start does.
fn make_target(root: &Root, mount: &Mount) -> io::Result<()> {
    let target = Path::new(&mount.target);
    if mount.source.is_dir() {
        return root.mkdir_all(target, 0o755).map(drop);
    }
    let real = root.real_path(target)?;
    if let Some(parent) = real.parent() {
        root.mkdir_all(parent, 0o755)?;
    }
    match root.create_file(&real, 0o644) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

fn attach(root: &Root, mount: &Mount) -> Result<(), ArchiveError> {
    let reach = if mount.non_recursive { Reach::ThisMount } else { Reach::AllBelow };
    let tree = Tree::copy(&mount.source, reach)?;
    if mount.read_only {
        tree.forbid(Attributes::READ_ONLY, reach)?;
    }
    let target = root.find(Path::new(&mount.target));
    let target = target.map_err(|source| ArchiveError::Path { path: mount.target.clone(), source })?;
    Ok(tree.attach_at(target)?)
}

/// Refuses what is marked read-only, in Docker's words.
fn check_writable(dir: &Dir, spec: &ContainerSpec, at: &Path) -> Result<(), ArchiveError> {
    let path = Path::new("/").join(at);
    let read_only = dir.is_read_only();
    if !read_only.map_err(|source| ArchiveError::Path { path: path.display().to_string(), source })? {
        return Ok(());
    }
    let is_mounted = spec.mounts.iter().any(|mount| path.starts_with(&mount.target));
    Err(if is_mounted { ArchiveError::VolumeReadOnly } else { ArchiveError::RootReadOnly })
}

/// The container's user, by its own files; none if it does not name one.
fn owner(spec: &ContainerSpec, top: &Path) -> Result<Option<(u32, u32)>, ArchiveError> {
    let user = &spec.command.user;
    if user.is_empty() {
        return Ok(None);
    }
    Ok(image::resolve_user(top, user).map(|found| Some((found.uid, found.gid)))?)
}
