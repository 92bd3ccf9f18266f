//! Waiting for a condition.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// Longest wait for anything in a test. Machines are slow when all their tests run at once.
const DEADLINE: Duration = Duration::from_secs(30);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks until `look` finds something.
///
/// # Errors
/// If it has found nothing by the deadline; `what` says what was waited for.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let started = Instant::now();
    while started.elapsed() < DEADLINE {
        if let Some(found) = look() {
            return Ok(found);
        }
        thread::sleep(PAUSE);
    }
    bail!("waited {DEADLINE:?} in vain for {what}")
}
