//! `update`: change limits, the restart policy and published ports.

use api::container::{ContainerUpdateRequest, ContainerUpdateResponse};
use clap::Args;

use super::plan::{self, PlanOnly};
use crate::client::{Call, Client};
use crate::create::CommonLimits;
use crate::failure::Failure;
use crate::output;
use crate::syntax::{port, restart};

/// What was typed after `update`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Update {
    #[command(flatten)]
    limits: CommonLimits,
    /// Restart policy
    #[arg(long, value_name = "POLICY", default_value = "", hide_default_value = true)]
    restart: String,
    /// Publish a further port, written as with run -p
    #[arg(long, value_name = "PORT")]
    publish_add: Vec<String>,
    /// Publish a port no longer: [IP:]HOST[:CONTAINER][/PROTOCOL], with ranges
    #[arg(long, value_name = "PORT")]
    publish_rm: Vec<String>,
    /// Who alone reaches published ports from now on: [PORT[/PROTOCOL]=]SUBNET|LINK; '' for everybody
    #[arg(long, value_name = "SOURCE")]
    publish_allow: Vec<String>,
    #[command(flatten)]
    plan: PlanOnly,
    /// Names or ids of containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Update {
    /// The lines of the list; an empty one is no line.
    fn publish_allow(&self) -> Option<Vec<String>> {
        let lines = self.publish_allow.iter().filter(|line| !line.is_empty()).cloned();
        (!self.publish_allow.is_empty()).then(|| lines.collect())
    }

    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let publish_allow = self.publish_allow();
        let request = ContainerUpdateRequest {
            resources: self.limits.resources()?,
            restart_policy: restart::parse(&self.restart)?,
            publish_add: Some(port::publish(&self.publish_add)?.bindings).filter(|ports| !ports.is_empty()),
            publish_remove: Some(self.publish_rm).filter(|ports| !ports.is_empty()),
            publish_allow,
        };
        if request == ContainerUpdateRequest::default() {
            let text = "you must provide one or more flags when using this command, such as --memory 512m";
            return Err(Failure::Said(text.to_owned()));
        }
        if self.plan.is_wanted() {
            for name in &self.containers {
                let call = plan::call("container", "update").query("container", name).json(&request);
                self.plan.print(client, call).await?;
            }
            return Ok(());
        }
        output::each(&self.containers, async |name| {
            let call = Call::post(["containers", name, "update"]).json(&request);
            let ContainerUpdateResponse { warnings } = client.json(call).await?;
            warnings.iter().flatten().for_each(|warning| output::warn(warning));
            Ok(name.to_owned())
        })
        .await
    }
}
