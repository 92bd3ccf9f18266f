//! What `run` and `create` share: from what was typed to the body of the request.
//!
//! [`CreateFlags`] is what was typed, [`Wanted`] is what it means.

mod flags;
mod limit_flags;
mod request;

pub(crate) use flags::CreateFlags;
pub(crate) use limit_flags::CommonLimits;
pub(crate) use request::{Wanted, wanted};

use crate::client::{Call, Client, ClientError};
use crate::command::load::split;
use crate::command::pull;
use crate::failure::Failure;
use crate::output;
use crate::transfer::View;
use api::container::ContainerCreateResponse;

/// Creates the container and tells what the engine warns of; gives the id.
pub(crate) async fn create(client: &Client, wanted: &Wanted) -> Result<String, Failure> {
    let id_file = wanted.id_file.as_deref();
    if let Some(path) = id_file.filter(|path| std::path::Path::new(path).exists()) {
        return Err(Failure::Typed(format!(
            "container ID file found, make sure the other container isn't running or delete {path}"
        )));
    }
    let image = &wanted.request.config.image;
    let is_pulled = wanted.pull == "always" && !image.is_empty();
    if is_pulled {
        pull(client, wanted).await?;
    }
    let created = match client.json(call(wanted)).await {
        Err(error) if !is_pulled && wanted.pull != "never" && lacks_image(&error) => {
            if !wanted.is_quiet {
                output::warn(&format!("Unable to find image '{}' locally", with_tag(image)));
            }
            pull(client, wanted).await?;
            client.json(call(wanted)).await
        }
        other => other,
    };
    let ContainerCreateResponse { id, warnings } = created?;
    warnings.iter().for_each(|warning| output::warn(&format!("WARNING: {warning}")));
    if let Some(path) = id_file {
        std::fs::write(path, &id)
            .map_err(Failure::file(format!("cannot write the container's id to {path}")))?;
    }
    Ok(id)
}

/// Asks what the start of the container would change in the kernel.
pub(crate) fn plan(wanted: &Wanted) -> Call {
    let call = Call::post(["tombolo", "plan", "container", "create"]);
    call.query("name", &wanted.name).json(&wanted.request)
}

fn call(wanted: &Wanted) -> Call {
    let call = Call::post(["containers", "create"]).query("name", &wanted.name);
    call.query("platform", &wanted.platform).json(&wanted.request)
}

fn lacks_image(error: &ClientError) -> bool {
    error.is_not_found() && error.to_string().contains("No such image")
}

/// Gets the image from its registry. The container's output is not mixed with what is told of it.
async fn pull(client: &Client, wanted: &Wanted) -> Result<(), Failure> {
    let view = if wanted.is_quiet { View::Nothing } else { View::Error };
    pull::pull(client, &with_tag(&wanted.request.config.image), &wanted.platform, view).await
}

/// The name of an image with the tag it has if it has none.
fn with_tag(image: &str) -> String {
    let has_tag = image.contains('@') || !split(image).1.is_empty();
    if has_tag { image.to_owned() } else { format!("{image}:latest") }
}
