//! The records of containers and volumes on disk.
//!
//! One thread writes. It takes all that is waiting and commits it at once, so
//! that a hundred containers which start together wait for one or two commits,
//! not for a hundred.

use std::{
    path::Path,
    sync::mpsc::{Receiver, Sender, channel},
};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use tokio::sync::oneshot;

use crate::{
    ContainerId,
    error::StoreError,
    record::{Record, Stored},
    volume::VolumeRecord,
};

const CONTAINERS: Table = TableDefinition::new("containers");
const VOLUMES: Table = TableDefinition::new("volumes");

/// Where records are kept. Its thread ends with it.
#[derive(Debug)]
pub(crate) struct Store {
    writes: Sender<Write>,
}

/// All that is kept.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) containers: Vec<Record>,
    pub(crate) volumes: Vec<VolumeRecord>,
}

type Table = TableDefinition<'static, &'static str, &'static [u8]>;

/// A change of one record, and who waits for it.
struct Write {
    table: Table,
    key: String,
    /// Absent to forget it.
    value: Option<Vec<u8>>,
    reply: oneshot::Sender<Result<(), StoreError>>,
}

impl Store {
    /// Opens or makes the store, and reads all of it.
    pub(crate) fn open(path: &Path) -> Result<(Self, Kept), StoreError> {
        let failed = |source: redb::Error| StoreError::Open {
            path: path.display().to_string(),
            source: Box::new(source),
        };
        let database = Database::create(path).map_err(|error| failed(error.into()))?;
        make_tables(&database).map_err(failed)?;
        let kept = read(&database)?;
        let (writes, queue) = channel();
        std::thread::Builder::new()
            .name("engine-store".to_owned())
            .spawn(move || serve(&database, &queue))
            .map_err(|error| failed(redb::Error::Io(error)))?;
        Ok((Self { writes }, kept))
    }

    /// Keeps a container's record. It is on disk when this returns.
    pub(crate) async fn put(&self, record: &Record) -> Result<(), StoreError> {
        self.write(CONTAINERS, record.id.to_string(), Some(Stored::bytes(record))).await
    }

    /// Forgets a container.
    pub(crate) async fn delete(&self, id: &ContainerId) -> Result<(), StoreError> {
        self.write(CONTAINERS, id.to_string(), None).await
    }

    /// Keeps a volume's record.
    pub(crate) async fn put_volume(&self, volume: &VolumeRecord) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec(volume).expect("a record is JSON");
        self.write(VOLUMES, volume.id.clone(), Some(bytes)).await
    }

    /// Forgets a volume.
    pub(crate) async fn delete_volume(&self, id: &str) -> Result<(), StoreError> {
        self.write(VOLUMES, id.to_owned(), None).await
    }

    async fn write(&self, table: Table, key: String, value: Option<Vec<u8>>) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.writes.send(Write { table, key, value, reply }).map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

fn make_tables(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(CONTAINERS)?;
    transaction.open_table(VOLUMES)?;
    Ok(transaction.commit()?)
}

fn read(database: &Database) -> Result<Kept, StoreError> {
    let wrong = |error: redb::Error| StoreError::Read(Box::new(error));
    let rows = |table| rows(database, table).map_err(wrong);
    let containers = rows(CONTAINERS)?;
    let volumes = rows(VOLUMES)?;
    let volume = |(id, bytes): &(String, Vec<u8>)| {
        VolumeRecord::read(bytes).map_err(|source| StoreError::Damaged { id: id.clone(), source })
    };
    Ok(Kept {
        containers: containers.iter().map(|(id, bytes)| Stored::read(id, bytes)).collect::<Result<_, _>>()?,
        volumes: volumes.iter().map(volume).collect::<Result<_, _>>()?,
    })
}

fn rows(database: &Database, table: Table) -> Result<Vec<(String, Vec<u8>)>, redb::Error> {
    let transaction = database.begin_read()?;
    let table = transaction.open_table(table)?;
    let mut rows = Vec::new();
    for row in table.iter()? {
        let (key, value) = row?;
        rows.push((key.value().to_owned(), value.value().to_vec()));
    }
    Ok(rows)
}

/// Commits what waits, all of it at once, until nobody can ask any more.
fn serve(database: &Database, queue: &Receiver<Write>) {
    while let Ok(first) = queue.recv() {
        let batch: Vec<Write> = std::iter::once(first).chain(queue.try_iter()).collect();
        let outcome = commit(database, &batch);
        for write in batch {
            let answer = match &outcome {
                Ok(()) => Ok(()),
                Err(error) => Err(StoreError::Write(Box::new(redb::Error::Io(std::io::Error::other(
                    error.to_string(),
                ))))),
            };
            // Who asked may have given up; the record is kept all the same.
            let _given_up = write.reply.send(answer);
        }
    }
}

fn commit(database: &Database, batch: &[Write]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    for write in batch {
        let mut table = transaction.open_table(write.table)?;
        match &write.value {
            Some(bytes) => table.insert(write.key.as_str(), bytes.as_slice())?,
            None => table.remove(write.key.as_str())?,
        };
    }
    Ok(transaction.commit()?)
}

#[cfg(test)]
mod tests;
