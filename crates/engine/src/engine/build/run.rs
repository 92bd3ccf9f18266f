//! `RUN`: a command in a container of the last image, whose changes are the next one's layer.

use std::sync::Arc;

use dockerfile::CommandLine;
use image::ImageId;
use tokio::sync::mpsc;

use super::Building;
use crate::{
    AttachOptions, BuildEvent, ContainerId, HealthTest, Output, RemoveOptions, Root, Stream, WaitCondition,
    build::{next::Next, stage::StageState},
    engine::blocking,
    error::BuildError,
};

impl Building {
    pub(super) async fn run_command(
        &self,
        state: &mut StageState,
        line: &CommandLine,
    ) -> Result<(), BuildError> {
        let image = state.image.ok_or(BuildError::RunInNothing)?;
        let words = state.changing.words(line);
        let (environment, shown) = state.arguments.environment(&state.config().env);
        let next = self.next(state, created_by(&words, &shown, !environment.is_empty()));
        let images = Arc::clone(&self.engine.images);
        let before = next.clone();
        if let Some(image) = blocking(move || before.made_before(&images)).await? {
            self.say(" ---> Using cache\n".to_owned()).await;
            state.image = Some(image);
            return Ok(());
        }
        let container = self.container(image, words.clone(), environment).await?;
        self.say(format!(" ---> Running in {}\n", container.short())).await;
        let outcome = self.run_in(container, &words, next).await;
        let removed = self.remove_container(container).await;
        state.image = Some(outcome?);
        removed
    }

    /// Makes the container of a step.
    async fn container(
        &self,
        image: ImageId,
        words: Vec<String>,
        environment: Vec<String>,
    ) -> Result<ContainerId, BuildError> {
        let mut spec = self.recipe.spec.container.clone();
        spec.root = Root::Image(image.to_string());
        // One empty word: the image's entry point does not count.
        spec.command.entrypoint = Some(vec![String::new()]);
        spec.command.args = Some(words);
        spec.command.env = environment;
        spec.log.driver = "none".to_owned();
        spec.health.test = HealthTest::Off;
        spec.build_step = !self.recipe.spec.keep_containers;
        let created = self.engine.create(spec).await?;
        for warning in created.warnings {
            self.say(format!(" ---> [Warning] {warning}\n")).await;
        }
        Ok(created.id)
    }

    async fn run_in(
        &self,
        container: ContainerId,
        words: &[String],
        next: Next,
    ) -> Result<ImageId, BuildError> {
        let id = container.to_string();
        let code = tokio::select! {
            code = self.run_to_end(&id) => code?,
            () = self.cancelled() => return Err(BuildError::Cancelled),
        };
        if code != 0 {
            return Err(BuildError::Command { command: words.join(" "), code });
        }
        let images = Arc::clone(&self.engine.images);
        blocking(move || {
            let rootfs = images.snapshots().find(&id)?;
            let overlay = rootfs.and_then(|rootfs| rootfs.overlay);
            Ok(next.make(&images, overlay.as_ref())?)
        })
        .await
    }

    /// Starts the container, passes on what it writes, and waits for its end.
    async fn run_to_end(&self, id: &str) -> Result<i32, BuildError> {
        let streams = AttachOptions { stdout: true, stderr: true, stream: true, ..AttachOptions::default() };
        let attached = self.engine.attach(id, streams).await?;
        let end = self.engine.wait(id, WaitCondition::NextExit)?;
        self.engine.start(id).await?;
        self.pass_on(attached.output).await;
        Ok(end.await.code)
    }

    async fn pass_on(&self, mut output: mpsc::Receiver<Output>) {
        let (mut text, mut errors) = (Vec::new(), Vec::new());
        while let Some(Output { stream, data }) = output.recv().await {
            match stream {
                Stream::Stdout => self.tell(BuildEvent::Text(whole_characters(&mut text, &data))).await,
                Stream::Stderr => self.tell(BuildEvent::Error(whole_characters(&mut errors, &data))).await,
            }
        }
    }

    async fn remove_container(&self, container: ContainerId) -> Result<(), BuildError> {
        if self.recipe.spec.keep_containers {
            return Ok(());
        }
        let options = RemoveOptions { force: true, volumes: true };
        self.engine.remove(&container.to_string(), options).await?;
        self.say(format!("Removing intermediate container {}\n", container.short())).await;
        Ok(())
    }
}

/// What the history shows of a command: with build arguments, how many it has seen, and which.
fn created_by(words: &[String], shown: &[String], has_arguments: bool) -> String {
    let count = has_arguments.then(|| format!("|{}", shown.len()));
    let all: Vec<&str> =
        count.iter().map(String::as_str).chain(shown.iter().chain(words).map(String::as_str)).collect();
    all.join(" ")
}

/// A piece of output as text; a character that is torn at its end waits for the next piece.
fn whole_characters(torn: &mut Vec<u8>, data: &[u8]) -> String {
    torn.extend_from_slice(data);
    let end = match std::str::from_utf8(torn) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        Ok(_) | Err(_) => torn.len(),
    };
    let rest = torn.split_off(end);
    String::from_utf8_lossy(&std::mem::replace(torn, rest)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn torn_characters_are_joined() {
        let mut torn = Vec::new();
        let bytes = "aä€".as_bytes();
        let pieces = [&bytes[..2], &bytes[2..4], &bytes[4..], b"\xff."];
        let texts: Vec<_> = pieces.iter().map(|piece| whole_characters(&mut torn, piece)).collect();
        assert_eq!(texts, ["a", "ä", "€", "\u{fffd}."]);
    }

    #[test]
    fn the_history_shows_build_arguments() {
        let words = ["/bin/sh", "-c", "x"].map(ToOwned::to_owned);
        assert_eq!(created_by(&words, &[], false), "/bin/sh -c x");
        assert_eq!(created_by(&words, &["a=1".to_owned()], true), "|1 a=1 /bin/sh -c x");
        assert_eq!(created_by(&words, &[], true), "|0 /bin/sh -c x");
    }
}
