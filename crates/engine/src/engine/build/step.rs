//! One step.

use std::path::Path;
use std::sync::Arc;

use dockerfile::{Argument, Instruction};
use image::{ImageId, Images, Rootfs};
use linux::root::Root;

use super::Building;
use crate::{
    ContainerId,
    build::{copy::Word, next::Next, stage::StageState},
    engine::blocking,
    error::BuildError,
};

impl Building {
    /// Carries out an instruction.
    pub(super) async fn step(
        &mut self,
        state: &mut StageState,
        instruction: Instruction,
    ) -> Result<(), BuildError> {
        let instruction = state.expanded(instruction, self.recipe.file.escape)?;
        match instruction {
            Instruction::Run(line) => self.run_command(state, &line).await,
            Instruction::Copy(copy) => self.copy_files(state, (Word::Copy, copy)).await,
            Instruction::Add(copy) => self.copy_files(state, (Word::Add, copy)).await,
            Instruction::Arg(arguments) => {
                let shown = arguments.iter().map(shown).collect::<String>();
                for Argument { name, default } in arguments {
                    state.arguments.declare(&name, default);
                }
                self.note(state, &format!("ARG{shown}")).await
            }
            Instruction::Maintainer(author) => {
                let shown = format!("MAINTAINER {author}");
                state.author = author;
                self.note(state, &shown).await
            }
            Instruction::Workdir(_) => {
                let shown = state.changing.apply(&instruction)?.unwrap_or_default();
                self.make_workdir(state, &shown).await
            }
            Instruction::Cmd(_)
            | Instruction::Entrypoint(_)
            | Instruction::Env(_)
            | Instruction::Expose(_)
            | Instruction::Healthcheck(_)
            | Instruction::Label(_)
            | Instruction::OnBuild(_)
            | Instruction::Shell(_)
            | Instruction::StopSignal(_)
            | Instruction::User(_)
            | Instruction::Volume(_) => {
                let shown = state.changing.apply(&instruction)?.unwrap_or_default();
                self.note(state, &shown).await
            }
        }
    }

    /// Ends a step that changes no file.
    async fn note(&self, state: &mut StageState, shown: &str) -> Result<(), BuildError> {
        // Docker has two blanks here, and one where files are concerned.
        let next = self.next(state, state.changing.no_operation(&format!(" {shown}")));
        self.finish(state, next, |next, images| Ok(next.make(images, None)?)).await
    }

    /// Makes the working directory, if it is not there.
    async fn make_workdir(&self, state: &mut StageState, shown: &str) -> Result<(), BuildError> {
        let next = self.next(state, state.changing.no_operation(shown));
        let path = state.config().working_dir.clone();
        self.finish(state, next, move |next, images| {
            with_root(images, next.parent, |rootfs| {
                let failed = |source| BuildError::Workdir { path: path.clone(), source };
                let root = Root::open(&rootfs.merged).map_err(failed)?;
                root.mkdir_all(Path::new(&path), 0o755).map_err(failed)?;
                Ok(next.make(images, rootfs.overlay.as_ref())?)
            })
        })
        .await
    }

    /// The image that comes after this step.
    pub(super) fn next(&self, state: &StageState, created_by: String) -> Next {
        state.next(created_by, !self.recipe.spec.no_cache)
    }

    /// Finds the next image made before, or has `make` make it, on a thread that may block.
    pub(super) async fn finish(
        &self,
        state: &mut StageState,
        next: Next,
        make: impl FnOnce(&Next, &Images) -> Result<ImageId, BuildError> + Send + 'static,
    ) -> Result<(), BuildError> {
        let images = Arc::clone(&self.engine.images);
        let work = move || match next.made_before(&images)? {
            Some(image) => Ok((image, true)),
            None => make(&next, &images).map(|image| (image, false)),
        };
        let (image, was_there) = blocking::<Result<_, BuildError>>(work).await?;
        if was_there {
            self.say(" ---> Using cache\n".to_owned()).await;
        }
        state.image = Some(image);
        Ok(())
    }
}

/// Has `f` work in a root file system of an image, or of nothing, that goes afterwards.
pub(super) fn with_root<T>(
    images: &Images,
    image: Option<ImageId>,
    f: impl FnOnce(&Rootfs) -> Result<T, BuildError>,
) -> Result<T, BuildError> {
    let (snapshots, id) = (images.snapshots(), ContainerId::random().to_string());
    match image {
        Some(image) => snapshots.prepare(&id, image)?,
        None => snapshots.prepare_empty(&id)?,
    };
    let outcome = snapshots.mount(&id).map_err(BuildError::from).and_then(|rootfs| f(&rootfs));
    let removed = snapshots.remove(&id);
    let value = outcome?;
    removed?;
    Ok(value)
}

fn shown(argument: &Argument) -> String {
    match argument {
        Argument { name, default: Some(default) } => format!(" {name}={default}"),
        Argument { name, default: None } => format!(" {name}"),
    }
}
