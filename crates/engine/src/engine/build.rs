//! Carrying out a Dockerfile: stages, and in them steps, each of which makes an image of the last one.

mod cache;
mod copy;
mod pull;
mod run;
mod step;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use dockerfile::{Argument, Expander, Stage};
use image::{Image, ImageId, host_architecture};
use tokio::sync::mpsc;

use super::{Engine, blocking};
use crate::{
    BuildEvent, ContainerId,
    build::{Recipe, arguments::Arguments, stage::StageState},
    error::BuildError,
};

/// Which images builds under way have made and still need.
#[derive(Debug, Default)]
pub(super) struct Builds(Mutex<BTreeMap<ContainerId, Vec<ImageId>>>);

impl Builds {
    /// Every image with the id of its build.
    pub(super) fn uses(&self) -> Vec<(ImageId, ContainerId)> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.iter().flat_map(|(build, images)| images.iter().map(|image| (*image, *build))).collect()
    }

    fn hold(&self, build: ContainerId, images: Vec<ImageId>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(build, images);
    }

    fn release(&self, build: &ContainerId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(build);
    }
}

impl Engine {
    /// Builds an image. It ends when nobody listens to its events any more.
    ///
    /// # Errors
    /// If a step fails. What steps before it have made is found by the next build.
    pub async fn build_image(
        self: &Arc<Self>,
        recipe: Recipe,
        events: mpsc::Sender<BuildEvent>,
    ) -> Result<ImageId, BuildError> {
        let engine = Arc::clone(self);
        self.whole(async move {
            let mut building = Building::new(engine, recipe, events);
            let outcome = building.run().await;
            building.engine.builds.release(&building.id);
            outcome
        })
        .await
    }
}

/// A build under way.
struct Building {
    id: ContainerId,
    engine: Arc<Engine>,
    recipe: Recipe,
    events: mpsc::Sender<BuildEvent>,
    /// How many steps have begun, and how many there are.
    steps: (usize, usize),
    arguments: Arguments,
    /// Name and image of each stage that is done.
    done: Vec<(Option<String>, Option<ImageId>)>,
}

impl Building {
    fn new(engine: Arc<Engine>, recipe: Recipe, events: mpsc::Sender<BuildEvent>) -> Self {
        let arguments = Arguments::new(recipe.spec.arguments.clone());
        let steps = (0, recipe.steps());
        Self { id: ContainerId::random(), engine, recipe, events, steps, arguments, done: Vec::new() }
    }

    async fn run(&mut self) -> Result<ImageId, BuildError> {
        let warnings =
            self.recipe.file.warnings.iter().map(|warning| warning.clone() + "\n").collect::<String>();
        if !warnings.is_empty() {
            self.tell(BuildEvent::Error(warnings)).await;
        }
        for (text, arguments) in std::mem::take(&mut self.recipe.file.arguments) {
            self.announce(&text).await?;
            arguments.into_iter().try_for_each(|argument| self.declare_global(argument))?;
        }
        for stage in std::mem::take(&mut self.recipe.file.stages) {
            self.stage(stage).await?;
        }
        let unused = self.arguments.unused();
        if !unused.is_empty() {
            let names = unused.join(" ");
            self.say(format!("[Warning] One or more build-args [{names}] were not consumed\n")).await;
        }
        let image = self.done.last().and_then(|(_, image)| *image).ok_or(BuildError::NoImage)?;
        self.say(format!("Successfully built {}\n", image.short())).await;
        self.name(image).await?;
        Ok(image)
    }

    /// An argument before the first stage; those before it may be in its default.
    fn declare_global(&mut self, argument: Argument) -> Result<(), BuildError> {
        let variables = |name: &str| self.arguments.global_value(name);
        let Argument { name, default } =
            argument.expanded(&Expander::new(self.recipe.file.escape, &variables))?;
        self.arguments.declare_global(&name, default);
        Ok(())
    }

    async fn stage(&mut self, stage: Stage) -> Result<(), BuildError> {
        self.announce(&stage.text).await?;
        let base = self.base(&stage).await?;
        let (mut state, triggers) = StageState::begin(base.as_ref(), self.arguments.clone());
        self.hold(&state);
        self.triggers(&mut state, &triggers).await?;
        self.arrow(&state).await;
        for step in stage.steps {
            self.announce(&step.text).await?;
            self.step(&mut state, step.instruction).await?;
            self.hold(&state);
            self.arrow(&state).await;
        }
        if let Some(image) = state.image {
            self.tell(BuildEvent::Image(image)).await;
        }
        self.arguments.merge_used(&state.arguments);
        self.done.push((stage.name, state.image));
        Ok(())
    }

    /// The image a stage begins with; nothing for `scratch`.
    async fn base(&self, stage: &Stage) -> Result<Option<Image>, BuildError> {
        let name = self.base_name(stage)?;
        let known = self.done.iter().find(|(known, _)| known.as_deref() == Some(&name.to_lowercase()));
        let wanted = match known {
            Some((_, None)) => return Ok(None),
            Some((_, Some(image))) => image.to_string(),
            None if name == "scratch" => return Ok(None),
            None => name,
        };
        let pulls = self.recipe.spec.pulls && known.is_none();
        self.find_or_pull(&wanted, pulls).await.map(Some)
    }

    /// The base's name with variables filled in.
    fn base_name(&self, stage: &Stage) -> Result<String, BuildError> {
        let variables = |name: &str| self.arguments.global_value(name);
        let expander = Expander::new(self.recipe.file.escape, &variables);
        let (name, mut platform) = (expander.word(&stage.base)?, expander.word(&stage.platform)?);
        if platform.is_empty() {
            platform.clone_from(&self.recipe.spec.platform);
        }
        if name.is_empty() {
            return Err(BuildError::BlankBase { text: stage.base.clone() });
        }
        check_platform(&name, &platform)?;
        Ok(name)
    }

    /// Does what the base has asked for by `ONBUILD`.
    async fn triggers(&mut self, state: &mut StageState, triggers: &[String]) -> Result<(), BuildError> {
        if !triggers.is_empty() {
            let plural = if triggers.len() > 1 { "s" } else { "" };
            self.say(format!("# Executing {} build trigger{plural}\n", triggers.len())).await;
        }
        for trigger in triggers {
            let step = dockerfile::Step::parse(trigger)?;
            self.step(state, step.instruction).await?;
            self.hold(state);
        }
        Ok(())
    }

    /// Gives the image its names.
    async fn name(&self, image: ImageId) -> Result<(), BuildError> {
        for name in &self.recipe.spec.names {
            let (images, text) = (Arc::clone(&self.engine.images), name.to_string());
            let failed = |source| BuildError::Tag { name: name.familiar(), source };
            blocking(move || images.tag(&image.to_string(), &text)).await.map_err(failed)?;
            let name = name.familiar();
            self.engine.tell("image", "tag", &image.to_string(), [("name".to_owned(), name.clone())].into());
            self.say(format!("Successfully tagged {name}\n")).await;
        }
        Ok(())
    }

    /// Keeps the images that are still needed from being removed.
    fn hold(&self, state: &StageState) {
        let done = self.done.iter().filter_map(|(_, image)| *image);
        self.engine.builds.hold(self.id, done.chain(state.image).collect());
    }

    /// Says which step begins, unless nobody wants it any more.
    async fn announce(&mut self, text: &str) -> Result<(), BuildError> {
        if self.events.is_closed() || self.engine.closing.is_cancelled() {
            return Err(BuildError::Cancelled);
        }
        self.steps.0 += 1;
        let (number, all) = self.steps;
        self.say(format!("Step {number}/{all} : {text}\n")).await;
        Ok(())
    }

    /// Says which image a step has come to.
    async fn arrow(&self, state: &StageState) {
        let short = state.image.map(|image| image.short()).unwrap_or_default();
        self.say(format!(" ---> {short}\n")).await;
    }

    async fn say(&self, text: String) {
        self.tell(BuildEvent::Text(text)).await;
    }

    /// Who has gone away is found out where it matters.
    async fn tell(&self, event: BuildEvent) {
        let _gone = self.events.send(event).await;
    }

    /// Waits until nobody wants the build any more.
    async fn cancelled(&self) {
        tokio::select! {
            () = self.events.closed() => {}
            () = self.engine.closing.cancelled() => {}
        }
    }
}

/// Only for this machine can programs be run.
fn check_platform(name: &str, platform: &str) -> Result<(), BuildError> {
    let host = format!("linux/{}", host_architecture());
    let fits =
        matches!(platform, "" | "linux") || platform == host || platform.starts_with(&format!("{host}/"));
    let refused = || BuildError::Platform { what: name.to_owned(), platform: platform.to_owned(), host };
    if fits { Ok(()) } else { Err(refused()) }
}
