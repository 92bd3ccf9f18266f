//! `pull` and `push`: images from registries and to them.

use api::registry::AUTH_HEADER;
use clap::Args;

use super::load::split;
use crate::client::{Call, Client};
use crate::credentials::{self, Credentials};
use crate::failure::Failure;
use crate::output;
use crate::transfer::{View, follow};

/// What was typed after `pull`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Pull {
    /// All tags of the repository
    #[arg(short, long)]
    all_tags: bool,
    /// Print only the image's full name
    #[arg(short, long)]
    quiet: bool,
    /// Platform of the image, if there are several: linux/arm64
    #[arg(long, default_value = "", hide_default_value = true)]
    platform: String,
    #[arg(value_name = "NAME[:TAG|@DIGEST]")]
    name: String,
}

/// What was typed after `push`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Push {
    /// All tags of the repository
    #[arg(short, long)]
    all_tags: bool,
    /// Do not show progress
    #[arg(short, long)]
    quiet: bool,
    /// What the image must be for: linux/arm64
    #[arg(long, default_value = "", hide_default_value = true)]
    platform: String,
    #[arg(value_name = "NAME[:TAG]")]
    name: String,
}

impl Pull {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let has_tag = self.name.contains('@') || !split(&self.name).1.is_empty();
        if self.all_tags && has_tag {
            return Err(Failure::Said("tag can't be used with --all-tags/-a".to_owned()));
        }
        let name = if has_tag || self.all_tags {
            self.name.clone()
        } else {
            if !self.quiet {
                output::line("Using default tag: latest")?;
            }
            format!("{}:latest", self.name)
        };
        let view = if self.quiet { View::Nothing } else { View::Output };
        pull(client, &name, &self.platform, view).await?;
        output::line(&full(&name))
    }
}

/// Pulls the image of this name: all of a repository without a tag or a digest.
pub(crate) async fn pull(client: &Client, name: &str, platform: &str, view: View) -> Result<(), Failure> {
    let (repository, tag) = match name.split_once('@') {
        Some((name, digest)) => (split(name).0, digest),
        None => split(name),
    };
    let call = Call::post(["images", "create"])
        .query("fromImage", repository)
        .query("tag", tag)
        .query("platform", platform);
    follow(client, shown(call, repository)?, view).await
}

impl Push {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        if self.name.contains('@') {
            return Err(Failure::Said("cannot push a digest reference".to_owned()));
        }
        let (repository, tag) = split(&self.name);
        let tag = match (self.all_tags, tag) {
            (true, "") => "",
            (true, _) => return Err(Failure::Said("tag can't be used with --all-tags/-a".to_owned())),
            (false, "") => {
                if !self.quiet {
                    output::line("Using default tag: latest")?;
                }
                "latest"
            }
            (false, tag) => tag,
        };
        let call = Call::post(["images"]).at(repository.split('/')).at(["push"]);
        let call = call.query("tag", tag).query("platform", &self.platform);
        let view = if self.quiet { View::Nothing } else { View::Output };
        follow(client, shown(call, repository)?, view).await?;
        if self.quiet { output::line(&full(&self.name)) } else { Ok(()) }
    }
}

/// The request with who asks; Docker wants to see that even if it is nobody.
fn shown(call: Call, name: &str) -> Result<Call, Failure> {
    let known = Credentials::read()?.get(credentials::registry_of(name))?.unwrap_or_default();
    Ok(call.header(AUTH_HEADER, credentials::header(&known)))
}

/// The name with its registry.
fn full(name: &str) -> String {
    let registry = credentials::registry_of(name);
    let rest = name.strip_prefix(registry).and_then(|rest| rest.strip_prefix('/')).unwrap_or(name);
    let official = if registry == "docker.io" && !rest.contains('/') { "library/" } else { "" };
    format!("{registry}/{official}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed() {
        for (name, expected) in [
            ("busybox:1", "docker.io/library/busybox:1"),
            ("docker.io/busybox", "docker.io/library/busybox"),
            ("user/app@sha256:0", "docker.io/user/app@sha256:0"),
            ("localhost:5000/app:1", "localhost:5000/app:1"),
        ] {
            assert_eq!(full(name), expected);
        }
    }
}
