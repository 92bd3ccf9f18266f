//! What `run` and `create` share: from what was typed to the body of the request.
//!
//! [`CreateFlags`] is what was typed, [`Wanted`] is what it means.

mod flags;
mod limit_flags;
mod request;

pub(crate) use flags::CreateFlags;
pub(crate) use limit_flags::CommonLimits;
pub(crate) use request::{Wanted, wanted};

use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::output;
use api::container::ContainerCreateResponse;

/// Creates the container and tells what the engine warns of; gives the id.
pub(crate) async fn create(client: &Client, wanted: &Wanted) -> Result<String, Failure> {
    let call = Call::post(["containers", "create"])
        .query("name", &wanted.name)
        .query("platform", &wanted.platform)
        .json(&wanted.request);
    let id_file = wanted.id_file.as_deref();
    if let Some(path) = id_file.filter(|path| std::path::Path::new(path).exists()) {
        return Err(Failure::Typed(format!(
            "container ID file found, make sure the other container isn't running or delete {path}"
        )));
    }
    let ContainerCreateResponse { id, warnings } = client.json(call).await.map_err(without_image(wanted))?;
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

/// Says what to do about an image that is not there.
fn without_image(wanted: &Wanted) -> impl FnOnce(crate::client::ClientError) -> Failure {
    let image = wanted.request.config.image.clone();
    move |error| {
        if error.is_not_found() && error.to_string().contains("No such image") {
            return Failure::Said(format!(
                "{error}\nLoad it from an archive (tombolo load -i FILE), import a root file system (tombolo \
                 import FILE {image}), or run on a directory (tombolo run --rootfs DIR)"
            ));
        }
        error.into()
    }
}
