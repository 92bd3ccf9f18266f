//! Removes images that nobody needs.

use api::image::{ImageDeleteItem, ImagesPruneResponse};
use axum::extract::State;
use engine::image::{Force, Image, Images};

use super::blocking;
use crate::app::App;
use crate::convert::{image, time};
use crate::http::answer::{Answer, ok};
use crate::http::query::Query;

const FILTERS: [&str; 4] = ["dangling", "label", "label!", "until"];

/// Images without a name, or with `dangling=false` all that no container uses.
pub(super) async fn prune(State(app): State<App>, query: Query) -> Answer {
    let filters = query.filters(&FILTERS)?;
    let dangling = filters.boolean("dangling")?.unwrap_or(true);
    let until =
        filters.get("until").last().map(time::parse).transpose()?.flatten().map(|time| time.as_second());
    let uses = app.engine.image_uses();
    let (removed, reclaimed) = blocking(&app, move |images: &Images| {
        let is_wanted = |image: &Image| {
            (!dangling || image.names.is_empty())
                && uses.iter().all(|used| used.image != image.id)
                && until.is_none_or(|until| image.created() < until)
                && filters.accept_labels(&image.config().labels)
        };
        let (mut removed, mut reclaimed) = (Vec::new(), 0);
        for image in images.list()?.into_iter().filter(is_wanted) {
            // All of its names go, so this is no conflict; one that is used by now stays.
            if let Ok(gone) = images.remove(&image.id.to_string(), Force::Yes, &uses) {
                reclaimed += image.size();
                removed.extend(gone);
            }
        }
        Ok::<_, engine::image::LookupError>((removed, reclaimed))
    })
    .await?;
    app.engine.tell("image", "prune", "", [("reclaimed".to_owned(), reclaimed.to_string())].into());
    let removed: Vec<ImageDeleteItem> = removed.into_iter().map(image::removed).collect();
    let images_deleted = Some(removed).filter(|removed| !removed.is_empty());
    Ok(ok(&ImagesPruneResponse { images_deleted, space_reclaimed: reclaimed }))
}
