//! `create`: a container that is started later.

use clap::Args;

use super::plan::PlanOnly;
use crate::client::Client;
use crate::create::{self, CreateFlags};
use crate::failure::Failure;
use crate::output;

/// What was typed after `create`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Create {
    #[command(flatten)]
    plan: PlanOnly,
    #[command(flatten)]
    flags: CreateFlags,
}

impl Create {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let plan = self.plan;
        let wanted = create::wanted(self.flags, false)?;
        if plan.is_wanted() {
            return plan.print(client, create::plan(&wanted)).await;
        }
        output::line(&create::create(client, &wanted).await?)
    }
}
