//! Steps that are told while they are done.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use testkit::Machine;

/// A machine and what has happened on it.
pub(super) struct Story {
    machine: Machine,
    steps: usize,
    began: Instant,
}

impl Story {
    pub(super) fn new(machine: Machine) -> Self {
        Self { machine, steps: 0, began: Instant::now() }
    }

    /// A sentence between the steps.
    pub(super) fn say(&self, text: &str) {
        print(&format!("{text}\n\n"));
    }

    /// Does one step and says what it was, how long it took, and what came of it.
    ///
    /// # Errors
    /// Those of the step, with its title.
    pub(super) fn step(&mut self, title: &str, work: impl FnOnce(&Machine) -> Result<String>) -> Result<()> {
        self.steps += 1;
        let number = self.steps;
        let began = Instant::now();
        let outcome = work(&self.machine);
        let mark = if outcome.is_ok() { paint("32", "ok") } else { paint("31", "failed") };
        print(&format!("{number:2}. {title:<64} {:>9}  {mark}\n", milliseconds(began.elapsed())));
        let told = outcome.with_context(|| format!("step {number}, {title}"))?;
        let lines: String = told.lines().map(|line| format!("      {line}\n")).collect();
        print(&paint("2", &lines));
        Ok(())
    }

    pub(super) fn finish(&self) {
        let took = milliseconds(self.began.elapsed());
        print(&format!("\n{} steps in {took}, on one engine that was killed on the way.\n", self.steps));
    }
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}

/// Colours text on a terminal (ECMA-48, select graphic rendition).
fn paint(code: &str, text: &str) -> String {
    if io::stdout().is_terminal() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// A reader that goes away (`| head`) is not a failure of the demonstration.
fn print(text: &str) {
    let mut out = io::stdout().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}
