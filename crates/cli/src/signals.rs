//! Signals: passed on to a process, or the end of us.

use std::io;

use futures_util::stream::{Stream, StreamExt, poll_fn, select_all};
use tokio::signal::unix::{SignalKind, signal};

use crate::client::{Call, Client};
use crate::failure::Failure;
use crate::output;

/// What a person or a supervisor sends to a program that it started.
const PASSED_ON: [(i32, &str); 8] = [
    (1, "HUP"),
    (2, "INT"),
    (3, "QUIT"),
    (10, "USR1"),
    (12, "USR2"),
    (14, "ALRM"),
    (15, "TERM"),
    (18, "CONT"),
];
/// How often somebody asks for the end until it comes, as with Docker.
const PATIENCE: u8 = 3;
/// What ends a program that says nothing else.
const ENDING: [(i32, &str); 4] = [(1, "HUP"), (2, "INT"), (3, "QUIT"), (15, "TERM")];

fn caught(signals: &[(i32, &'static str)]) -> io::Result<impl Stream<Item = (i32, &'static str)> + use<>> {
    let one = |&(number, name): &(i32, &'static str)| {
        let mut caught = signal(SignalKind::from_raw(number))?;
        Ok(poll_fn(move |context| caught.poll_recv(context).map(|some| some.map(|()| (number, name)))))
    };
    Ok(select_all(signals.iter().map(one).collect::<io::Result<Vec<_>>>()?))
}

/// Passes all signals on to the first process of a container, which may ignore them: who asks for the third time gets
/// the end of this program.
pub(crate) async fn pass_on(client: &Client, container: &str) -> Failure {
    let Ok(mut signals) = caught(&PASSED_ON) else { return std::future::pending().await };
    let mut patience = PATIENCE;
    while let Some((_, name)) = signals.next().await {
        // It may have ended already; its end is seen elsewhere.
        drop(client.done(Call::post(["containers", container, "kill"]).query("signal", name)).await);
        patience -= u8::from(matches!(name, "INT" | "TERM"));
        if patience == 0 {
            break;
        }
    }
    output::warn(&format!("got {PATIENCE} SIGTERM/SIGINTs, forcefully exiting"));
    Failure::Exit(1)
}

/// Waits for a signal that ends this program; gives the exit code that shells give it.
pub(crate) async fn ending() -> u8 {
    let Ok(mut signals) = caught(&ENDING) else { return std::future::pending().await };
    let number = signals.next().await.map_or(15, |(number, _)| number);
    u8::try_from(128 + number).unwrap_or(u8::MAX)
}

/// Calls for each new size of the terminal, without end.
pub(crate) async fn on_resize(mut act: impl AsyncFnMut()) {
    let Ok(mut resized) = signal(SignalKind::window_change()) else { return std::future::pending().await };
    while resized.recv().await.is_some() {
        act().await;
    }
}
