//! What a program said.

use std::process;

use anyhow::{Result, bail};

/// What a program wrote, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The exit code; 128 and the number for a signal, as shells have it.
    pub code: i32,
    /// Without the newline at its end.
    pub stdout: String,
    /// Without the newline at its end.
    pub stderr: String,
    /// What was called, for messages.
    pub command: String,
}

impl Output {
    pub(crate) fn new(command: String, output: &process::Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let signal = output.status.signal().map(|signal| 128 + signal);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches('\n').to_owned();
        Self {
            code: output.status.code().or(signal).unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            command,
        }
    }

    /// What it wrote to standard output.
    ///
    /// # Errors
    /// If it did not succeed, with all it said.
    pub fn ok(self) -> Result<String> {
        if self.code == 0 {
            return Ok(self.stdout);
        }
        bail!("{}: exit code {}\n{}\n{}", self.command, self.code, self.stdout, self.stderr)
    }
}
