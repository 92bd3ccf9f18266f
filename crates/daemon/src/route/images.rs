//! Images: list, inspect, history, tag, remove, load, import, pull, push.

mod filter;
mod platform;
mod prune;
mod travel;
pub(super) mod upload;

use std::collections::BTreeSet;
use std::sync::Arc;

use api::image::{ImageDeleteItem, ImageHistoryItem, ImageSummary};
use api::version::Version;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::routing::{get, post};
use engine::image::{Force, ImageId, Images, Removed};
use hyper::{HeaderMap, StatusCode};

use crate::app::App;
use crate::convert::image;
use crate::http::answer::{Answer, Refusal, empty, ok, streaming};
use crate::http::body::drain;
use crate::http::query::Query;
use crate::http::stream::archive;
use crate::http::version::Speaks;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/images/json", get(list))
        .route("/images/load", post(load))
        .route("/images/create", post(create))
        .route("/images/get", get(save))
        .route("/images/search", get(async || Refusal::not_implemented("searching registries")))
        .route("/images/prune", post(prune::prune))
        .route("/images/{*path}", get(of_image).post(to_image).delete(remove))
}

/// Runs what blocks where it may.
async fn blocking<T, E>(
    app: &App,
    work: impl FnOnce(&Images) -> Result<T, E> + Send + 'static,
) -> Result<T, Refusal>
where
    T: Send + 'static,
    E: Send + 'static,
    Refusal: From<E>,
{
    let images = Arc::clone(app.engine.images());
    let done = tokio::task::spawn_blocking(move || work(&images)).await;
    Ok(done.map_err(|_| Refusal::lost())??)
}

/// How many images there are.
pub(super) async fn count(app: &App) -> Result<usize, Refusal> {
    Ok(blocking(app, Images::list).await?.len())
}

/// Every image, as disk usage shows them, and the bytes of all that images have on disk; without the
/// steps of builds, which are counted apart, and what only they have.
pub(super) async fn usage(app: &App, steps: BTreeSet<ImageId>) -> Result<(Vec<ImageSummary>, u64), Refusal> {
    let uses = app.engine.image_uses();
    let work = move |images: &Images| {
        let usage = images.usage()?;
        let line = |image: &engine::image::Image| {
            let containers = uses.iter().filter(|used| used.image == image.id).count();
            let line = image::summary(image, i64::try_from(containers).unwrap_or(0), Version::MAX);
            ImageSummary { shared_size: i64::try_from(usage.shared(image)).unwrap_or(0), ..line }
        };
        let all = images.list()?;
        let lines = all.iter().filter(|image| !steps.contains(&image.id)).map(line).collect();
        Ok::<_, engine::image::LookupError>((lines, usage.total() - usage.freed(&steps)))
    };
    blocking(app, work).await
}

async fn list(State(app): State<App>, Speaks(version): Speaks, query: Query) -> Answer {
    let wanted = filter::Wanted::read(&query)?;
    let images = blocking(&app, Images::list).await?;
    let mut lines: Vec<ImageSummary> =
        wanted.choose(&images)?.into_iter().map(|image| image::summary(image, -1, version)).collect();
    if version < Version::v1(43) {
        lines.iter_mut().for_each(name_dangling);
    }
    Ok(ok(&lines))
}

/// Before 1.43 an image without names had these.
fn name_dangling(line: &mut ImageSummary) {
    if line.repo_tags.is_empty() && line.repo_digests.is_empty() {
        line.repo_tags.push("<none>:<none>".to_owned());
        line.repo_digests.push("<none>@<none>".to_owned());
    }
}

/// `GET /images/{name}/json` and `/history`; a name may have slashes.
async fn of_image(
    State(app): State<App>,
    Speaks(version): Speaks,
    Path(path): Path<String>,
    query: Query,
) -> Answer {
    let (name, what) = path.rsplit_once('/').ok_or_else(Refusal::page_not_found)?;
    let name = name.to_owned();
    match what {
        "json" => {
            let found = blocking(&app, move |images| images.find(&name)).await?;
            Ok(ok(&image::inspect(&found, version)))
        }
        "history" => {
            let found = blocking(&app, move |images| images.find(&name)).await?;
            Ok(ok(&found.history().into_iter().map(image::history).collect::<Vec<ImageHistoryItem>>()))
        }
        "get" => saved(&app, vec![name], &query).await,
        _ => Err(Refusal::page_not_found()),
    }
}

/// `GET /images/get`.
async fn save(State(app): State<App>, query: Query) -> Answer {
    let names: Vec<String> =
        query.all("names").flat_map(|names| names.split(',')).map(str::to_owned).collect();
    saved(&app, names, &query).await
}

/// One archive of all images of these names.
async fn saved(app: &App, names: Vec<String>, query: &Query) -> Answer {
    let wanted = platform::Platform::of(query)?;
    let selection = app.engine.select_images(names).await?;
    if let Some(wanted) = wanted {
        selection.images().try_for_each(|image| wanted.check(image))?;
    }
    Ok(streaming("application/x-tar", archive(app.engine.save_images(selection))))
}

/// `POST /images/{name}/tag` and `/push`.
async fn to_image(
    State(app): State<App>,
    Path(path): Path<String>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let (name, what) = path.rsplit_once('/').ok_or_else(Refusal::page_not_found)?;
    match what {
        "tag" => {
            let (name, target) = (name.to_owned(), with_tag(query.text("repo"), query.text("tag")));
            let (id, reference) = blocking(&app, move |images| images.tag(&name, &target)).await?;
            tell(&app, "tag", &id.to_string(), &reference.familiar());
            Ok(empty(StatusCode::CREATED))
        }
        "push" => travel::push(&app, name, &query, &headers).await,
        _ => Err(Refusal::page_not_found()),
    }
}

/// `repo:tag`, or `repo` where no tag is given.
pub(super) fn with_tag(repository: &str, tag: &str) -> String {
    if tag.is_empty() { repository.to_owned() } else { format!("{repository}:{tag}") }
}

fn tell(app: &App, action: &str, id: &str, name: &str) {
    app.engine.tell("image", action, id, [("name".to_owned(), name.to_owned())].into());
}

async fn remove(State(app): State<App>, Path(name): Path<String>, query: Query) -> Answer {
    let force = if query.switch("force") { Force::Yes } else { Force::No };
    let uses = app.engine.image_uses();
    let term = name.clone();
    let (id, removed) = blocking(&app, move |images| {
        let id = images.find(&term).map(|image| image.id.to_string()).unwrap_or_default();
        images.remove(&term, force, &uses).map(|removed| (id, removed))
    })
    .await?;
    for one in &removed {
        match one {
            Removed::Untagged(_) => tell(&app, "untag", &id, &id),
            Removed::Deleted(digest) if digest.to_string() == id => tell(&app, "delete", &id, &id),
            Removed::Deleted(_) => {}
        }
    }
    Ok(ok(&removed.into_iter().map(image::removed).collect::<Vec<ImageDeleteItem>>()))
}

async fn load(State(app): State<App>, query: Query, request: Request<Body>) -> Answer {
    Ok(upload::load(&app, request.into_body(), !query.switch("quiet")))
}

/// `POST /images/create`: imports what is in the body, or pulls.
async fn create(State(app): State<App>, query: Query, request: Request<Body>) -> Answer {
    let (parts, body) = request.into_parts();
    if !query.text("fromImage").is_empty() {
        drain(body).await;
        return travel::pull(&app, &query, &parts.headers).await;
    }
    match query.text("fromSrc") {
        "-" => match upload::Import::read(&query) {
            Ok(import) => upload::import(&app, body, import).await,
            Err(refusal) => {
                drain(body).await;
                Err(refusal)
            }
        },
        "" => {
            drain(body).await;
            Err(Refusal::invalid("invalid reference format"))
        }
        _ => {
            drain(body).await;
            Err(Refusal::not_implemented("importing from an address"))
        }
    }
}

pub(super) use refused::lookup as lookup_status;

/// The status of every error of the image store. A new one does not compile until it has one.
mod refused {
    use engine::Kind;
    use engine::image::{LoadError, LookupError, ParseReferenceError, RemoveError, StoreError, TagError};
    use hyper::StatusCode;

    use crate::http::answer::Refusal;

    pub(in crate::route) const fn lookup(error: &LookupError) -> StatusCode {
        match error {
            LookupError::NotFound { .. } => StatusCode::NOT_FOUND,
            LookupError::Ambiguous { .. } => StatusCode::CONFLICT,
            LookupError::Name(_) => StatusCode::BAD_REQUEST,
            LookupError::Document { .. } | LookupError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    const fn tag(error: &TagError) -> StatusCode {
        match error {
            TagError::Digest | TagError::Ambiguous | TagError::Name(_) => StatusCode::BAD_REQUEST,
            TagError::Lookup(error) => lookup(error),
            TagError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    const fn remove(error: &RemoveError) -> StatusCode {
        match error {
            RemoveError::Lookup(error) => lookup(error),
            RemoveError::LastName { .. } | RemoveError::Conflict { .. } => StatusCode::CONFLICT,
            RemoveError::Io(_) | RemoveError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    const fn store(_: &StoreError) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }

    const fn reference(_: &ParseReferenceError) -> StatusCode {
        StatusCode::BAD_REQUEST
    }

    /// An archive that is wrong has Docker's status, and is nothing that the engine has to be looked after for.
    impl From<LoadError> for Refusal {
        fn from(error: LoadError) -> Self {
            let kind = match &error {
                LoadError::Io(_) | LoadError::Store(_) => Kind::System,
                LoadError::NotAnImage
                | LoadError::Archive(_)
                | LoadError::TooLarge { .. }
                | LoadError::Missing { .. }
                | LoadError::Document { .. }
                | LoadError::DocumentTooLarge { .. }
                | LoadError::WrongDigest { .. }
                | LoadError::LayerCount { .. }
                | LoadError::WrongSystem { .. }
                | LoadError::NoPlatform { .. }
                | LoadError::Name { .. }
                | LoadError::Layer { .. } => Kind::Refused,
            };
            Self::of(kind, &error)
        }
    }

    macro_rules! refuse {
        ($($error:ident $status:ident)+) => {
            $(impl From<$error> for Refusal {
                fn from(error: $error) -> Self {
                    Self::new($status(&error), engine::chain(&error))
                }
            })+
        };
    }

    refuse! { LookupError lookup TagError tag RemoveError remove StoreError store ParseReferenceError reference }
}
