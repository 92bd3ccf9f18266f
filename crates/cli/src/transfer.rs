//! Shows how images travel: a bar for each layer on a terminal, a line for each event elsewhere.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};

use api::progress::{Progress, ProgressDetail};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::client::{Call, Client, ClientError};
use crate::failure::Failure;
use crate::output;

/// What somebody sees of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// All on standard output.
    Output,
    /// All on standard error: standard output is a container's.
    Error,
    Nothing,
}

/// Asks for a transfer and shows it until its end.
pub(crate) async fn follow(client: &Client, call: Call, view: View) -> Result<(), Failure> {
    let mut lines = client.send(call).await?.lines::<Progress>();
    let mut screen = Screen::new(view);
    while let Some(progress) = lines.next().await? {
        if !progress.error.is_empty() {
            return Err(ClientError::Late { message: progress.error }.into());
        }
        screen.show(progress)?;
    }
    Ok(())
}

/// Where it is shown.
pub(crate) struct Screen {
    view: View,
    all: MultiProgress,
    bars: BTreeMap<String, ProgressBar>,
    is_terminal: bool,
}

impl Screen {
    pub(crate) fn new(view: View) -> Self {
        let (is_terminal, target) = match view {
            View::Output => (io::stdout().is_terminal(), ProgressDrawTarget::stdout()),
            View::Error => (io::stderr().is_terminal(), ProgressDrawTarget::stderr()),
            View::Nothing => (false, ProgressDrawTarget::hidden()),
        };
        Self { view, all: MultiProgress::with_draw_target(target), bars: BTreeMap::new(), is_terminal }
    }

    pub(crate) fn show(&mut self, progress: Progress) -> Result<(), Failure> {
        let Progress { id, status, stream, progress_detail, .. } = progress;
        let is_layer = !id.is_empty() && progress_detail.is_some();
        if is_layer && self.is_terminal {
            self.draw(&id, status, progress_detail.unwrap_or_default());
            return Ok(());
        }
        let is_far = progress_detail.is_some_and(|detail| detail.current > 0 || detail.total > 0);
        let text = if id.is_empty() { status + &stream } else { format!("{id}: {status}") };
        if is_far || text.trim().is_empty() { Ok(()) } else { self.line(text.trim_end()) }
    }

    fn line(&self, text: &str) -> Result<(), Failure> {
        self.all.suspend(|| match self.view {
            View::Output => output::line(text),
            View::Error => {
                output::warn(text);
                Ok(())
            }
            View::Nothing => Ok(()),
        })
    }

    /// Bars stay where they began.
    fn draw(&mut self, id: &str, status: String, detail: ProgressDetail) {
        let bar = self.bars.entry(id.to_owned()).or_insert_with(|| {
            let bar = self.all.add(ProgressBar::new(0));
            bar.set_prefix(id.to_owned());
            bar
        });
        let is_far = detail.total > 0;
        bar.set_style(style(is_far));
        if is_far {
            bar.set_length(detail.total.unsigned_abs());
            bar.set_position(detail.current.unsigned_abs());
        }
        let is_over =
            matches!(status.as_str(), "Pull complete" | "Already exists" | "Pushed" | "Layer already exists")
                || status.starts_with("Mounted");
        bar.set_message(status);
        if is_over {
            bar.abandon();
        }
    }
}

fn style(is_far: bool) -> ProgressStyle {
    let template =
        if is_far { "{prefix}: {msg:<12} [{bar:40}] {bytes}/{total_bytes}" } else { "{prefix}: {msg}" };
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}
