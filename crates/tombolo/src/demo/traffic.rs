//! Somebody who never stops fetching.

use std::{fs, path::PathBuf, process::Child};

use anyhow::{Context, Result};
use testkit::{Machine, until};

/// A loop at the neighbour's that fetches a page and notes how it went.
pub(super) struct Traffic<'a> {
    machine: &'a Machine,
    child: Child,
    notes: PathBuf,
}

impl<'a> Traffic<'a> {
    /// Starts fetching; each fetch is a connection of its own.
    pub(super) fn start(machine: &'a Machine, url: &str) -> Result<Self> {
        let notes = machine.root().join("traffic");
        let script = format!(
            "while true; do curl -sS --max-time 2 -o /dev/null {url} && echo good || echo bad; done > {}",
            notes.display()
        );
        let child = machine.start_outside(&script).context("cannot start the traffic")?;
        Ok(Self { machine, child, notes })
    }

    /// Waits for so many further fetches.
    pub(super) fn wait_for(&self, fetches: usize) -> Result<()> {
        let (good, bad) = self.count();
        until("traffic", || {
            let (now_good, now_bad) = self.count();
            (now_good + now_bad >= good + bad + fetches).then_some(())
        })
    }

    /// Ends the loop; says how many fetches went well and how many did not.
    pub(super) fn stop(mut self) -> Result<(usize, usize)> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(self.count())
    }

    fn count(&self) -> (usize, usize) {
        let notes = self.notes.clone();
        let notes = self.machine.within(move || fs::read_to_string(notes).unwrap_or_default());
        let count = |what: &str| notes.lines().filter(|line| *line == what).count();
        (count("good"), count("bad"))
    }
}
