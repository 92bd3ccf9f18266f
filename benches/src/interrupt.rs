//! Ctrl-C and SIGTERM: no further request is made, so that the engines are ended and cleared as always.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use anyhow::Result;
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
};

static CAME: AtomicBool = AtomicBool::new(false);

/// Whether somebody wants an end.
pub(crate) fn came() -> bool {
    CAME.load(Ordering::Relaxed)
}

/// Listens from now on, on a thread that lives as long as the program.
pub(crate) fn listen() -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("interrupt".to_owned()).spawn(move || {
        runtime.block_on(async {
            let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
            let (Ok(mut interrupt), Ok(mut terminate)) = signals else { return };
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            CAME.store(true, Ordering::Relaxed);
            // A request may take a minute; what is received meanwhile is not lost.
            std::future::pending::<()>().await;
        });
    })?;
    Ok(())
}
