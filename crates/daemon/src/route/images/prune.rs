//! Removes images that nobody needs.

use std::collections::BTreeSet;

use api::image::{ImageDeleteItem, ImagesPruneResponse};
use axum::extract::State;
use engine::image::{Force, Image, ImageId, Images, LookupError, Removed, Use};

use super::blocking;
use crate::app::App;
use crate::convert::{image, time};
use crate::http::answer::{Answer, ok};
use crate::http::query::Query;

const FILTERS: [&str; 4] = ["dangling", "label", "label!", "until"];

/// What was removed, or would be.
#[derive(Debug, Default)]
struct Pruned {
    removed: Vec<Removed>,
    bytes: u64,
}

/// Whether images go, or are only named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Remove,
    DryRun,
}

/// Images without a name, or with `dangling=false` all that no container uses. With `keep`, which Docker does not
/// have, only as many as have to go so that all of them take up at most so many bytes, those named longest ago first.
pub(super) async fn prune(State(app): State<App>, query: Query) -> Answer {
    let filters = query.filters(&FILTERS)?;
    let keep = query.number::<u64>("keep")?;
    let dangling = filters.boolean("dangling")?.unwrap_or(keep.is_none());
    let until =
        filters.get("until").last().map(time::parse).transpose()?.flatten().map(|time| time.as_second());
    let mode = if query.switch("dry-run") { Mode::DryRun } else { Mode::Remove };
    let uses = app.engine.image_uses();
    let pruned = blocking(&app, move |images: &Images| {
        let is_wanted = |image: &Image| {
            (!dangling || image.names.is_empty())
                && uses.iter().all(|used| used.image != image.id)
                && until.is_none_or(|until| image.created() < until)
                && filters.accept_labels(&image.config().labels)
        };
        let all = images.list()?;
        let wanted: Vec<&Image> = all.iter().filter(|image| is_wanted(image)).collect();
        let chosen = match keep {
            Some(keep) => beyond(images, keep, &wanted)?,
            None => wanted.iter().map(|image| image.id).collect(),
        };
        match mode {
            Mode::DryRun => dry_run(images, &wanted, &chosen),
            Mode::Remove => remove(images, &chosen, &uses),
        }
    })
    .await?;
    if mode == Mode::Remove {
        tell(&app, &pruned);
    }
    let removed: Vec<ImageDeleteItem> = pruned.removed.into_iter().map(image::removed).collect();
    let images_deleted = Some(removed).filter(|removed| !removed.is_empty());
    Ok(ok(&ImagesPruneResponse { images_deleted, space_reclaimed: pruned.bytes }))
}

fn tell(app: &App, pruned: &Pruned) {
    app.engine.tell("image", "prune", "", [("reclaimed".to_owned(), pruned.bytes.to_string())].into());
}

/// Those named longest ago, as far as they have to go.
fn beyond(images: &Images, keep: u64, wanted: &[&Image]) -> Result<Vec<ImageId>, LookupError> {
    let mut oldest: Vec<&&Image> = wanted.iter().collect();
    oldest.sort_by_key(|image| (image.tagged.parse::<jiff::Timestamp>().ok(), image.id));
    let oldest: Vec<ImageId> = oldest.iter().map(|image| image.id).collect();
    Ok(images.usage()?.beyond(keep, &oldest))
}

fn dry_run(images: &Images, wanted: &[&Image], chosen: &[ImageId]) -> Result<Pruned, LookupError> {
    let bytes = images.usage()?.freed(&chosen.iter().copied().collect());
    let mut removed = Vec::new();
    for image in chosen.iter().filter_map(|id| wanted.iter().find(|image| image.id == *id)) {
        removed.extend(image.names.iter().map(|name| Removed::Untagged(name.familiar())));
        removed.push(Removed::Deleted(image.id.0));
    }
    Ok(Pruned { removed, bytes })
}

fn remove(images: &Images, chosen: &[ImageId], uses: &[Use]) -> Result<Pruned, LookupError> {
    let usage = images.usage()?;
    let (mut removed, mut gone) = (Vec::new(), BTreeSet::new());
    for id in chosen {
        // All of its names go, so this is no conflict; one that is used by now stays.
        if let Ok(removal) = images.remove(&id.to_string(), Force::Yes, uses) {
            gone.insert(*id);
            removed.extend(removal);
        }
    }
    Ok(Pruned { removed, bytes: usage.freed(&gone) })
}
