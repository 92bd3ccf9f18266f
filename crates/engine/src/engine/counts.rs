//! How many there are of what.

use super::Engine;
use crate::{Counts, State};

impl Engine {
    /// Counts for `docker info`. Images are counted by whoever asks them.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for container in self.registry.all() {
            counts.containers += 1;
            match container.record().state {
                State::Running(_) => counts.running += 1,
                State::Paused(_) => counts.paused += 1,
                State::Created { .. }
                | State::Restarting(_)
                | State::Exited(_)
                | State::Removing(_)
                | State::Dead(_) => counts.stopped += 1,
            }
        }
        counts
    }

    /// Which containers use which images, for whoever wants to remove one.
    pub fn image_uses(&self) -> Vec<image::Use> {
        let uses = self.registry.all().into_iter().filter_map(|container| {
            let record = container.record();
            let image = record.image.as_ref()?.parse().ok()?;
            let running = record.state.alive().is_some();
            Some(image::Use { image, container: record.id.short(), running })
        });
        let building = self.builds.uses().into_iter();
        let building =
            building.map(|(image, build)| image::Use { image, container: build.short(), running: true });
        uses.chain(building).collect()
    }
}
