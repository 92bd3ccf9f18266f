//! `--plan`: what a command would change in the kernel, instead of doing it.

use api::explain::NetworkPlan;
use clap::Args;

use super::explain::Form;
use crate::client::{Call, Client};
use crate::failure::Failure;

/// What was typed about the plan.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct PlanOnly {
    /// Only print what would change in the kernel's networks, as text or as json
    #[arg(long = "plan", value_name = "FORMAT", value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "text")]
    form: Option<Form>,
}

impl PlanOnly {
    /// Whether nothing is to be done.
    pub(crate) const fn is_wanted(self) -> bool {
        self.form.is_some()
    }

    /// Asks for a plan and prints it.
    pub(crate) async fn print(self, client: &Client, call: Call) -> Result<(), Failure> {
        let plan: NetworkPlan = client.json(call).await?;
        self.form.unwrap_or_default().print(&plan, |plan| {
            if plan.operations.is_empty() {
                return "# nothing changes\n".to_owned();
            }
            plan.operations.iter().map(|operation| format!("{operation}\n")).collect()
        })
    }
}

/// A path below `/tombolo/plan`.
pub(crate) fn call(kind: &str, verb: &str) -> Call {
    Call::post(["tombolo", "plan", kind, verb])
}
