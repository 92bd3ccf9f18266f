//! Files of the host that are bound alone and replaced there: the container gets the new one.
//!
//! A bind mount shows one file, not a name. Editors, `sed -i` and whoever writes configuration
//! well make a new file and rename it; without this the container would keep the old one.

use std::{fs::File, io, os::unix::fs::MetadataExt, path::PathBuf, sync::Arc};

use linux::{
    inotify::FileWatch,
    mount::{Attributes, MountError, MountNamespace, Propagation, Reach, Tree},
};
use tokio::io::unix::AsyncFd;

use super::{Engine, blocking};
use crate::{IdMap, MountKind, container::Container};

/// One file that is followed.
#[derive(Clone, Debug)]
struct Followed {
    source: PathBuf,
    /// Inside.
    target: PathBuf,
    read_only: bool,
    id_map: Option<IdMap>,
    /// The first process of the container.
    pid: u32,
}

impl Engine {
    /// Follows the files that a container wants followed, in tasks that end with its process.
    pub(super) fn follow_files(self: &Arc<Self>, container: &Arc<Container>) {
        let record = container.record();
        let Some(running) = record.state.alive() else { return };
        for mount in &record.spec.mounts {
            let MountKind::Bind { source, options } = &mount.kind else { continue };
            if !options.follow {
                continue;
            }
            let followed = Followed {
                source: source.clone(),
                target: PathBuf::from(&mount.target),
                read_only: mount.read_only,
                id_map: options.id_map.clone(),
                pid: running.pid,
            };
            let (engine, container) = (Arc::clone(self), Arc::clone(container));
            self.tasks.spawn(async move {
                let (mut moments, pid) = (container.watch(), followed.pid);
                let ended = moments.wait_for(|moment| {
                    moment.record.state.alive().is_none_or(|running| running.pid != pid)
                });
                let (source, id) = (followed.source.clone(), container.id);
                let outcome = tokio::select! {
                    outcome = follow(followed) => outcome,
                    _ = ended => return,
                    () = engine.closing.cancelled() => return,
                };
                if let Err(error) = outcome {
                    tracing::warn!(container = %id, path = %source.display(), %error, "a file is no longer followed");
                }
            });
        }
    }
}

/// Replaces the mount whenever the name means another file.
async fn follow(followed: Followed) -> io::Result<()> {
    #[expect(
        deprecated,
        reason = "the other is unsafe, for who may lie about a descriptor; a watch owns its own"
    )]
    let mut watch = AsyncFd::new(FileWatch::new(&followed.source)?)?;
    loop {
        let now = followed.clone();
        blocking(move || now.bring_up_to_date()).await?;
        let mut ready = watch.readable_mut().await?;
        while ready.get_inner().read()?.is_some() {}
        ready.clear_ready();
        // What happens from here on is told, so what is looked at afterwards is not old.
        ready.get_inner_mut().follow()?;
    }
}

impl Followed {
    /// Shows the file that has the name now, if there is one and it is another.
    fn bring_up_to_date(&self) -> io::Result<()> {
        loop {
            let Some(file) = self.open()? else { return Ok(()) };
            let outcome = self.show(&file);
            // One that has lost its name meanwhile cannot be mounted; there is another.
            if outcome.is_ok() || self.open()?.is_some_and(|now| is_same(&now, &file)) {
                return outcome;
            }
        }
    }

    /// The file, unless it has gone: it may come back.
    fn open(&self) -> io::Result<Option<File>> {
        match File::open(&self.source) {
            Ok(file) => Ok(Some(file).filter(|file| file.metadata().is_ok_and(|found| found.is_file()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn show(&self, file: &File) -> io::Result<()> {
        let namespace = MountNamespace::of(self.pid)?;
        if namespace.is_same(file, &self.target)? {
            return Ok(());
        }
        let tree = self.tree(file).map_err(of_mount)?;
        namespace.replace(tree, &self.target).map_err(of_mount)
    }

    fn tree(&self, file: &File) -> Result<Tree, MountError> {
        let tree = Tree::copy_at(file, Reach::ThisMount)?;
        if let Some(map) = &self.id_map {
            tree.map_ids(&map.extents(), Reach::ThisMount)?;
        }
        if self.read_only {
            tree.forbid(Attributes::READ_ONLY, Reach::ThisMount)?;
        }
        tree.propagate(Propagation::Private, Reach::ThisMount)?;
        Ok(tree)
    }
}

fn is_same(one: &File, other: &File) -> bool {
    let identity = |file: &File| file.metadata().map(|found| (found.dev(), found.ino())).ok();
    identity(one) == identity(other)
}

fn of_mount(error: MountError) -> io::Error {
    io::Error::other(crate::chain(&error))
}
