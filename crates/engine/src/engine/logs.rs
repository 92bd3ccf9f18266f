//! Giving a container's log to whoever asks, and following it.

use std::{io, sync::Arc};

use tokio::sync::mpsc;

use super::{Engine, blocking};
use crate::{
    LogEntry, LogOptions,
    container::Container,
    error::LogsError,
    logs::Reader,
    process::{Client, ProcessId, Streams},
};

/// So many entries wait for a slow reader.
const ENTRIES: usize = 256;

type Entries = mpsc::Sender<io::Result<LogEntry>>;

impl Engine {
    /// Bytes of all that is kept of a container's output.
    ///
    /// # Errors
    /// If there is no such container.
    pub fn log_size(&self, term: &str) -> Result<u64, LogsError> {
        let record = self.registry.find(term)?.record();
        Ok(self.log_path(&record).map_or(0, |path| crate::logs::size(&path)))
    }

    /// Entries in the order in which they were written; the channel closes at the end.
    ///
    /// # Errors
    /// If nothing was asked for, or nothing is kept.
    pub async fn logs(
        self: &Arc<Self>,
        term: &str,
        options: LogOptions,
    ) -> Result<mpsc::Receiver<io::Result<LogEntry>>, LogsError> {
        let container = self.registry.find(term)?;
        if !options.stdout && !options.stderr {
            return Err(LogsError::NoStream);
        }
        let path = self.log_path(&container.record()).ok_or(LogsError::NotKept)?;
        let (entries, received) = mpsc::channel(ENTRIES);
        // Joined before reading, so that nothing is written unnoticed.
        let news = if options.follow { follow(&container).await } else { None };
        let engine = Arc::clone(self);
        self.tasks.spawn(async move {
            let reader = Reader::new(path, options);
            let told = entries.clone();
            let Some(reader) = read(reader, told, Step::First).await else { return };
            if let Some(news) = news {
                tokio::select! {
                    () = pass_on(reader, news, &entries) => {}
                    () = entries.closed() => {}
                    () = engine.closing.cancelled() => {}
                }
            }
        });
        Ok(received)
    }
}

/// What the shim tells of new output: the log is read for its content.
async fn follow(container: &Container) -> Option<runtime::client::Attached> {
    let client: Client = container.client()?;
    client.attach(ProcessId::Init, Streams::OUTPUT).await.ok()
}

/// Reads on whenever there is news, and once more when the process has ended.
async fn pass_on(mut reader: Reader, mut news: runtime::client::Attached, entries: &Entries) {
    loop {
        let more = matches!(news.output.next().await, Ok(Some(_)));
        match read(reader, entries.clone(), Step::More).await {
            Some(read) if more => reader = read,
            Some(_) | None => return,
        }
    }
}

#[derive(Clone, Copy)]
enum Step {
    First,
    More,
}

/// Reads what is there; `None` when no more is wanted or can be read.
async fn read(mut reader: Reader, entries: Entries, step: Step) -> Option<Reader> {
    blocking(move || {
        let mut sink = |entry| entries.blocking_send(Ok(entry)).is_ok();
        let outcome = match step {
            Step::First => reader.read_first(&mut sink),
            Step::More => reader.read_more(&mut sink),
        };
        match outcome {
            Ok(goes_on) => goes_on.then_some(reader),
            Err(error) => {
                let _nobody_listens = entries.blocking_send(Err(error));
                None
            }
        }
    })
    .await
}
