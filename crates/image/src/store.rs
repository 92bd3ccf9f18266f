//! The records of images, names, layers and snapshots: one commit per request.
//!
//! Every record carries the version of its form; the forms are in [`record`].

use std::path::Path;

use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

pub(crate) mod record;

use crate::LayerId;

/// How many repositories are known to have a layer.
const PLACES_LIMIT: usize = 16;

/// Every table has ids or names as keys and records in JSON as values.
type Table = TableDefinition<'static, &'static str, &'static [u8]>;

/// Why a record could not be read or written.
#[derive(Debug, Error)]
pub enum StoreError {
    #[error("the image store failed")]
    Database(#[source] Box<redb::Error>),
    #[error("the record {key} in {table} cannot be understood")]
    Record { table: &'static str, key: String, source: serde_json::Error },
    #[error("the record {key} in {table} is of version {version}, which this engine does not know")]
    Version { table: &'static str, key: String, version: u32 },
}

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(error: E) -> Self {
        Self::Database(Box::new(error.into()))
    }
}

/// What is stored in a table: its form knows its version.
pub(crate) trait Record: Serialize + DeserializeOwned {
    /// The table of such records.
    const TABLE: &'static str;
    /// The newest version, which is written.
    const VERSION: u32;

    fn version(&self) -> u32;
}

/// The embedded database.
#[derive(Debug)]
pub(crate) struct Store {
    database: Database,
}

impl Store {
    /// Opens or makes the database; only one process can have it open.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let database = Database::create(path)?;
        let transaction = database.begin_write()?;
        for table in [
            record::Image::TABLE,
            record::Name::TABLE,
            record::Layer::TABLE,
            record::Snapshot::TABLE,
            record::Step::TABLE,
            record::Known::TABLE,
        ] {
            transaction.open_table(Table::new(table))?;
        }
        transaction.commit()?;
        Ok(Self { database })
    }

    /// One consistent view.
    pub(crate) fn view(&self) -> Result<View, StoreError> {
        Ok(View(self.database.begin_read()?))
    }

    /// Changes all that `f` changes, or, if it fails, nothing.
    pub(crate) fn change<T, E: From<StoreError>>(
        &self,
        f: impl FnOnce(&Change) -> Result<T, E>,
    ) -> Result<T, E> {
        let change = Change(self.database.begin_write().map_err(StoreError::from)?);
        let value = f(&change)?;
        change.0.commit().map_err(StoreError::from)?;
        Ok(value)
    }
}

/// Reads the records of one moment.
pub(crate) trait Reads {
    /// Calls `f` with the table of this name.
    fn with<T>(
        &self,
        table: &'static str,
        f: impl FnOnce(&dyn Rows) -> Result<T, StoreError>,
    ) -> Result<T, StoreError>;

    fn get<R: Record>(&self, key: &str) -> Result<Option<R>, StoreError> {
        self.with(R::TABLE, |rows| rows.row(key)?.map(|bytes| decode(key, &bytes)).transpose())
    }

    fn all<R: Record>(&self) -> Result<Vec<(String, R)>, StoreError> {
        let rows = self.with(R::TABLE, |rows| rows.rows())?;
        let decoded = |(key, bytes): (String, Vec<u8>)| {
            let record = decode(&key, &bytes)?;
            Ok((key, record))
        };
        rows.into_iter().map(decoded).collect()
    }
}

/// A table without its lifetimes.
pub(crate) trait Rows {
    fn row(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;
    fn rows(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError>;
}

impl<T: ReadableTable<&'static str, &'static [u8]>> Rows for T {
    fn row(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.get(key)?.map(|value| value.value().to_vec()))
    }

    fn rows(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let mut rows = Vec::new();
        for row in self.iter()? {
            let (key, value) = row?;
            rows.push((key.value().to_owned(), value.value().to_vec()));
        }
        Ok(rows)
    }
}

/// What the records were when it was made.
pub(crate) struct View(ReadTransaction);

impl Reads for View {
    fn with<T>(
        &self,
        table: &'static str,
        f: impl FnOnce(&dyn Rows) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        f(&self.0.open_table(Table::new(table))?)
    }
}

/// Changes that nobody sees yet.
pub(crate) struct Change(WriteTransaction);

impl Change {
    pub(crate) fn put<R: Record>(&self, key: &str, record: &R) -> Result<(), StoreError> {
        debug_assert_eq!(record.version(), R::VERSION, "old forms are not written");
        let failed = |source| StoreError::Record { table: R::TABLE, key: key.to_owned(), source };
        let bytes = serde_json::to_vec(record).map_err(failed)?;
        self.0.open_table(Table::new(R::TABLE))?.insert(key, bytes.as_slice())?;
        Ok(())
    }

    /// Notes that a repository has a layer; the oldest of many are forgotten.
    pub(crate) fn remember(&self, layer: LayerId, place: record::Place) -> Result<(), StoreError> {
        let key = layer.to_string();
        let known: Option<record::Known> = self.get(&key)?;
        let mut places = known.map(|known| known.places).unwrap_or_default();
        places.retain(|known| (known.blob, &known.repository) != (place.blob, &place.repository));
        places.insert(0, place);
        places.truncate(PLACES_LIMIT);
        self.put(&key, &record::Known::new(places))
    }

    pub(crate) fn remove<R: Record>(&self, key: &str) -> Result<(), StoreError> {
        self.0.open_table(Table::new(R::TABLE))?.remove(key)?;
        Ok(())
    }
}

impl Reads for Change {
    fn with<T>(
        &self,
        table: &'static str,
        f: impl FnOnce(&dyn Rows) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        f(&self.0.open_table(Table::new(table))?)
    }
}

fn decode<R: Record>(key: &str, bytes: &[u8]) -> Result<R, StoreError> {
    let failed = |source| StoreError::Record { table: R::TABLE, key: key.to_owned(), source };
    let record::Version { version } = serde_json::from_slice(bytes).map_err(failed)?;
    if version > R::VERSION {
        return Err(StoreError::Version { table: R::TABLE, key: key.to_owned(), version });
    }
    serde_json::from_slice(bytes).map_err(failed)
}

#[cfg(test)]
mod tests;
