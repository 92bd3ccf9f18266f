//! The model on disk: one durable transaction per change.

use std::path::Path;

use cnm::{
    Delta, Model,
    record::{EndpointRecord, LoadError, NetworkRecord, SandboxRecord},
};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

type Table = TableDefinition<'static, &'static [u8; 32], &'static [u8]>;

const NETWORKS: Table = TableDefinition::new("networks");
const ENDPOINTS: Table = TableDefinition::new("endpoints");
const SANDBOXES: Table = TableDefinition::new("sandboxes");
const SETTINGS: TableDefinition<'static, &str, &str> = TableDefinition::new("settings");
/// The name of the setting that says whose links ours are.
const ENGINE: &str = "engine";

/// Why the model could not be read or written.
#[derive(Debug, Error)]
pub enum StoreError {
    #[error("cannot {action} the network store")]
    Database {
        action: &'static str,
        #[source]
        source: Box<redb::Error>,
    },
    #[error("the network store holds a {kind} that cannot be read")]
    Record {
        kind: &'static str,
        #[source]
        source: serde_json::Error,
    },
    #[error("the network store contradicts itself")]
    Inconsistent(#[from] LoadError),
}

/// Networks, endpoints and sandboxes as records.
#[derive(Debug)]
pub(crate) struct Store {
    database: Database,
}

impl Store {
    /// Opens the file, which only one process may do at a time; an absent file is an empty store.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let database = Database::create(path).map_err(failed("open"))?;
        let store = Self { database };
        store.write(|transaction| {
            for table in [NETWORKS, ENDPOINTS, SANDBOXES] {
                transaction.open_table(table)?;
            }
            transaction.open_table(SETTINGS)?;
            Ok(())
        })?;
        Ok(store)
    }

    /// The name of the engine that this store belongs to: `fresh` if it had none.
    pub(crate) fn engine_id(&self, fresh: &str) -> Result<String, StoreError> {
        self.write(|transaction| {
            let mut settings = transaction.open_table(SETTINGS)?;
            if let Some(id) = settings.get(ENGINE)? {
                return Ok(id.value().to_owned());
            }
            settings.insert(ENGINE, fresh)?;
            Ok(fresh.to_owned())
        })
    }

    /// All that was committed.
    pub(crate) fn load(&self) -> Result<Model, StoreError> {
        let networks: Vec<NetworkRecord> = self.records(NETWORKS, "network")?;
        let sandboxes: Vec<SandboxRecord> = self.records(SANDBOXES, "sandbox")?;
        let endpoints: Vec<EndpointRecord> = self.records(ENDPOINTS, "endpoint")?;
        Ok(Model::load(networks, sandboxes, endpoints)?)
    }

    /// Makes a change durable: when this returns, it survives a power cut.
    pub(crate) fn commit(&self, delta: &Delta) -> Result<(), StoreError> {
        self.write(|transaction| {
            for (id, network) in &delta.networks {
                put(transaction, NETWORKS, id.bytes(), network.as_deref().map(NetworkRecord::from))?;
            }
            for (id, sandbox) in &delta.sandboxes {
                put(transaction, SANDBOXES, id.bytes(), sandbox.as_deref().map(SandboxRecord::from))?;
            }
            for (id, endpoint) in &delta.endpoints {
                put(transaction, ENDPOINTS, id.bytes(), endpoint.as_deref().map(EndpointRecord::from))?;
            }
            Ok(())
        })
    }

    fn records<R: DeserializeOwned>(&self, table: Table, kind: &'static str) -> Result<Vec<R>, StoreError> {
        let read = || -> Result<Vec<Vec<u8>>, redb::Error> {
            let table = self.database.begin_read()?.open_table(table)?;
            table.iter()?.map(|entry| Ok(entry?.1.value().to_vec())).collect()
        };
        let unreadable = |source| StoreError::Record { kind, source };
        let records = read().map_err(failed("read"))?;
        records.iter().map(|record| serde_json::from_slice(record).map_err(unreadable)).collect()
    }

    fn write<T>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        let transaction = self.database.begin_write().map_err(failed("write"))?;
        let result = work(&transaction).map_err(failed("write"))?;
        transaction.commit().map_err(failed("commit to"))?;
        Ok(result)
    }
}

fn put(
    transaction: &WriteTransaction,
    table: Table,
    id: &[u8; 32],
    record: Option<impl Serialize>,
) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(table)?;
    match record {
        Some(record) => {
            let record = serde_json::to_vec(&record).expect("records are plain data");
            table.insert(id, record.as_slice())?;
        }
        None => drop(table.remove(id)?),
    }
    Ok(())
}

fn failed<E: Into<redb::Error>>(action: &'static str) -> impl FnOnce(E) -> StoreError {
    move |error| StoreError::Database { action, source: Box::new(error.into()) }
}

#[cfg(test)]
mod tests {
    use cnm::{
        controller::{Context, Defaults, Host, Request, decide_all},
        spec::NetworkSpec,
    };

    use super::*;

    fn networks(model: &Model) -> Delta {
        let requests = [NetworkSpec::predefined_host(), NetworkSpec::predefined_none()];
        let requests = requests.map(Request::CreateNetwork);
        let (host, defaults) = (Host::default(), Defaults::new([0; 5]));
        let mut entropy = crate::entropy::fill;
        let mut context = Context { entropy: &mut entropy, now: 1, host: &host, defaults: &defaults };
        decide_all(model, &requests, &mut context).expect("two networks").0
    }

    #[test]
    fn what_was_committed_is_there_when_the_store_is_opened_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("network.redb");
        let delta = networks(&Model::default());
        let expected = Model::default().apply(&delta);
        let store = Store::open(&path).expect("a new store");
        let engine = store.engine_id("one").expect("a first name");
        store.commit(&delta).expect("a commit");
        drop(store);

        let store = Store::open(&path).expect("the same store");
        assert_eq!(store.engine_id("two").expect("a name"), engine);
        assert_eq!(store.load().expect("a model"), expected);
        store.commit(&delta.inverse(&Model::default())).expect("another commit");
        assert!(store.load().expect("a model").is_empty());
    }

    #[test]
    fn a_second_opener_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("network.redb");
        let _first = Store::open(&path).expect("a new store");
        let second = Store::open(&path).expect_err("one store, one engine");
        assert_eq!(
            crate::chain(&second),
            "cannot open the network store: Database already open. Cannot acquire lock."
        );
    }
}
